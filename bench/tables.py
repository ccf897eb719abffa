"""How results are shown: where they were measured, and a table."""

from __future__ import annotations

import os
import platform
import statistics
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.table import Table

from bench.programs import ROOT, Measured

WIDTH_IN_FILES: Final = 120

console: Final = Console(highlight=False, width=None if sys.stdout.isatty() else WIDTH_IN_FILES)


def show_place() -> None:
    """Print the machine and the commit."""
    model = next(
        (
            line.partition(":")[2].strip()
            for line in _lines("/proc/cpuinfo")
            if "model name" in line
        ),
        platform.machine(),
    )
    git = ["git", "-C", str(ROOT), "describe", "--always", "--dirty"]
    commit = subprocess.run(git, capture_output=True, text=True, check=False).stdout.strip()
    load = os.getloadavg()[0]
    console.print(f"{model}, {os.cpu_count()} cores, load {load:.1f}, commit {commit or 'unknown'}")


def _lines(path: str) -> list[str]:
    file = Path(path)
    return file.read_text().splitlines() if file.exists() else []


def show(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print a table; the first column is text, the others are numbers."""
    table = Table(title=title, title_justify="left")
    for index, column in enumerate(columns):
        table.add_column(column, justify="left" if index == 0 else "right")
    for row in rows:
        table.add_row(*row)
    console.print(table)


def middle(runs: Sequence[Measured], of: Callable[[Measured], float]) -> float:
    """The median of one number over runs."""
    return statistics.median(of(run) for run in runs)
