"""`tradepit data`: look into recordings, convert and verify them; `tradepit record`."""

from __future__ import annotations

import json
import signal
import threading
import time
from pathlib import Path
from typing import Annotated, Final

import typer

from tradepit.marketdata import recorder, timeseries_cli
from tradepit.marketdata.findings import (
    Finding,
    depth_finding,
    level_finding,
    queue_finding,
    rebuild_finding,
    survey_finding,
    twin_finding,
)
from tradepit.marketdata.generated import GeneratedSource, SessionSettings
from tradepit.marketdata.sources.journal import JournalSource, JournalTail
from tradepit.marketdata.sources.lobster import LobsterSource
from tradepit.marketdata.sources.opening import open_source
from tradepit.marketdata.sources.source import RecordingError, Source
from tradepit.marketdata.survey import survey
from tradepit.marketdata.terminal import console, errors, plain_errors, progress_bar
from tradepit.marketdata.verification.depth_rows import DepthRows
from tradepit.marketdata.verification.naive_twin import NaiveTwin
from tradepit.marketdata.verification.price_levels import check_levels
from tradepit.marketdata.verification.queues import check_queues
from tradepit.marketdata.verification.rebuilding import rebuild

INSTRUMENTS_MAX: Final = 256
"""Of a generated session: each has about 1.5 MB of price levels."""
ORDERS_MAX: Final = 1_000_000

