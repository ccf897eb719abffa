"""A trade, and what trades add to the summaries."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from decimal import Decimal, localcontext
from typing import NamedTuple

from tradepit.projections.exact import EXACT


class Trade(NamedTuple):
    """One trade; at most `DIGITS_MAX` digits on each side of the point."""

    ticker: str
    price: Decimal
    volume: Decimal
    time_ns: int
    trade_id: str | None = None


@dataclass(slots=True)
class Totals:
    """What trades come to."""

    volume: Decimal
    value: Decimal
    """The sum of price times volume."""
    highest_price: Decimal
    lowest_price: Decimal
    last_time_ns: int
    trades: int

    def add(self, other: Totals) -> None:
        """Take more trades in."""
        self.volume = EXACT.add(self.volume, other.volume)
        self.value = EXACT.add(self.value, other.value)
        self.highest_price = max(self.highest_price, other.highest_price)
        self.lowest_price = min(self.lowest_price, other.lowest_price)
        self.last_time_ns = max(self.last_time_ns, other.last_time_ns)
        self.trades += other.trades


@dataclass(slots=True)
class Level:
    """What trades at one price come to."""

    volume: Decimal
    last_time_ns: int
    trades: int = 1

    def add(self, other: Level) -> None:
        """Take more trades in."""
        self.volume = EXACT.add(self.volume, other.volume)
        self.last_time_ns = max(self.last_time_ns, other.last_time_ns)
        self.trades += other.trades


Levels = dict[tuple[str, Decimal], Level]
"""By ticker and price."""


class Tally(NamedTuple):
    """What a batch adds, per contract, and per contract and price; each in the order of its key."""

    contracts: dict[str, Totals]
    prices: dict[tuple[str, Decimal], Totals]

    @staticmethod
    def of(levels: Levels) -> Tally:
        """Add the prices of each contract up."""
        prices: dict[tuple[str, Decimal], Totals] = {}
        contracts: dict[str, Totals] = {}
        for key in sorted(levels):
            ticker, price = key
            level = levels[key]
            value = EXACT.multiply(price, level.volume)
            totals = Totals(level.volume, value, price, price, level.last_time_ns, level.trades)
            prices[key] = totals
            if ticker in contracts:
                contracts[ticker].add(totals)
            else:
                contracts[ticker] = replace(totals)
        return Tally(contracts, prices)


def tally(trades: Iterable[Trade]) -> Tally:
    """Count a batch, before any record is touched."""
    levels: Levels = {}
    with localcontext(EXACT):
        for ticker, price, volume, time_ns, _ in trades:
            key = (ticker, price)
            level = levels.get(key)
            if level is None:
                levels[key] = Level(volume, time_ns)
            else:
                level.volume += volume
                level.trades += 1
                if time_ns > level.last_time_ns:
                    level.last_time_ns = time_ns
    return Tally.of(levels)
