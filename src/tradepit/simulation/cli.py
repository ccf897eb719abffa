"""`tradepit simulate`: a day of the market under virtual time, and what came of it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer
from msgspec.structs import replace
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn
from typer.core import TyperGroup

from tradepit.node.definitions import DefinitionRefused
from tradepit.simulation.comparing import NoReport, comparison_page, read_report
from tradepit.simulation.journal_writer import JournalExists
from tradepit.simulation.page import PAGE_FILE, report_page
from tradepit.simulation.report import REPORT_FILE, Report
from tradepit.simulation.scenario import Scenario, ScenarioError, load_scenario, scenario_text
from tradepit.simulation.simulation import Progress as OnProgress
from tradepit.simulation.simulation import Simulation
from tradepit.simulation.tables import print_comparison, print_report
from tradepit.simulation.venue import CommandRefused

SCENARIO_FILE = "scenario.toml"
COMPARISON_FILE = "comparison.html"


class DayFirst(TyperGroup):
    """Commands of this room; whatever names none of them is a day to simulate."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        known = {*self.commands, "-h", "--help"}
        return super().parse_args(ctx, args if args and args[0] in known else ["day", *args])


app = typer.Typer(
    name="simulate",
    help="Simulated days: makers, generated or recorded flow, auctions, halts, faults.",
    cls=DayFirst,
    context_settings={"help_option_names": ["-h", "--help"]},
)
console = Console(soft_wrap=True)
errors = Console(stderr=True, soft_wrap=True)

Seed = Annotated[int, typer.Option(help="The same seed gives the same day, to the last byte.")]
ScenarioPath = Annotated[
    Path | None,
    typer.Argument(metavar="[SCENARIO.toml]", help="Default: the supplied one.", dir_okay=False),
]


@contextmanager
def plain_errors() -> Iterator[None]:
    """What a person can act on is a line, not a traceback."""
    try:
        yield
    except (
        ScenarioError,
        DefinitionRefused,
        CommandRefused,
        JournalExists,
        NoReport,
        OSError,
    ) as error:
        errors.print(f"tradepit: {error}", style="red", highlight=False)
        raise typer.Exit(1) from None


@contextmanager
def progress_of(what: str) -> Iterator[OnProgress]:
    """A bar of the day, on a terminal only."""
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn())
    with Progress(
        *columns,
        TimeRemainingColumn(),
        console=errors,
        transient=True,
        disable=not sys.stderr.isatty(),
    ) as bar:
        task = bar.add_task(what, total=1.0)
        yield lambda part: bar.update(task, completed=part)


@app.command()
def day(
    scenario: ScenarioPath = None,
    seed: Seed = 1,
    hours: Annotated[
        float | None, typer.Option(help="Length of the session; default: the scenario's.", min=0.01)
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Folder for report.html, report.json, the scenario.")
    ] = None,
    journal: Annotated[
        Path | None, typer.Option(help="New data directory for the journal of the day.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the report as JSON.")] = False,
) -> None:
    """Let a day pass, and say what came of it. Exit code 1 when a check does not hold."""
    with plain_errors():
        wanted = load_scenario(scenario)
        if hours is not None:
            wanted = replace(wanted, session_hours=hours)
        report = simulate(wanted, seed, journal)
        if out is not None:
            save(out, report, scenario_text(scenario))
    show(report, out, as_json=as_json)
    if not report.holds:
        raise typer.Exit(1)


def simulate(scenario: Scenario, seed: int, journal: Path | None = None) -> Report:
    """One day with a progress bar."""
    with progress_of(f"{scenario.name}, seed {seed}") as progress:
        return Simulation(scenario, seed, journal=journal).run(progress)


def show(report: Report, out: Path | None, *, as_json: bool) -> None:
    """Print a report."""
    if as_json:
        typer.echo(msgspec.json.format(msgspec.json.encode(report)).decode())
        return
    print_report(console, report)
    if out is not None:
        console.print(f"report: {out / PAGE_FILE}", highlight=False)


def save(out: Path, report: Report, scenario: str) -> None:
    """Write a report into a folder. Raises: OSError."""
    out.mkdir(parents=True, exist_ok=True)
    (out / REPORT_FILE).write_bytes(msgspec.json.encode(report))
    (out / PAGE_FILE).write_text(report_page(report))
    (out / SCENARIO_FILE).write_text(scenario)


@app.command()
def compare(
    first: Annotated[Path, typer.Argument(help="Folder of a run (its --out).")],
    second: Annotated[Path, typer.Argument(help="Folder of another one.")],
    out: Annotated[
        Path | None, typer.Option(help="Page to write; default: comparison.html in the second.")
    ] = None,
) -> None:
    """Put two runs side by side: figures here, profits over the day on a page."""
    with plain_errors():
        reports = read_report(first), read_report(second)
        names = (
            (first.name, second.name) if first.name != second.name else (str(first), str(second))
        )
        page = out or second / COMPARISON_FILE
        page.write_text(comparison_page(*reports, names))
    print_comparison(console, *reports, names)
    console.print(f"page: {page}", highlight=False)
