"""`python -m tradepit.flow`: `tradepit flow` without the rest of the command line, which loads a
node; see `tradepit.makers.live`."""

from __future__ import annotations

from tradepit.flow.cli import app

if __name__ == "__main__":
    app()
