"""The market is recorded while it runs, by recorders that are killed or stopped."""

from __future__ import annotations

import asyncio
import contextlib
import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.end_to_end.node_process import START_SECONDS, NodeProcess

from tradepit.client import AsyncClient
from tradepit.flow.generated_orders import OrderFlow
from tradepit.marketdata.books import Books
from tradepit.marketdata.records import MBO_DTYPE, SIDE_ASK, SIDE_BID
from tradepit.marketdata.sources.dbn import DbnSource
from tradepit.marketdata.sources.source import MboRecords, RecordingError

OPERATIONS = 100
"""Fewest that count as trading."""
SECONDS = 1.0


@pytest.fixture
def node(tmp_path: Path) -> Iterator[NodeProcess]:
    process = NodeProcess(tmp_path / "data", config="demo")
    process.start()
    yield process
    process.kill()


Start = Callable[..., subprocess.Popen[bytes]]


@pytest.fixture
def recorder(node: NodeProcess) -> Iterator[Start]:
    """Starts recorders; none of them outlives the test."""
    started = []

    def start(out: Path, *options: str) -> subprocess.Popen[bytes]:
        arguments = ["--data-dir", str(node.data_dir), "-o", str(out), *options]
        command = [sys.executable, "-m", "tradepit.cli", "record", *arguments]
        started.append(subprocess.Popen(command))
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.wait()


def trade(node: NodeProcess, seed: int) -> None:
    async def run() -> None:
        async with AsyncClient(node.url) as client:
            flow = OrderFlow(client, rate=2_000, seed=seed, symbols=["BTC-USD", "ETH-USD"])
            asyncio.get_running_loop().call_later(SECONDS, flow.stop)
            await flow.run()
            assert flow.sent > OPERATIONS

    asyncio.run(run())


def read(path: Path) -> MboRecords:
    """Every whole record of a file, torn or not."""
    chunks: list[MboRecords] = [np.empty(0, MBO_DTYPE)]
    source = DbnSource(path)
    with contextlib.suppress(RecordingError):
        chunks.extend(source.chunks())
    return np.concatenate(chunks)


def wait_for(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + START_SECONDS
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


def stop(process: subprocess.Popen[bytes], number: signal.Signals) -> None:
    process.send_signal(number)
    process.wait(timeout=START_SECONDS)


def test_killed_recorder_leaves_a_true_beginning_and_a_stopped_one_the_whole(
    node: NodeProcess, recorder: Start, tmp_path: Path
) -> None:
    trade(node, seed=1)
    torn, live, whole = (tmp_path / f"{name}.dbn" for name in ("torn", "live", "whole"))
    killed = recorder(torn, "--follow")
    following = recorder(live, "--now", "--follow")
    wait_for(lambda: torn.exists() and live.exists() and len(read(torn)) > OPERATIONS // 2)
    trade(node, seed=2)
    stop(killed, signal.SIGKILL)
    trade(node, seed=3)
    recorded = recorder(whole)
    assert recorded.wait(timeout=START_SECONDS) == 0
    records = read(whole)
    wait_for(lambda: last_sequence(live) == int(records["sequence"][-1]))
    stop(following, signal.SIGTERM)
    assert following.returncode == 0
    beginning = read(torn)
    assert len(beginning) > OPERATIONS // 2
    assert (beginning == records[: len(beginning)]).all()
    assert books(read(live)) == books(records) == books_of(node)


def last_sequence(path: Path) -> int:
    found = read(path)
    return int(found["sequence"][-1]) if len(found) else 0


def books(records: MboRecords) -> dict[str, list[tuple[int, int, int]]]:
    """Levels of the two instruments that trade."""
    built = Books()
    built.apply(records)
    assert not any(built.counts().errors.values())
    return {
        f"{instrument}{chr(side)}": [
            tuple(level)
            for level in built.levels(instrument, 1, side=side, count=1_000)
        ]
        for instrument in (1, 2)
        for side in (SIDE_BID, SIDE_ASK)
    }  # fmt: skip


def books_of(node: NodeProcess) -> dict[str, list[tuple[int, int, int]]]:
    """The same as the node itself tells it."""
    found = {}
    instruments = {each["symbol"]: each for each in items(node, "instruments")}
    for number, symbol in ((1, "BTC-USD"), (2, "ETH-USD")):
        lot = float(instruments[symbol]["lot_size"])
        book = asked(node, f"orderbook?instrument={symbol}&depth=1000")
        for side, name in ((SIDE_BID, "bids"), (SIDE_ASK, "asks")):
            found[f"{number}{chr(side)}"] = [
                (round(float(each["price"]) * 1e9), round(float(each["quantity"]) / lot),
                 each["orders"])
                for each in book[name]
            ]  # fmt: skip
    return found


def items(node: NodeProcess, path: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = asked(node, path)["items"]
    return found


def asked(node: NodeProcess, path: str) -> dict[str, Any]:
    body = node.get(f"/api/v1/{path}").split(b"\r\n\r\n", 1)[1]
    answer: dict[str, Any] = json.loads(body)
    return answer
