"""`tradepit journal`: look into a journal, check it, copy it, and decide about it."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Final

import typer
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from tradepit._native import Replica
from tradepit.journal.backup import back_up
from tradepit.journal.inspection import count, read_commands
from tradepit.journal.layout import DataDirectory
from tradepit.journal.lock import AlreadyRunning, DirectoryLock
from tradepit.journal.port import JournalError
from tradepit.journal.scan import Tail, scan_journal
from tradepit.journal.snapshots import find_snapshots, read_state
from tradepit.journal.upkeep import accept_loss, find_loss
from tradepit.node.recovery import Recovery
from tradepit.node.snapshotter import take_snapshot
from tradepit.node.upkeep import quarantine

NS_PER_SECOND: Final = 1_000_000_000

app = typer.Typer(
    no_args_is_help=True,
    help="Look into a journal, check it, copy it, decide about it.",
    context_settings={"help_option_names": ["-h", "--help"]},
)
DataDir = Annotated[
    Path, typer.Option("--data-dir", help="The node's data directory.", file_okay=False)
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
console = Console(soft_wrap=True)
errors = Console(stderr=True, soft_wrap=True)


@app.command()
def verify(data_dir: DataDir = Path("data")) -> None:
    """Check every byte: frames, checksum chain, commit mark, snapshots. Exit code 1 when not whole.

    Beside a running node the journal is checked up to its commit mark.
    """
    directory = _existing(data_dir)
    with _plain_errors():
        snapshots, bad = find_snapshots(directory)
        for stored in snapshots:
            read_state(stored)
        if bad:
            raise bad[0]
        tail = _scan(directory, "verifying")
    console.print(
        f"whole: {tail.end.sequence:,} commands in {len(tail.segment_ends)} segments, "
        f"generation {tail.mark.generation}, {len(snapshots)} snapshots"
        + (f"; {tail.junk_bytes} bytes of a torn write behind the end" if tail.junk_bytes else "")
    )


@app.command()
def stats(data_dir: DataDir = Path("data"), as_json: AsJson = False) -> None:
    """Count frames, commands by kind, bytes, runs."""
    directory = _existing(data_dir)
    with _plain_errors():
        tail = _scan(directory, "reading")
        counts = count(directory, tail)
    values = {
        "commands": counts.commands,
        "frames": counts.frames,
        "bytes": counts.size_bytes,
        "segments": len(tail.segment_ends),
        "snapshots": len(directory.snapshots()),
        "generation": tail.mark.generation,
        "runs": counts.incarnations,
        "first": _when(counts.first_time_ns),
        "last": _when(counts.last_time_ns),
        "kinds": dict(counts.kinds.most_common()),
    }
    if as_json:
        typer.echo(json.dumps(values))
        return
    table = Table(show_header=False, box=None)
    for name, value in values.items():
        if not isinstance(value, dict):
            table.add_row(name, f"{value:,}" if isinstance(value, int) else str(value))
    for kind, number in counts.kinds.most_common():
        table.add_row(kind.lower(), f"{number:,}")
    console.print(table)


@app.command()
def dump(
    data_dir: DataDir = Path("data"),
    first: Annotated[int, typer.Option("--from", help="First sequence.")] = 1,
    last: Annotated[int | None, typer.Option("--to", help="Last sequence.")] = None,
) -> None:
    """Print commands as lines of JSON, without fields that are zero."""
    directory = _existing(data_dir)
    with _plain_errors():
        tail = _scan(directory, "reading")
        for command in read_commands(directory, tail, first=first, last=last):
            typer.echo(
                json.dumps(
                    {
                        "sequence": command.sequence,
                        "time": _when(command.time_ns),
                        "kind": command.kind.lower(),
                        **command.fields,
                        **({} if command.text is None else {"text": command.text}),
                    }
                )
            )


@app.command()
def replay(data_dir: DataDir = Path("data"), as_json: AsJson = False) -> None:
    """Apply the whole journal from its first command; print sequence and state hash.

    The state is compared with the state hash of every snapshot that is passed. Exit code 1 when
    one differs.
    """
    directory = _existing(data_dir)
    with _plain_errors():
        until_mark = _is_running(directory)
        with _progress("checking") as progress:
            recovery = Recovery(directory, use_snapshots=False, until_mark=until_mark)
            recovered = recovery._replace(progress=progress).run()
        replica = recovered.replica
        differing = list(_differing_snapshots(directory, recovery, replica))
    values = {
        "sequence": replica.sequence,
        "state_hash": replica.state_hash(),
        "market_time": _when(replica.market_time_ns),
        "panicked_at": recovered.panicked,
        "differing_snapshots": differing,
        **replica.counts(),
    }
    if as_json:
        typer.echo(json.dumps(values))
    else:
        for name, value in values.items():
            if value not in (None, []):
                console.print(f"{name:>16} {value}", highlight=False)
    if differing or recovered.panicked is not None:
        raise typer.Exit(1)


@app.command()
def snapshot(data_dir: DataDir = Path("data")) -> None:
    """Write a snapshot of what is durable; safe beside a running node."""
    _existing(data_dir)
    with _plain_errors():
        path = take_snapshot(data_dir)
    console.print("nothing new since the last snapshot" if path is None else f"wrote {path}")


@app.command()
def backup(
    destination: Annotated[Path, typer.Argument(help="A directory that is empty or not there.")],
    data_dir: DataDir = Path("data"),
) -> None:
    """Copy what is durable, with the newest snapshot, and check the copy; a node may be running."""
    _existing(data_dir)
    with _plain_errors(), _progress("copying") as progress:
        made = back_up(data_dir, destination, progress)
    console.print(
        f"copied {made.end.sequence:,} commands ({made.size_bytes:,} bytes, {made.segments} "
        f"segments) to {destination}; checked"
    )


@app.command(name="quarantine")
def quarantine_command(
    sequence: Annotated[int, typer.Option(help="The command that the node stops at.")],
    data_dir: DataDir = Path("data"),
) -> None:
    """Skip the command that panics the engine; the decision itself is journaled."""
    _existing(data_dir)
    with _plain_errors():
        recorded = quarantine(data_dir, sequence)
    console.print(f"sequence {sequence} is skipped from now on (recorded at {recorded})")


@app.command(name="accept-loss")
def accept_loss_command(
    data_dir: DataDir = Path("data"),
    yes: Annotated[bool, typer.Option("--yes", help="Do it; otherwise only show.")] = False,
) -> None:
    """Go on without a lost or damaged tail, under a new generation. Answers given for it are void.

    What is cut off is kept in `lost/` inside the data directory.
    """
    directory = _existing(data_dir)
    with _plain_errors(), DirectoryLock(directory.lock):
        loss = find_loss(directory)
        console.print(loss.reason)
        console.print(
            f"the journal would end at sequence {loss.end.sequence}, generation "
            f"{loss.mark.generation}; moved to lost/: "
            + ", ".join(path.name for path in loss.moved)
        )
        if not yes:
            console.print("nothing was changed; add --yes to do it")
            raise typer.Exit(1)
        kept = accept_loss(directory, loss)
    console.print(f"done; what was cut off is in {kept}")


def _existing(root: Path) -> DataDirectory:
    directory = DataDirectory(root)
    if not directory.journal.is_dir():
        errors.print(f"{root} holds no journal", style="red")
        raise typer.Exit(1)
    return directory


def _is_running(directory: DataDirectory) -> bool:
    try:
        DirectoryLock(directory.lock).release()
    except AlreadyRunning:
        return True
    return False


def _scan(directory: DataDirectory, what: str) -> Tail:
    with _progress(what) as progress:
        return scan_journal(
            directory,
            witnesses=[stored.witness for stored in find_snapshots(directory)[0]],
            until_mark=_is_running(directory),
            progress=progress,
        )


def _differing_snapshots(
    directory: DataDirectory, recovery: Recovery, replica: Replica
) -> Iterator[int]:
    for stored in find_snapshots(directory)[0]:
        sequence = stored.about.place.sequence
        if sequence <= replica.sequence:
            there = recovery.rebuild(sequence)
            if there.state_hash() != stored.about.state_hash:
                yield sequence


@contextmanager
def _plain_errors() -> Iterator[None]:
    """What an operator can act on is a line, not a traceback."""
    try:
        yield
    except (JournalError, OSError) as error:
        errors.print(str(error), style="red", highlight=False)
        raise typer.Exit(1) from None


@contextmanager
def _progress(what: str) -> Iterator[Callable[[int, int], None]]:
    """A bar on a terminal that appears when the work takes long; nothing elsewhere."""
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn())
    with Progress(
        *columns, TimeRemainingColumn(), console=errors, transient=True, disable=not _is_terminal()
    ) as bar:
        task = bar.add_task(what, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


def _is_terminal() -> bool:
    return sys.stderr.isatty()


def _when(time_ns: int) -> str:
    if not time_ns:
        return "-"
    moment = datetime.fromtimestamp(time_ns // NS_PER_SECOND, UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{time_ns % NS_PER_SECOND:09}Z"
