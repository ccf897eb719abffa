"""`tradepit projections`: the SQL read models of a journal."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import Coroutine
from pathlib import Path
from typing import Annotated, Any, Final, TypeVar

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table
from sqlalchemy.exc import SQLAlchemyError

from tradepit.journal.layout import DataDirectory
from tradepit.journal.mark import read_mark
from tradepit.journal.port import JournalError
from tradepit.observe.logs import configure_logs
from tradepit.projections.database import Database, DatabaseRefused, default_url
from tradepit.projections.projector import ProjectionRefused, Projector, project
from tradepit.projections.verification import find_differences, hash_tables
from tradepit.projections.writing import clear, read_position

PRIORITY: Final = 5
"""Niceness of the projector."""

URL_VARIABLE: Final = "TRADEPIT_DATABASE_URL"

app = typer.Typer(
    no_args_is_help=True,
    help="SQL read models: how far they are, made anew, checked against the journal.",
    context_settings={"help_option_names": ["-h", "--help"]},
)
DataDir = Annotated[
    Path, typer.Option("--data-dir", help="The node's data directory.", file_okay=False)
]
Url = Annotated[
    str | None,
    typer.Option(
        "--database-url",
        envvar=URL_VARIABLE,
        help="sqlite:///FILE or postgresql://…; default: history.sqlite in the data directory.",
    ),
]
Result = TypeVar("Result")
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
console = Console(soft_wrap=True)
errors = Console(stderr=True, soft_wrap=True)


@app.command()
def status(data_dir: DataDir = Path("data"), url: Url = None, as_json: AsJson = False) -> None:
    """Show how far the database is behind the journal, and what it holds."""
    directory = _existing(data_dir)

    async def look() -> dict[str, Any]:
        database = await Database.open(url or default_url(data_dir))
        try:
            position = await read_position(database)
            hashes = await hash_tables(database)
        finally:
            await database.close()
        mark = read_mark(directory.mark)
        durable = 0 if mark is None else mark.place.sequence
        sequence = 0 if position is None else position.sequence
        return {
            "sequence": sequence,
            "durable_sequence": durable,
            "lag": durable - sequence,
            "tables": {name: found._asdict() for name, found in hashes.items()},
        }

    found = _run(look())
    if as_json:
        typer.echo(json.dumps(found, indent=2))
        return
    console.print(
        f"{found['sequence']:,} of {found['durable_sequence']:,} commands are in the database; "
        f"{found['lag']:,} to go"
    )
    table = Table("table", "rows", "hash", box=None)
    for name, held in found["tables"].items():
        table.add_row(name, f"{held['rows']:,}", held["digest"])
    console.print(table)


@app.command()
def rebuild(data_dir: DataDir = Path("data"), url: Url = None) -> None:
    """Empty the projected tables and make them again from the journal. Safe beside a node."""
    directory = _existing(data_dir)

    async def run() -> int:
        database = await Database.open(url or default_url(data_dir))
        try:
            await clear(database)
            projector = await Projector.open(directory, database)
            with _progress() as progress:
                task = progress.add_task("rebuilding", total=None)
                while await projector.step():
                    total = projector.sequence + projector.lag
                    progress.update(task, completed=projector.sequence, total=total)
            return projector.sequence
        finally:
            await database.close()

    console.print(f"made from {_run(run()):,} commands")


@app.command()
def verify(data_dir: DataDir = Path("data"), url: Url = None) -> None:
    """Make the tables a second time, aside, and compare. Exit code 1 when they differ."""
    directory = _existing(data_dir)

    async def run() -> int:
        database = await Database.open(url or default_url(data_dir))
        try:
            with _progress() as progress:
                task = progress.add_task("verifying", total=None)
                differences = await find_differences(
                    directory,
                    database,
                    lambda done, total: progress.update(task, completed=done, total=total),
                )
        finally:
            await database.close()
        for name, found, expected in differences:
            errors.print(
                f"{name}: {found.rows:,} rows, hash {found.digest}; the journal says "
                f"{expected.rows:,} rows, hash {expected.digest}",
                style="red",
            )
        return len(differences)

    if _run(run()):
        raise typer.Exit(1)
    console.print("the tables are what the journal says")


@app.command()
def follow(data_dir: DataDir = Path("data"), url: Url = None) -> None:
    """Keep the database up with the journal. A node starts this beside itself.

    At a low priority: what is matched now matters more than what is read later.
    """
    configure_logs()
    os.nice(PRIORITY)
    directory = DataDirectory(data_dir)
    _run(project(directory, url or default_url(data_dir)))


def _existing(data_dir: Path) -> DataDirectory:
    directory = DataDirectory(data_dir)
    if not directory.mark.exists():
        errors.print(f"tradepit: there is no journal in {data_dir}", style="red")
        raise typer.Exit(1)
    return directory


def _run(work: Coroutine[Any, Any, Result]) -> Result:
    try:
        return asyncio.run(work)
    except (DatabaseRefused, JournalError, ProjectionRefused, SQLAlchemyError, OSError) as error:
        errors.print(f"tradepit: {error}", style="red", highlight=False)
        raise typer.Exit(1) from None


def _progress() -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=errors,
        transient=True,
        disable=not sys.stderr.isatty(),
    )


if __name__ == "__main__":
    app()
