"""`tradepit simulate`: a day of the market under virtual time, and what came of it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, Final

import msgspec
import typer
from msgspec.structs import replace
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn
from typer.core import TyperGroup

from tradepit.marketdata.sources.source import RecordingError
from tradepit.node.definitions import DefinitionRefused
from tradepit.simulation.comparing import NoReport, comparison_page, read_report
from tradepit.simulation.journal_writer import JournalExists
from tradepit.simulation.page import PAGE_FILE, report_page
from tradepit.simulation.pump_trials import pump_scenario, run_trials, summarise
from tradepit.simulation.recording import read_recording, recorded_scenario
from tradepit.simulation.report import REPORT_FILE, Report
from tradepit.simulation.scenario import (
    SUPPLIED,
    SUPPLIED_ONE,
    ScenarioError,
    load_scenario,
    scenario_text,
    with_strategy,
)
from tradepit.simulation.simulation import Progress as OnProgress
from tradepit.simulation.simulation import Simulation
from tradepit.simulation.tables import print_comparison, print_report, print_trials
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
    help="Simulated days: makers, generated or recorded flow, auctions, halts, faults. Without a "
    "command, `day`: `tradepit simulate --seed 7 --out runs/7`.",
    cls=DayFirst,
    context_settings={"help_option_names": ["-h", "--help"]},
)
PIPED_WIDTH: Final = 100
"""Room for the widest table where there is no terminal to ask."""

console = Console(soft_wrap=True, width=None if sys.stdout.isatty() else PIPED_WIDTH)
errors = Console(stderr=True, soft_wrap=True)

Seed = Annotated[int, typer.Option(help="The same seed gives the same day, to the last byte.")]
RecordingPath = Annotated[
    Path | None,
    typer.Option(help="DBN file (MBO) that takes the public's place.", exists=True, dir_okay=False),
]
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
        RecordingError,
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
    recording: RecordingPath = None,
    strategy: Annotated[
        str | None,
        typer.Option(help="Let one maker with this strategy quote, in place of the firms."),
    ] = None,
    parameters: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="NAME=VALUE", help="A parameter of --strategy; repeatable."),
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
    supplied = SUPPLIED if recording is None and strategy is None else SUPPLIED_ONE
    with plain_errors():
        wanted = load_scenario(scenario, supplied=supplied)
        session = None if recording is None else read_recording(recording)
        if session is not None:
            wanted = recorded_scenario(wanted, session)
        elif hours is not None:
            wanted = replace(wanted, session_hours=hours)
        if strategy is not None:
            wanted = with_strategy(wanted, strategy, _pairs(parameters or []))
        with progress_of(f"{wanted.name}, seed {seed}") as progress:
            day = Simulation(wanted, seed, journal=journal, recording=session)
            report = day.run(progress)
        if out is not None:
            save(out, report, scenario_text(scenario, supplied=supplied))
    show(report, out, as_json=as_json)
    if not report.holds:
        raise typer.Exit(1)


def _pairs(texts: list[str]) -> dict[str, str]:
    pairs = dict(text.partition("=")[::2] for text in texts)
    if any(not name or not value for name, value in pairs.items()):
        raise typer.BadParameter("NAME=VALUE, such as spread=0.5", param_hint="--set")
    return pairs


@app.command()
def pump(
    scenario: ScenarioPath = None,
    seeds: Annotated[int, typer.Option(help="How many days, each with its own seed.", min=1)] = 20,
    first_seed: Annotated[int, typer.Option(help="The seeds go on from here.")] = 1,
    recording: RecordingPath = None,
    times: Annotated[
        int | None, typer.Option(help="Pumps a day; default: the scenario's.", min=1)
    ] = None,
    makers: Annotated[
        bool, typer.Option(help="--no-makers: the bot alone with the public.")
    ] = True,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """Let a bot pump and dump on many days: its profit over seeds, and the makers'."""
    with plain_errors():
        wanted = load_scenario(scenario, supplied=SUPPLIED_ONE)
        session = None if recording is None else read_recording(recording)
        wanted = pump_scenario(wanted if makers else replace(wanted, firms=[]), times=times)
        if session is not None:
            wanted = recorded_scenario(wanted, session)
        trials = []
        with progress_of("pumping and dumping") as progress:
            for trial in run_trials(wanted, range(first_seed, first_seed + seeds), session):
                trials.append(trial)
                progress(len(trials) / seeds)
    summary = summarise(trials)
    if as_json:
        typer.echo(msgspec.json.format(msgspec.json.encode(summary)).decode())
    else:
        print_trials(console, summary)
    if not all(trial.holds for trial in trials):
        raise typer.Exit(1)


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
