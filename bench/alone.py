"""One benchmark by itself: `python -m bench.order_entry` and the like."""

from __future__ import annotations

import argparse
from collections.abc import Callable

from rich.console import Console

from bench import machine
from bench.report import Report, show

ROUNDS = 3
WIDTH_MIN = 110


def alone(run: Callable[[int], Report]) -> None:
    """Measure, and show where and what."""
    parser = argparse.ArgumentParser(description=run.__doc__)
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="runs per median")
    arguments = parser.parse_args()
    console = Console()
    console.width = max(console.width, WIDTH_MIN)
    console.print(", ".join(f"{name} {value}" for name, value in machine.facts().items()))
    show(console, run(arguments.rounds))
