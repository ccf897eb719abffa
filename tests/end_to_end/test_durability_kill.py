"""kill -9 under load, also during recovery, snapshots and rotation: nothing acknowledged is lost,
nothing is executed twice."""

from __future__ import annotations

import asyncio
import os
import random
import time
from pathlib import Path

import pytest
from tests.end_to_end.journal_check import Verdict, check
from tests.end_to_end.node_process import NodeProcess
from tests.end_to_end.order_load import History, Load

CONNECTIONS = 48
BATCHES = 8
BATCH_ORDERS = 32
"""Connections that send batches: a client in Python would not reach the rate with single orders."""

LOAD_SECONDS = (0.2, 1.0)
RECOVERY_KILLS = 0.4
"""Share of the restarts that are killed before they serve."""

ENVIRONMENT = {
    "TRADEPIT_JOURNAL__SEGMENT_BYTES": str(1 << 20),
    "TRADEPIT_JOURNAL__SNAPSHOT_EVERY_COMMANDS": "2500",
}
"""A rotation about every 6,000 orders and a snapshot every 2,500: the kills meet both."""


def kill_cycles(root: Path, cycles: int, seed: int) -> tuple[Verdict, History, float]:
    """Load and kill so many times; then resolve what is unknown. The third value is orders/s."""
    rng, history = random.Random(seed), History(seed)
    node = NodeProcess(root / "data", environment=ENVIRONMENT)
    loaded_seconds = 0.0
    try:
        for _ in range(cycles):
            while rng.random() < RECOVERY_KILLS:
                node.spawn()
                time.sleep(rng.uniform(0.3, 1.5))
                node.kill()
            node.start()
            loaded_seconds += asyncio.run(_load_and_kill(node, history, rng))
        node.start()
        asyncio.run(_resolve(node, history))
        assert node.stop() == 0
    finally:
        node.kill()
    rate = history.answered / loaded_seconds
    return check(node.data_dir, history), history, rate


async def _load_and_kill(node: NodeProcess, history: History, rng: random.Random) -> float:
    load = Load(history, node.port, first=history.unknown)
    started = time.monotonic()
    await load.connect(CONNECTIONS)
    await load.connect(BATCHES, batch=BATCH_ORDERS)
    await asyncio.sleep(rng.uniform(*LOAD_SECONDS))
    elapsed = time.monotonic() - started
    node.kill()
    await asyncio.wait_for(load.ended.wait(), 60)
    return elapsed


async def _resolve(node: NodeProcess, history: History) -> None:
    """Every unknown is sent again with its key; so are some that were answered."""
    unknown = history.unknown
    repeated = random.Random(1).sample(list(history.orders.values()), 200)
    load = Load(history, node.port, first=unknown + repeated)
    load.is_stopping = True
    await load.connect(4)
    await load.finish()
    assert not history.unknown


def require_substance(verdict: Verdict, history: History, cycles: int) -> None:
    """A run that shows nothing counts as void."""
    resent = sum(order.attempts > 1 for order in history.orders.values())
    assert verdict.acknowledged > 200 * cycles
    assert verdict.trades > 20 * cycles
    assert verdict.repeated_commands >= 200
    assert resent > 200, "no order was in flight at a kill"
    statuses = {status for order in history.orders.values() for status, _ in order.answers}
    assert statuses <= {200, 201, 422}, statuses


def test_five_kills_lose_and_double_nothing(tmp_path):
    seed = int(os.environ.get("DURABILITY_SEED", str(random.randrange(2**32))))
    print("seed", seed)
    verdict, history, rate = kill_cycles(tmp_path, 5, seed)
    print(verdict, f"{rate:.0f} orders/s")
    require_substance(verdict, history, 5)


@pytest.mark.full
def test_a_hundred_kills_lose_and_double_nothing(tmp_path):
    seed = int(os.environ.get("DURABILITY_SEED", str(random.randrange(2**32))))
    print("seed", seed)
    verdict, history, rate = kill_cycles(tmp_path, 100, seed)
    print(verdict, f"{rate:.0f} orders/s")
    require_substance(verdict, history, 100)
    assert verdict.segments > 20
    assert rate >= 5000
