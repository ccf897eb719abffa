"""Nobody earns by pushing a maker's own price up and selling into it, or the other way round."""

from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.makers.events import FINE, SECOND, UNITS, Fills, book, make, trade

from tradepit.domain.wire import Side
from tradepit.makers import InstrumentSpec, Strategy, TwoSided


class Pusher:
    """Trades with one maker alone, which quotes anew after each trade; counts its money."""

    def __init__(self, strategy: Strategy, start_ticks: int = 10_000) -> None:
        self.strategy = strategy
        self.fills = Fills()
        self.lots = 0
        self.tick_lots = 0
        self.now = 0
        strategy.on_book(book(start_ticks - 5, start_ticks + 5))

    def take(self, *, buy: bool, lots: int | None = None) -> int:
        """Buy or sell so much of what is quoted, or all of it; what was traded."""
        quote = self.strategy.quote(self.now)
        assert quote is not None
        there = quote.ask_lots if buy else quote.bid_lots
        lots = there if lots is None else min(lots, there)
        if lots:
            self._trade(quote, buy=buy, lots=lots)
        return lots

    def _trade(self, quote: TwoSided, *, buy: bool, lots: int) -> None:
        price = quote.ask_ticks if buy else quote.bid_ticks
        self.lots += lots if buy else -lots
        self.tick_lots -= price * lots if buy else -price * lots
        side = self.fills.sell if buy else self.fills.buy
        self.strategy.on_trade(trade(price, Side.BUY if buy else Side.SELL, at=self.now))
        self.strategy.on_fill(side(price, lots, at=self.now))

    def flatten(self) -> None:
        """Give everything back in the largest pieces that the maker takes."""
        while self.lots:
            assert self.take(buy=self.lots < 0, lots=abs(self.lots))


LUMPS = st.lists(
    st.tuples(st.booleans(), st.none() | st.integers(1, 12), st.sampled_from([0, 0, SECOND])),
    max_size=60,
)


@settings(max_examples=400, deadline=None, print_blob=True)
@given(
    LUMPS,
    st.sampled_from([UNITS, FINE]),
    st.sampled_from(["0.10", "0.25", "0.50"]),
    st.sampled_from(["0", "0.01", "0.02", "0.025"]),
    st.sampled_from([5, 10, 40]),
)
def test_no_round_trip_against_inventory_skew_earns_anything(
    lumps: list[tuple], spec: InstrumentSpec, spread: str, impact: str, quantity: int
) -> None:
    strategy = make("inventory-skew", spec, spread=spread, impact=impact, quantity=quantity)
    pusher = Pusher(strategy)
    for buy, lots, pause in lumps:
        pusher.now += pause
        pusher.take(buy=buy, lots=lots)
    pusher.flatten()
    assert pusher.tick_lots <= 0


def pumped(*, pause_ns: int = 0, **parameters: Any) -> int:
    """What it earns to buy all that is offered, up to the limit, and to sell it again."""
    pusher = Pusher(make("inventory-skew", **parameters))
    while pusher.take(buy=True):
        pusher.now += pause_ns
    pusher.flatten()
    return pusher.tick_lots


def test_pushing_up_to_the_limit_and_back_at_once_earns_nothing() -> None:
    assert pumped() == 0


def test_pushing_more_slowly_costs_money() -> None:
    assert pumped(pause_ns=10 * SECOND) < 0


def test_without_the_guard_the_same_push_earns_which_is_why_there_is_one() -> None:
    assert pumped(sweep_guard=False) > 0


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("name", ["avellaneda-stoikov", "book-pegged"])
def test_pushing_the_others_loses_too_while_the_book_stands_still(name: str, seed: int) -> None:
    print(f"seed {seed}")
    draw = random.Random(seed)
    parameters = {"warmup_orders": 1, "warmup_samples": 1} if "stoikov" in name else {}
    pusher = Pusher(make(name, **parameters))
    for second in range(200):
        pusher.now = second * SECOND
        pusher.strategy.on_book(book(9_995, 10_005, at=pusher.now))
        pusher.take(buy=draw.random() < 0.5)
    pusher.flatten()
    assert pusher.tick_lots < 0
