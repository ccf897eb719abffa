"""Results as tables for people and JSON for programs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from statistics import median
from typing import Any

from rich.console import Console
from rich.table import Table

Cell = str | float | int


@dataclass(frozen=True, slots=True)
class Verdict:
    """One target and whether this run met it."""

    target: str
    measured: str
    met: bool


@dataclass(frozen=True, slots=True)
class Report:
    """What one benchmark found."""

    name: str
    title: str
    rows: Sequence[Mapping[str, Cell]]
    verdicts: Sequence[Verdict] = ()
    notes: Sequence[str] = field(default=())

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def at_most(name: str, value: float, bound: float, unit: str) -> Verdict:
    return Verdict(f"{name} ≤ {bound:g} {unit}".strip(), shown(value), value <= bound)


def at_least(name: str, value: float, bound: float, unit: str) -> Verdict:
    return Verdict(f"{name} ≥ {bound:g} {unit}".strip(), shown(value), value >= bound)


def shown(cell: Cell) -> str:
    """A number with the digits that mean something."""
    if isinstance(cell, str):
        return cell
    if isinstance(cell, int) or abs(cell) >= 1000:
        return f"{cell:,.0f}"
    return f"{cell:.3g}" if abs(cell) < 10 else f"{cell:.1f}"


def show(console: Console, report: Report) -> None:
    columns = list(dict.fromkeys(column for row in report.rows for column in row))
    table = Table(title=report.title, title_justify="left", title_style="bold")
    for number, column in enumerate(columns):
        table.add_column(column, justify="left" if number == 0 else "right")
    for row in report.rows:
        table.add_row(*(shown(row.get(column, "")) for column in columns))
    console.print(table)
    for verdict in report.verdicts:
        mark = "[green]met[/]" if verdict.met else "[red]missed[/]"
        console.print(f"  {mark}  {verdict.target}: {verdict.measured}")
    for note in report.notes:
        console.print(f"  {note}", style="dim")
    console.print()


def in_turns(rounds: int, runs: Iterable[tuple[str, Callable[[], float]]]) -> dict[str, float]:
    """Run every contender once per round, one after another; the median of each."""
    found: dict[str, list[float]] = {}
    contenders = list(runs)
    for _ in range(rounds):
        for name, run in contenders:
            found.setdefault(name, []).append(run())
    return {name: median(values) for name, values in found.items()}
