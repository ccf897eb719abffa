"""Are the tables what the journal says? A second set is made from the journal and compared."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final, NamedTuple

from sqlalchemy import Table, select

from tradepit.journal.layout import DataDirectory
from tradepit.projections.database import Database
from tradepit.projections.projector import ProjectionRefused, Projector
from tradepit.projections.tables import PROJECTED
from tradepit.projections.writing import read_position

ROWS_AT_A_TIME: Final = 10_000


class TableHash(NamedTuple):
    """What a table holds."""

    rows: int
    digest: str


class Difference(NamedTuple):
    """A table that is not what the journal says."""

    table: str
    found: TableHash
    expected: TableHash


async def hash_tables(database: Database) -> dict[str, TableHash]:
    """Return rows and hash of each projected table; equal on every kind of database."""
    return {table.name: await _hash(database, table) for table in PROJECTED}


async def _hash(database: Database, table: Table) -> TableHash:
    digest, rows = hashlib.blake2b(digest_size=16), 0
    statement = select(table).order_by(*table.primary_key.columns)
    async with database.engine.connect() as connection:
        result = await connection.stream(statement)
        # Part by part: each step of an asynchronous result costs ten times what a row does.
        async for part in result.partitions(ROWS_AT_A_TIME):
            digest.update("".join(repr(tuple(row)) for row in part).encode())
            rows += len(part)
    return TableHash(rows, digest.hexdigest())


async def find_differences(
    directory: DataDirectory,
    database: Database,
    progress: Callable[[int, int], None] | None = None,
) -> list[Difference]:
    """Compare the tables with what the journal gives up to the same place.

    Args:
        progress: called with commands done and in all.
    Raises:
        ProjectionRefused: the database was changed meanwhile, or goes with another journal.
        JournalError: the journal is not whole.
    """
    position = await read_position(database)
    if position is None:
        return []
    found = await hash_tables(database)
    if await read_position(database) != position:
        raise ProjectionRefused(
            "the projector is at work; stop the node, or try again when it is quiet"
        )
    with TemporaryDirectory(prefix="tradepit-verify-", dir=directory.root) as folder:
        anew = await Database.open(f"sqlite:///{Path(folder) / 'anew.sqlite'}")
        try:
            projector = await Projector.open(directory, anew)
            while projector.sequence < position.sequence:
                if not await projector.step(position.sequence):
                    raise ProjectionRefused(
                        f"the database is at sequence {position.sequence}, the journal ends at "
                        f"{projector.sequence}"
                    )
                if progress is not None:
                    progress(projector.sequence, position.sequence)
            expected = await hash_tables(anew)
        finally:
            await anew.close()
    return [
        Difference(name, found[name], expected[name])
        for name in found
        if found[name] != expected[name]
    ]
