"""Store workers are killed in the middle of ingesting: raw trades and summaries stay equal, and
clients that repeat what was not answered end with every trade stored once."""

from __future__ import annotations

import asyncio
import gzip
import random
import threading
import time
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.end_to_end.ingested import Recount, assert_summary, body_of, generate
from tests.end_to_end.node_process import NodeProcess

from tradepit.projections.database import Database
from tradepit.projections.store.verification import Verdict, verify

HEADERS = {"content-type": "application/x-ndjson", "content-encoding": "gzip"}
WRITERS = 3
BATCH = 400
BATCHES = 40


def recount(url: str) -> Verdict:
    async def run() -> Verdict:
        database = await Database.open(url)
        try:
            return await verify(database)
        finally:
            await database.close()

    return asyncio.run(run())


class Writer(threading.Thread):
    """Sends its batches one after the other, each until it is answered."""

    def __init__(self, url: str, batches: list[list[dict[str, Any]]]) -> None:
        super().__init__()
        self.url = url
        self.batches = batches
        self.repeats = 0
        self.answered = 0

    def run(self) -> None:
        for batch in self.batches:
            body = gzip.compress(body_of(batch), 1)
            while True:
                try:
                    answer = httpx.post(
                        f"{self.url}/api/v1/trades/ingest",
                        content=body,
                        headers=HEADERS,
                        timeout=60,
                    )
                except httpx.TransportError:
                    self.repeats += 1
                    time.sleep(0.02)
                    continue
                if answer.status_code == 200:
                    break
                assert answer.status_code == 503, answer.text
                self.repeats += 1
            assert answer.json()["rejected"] == 0
            self.answered += 1


def worker_of(root: Path, url: str) -> NodeProcess:
    environment = {"TRADEPIT_DATABASE_URL": url}
    return NodeProcess(root / "store", config=None, environment=environment, command=("store",))


def kill_while_writing(root: Path, url: str, expected: Recount, *, kills: int, seed: str) -> None:
    worker = worker_of(root, url)
    worker.start()
    batches = [generate(f"{seed}-{writer}", BATCH * BATCHES) for writer in range(WRITERS)]
    writers = [
        Writer(worker.url, [own[at : at + BATCH] for at in range(0, len(own), BATCH)])
        for own in batches
    ]
    draw = random.Random(seed)
    for writer in writers:
        writer.start()
    done_kills = 0
    while any(writer.is_alive() for writer in writers):
        time.sleep(draw.uniform(0.05, 0.4))
        if done_kills < kills:
            worker.kill()
            assert recount(url).differences == []
            worker.start()
            done_kills += 1
    for writer in writers:
        writer.join()
    assert done_kills == kills, "not vacuous: the worker was killed while writers wrote"
    assert sum(writer.repeats for writer in writers) > 0
    for own in batches:
        expected.add(own)
    verdict = recount(url)
    assert verdict.differences == []
    assert verdict.trades == len(expected.seen)
    for ticker, count in expected.contracts.items():
        found = httpx.get(f"{worker.url}/api/v1/contracts/{ticker}/summary").json()
        assert_summary(found, count)
    assert worker.stop() == 0


def test_a_killed_worker_leaves_raw_trades_and_summaries_equal(
    database_url: str, tmp_path: Path
) -> None:
    kill_while_writing(tmp_path, database_url, Recount(), kills=3, seed="quick")


@pytest.mark.full
def test_workers_killed_many_times_lose_and_double_nothing(
    database_url: str, tmp_path: Path
) -> None:
    expected = Recount()
    for cycle in range(17):
        root = tmp_path / str(cycle)
        root.mkdir()
        kill_while_writing(root, database_url, expected, kills=3, seed=f"cycle-{cycle}")
