"""The database opens on both kinds, migrated once, and refuses what it cannot use."""

from __future__ import annotations

import asyncio

import pytest
from sqlalchemy import inspect

from tradepit.projections.database import Database, DatabaseRefused
from tradepit.projections.store import tables as store_tables
from tradepit.projections.tables import metadata


def test_opening_makes_every_table_and_opening_again_changes_nothing(database_url: str) -> None:
    async def run() -> set[str]:
        for _ in range(2):
            database = await Database.open(database_url)
            async with database.engine.connect() as connection:
                names = await connection.run_sync(lambda sync: inspect(sync).get_table_names())
            await database.close()
        return set(names)

    assert store_tables.metadata is metadata
    assert asyncio.run(run()) == {*metadata.tables, "alembic_version"}


def test_several_processes_may_open_a_new_database_at_once(database_url: str) -> None:
    async def run() -> None:
        databases = await asyncio.gather(*(Database.open(database_url) for _ in range(4)))
        for database in databases:
            await database.close()

    asyncio.run(run())


@pytest.mark.parametrize("url", ["nonsense", "mysql://somewhere/x"])
def test_a_url_of_something_else_is_refused_in_words(url: str) -> None:
    with pytest.raises(DatabaseRefused, match="database"):
        asyncio.run(Database.open(url))
