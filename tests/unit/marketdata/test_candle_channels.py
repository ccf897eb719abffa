"""Candles as they are told are those of the trades."""

from __future__ import annotations

import random
from datetime import datetime
from typing import Any

import pytest
from tests.unit.marketdata.followed import Followed
from tests.unit.marketdata.frames import MarketOfFrames
from tests.unit.marketdata.random_flow import INSTRUMENT, busy_market, random_command

from tradepit.domain import commands
from tradepit.marketdata.feeds import FeedBoard


@pytest.mark.parametrize("seed", range(4))
def test_candles_are_recounts_of_the_trades_and_each_is_closed_once(seed: int) -> None:
    rng = random.Random(seed)
    market = busy_market(rng, nanoseconds_per_frame=170_000_000)
    board = FeedBoard()
    candles = Followed(market, board, "candles", interval_s=2)
    closed: list[dict[str, Any]] = []
    told = 0
    for _ in range(600):
        commands_ = [random_command(rng, [])] if rng.random() < 0.7 else [commands.tick()]
        board.on_events(market.replica, market.run(commands_))
        if rng.random() < 0.5:
            board.write_candles(market.replica)
        for message in candles.read():
            told += 1
            count = market.replica.feed_counts(INSTRUMENT)[0]
            data = message["data"]
            assert message["seq"] % 2 == data["closed"], f"seed {seed}"
            assert data["closed"] or message["seq"] == 2 * count
            closed += [data] if data["closed"] else []
    expected = recount(market, 2_000_000_000)
    starts = [each["start"] for each in closed]
    assert starts == sorted(set(starts)), f"seed {seed}"
    assert len(closed) > 10
    assert told > len(closed)
    for candle in closed:
        low_high = [candle[name] for name in ("open", "high", "low", "close", "volume")]
        second = int(datetime.fromisoformat(candle["start"][:19] + "+00:00").timestamp())
        assert [*map(int, low_high), candle["trades"]] == expected[second], f"seed {seed}"


def recount(market: MarketOfFrames, length_ns: int) -> dict[int, list[int]]:
    """Open, high, low, close, volume and trades by the second in which a candle starts."""
    found: dict[int, list[int]] = {}
    for row in market.replica.trades(INSTRUMENT, 0, 0, 100_000)[::-1]:
        time_ns, price, quantity = row[2], row[4], row[5]
        start_s = time_ns // length_ns * length_ns // 1_000_000_000
        candle = found.setdefault(start_s, [price, price, price, price, 0, 0])
        candle[1:4] = max(candle[1], price), min(candle[2], price), price
        candle[4] += quantity
        candle[5] += 1
    return found
