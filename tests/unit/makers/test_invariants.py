"""What holds for every strategy, whatever happened to it before."""

from __future__ import annotations

from itertools import pairwise
from typing import Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.makers.events import NAMES, SECOND, UNITS, Fills, book, make, trade

from tradepit.domain.wire import Side
from tradepit.makers import OwnPosition, Strategy, StrategyError, TwoSided, passive
from tradepit.makers.referenced import ReferenceParameters

LIMIT: Final = 100

PRICES = st.integers(1, 30_000)
MAYBE_PRICES = st.none() | PRICES
PAUSES = st.sampled_from([0, 1, SECOND // 10, SECOND, 7 * SECOND, 40 * SECOND])
STEPS = st.one_of(
    st.tuples(st.just("book"), PAUSES, MAYBE_PRICES, MAYBE_PRICES),
    st.tuples(st.just("trade"), PAUSES, PRICES, st.sampled_from((Side.BUY, Side.SELL))),
    st.tuples(st.just("fill"), PAUSES, st.booleans(), st.integers(1, 3)),
    st.tuples(st.just("position"), PAUSES, st.integers(-150, 150), st.none() | PRICES),
    st.tuples(st.just("reference"), PAUSES, PRICES, st.none()),
)
DAYS = st.lists(STEPS, max_size=40)
MAKES = st.sampled_from([(name, reference) for name in NAMES for reference in (False, True)])


class Day:
    """Plays steps to a strategy; fills happen at its own quote and are never more than that."""

    def __init__(self, name: str, *, referenced: bool) -> None:
        reference = ReferenceParameters() if referenced else None
        self.strategy: Strategy = (
            make(name, reference=reference, warmup_samples=2, warmup_orders=2)
            if name == "avellaneda-stoikov"
            else make(name, reference=reference)
        )
        self.fills = Fills()
        self.book = book(None, None)
        self.now = 0
        self.quotes: list[TwoSided] = []

    def play(self, step: tuple) -> None:
        kind, pause, first, second = step
        self.now += pause
        if kind == "book":
            self.book = book(first, second, at=self.now)
            self.strategy.on_book(self.book)
        elif kind == "trade":
            self.strategy.on_trade(trade(first, second, at=self.now))
        elif kind == "reference":
            self.strategy.on_reference(first, self.now)
        elif kind == "position":
            self.fills.lots = first
            position = OwnPosition(
                position_lots=first, version=self.fills.version, last_fill_ticks=second
            )
            self.strategy.on_position(position)
        else:
            self._fill(buy=first, lots=second)
        self._ask()

    def _fill(self, *, buy: bool, lots: int) -> None:
        quote = self._ask()
        if quote is None:
            return
        lots = min(lots, quote.bid_lots if buy else quote.ask_lots)
        if lots:
            make_fill = self.fills.buy if buy else self.fills.sell
            price = quote.bid_ticks if buy else quote.ask_ticks
            self.strategy.on_fill(make_fill(price, lots, at=self.now))

    def _ask(self) -> TwoSided | None:
        quote = self.strategy.quote(self.now)
        if quote is not None:
            self.quotes.append(quote)
            check(quote, self.fills.lots)
            resting = passive(quote, self.book)
            check(resting, self.fills.lots)
            assert self.book.ask_ticks is None or (
                resting.bid_ticks < self.book.ask_ticks or resting.bid_lots == 0
            )
            assert self.book.bid_ticks is None or resting.ask_ticks > self.book.bid_ticks
        return quote


def check(quote: TwoSided, position: int) -> None:
    """The rules of a quote, stated without the code that keeps them."""
    assert 1 <= quote.bid_ticks < quote.ask_ticks
    assert quote.bid_lots >= 0
    assert quote.ask_lots >= 0
    assert quote.bid_lots == 0 or position + quote.bid_lots <= LIMIT
    assert quote.ask_lots == 0 or position - quote.ask_lots >= -LIMIT


@settings(max_examples=400, deadline=None, print_blob=True)
@given(MAKES, DAYS)
def test_no_quote_is_crossed_or_leads_beyond_the_position_limit(
    made: tuple[str, bool], steps: list[tuple]
) -> None:
    day = Day(made[0], referenced=made[1])
    for step in steps:
        day.play(step)


@settings(max_examples=400, deadline=None, print_blob=True)
@given(MAKES, DAYS, st.integers(-LIMIT + 1, LIMIT - 1))
def test_from_any_state_both_sides_come_back_once_the_limit_leaves_room(
    made: tuple[str, bool], steps: list[tuple], position: int
) -> None:
    day = Day(made[0], referenced=made[1])
    for step in steps:
        day.play(step)
    # A minute without fills and with a live market: what the past did must have gone.
    day.play(("position", 60 * SECOND, position, None))
    day.play(("reference", 0, 10_000, None))
    day.play(("book", 0, 9_990, 10_010))
    quote = day.strategy.quote(day.now)
    assert quote is not None
    assert quote.is_two_sided


@settings(max_examples=100, deadline=None, print_blob=True)
@given(MAKES, DAYS)
def test_the_same_events_give_the_same_quotes(made: tuple[str, bool], steps: list[tuple]) -> None:
    first, second = (Day(made[0], referenced=made[1]) for _ in range(2))
    for step in steps:
        first.play(step)
    for step in steps:
        second.play(step)
    assert first.quotes == second.quotes


@pytest.mark.parametrize("referenced", [False, True])
@pytest.mark.parametrize("name", NAMES)
def test_the_longer_the_position_the_lower_and_smaller_the_bid(name: str, referenced: bool) -> None:
    quotes = [_leaning(name, position, referenced=referenced) for position in range(-110, 111)]
    for shorter, longer in pairwise(quotes):
        assert longer.bid_ticks <= shorter.bid_ticks
        assert longer.ask_ticks <= shorter.ask_ticks
        assert longer.bid_lots <= shorter.bid_lots
        assert longer.ask_lots >= shorter.ask_lots
    assert quotes[0] != quotes[-1]


def _leaning(name: str, position: int, *, referenced: bool) -> TwoSided:
    """The quote of a warm maker with so much position."""
    parameters = {"warmup_orders": 5, "warmup_samples": 5} if "stoikov" in name else {}
    strategy = make(
        name,
        position=OwnPosition(position_lots=position),
        reference=ReferenceParameters() if referenced else None,
        **parameters,
    )
    for second in range(20):
        at, middle = second * SECOND, 10_000 + second % 3
        strategy.on_book(book(middle - 5, middle + 5, at=at))
        strategy.on_reference(middle, at)
        strategy.on_trade(trade(middle + 7, Side.BUY, at=at))
    quote = strategy.quote(20 * SECOND)
    assert quote is not None
    return quote


@settings(max_examples=200, deadline=None, print_blob=True)
@given(st.integers(-LIMIT, LIMIT), st.integers(1, 20), st.booleans())
def test_a_fill_of_inventory_skew_moves_its_price_against_the_fill(
    position: int, lots: int, buy: bool
) -> None:
    begin = OwnPosition(position_lots=position, version=1, last_fill_ticks=10_000)
    strategy, fills = make("inventory-skew", position=begin), Fills(begin)
    before = strategy.quote(0)
    strategy.on_fill((fills.buy if buy else fills.sell)(10_000, lots))
    after = strategy.quote(0)
    assert before is not None
    assert after is not None
    assert after.bid_ticks - before.bid_ticks == (-lots if buy else lots)


@settings(max_examples=100, deadline=None, print_blob=True)
@given(st.sampled_from(NAMES), st.integers(1, 60), st.integers(1, 40))
def test_any_quantity_and_limit_in_whole_lots_can_be_quoted(
    name: str, quantity: int, limit: int
) -> None:
    free = {"sweep_guard": False} if name == "inventory-skew" else {}
    strategy = make(name, UNITS, quantity=quantity, position_limit=limit, **free)
    strategy.on_book(book(9_990, 10_010))
    quote = strategy.quote(0)
    assert quote is not None
    assert quote.bid_lots == quote.ask_lots == min(quantity, limit)


def test_a_quantity_of_nothing_is_refused() -> None:
    for name in NAMES:
        with pytest.raises(StrategyError, match="quantity must be above zero"):
            make(name, quantity=0)
