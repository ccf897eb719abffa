"""kill -9 of node and projector under load: the tables are what the journal says, line for line."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import signal
import time
from pathlib import Path

import pytest
from sqlalchemy import text
from tests.end_to_end.node_process import NodeProcess
from tests.end_to_end.order_load import History, Load

from tradepit.journal.layout import DataDirectory
from tradepit.journal.mark import read_mark
from tradepit.projections.database import Database
from tradepit.projections.projector import project
from tradepit.projections.verification import find_differences
from tradepit.projections.writing import read_position

CATCH_UP_SECONDS = 120.0

UNBALANCED = "SELECT asset FROM ledger_lines GROUP BY asset HAVING SUM(amount) <> 0"
NOT_ITS_LINES = """
SELECT balances.account, balances.asset FROM balances LEFT JOIN (
    SELECT account, asset, SUM(amount) AS amount FROM ledger_lines
    WHERE account > 0 GROUP BY account, asset
) AS lines ON lines.account = balances.account AND lines.asset = balances.asset
WHERE balances.total <> COALESCE(lines.amount, 0)
"""
WITHOUT_LINES = "SELECT trade_id FROM trades EXCEPT SELECT trade_id FROM ledger_lines"


def kill_cycles(root: Path, url: str, cycles: int, seed: int) -> None:
    rng, history = random.Random(seed), History(seed)
    environment = {
        "TRADEPIT_PROJECTIONS__ENABLED": "true",
        "TRADEPIT_DATABASE_URL": url,
        "TRADEPIT_JOURNAL__SEGMENT_BYTES": str(1 << 20),
        "TRADEPIT_JOURNAL__SNAPSHOT_EVERY_COMMANDS": "2500",
    }
    node = NodeProcess(root / "data", environment=environment)
    directory = DataDirectory(node.data_dir)
    try:
        for _ in range(cycles):
            node.start()
            asyncio.run(load_and_kill(node, url, history, rng))
        node.start()
        wait_until_projected(directory, url)
        assert node.stop() == 0
    finally:
        node.kill()
    asyncio.run(check(directory, url))


async def load_and_kill(node: NodeProcess, url: str, history: History, rng: random.Random) -> None:
    """The projector is killed at work, up to twice; then the node with the one that came after."""
    load = Load(history, node.port, first=history.unknown)
    await load.connect(16)
    await load.connect(4, batch=16)
    for _ in range(rng.randrange(3)):
        await until_it_moves(url)
        await asyncio.sleep(rng.uniform(0, 0.5))
        kill_projector(node.data_dir)
    await until_it_moves(url)
    await asyncio.sleep(rng.uniform(0, 0.5))
    node.kill()
    await asyncio.wait_for(load.ended.wait(), 60)


async def until_it_moves(url: str) -> None:
    end = time.monotonic() + CATCH_UP_SECONDS
    before = await position_of(url)
    while await position_of(url) == before:
        assert time.monotonic() < end, f"the projector stands at {before}"
        await asyncio.sleep(0.05)


def kill_projector(data_dir: Path) -> None:
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                command = (entry / "cmdline").read_bytes()
                if b"projections" in command and os.fsencode(data_dir) in command:
                    os.kill(int(entry.name), signal.SIGKILL)


async def position_of(url: str) -> int:
    database = await Database.open(url)
    try:
        position = await read_position(database)
        return 0 if position is None else position.sequence
    finally:
        await database.close()


def wait_until_projected(directory: DataDirectory, url: str) -> None:
    end = time.monotonic() + CATCH_UP_SECONDS
    while True:
        mark = read_mark(directory.mark)
        assert mark is not None
        reached = asyncio.run(position_of(url))
        if reached >= mark.place.sequence:
            return
        assert time.monotonic() < end, f"{reached} of {mark.place.sequence} after two minutes"
        time.sleep(0.1)


async def check(directory: DataDirectory, url: str) -> None:
    await project(directory, url, until_end=True)
    database = await Database.open(url)
    try:
        assert await find_differences(directory, database) == []
        async with database.engine.connect() as connection:
            for statement in (UNBALANCED, NOT_ITS_LINES, WITHOUT_LINES):
                assert (await connection.execute(text(statement))).all() == []
            count = (await connection.execute(text("SELECT COUNT(*) FROM trades"))).scalar()
        assert count is not None
        assert count > 100
    finally:
        await database.close()


def test_three_kills_leave_the_tables_exact(database_url: str, tmp_path: Path) -> None:
    seed = int(os.environ.get("DURABILITY_SEED", str(random.randrange(2**32))))
    print("seed", seed)
    kill_cycles(tmp_path, database_url, 3, seed)


@pytest.mark.full
def test_fifty_kills_leave_the_tables_exact(database_url: str, tmp_path: Path) -> None:
    seed = int(os.environ.get("DURABILITY_SEED", str(random.randrange(2**32))))
    print("seed", seed)
    kill_cycles(tmp_path, database_url, 50, seed)