app = typer.Typer(
    no_args_is_help=True,
    help="Look into recordings, convert and verify them, generate one.",
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command()(timeseries_cli.load)
app.command()(timeseries_cli.query)

File = Annotated[
    Path,
    typer.Argument(
        help="DBN file, LOBSTER file, folder or zip, ITCH 5.0 file, or a market's data directory."
    ),
]
Out = Annotated[Path, typer.Option("--out", "-o", help="NAME.dbn, or NAME.dbn.zst to compress.")]
Force = Annotated[bool, typer.Option("--force", help="Write over an existing file.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@app.command()
def info(
    files: Annotated[list[Path], typer.Argument(metavar="FILE...", help="As for verify.")],
    as_json: AsJson = False,
) -> None:
    """Say what is in recordings. Exit code 1 when one cannot be read to its end."""
    findings = []
    is_whole = True
    for path in files:
        try:
            with progress_bar(path.name) as progress:
                findings.append(survey_finding(path.name, survey(open_source(path), progress)))
        except RecordingError as error:
            errors.print(str(error), style="red", highlight=False)
            is_whole = False
    _tell(findings, as_json)
    if not is_whole:
        raise typer.Exit(1)


@app.command()
def convert(file: File, out: Out, force: Force = False) -> None:
    """Write a recording as a DBN file (version 3, MBO); symbol mappings are kept."""
    with plain_errors(), progress_bar(file.name) as progress:
        _check_out(out, force)
        count = recorder.convert(open_source(file), out, progress)
    console.print(f"wrote {count:,} records to {out}")


@app.command()
def verify(
    file: File,
    against: Annotated[
        Path | None,
        typer.Option(help="Depth rows (MBP-1 or MBP-10, DBN) of the same session."),
    ] = None,
    naive: Annotated[
        bool,
        typer.Option("--naive", help="Compare with the naive books too; minutes for a large file."),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Rebuild the books of a recording and check them. Exit code 1 on a mismatch.

    LOBSTER: every row against the book file, by level and order by order. Others: end state,
    mistakes by kind, crossed states by phase; with --against, every depth row.
    """
    if naive and against is not None:
        raise typer.BadParameter("one at a time", param_hint="--naive, --against")
    with plain_errors():
        source = open_source(file)
        if isinstance(source, LobsterSource):
            findings = _verify_rows(source)
        else:
            findings = _verify_books(source, against, naive)
    _tell(findings, as_json)


def _verify_rows(source: LobsterSource) -> list[Finding]:
    with progress_bar(f"{source.path.name} by level") as progress:
        levels = level_finding(check_levels(source, progress))
    with progress_bar(f"{source.path.name} order by order") as progress:
        return [levels, queue_finding(check_queues(source, progress))]


def _verify_books(source: Source, against: Path | None, naive: bool) -> list[Finding]:
    rows = None if against is None else DepthRows(against)
    twin = NaiveTwin() if naive else None
    with progress_bar(source.path.name) as progress:
        report = rebuild(source, progress, rows or twin)
    findings = [rebuild_finding(source.info, report)]
    if rows is not None and against is not None:
        findings.append(depth_finding(against.name, rows.report))
    if twin is not None:
        findings.append(twin_finding(twin.report))
    return findings


@app.command()
def generate(
    out: Annotated[Path, typer.Argument(help="NAME.dbn, or NAME.dbn.zst to compress.")],
    records: Annotated[
        int | None, typer.Option(min=1, help="End with the event that reaches so many.")
    ] = None,
    minutes: Annotated[
        float | None, typer.Option(min=0.001, help="End after so long by the session's clock.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="The same seed gives the same bytes.")] = 1,
    instruments: Annotated[int, typer.Option(min=1, max=INSTRUMENTS_MAX)] = 1,
    orders: Annotated[
        int, typer.Option(min=0, max=ORDERS_MAX, help="Of each book in the snapshot.")
    ] = 10_000,
    pre_open: Annotated[
        int, typer.Option(min=0, max=ORDERS_MAX, help="Orders of each crossed pre-open.")
    ] = 300,
    icebergs: Annotated[
        float, typer.Option(min=0, max=1, help="Share of orders with hidden quantity.")
    ] = 0.02,
    rate: Annotated[
        float, typer.Option(min=0.001, max=1e6, help="Events a second by the session's clock.")
    ] = 200.0,
    force: Force = False,
) -> None:
    """Write a generated session: snapshot, crossed pre-open, uncross, continuous trading."""
    if records is None and minutes is None:
        raise typer.BadParameter("say how long", param_hint="--records, --minutes")
    settings = SessionSettings(
        seed=seed,
        records=records,
        minutes=minutes,
        instruments=instruments,
        orders=orders,
        pre_open_orders=pre_open,
        icebergs=icebergs,
        events_per_second=rate,
    )
    with plain_errors(), progress_bar("generating") as progress:
        _check_out(out, force)
        started = time.perf_counter()
        count = recorder.convert(GeneratedSource(settings), out, progress)
    seconds = time.perf_counter() - started
    console.print(f"wrote {count:,} records to {out} ({count / seconds:,.0f} a second)")


def record(
    out: Out,
    data_dir: Annotated[
        Path, typer.Option("--data-dir", help="The node's data directory.", file_okay=False)
    ] = Path("data"),
    first: Annotated[
        int | None,
        typer.Option(
            "--from", min=1, help="First sequence; after the first, a snapshot comes before it."
        ),
    ] = None,
    now: Annotated[
        bool, typer.Option("--now", help="Begin with a snapshot of the books as they are.")
    ] = False,
    follow: Annotated[
        bool, typer.Option("--follow", help="Go on with what comes until Ctrl-C.")
    ] = False,
    instrument: Annotated[
        list[str] | None, typer.Option(help="Only this symbol; may be given several times.")
    ] = None,
    force: Force = False,
) -> None:
    """Write the market as a DBN recording (MBO), from its first command on; safe beside its node.

    Prices are in 1e-9 of the quote currency, sizes in lots, times market time.
    """
    if now and first is not None:
        raise typer.BadParameter("give one of the two", param_hint="--now, --from")
    symbols = frozenset(instrument or [])
    with plain_errors():
        _check_out(out, force)
        tail = JournalTail(data_dir, first_sequence=None if now else first or 1, symbols=symbols)
        if follow:
            count = _follow(tail, out)
        else:
            begin = tail.durable_sequence + 1 if now else first or 1
            source = JournalSource(data_dir, first_sequence=begin, symbols=symbols)
            with progress_bar("recording") as progress:
                count = recorder.convert(source, out, progress)
            tail.info = source.info
        missing = symbols - set(tail.info.symbols)
        if missing:
            raise RecordingError(data_dir, f"never had {', '.join(sorted(missing))}")
    console.print(f"wrote {count:,} records to {out}")


def _follow(tail: JournalTail, out: Path) -> int:
    stopped = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stopped.set())
    errors.print(f"recording to {out}; Ctrl-C ends it")
    return recorder.follow(tail, out, wait=stopped.wait)


def _tell(findings: list[Finding], as_json: bool) -> None:
    """Print; exit code 1 when something is not right."""
    if as_json:
        typer.echo(json.dumps([finding.document() for finding in findings], indent=2))
    else:
        for finding in findings:
            console.print(finding.table())
    if not all(finding.is_right for finding in findings):
        raise typer.Exit(1)


def _check_out(out: Path, force: bool) -> None:
    if out.exists() and not force:
        raise FileExistsError(f"{out} exists; --force writes over it")
    if not out.name.endswith((".dbn", ".dbn.zst")):
        raise typer.BadParameter("the name ends in .dbn or .dbn.zst", param_hint="--out")
