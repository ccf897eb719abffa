"""Strategies in a small market of random takers: what they earn, and how much they hold."""

from __future__ import annotations

import random
from collections.abc import Sequence
from math import sqrt
from statistics import fmean
from typing import Any, Final

import pytest
from msgspec import Struct
from tests.unit.makers.events import NAMES, SECOND, UNITS, Fills, book, make, trade

from tradepit.domain.wire import Side
from tradepit.makers import MakerReport, MakerStatistics, TwoSided, passive
from tradepit.makers.referenced import ReferenceParameters

SEEDS: Final = range(3)
SECONDS: Final = 600
HALF_BOOK: Final = 8
"""Others stand so many ticks from the fair price."""
REACH: Final = 6.0
"""Mean distance from the fair price that takers accept, in ticks."""


class Outcome(Struct):
    """A maker's day in the small market. Money in ticks x lots."""

    report: MakerReport
    inventory_rms: float

    @property
    def profit(self) -> float:
        """Realised and open."""
        assert self.report.unrealised_pnl is not None
        return float(self.report.realised_pnl + self.report.unrealised_pnl)


class SmallMarket:
    """A fair price that walks, others around it, and takers on both sides of it.

    A taker trades with the maker if the maker is better than the others and within its reach.
    """

    def __init__(self, name: str, seed: int, *, sigma: float, **parameters: Any) -> None:
        self.draw = random.Random(seed)
        self.strategy = make(name, UNITS, **parameters)
        self.counts = MakerStatistics("mm-0", UNITS)
        self.fills = Fills()
        self.sigma = sigma
        self.fair = 10_000.0
        self.held: list[int] = []

    def run(self) -> Outcome:
        for second in range(SECONDS):
            self.fair += self.draw.gauss(0.0, self.sigma)
            self._second(second * SECOND)
            self.held.append(self.fills.lots)
        rms = sqrt(fmean(lots * lots for lots in self.held))
        return Outcome(report=self.counts.report(SECONDS * SECOND), inventory_rms=rms)

    def _second(self, at: int) -> None:
        middle = round(self.fair)
        others = book(middle - HALF_BOOK, middle + HALF_BOOK, at=at)
        self.strategy.on_reference(middle, at)
        for hears in (self.strategy, self.counts):
            hears.on_book(others)
        for side in (Side.BUY, Side.SELL):
            quote = self.strategy.quote(at)
            standing = None if quote is None else passive(quote, others)
            self.counts.on_quote(standing, at)
            self._taker(side, standing, at + SECOND // 2)

    def _taker(self, side: Side, standing: TwoSided | None, at: int) -> None:
        reach = self.draw.expovariate(1 / REACH)
        lots = self.draw.randint(1, 3)
        buys = side is Side.BUY
        others = round(self.fair) + (HALF_BOOK if buys else -HALF_BOOK)
        price, there = others, 0
        if standing is not None:
            price = standing.ask_ticks if buys else standing.bid_ticks
            there = standing.ask_lots if buys else standing.bid_lots
        better = (price <= others) if buys else (price >= others)
        if there and better and abs(price - self.fair) <= reach:
            self._trade(side, price, min(lots, there), at, own=True)
        elif reach >= HALF_BOOK:
            self._trade(side, others, lots, at, own=False)

    def _trade(self, side: Side, price: int, lots: int, at: int, *, own: bool) -> None:
        for hears in (self.strategy, self.counts):
            hears.on_trade(trade(price, side, at=at, lots=lots))
            if own and hears is self.strategy:
                fill = (self.fills.sell if side is Side.BUY else self.fills.buy)(price, lots, at=at)
            if own:
                hears.on_fill(fill)


def days(name: str, *, sigma: float = 1.0, **parameters: Any) -> Sequence[Outcome]:
    return [SmallMarket(name, seed, sigma=sigma, **parameters).run() for seed in SEEDS]


@pytest.mark.parametrize("referenced", [False, True])
@pytest.mark.parametrize("name", NAMES)
def test_every_strategy_earns_from_takers_that_know_nothing(name: str, referenced: bool) -> None:
    reference = ReferenceParameters() if referenced else None
    for seed, day in zip(SEEDS, days(name, reference=reference), strict=True):
        print(f"seed {seed}: {day.report}")
        assert day.profit > 0
        assert day.report.spread_captured > 0
        assert day.report.fills > SECONDS / 4
        assert day.report.unexplained == 0
        assert day.report.quote_uptime is not None
        assert day.report.quote_uptime > 0.95


def test_the_more_risk_averse_the_smaller_is_what_it_holds() -> None:
    held = [
        fmean(day.inventory_rms for day in days("avellaneda-stoikov", risk_aversion=risk_aversion))
        for risk_aversion in (0.001, 0.1, 10.0)
    ]
    print(held)
    assert held[0] > 1.5 * held[1] > 2 * held[2]


def test_where_prices_move_more_it_quotes_wider_and_holds_less() -> None:
    calm, wild = (days("avellaneda-stoikov", sigma=sigma) for sigma in (0.3, 3.0))
    for one, other in zip(calm, wild, strict=True):
        assert one.report.quoted_spread is not None
        assert other.report.quoted_spread is not None
        assert one.report.quoted_spread < other.report.quoted_spread
        assert one.inventory_rms > other.inventory_rms
