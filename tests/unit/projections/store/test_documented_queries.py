"""The queries of docs/sql.md about the trade store work, and say the same on both databases."""

from __future__ import annotations

import asyncio
import re
import shutil
import subprocess
from decimal import Decimal
from pathlib import Path

import pytest
from sqlalchemy import text
from tests.postgres import PostgresServer

from tradepit.projections.database import Database
from tradepit.projections.store import Trade, TradeStore
from tradepit.projections.store.recording import Batch

DOCUMENT = Path(__file__).parents[4] / "docs" / "sql.md"
TRADES = [
    Trade("A.COM", Decimal("32.1234"), Decimal("0.1"), 5 * 10**9),
    Trade("A.COM", Decimal("32.1234"), Decimal("0.2"), 7 * 10**9),
    Trade("A.COM", Decimal("40"), Decimal("1"), 6 * 10**9),
]


def blocks() -> list[list[str]]:
    """Statements of each block of SQL in the trade store's section."""
    section = DOCUMENT.read_text().split("\n## The trade store\n")[1].split("\n## ")[0]
    found = re.findall(r"```sql\n(.*?)```", section, re.DOTALL)
    return [[one.strip() for one in block.split(";") if one.strip()] for block in found]


async def filled(url: str) -> Database:
    database = await Database.open(url)
    await TradeStore(database, shards=3).ingest(Batch.of(TRADES[:1]))
    await TradeStore(database, shards=3).ingest(Batch.of(TRADES[1:]))
    return database


def test_the_queries_for_postgresql_work(postgres: PostgresServer) -> None:
    async def run() -> list[list[tuple[object, ...]]]:
        database = await filled(postgres.database())
        answers = []
        async with database.engine.connect() as connection:
            for statement in [*blocks()[0], *blocks()[2]]:
                rows = await connection.execute(text(statement))
                answers.append([tuple(row) for row in rows])
        await database.close()
        return answers

    contract, level, *_, average, busiest, late = asyncio.run(run())
    assert contract[0][:2] == (Decimal("1.3"), Decimal(40))
    assert level[0][0] == Decimal("0.3")
    assert average[0][2] == 3
    assert [row[1] for row in busiest] == [Decimal(1), Decimal("0.3")]
    assert len(late) == 3


def test_the_queries_for_the_shell_of_sqlite_work(tmp_path: Path) -> None:
    shell = shutil.which("sqlite3")
    if shell is None:
        pytest.skip("sqlite3 is not installed")
    path = tmp_path / "history.sqlite"
    asyncio.run(_fill_and_close(f"sqlite:///{path}"))
    script = ";".join(blocks()[1])
    done = subprocess.run([shell, "-readonly", path, script], capture_output=True, text=True,
                          check=True)  # fmt: skip
    assert done.stdout.split("\n")[:2] == [
        "1.3|40.0|1970-01-01 00:00:07",
        "0.3|1970-01-01 00:00:07",
    ]


async def _fill_and_close(url: str) -> None:
    await (await filled(url)).close()
