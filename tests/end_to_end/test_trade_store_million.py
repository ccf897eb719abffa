"""A million trades with repeats and disorder equal an exact recount, on either database."""

from __future__ import annotations

import asyncio
import gzip
import random
import threading
from pathlib import Path

import httpx
import pytest
from tests.end_to_end.ingested import Recount, assert_summary, body_of, generate
from tests.end_to_end.node_process import NodeProcess

from tradepit.projections.database import Database
from tradepit.projections.store.verification import verify

HEADERS = {"content-type": "application/x-ndjson", "content-encoding": "gzip"}
TRADES = 1_000_000
WRITERS = 4
BATCH = 5_000
PRICES_ASKED = 300


@pytest.mark.full
def test_a_million_trades_with_repeats_and_disorder_equal_a_recount(
    database_url: str, tmp_path: Path
) -> None:
    environment = {"TRADEPIT_DATABASE_URL": database_url}
    workers = [
        NodeProcess(tmp_path / name, config=None, environment=environment | {
            "TRADEPIT_SUMMARIES__SHARDS": shards}, command=("store",))
        for name, shards in (("one", "10"), ("two", "3"))
    ]  # fmt: skip
    for worker in workers:
        worker.start()
    trades = generate("million", int(TRADES / 0.9) + 20_000)
    expected = Recount()
    expected.add(trades)
    assert len(expected.seen) >= TRADES
    batches = [trades[at : at + BATCH] for at in range(0, len(trades), BATCH)]
    random.Random(1).shuffle(batches)
    told = [0, 0]
    lock = threading.Lock()

    def send(number: int) -> None:
        with httpx.Client(base_url=workers[number % 2].url, timeout=120) as http:
            for batch in batches[number::WRITERS]:
                answer = http.post(
                    "/api/v1/trades/ingest",
                    content=gzip.compress(body_of(batch), 1),
                    headers=HEADERS,
                ).json()
                with lock:
                    told[0] += answer["stored"]
                    told[1] += answer["duplicates"]

    threads = [threading.Thread(target=send, args=(number,)) for number in range(WRITERS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert told == [len(expected.seen), len(trades) - len(expected.seen)]

    async def recount() -> int:
        database = await Database.open(database_url)
        verdict = await verify(database)
        await database.close()
        assert verdict.differences == []
        return verdict.trades

    assert asyncio.run(recount()) == len(expected.seen)
    asked = random.Random(2).sample(sorted(expected.prices), PRICES_ASKED)
    with httpx.Client(base_url=f"{workers[0].url}/api/v1/contracts", timeout=30) as http:
        for ticker, count in expected.contracts.items():
            assert_summary(http.get(f"/{ticker}/summary").json(), count)
        for ticker, price in asked:
            found = http.get(f"/{ticker}/prices/{float(price):.4f}").json()
            assert_summary(found, expected.prices[ticker, price])
    for worker in workers:
        assert worker.stop() == 0
