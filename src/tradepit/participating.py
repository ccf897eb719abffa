"""A participant as a process: `python -m tradepit.participating maker …`. Part of the composition
root.

The same commands as `tradepit maker` and `tradepit flow …`, but nothing is loaded that a
participant does not need: a third of the time to start, half of the memory. A demonstration starts
nine of them.
"""

from __future__ import annotations

import sys
from importlib import import_module
from typing import Final

import typer

from tradepit.observe.logs import configure_logs

COMMANDS: Final = {
    "maker": "tradepit.makers.live.cli",
    "external": "tradepit.flow.external.command",
    "orders": "tradepit.flow.cli",
    "recorded": "tradepit.flow.cli",
}
"""Where each is; the function has the command's name."""


def main() -> None:
    """Run the command that the first argument names, with the others."""
    name = sys.argv.pop(1)
    configure_logs()
    typer.run(getattr(import_module(COMMANDS[name]), name))


if __name__ == "__main__":
    main()
