"""Whatever is ingested, in whatever order and batches and shards, summaries are a naive recount."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Iterator
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.end_to_end.ingested import Count, Recount

from tradepit.projections.database import Database
from tradepit.projections.store import Totals, Trade, TradeStore
from tradepit.projections.store.recording import Batch
from tradepit.projections.store.verification import verify

DECIMALS = st.decimals(
    min_value=Decimal(-(10**18) + 1), max_value=Decimal(10**18) - 1, places=18, allow_nan=False
) | st.sampled_from([Decimal(text) for text in ("0", "1", "1.5", "1.50", "-1.5", "100", "1E+2")])
VOLUMES = DECIMALS.map(abs).filter(lambda volume: volume > 0)
TRADES = st.builds(
    Trade,
    ticker=st.sampled_from(["A", "B.COM"]),
    price=DECIMALS,
    volume=VOLUMES,
    time_ns=st.integers(0, 2**63 - 1),
    trade_id=st.sampled_from([f"id-{number}" for number in range(12)]) | st.none(),
)
ROUNDS = st.lists(
    st.tuples(st.integers(1, 12), st.lists(st.lists(TRADES, max_size=8), min_size=1, max_size=4)),
    min_size=1,
    max_size=5,
)
"""Numbers of shards, and the batches that are stored at once under each."""

_runs = itertools.count()


class Store:
    """A database that many examples share, each with tickers and trade ids of its own."""

    def __init__(self, url: str) -> None:
        self.runner = asyncio.Runner()
        self.database = self.runner.run(Database.open(url))

    def close(self) -> None:
        self.runner.run(self.database.close())
        self.runner.close()


@pytest.fixture
def store(database_url: str) -> Iterator[Store]:
    opened = Store(database_url)
    try:
        yield opened
        assert opened.runner.run(verify(opened.database)).differences == []
    finally:
        opened.close()


def without_repeats(batch: list[Trade]) -> list[Trade]:
    """The first trade of each id, as the route gives them to the store."""
    first = {trade.trade_id: trade for trade in reversed(batch) if trade.trade_id is not None}
    return [trade for trade in batch if trade.trade_id is None or first[trade.trade_id] is trade]


def own(trade: Trade, run: int) -> Trade:
    name = None if trade.trade_id is None else f"{run}-{trade.trade_id}"
    return trade._replace(ticker=f"{run}.{trade.ticker}", trade_id=name)


def same(found: Totals | None, expected: Count) -> None:
    assert found is not None
    assert Fraction(found.volume) == expected.volume
    assert Fraction(found.value) == expected.value
    assert Fraction(found.highest_price) == expected.highest
    assert Fraction(found.lowest_price) == expected.lowest
    assert (found.last_time_ns, found.trades) == (expected.last_ns, expected.trades)


@settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(rounds=ROUNDS)
def test_summaries_are_what_a_naive_recount_says(
    store: Store, rounds: list[tuple[int, list[list[Trade]]]]
) -> None:
    store.runner.run(check(store.database, rounds, next(_runs)))


async def check(database: Database, rounds: list[tuple[int, list[list[Trade]]]], run: int) -> None:
    expected = Recount()
    unnamed = itertools.count()
    for shards, batches in rounds:
        writer = TradeStore(database, shards=shards)
        owned = [without_repeats([own(trade, run) for trade in batch]) for batch in batches]
        # Of trades at once under one id any may win; so only the first batch has such ids.
        apart = [owned[0]] + [
            [trade for trade in batch if trade.trade_id is None] for batch in owned[1:]
        ]
        known = await asyncio.gather(*(writer.ingest(Batch.of(batch)) for batch in apart))
        assert known[0] == {trade.trade_id for trade in apart[0]} & expected.seen
        for batch in apart:
            expected.add(as_counted(trade, next(unnamed)) for trade in batch)
    reader = TradeStore(database)
    for ticker, count in expected.contracts.items():
        found = await reader.contract(ticker)
        assert found is not None
        same(found.totals, count)
    for (ticker, price), count in expected.prices.items():
        found = await reader.contract(ticker, price=decimal_of(price))
        assert found is not None
        same(found.totals, count)


def as_counted(trade: Trade, number: int) -> dict[str, Any]:
    return {
        "ticker": trade.ticker,
        "price": trade.price,
        "volume": trade.volume,
        "timestamp": trade.time_ns,
        "trade_id": trade.trade_id or f"unnamed {number}",
    }


def decimal_of(price: Fraction) -> Decimal:
    """A decimal of at most 18 places, exactly."""
    sign, digits = (
        ("-" if price < 0 else ""),
        str(abs(price.numerator * 10**18 // price.denominator)),
    )
    digits = digits.zfill(19)
    return Decimal(f"{sign}{digits[:-18]}.{digits[-18:]}")
