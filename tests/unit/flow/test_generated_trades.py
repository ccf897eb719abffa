"""Generated trades: prices that walk, volumes of a power law, a rate that is kept."""

from __future__ import annotations

import asyncio
import itertools
import json
import statistics

import httpx
import pytest
from typer.testing import CliRunner

from tradepit.client import AsyncClient, RetryPolicy
from tradepit.flow.cli import app
from tradepit.flow.generated_trades import (
    IN_FLIGHT_MAX,
    Achieved,
    Contract,
    Rate,
    TradeFlow,
    TradeWalk,
    contract_of,
)

THREE = [contract_of(ticker) for ticker in ("A.COM", "B.COM", "C.COM")]


class FakeStore:
    """Counts what it is sent."""

    def __init__(self) -> None:
        self.lines: list[dict[str, str]] = []
        self.wait = asyncio.Event()
        self.wait.set()
        self.waiting = 0

    async def handle(self, request: httpx.Request) -> httpx.Response:
        self.waiting += 1
        await self.wait.wait()
        lines = [json.loads(line) for line in request.content.split(b"\n")]
        self.lines += lines
        done = {"lines": len(lines), "stored": len(lines), "duplicates": 0, "rejected": 0}
        return httpx.Response(
            200, json=done | {"duplicate_lines": [], "rejections": [], "took_ms": 0.1}
        )


def played(store: FakeStore, rate: Rate, *, seconds: float, replicas: int = 1) -> Achieved:
    async def run() -> Achieved:
        transport = httpx.MockTransport(store.handle)
        retries = RetryPolicy(attempts=1)
        async with AsyncClient("http://store", transport=transport, retries=retries) as client:
            flow = TradeFlow(client, THREE, rate, replicas=replicas, seed=5)
            asyncio.get_running_loop().call_later(seconds, flow.stop)
            asyncio.get_running_loop().call_later(seconds + 0.05, store.wait.set)
            return await flow.run()

    return asyncio.run(run())


def test_the_same_seed_gives_the_same_trades_and_another_one_others() -> None:
    walks = [TradeWalk(THREE, seed) for seed in ("1", "1", "2")]
    first, same, other = ([walk.next(0.1) for _ in range(50)] for walk in walks)
    assert first == same != other


def test_prices_stay_near_their_mean_and_move_as_much_as_they_should() -> None:
    walk = TradeWalk([contract_of("A.COM")], "3")
    prices = [float(walk.next(86_400 / 500).price) for _ in range(20_000)]
    steps = [after - before for before, after in itertools.pairwise(prices)]
    assert statistics.pstdev(steps) == pytest.approx(0.3 / 500**0.5, rel=0.05)
    assert abs(prices[0] - 32) < 1
    assert all(len(move.price.partition(".")[2]) == 4 for move in [walk.next(1)])


def test_volumes_follow_a_power_law_within_their_bounds() -> None:
    walk = TradeWalk([Contract("X", 1.0, 0.0, 50, 10_000)], "4")
    volumes = sorted(walk.next(1).volume for _ in range(20_000))
    assert volumes[0] >= 50
    assert volumes[-1] <= 10_000
    # The median of x^-1.1 on [50, 10,000] solves F(x) = 1/2.
    median = ((50**-0.1 + 10_000**-0.1) / 2) ** -10
    assert volumes[10_000] == pytest.approx(median, rel=0.05)


def test_a_price_never_reaches_zero() -> None:
    walk = TradeWalk([Contract("X", 0.001, 50.0, 1, 2)], "5")
    assert min(float(walk.next(86_400).price) for _ in range(200)) == 0.0001


def test_every_trade_has_an_id_of_its_own_also_in_the_next_run_of_a_seed() -> None:
    store = FakeStore()
    for _ in range(2):
        played(store, Rate(200, 5), seconds=0.2, replicas=3)
    ids = [line["trade_id"] for line in store.lines]
    assert len(ids) == len(set(ids)) > 100
    assert {line["ticker"] for line in store.lines} == {"A.COM", "B.COM", "C.COM"}


def test_the_rate_is_kept_while_answers_are_late_and_told_as_achieved() -> None:
    store = FakeStore()
    store.wait.clear()
    achieved = played(store, Rate(50, 2), seconds=0.5)
    assert store.waiting == achieved.iterations
    assert 20 <= achieved.iterations <= 26
    assert achieved.stored == 2 * achieved.iterations
    assert achieved.p99_ms > 50


def test_a_store_that_hangs_gets_no_more_than_a_bound() -> None:
    store = FakeStore()
    store.wait.clear()
    achieved = played(store, Rate(1000, 1), seconds=0.4)
    assert achieved.iterations == IN_FLIGHT_MAX
    assert achieved.skipped > 100


def test_the_command_says_when_nobody_answers() -> None:
    options = ["--url", "http://127.0.0.1:9", "--seconds", "0.2", "--iterations-per-second", "50"]
    result = CliRunner().invoke(app, ["trades", *options])
    assert result.exit_code == 1
    assert "last failure: no answer from http://127.0.0.1:9" in result.output
