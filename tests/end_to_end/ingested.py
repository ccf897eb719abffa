"""Trades to be ingested, and what they come to: counted naively, in whole numbers."""

from __future__ import annotations

import json
import random
from collections.abc import Iterable
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

TICKERS = ("A.COM", "B.COM", "C.COM")
START_NS = 1_760_000_000_000_000_000
NS = 1_000_000_000


@dataclass
class Count:
    """What trades come to."""

    volume: Fraction = Fraction(0)
    value: Fraction = Fraction(0)
    trades: int = 0
    highest: Fraction | None = None
    lowest: Fraction | None = None
    last_ns: int = 0

    def add(self, price: Fraction, volume: Fraction, time_ns: int) -> None:
        self.volume += volume
        self.value += price * volume
        self.trades += 1
        self.highest = price if self.highest is None else max(self.highest, price)
        self.lowest = price if self.lowest is None else min(self.lowest, price)
        self.last_ns = max(self.last_ns, time_ns)


@dataclass
class Recount:
    """Every trade id once."""

    seen: set[str] = field(default_factory=set)
    contracts: dict[str, Count] = field(default_factory=dict)
    prices: dict[tuple[str, Fraction], Count] = field(default_factory=dict)

    def add(self, trades: Iterable[dict[str, Any]]) -> None:
        for trade in trades:
            if trade["trade_id"] in self.seen:
                continue
            self.seen.add(trade["trade_id"])
            price, volume = Fraction(trade["price"]), Fraction(trade["volume"])
            for kept, key in (
                (self.contracts, trade["ticker"]),
                (self.prices, (trade["ticker"], price)),
            ):
                kept.setdefault(key, Count()).add(price, volume, trade["timestamp"])  # type: ignore[index]


def generate(seed: str, count: int, *, repeats: float = 0.1) -> list[dict[str, Any]]:
    """Trades out of order, some of them repeats of earlier ones, by their ids."""
    draw = random.Random(seed)
    trades: list[dict[str, Any]] = []
    for number in range(count):
        if trades and draw.random() < repeats:
            trades.append(draw.choice(trades))
            continue
        trades.append(
            {
                "ticker": draw.choice(TICKERS),
                "price": f"{draw.randrange(310_000, 320_000) / 10_000:.4f}",
                "volume": str(draw.choice([draw.randrange(1, 10_000), "0.125", "1e3"])),
                "timestamp": START_NS + draw.randrange(3_600 * NS),
                "trade_id": f"{seed}-{number}",
            }
        )
    return trades


def body_of(trades: Iterable[dict[str, Any]]) -> bytes:
    return "\n".join(json.dumps(trade) for trade in trades).encode()


def assert_summary(found: dict[str, Any], expected: Count) -> None:
    """A summary of the interface is what was counted."""
    assert Fraction(found["volume"]) == expected.volume
    assert Fraction(found["value"]) == expected.value
    assert found["trades"] == expected.trades
    assert Fraction(found["highest_price"]) == expected.highest
    assert Fraction(found["lowest_price"]) == expected.lowest
    seconds, nanoseconds = divmod(expected.last_ns, NS)
    assert found["last_trade_time"].endswith(f":{seconds % 60:02}.{nanoseconds:09}Z")
    average = expected.value / expected.volume
    assert abs(Fraction(found["vwap"]) - average) <= Fraction(1, 2 * 10**6)
