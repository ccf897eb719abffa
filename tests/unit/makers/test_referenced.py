"""Any strategy can follow an outside price, and withdraws when that is old."""

from __future__ import annotations

from decimal import Decimal

import pytest
from tests.unit.makers.events import FINE, NAMES, SECOND, Fills, book, make, trade

from tradepit.domain.wire import Side
from tradepit.makers import OwnPosition, Strategy
from tradepit.makers.referenced import ReferenceParameters

REFERENCE = ReferenceParameters()


def centre(strategy: Strategy, at: int) -> float:
    quote = strategy.quote(at)
    assert quote is not None
    return (quote.bid_ticks + quote.ask_ticks) / 2


@pytest.mark.parametrize("name", NAMES)
def test_every_strategy_follows_the_outside_price_and_not_the_own_book(name: str) -> None:
    strategy = make(name, reference=REFERENCE)
    strategy.on_book(book(5_000, 5_010))
    strategy.on_reference(9_000, 0)
    assert centre(strategy, 0) == 9_000
    strategy.on_book(book(4_000, 4_010, at=SECOND))
    strategy.on_reference(9_100, SECOND)
    assert centre(strategy, SECOND) == 9_100


@pytest.mark.parametrize("name", NAMES)
def test_there_is_no_quote_before_the_outside_price_came(name: str) -> None:
    strategy = make(name, reference=REFERENCE)
    strategy.on_book(book(5_000, 5_010))
    assert strategy.quote(0) is None


@pytest.mark.parametrize("name", NAMES)
def test_an_old_outside_price_withdraws_the_quote_until_a_new_one_comes(name: str) -> None:
    strategy = make(name, reference=ReferenceParameters(age_max_s=2.5))
    strategy.on_reference(9_000, SECOND)
    assert strategy.quote(SECOND + 2_500_000_000) is not None
    assert strategy.quote(SECOND + 2_500_000_001) is None
    strategy.on_reference(9_500, 60 * SECOND)
    assert centre(strategy, 60 * SECOND) == 9_500


@pytest.mark.parametrize("name", NAMES)
def test_the_basis_is_added_to_the_outside_price(name: str) -> None:
    strategy = make(name, FINE, reference=ReferenceParameters(basis=Decimal("-1.50")))
    strategy.on_reference(9_000, 0)
    assert centre(strategy, 0) == pytest.approx(8_970, abs=0.5)


def warm(own_ask: int | None) -> int:
    """The spread of a warm maker, in ticks, where the own book has such an ask, or none."""
    strategy = make("avellaneda-stoikov", reference=REFERENCE, warmup_orders=20, warmup_samples=20)
    for second in range(60):
        at, price = second * SECOND, 9_000 + second % 2
        strategy.on_book(book(5_000, own_ask, at=at))
        strategy.on_reference(price, at)
        strategy.on_trade(trade(price + 8, Side.BUY, at=at))
    quote = strategy.quote(60 * SECOND)
    assert quote is not None
    return quote.ask_ticks - quote.bid_ticks


def test_volatility_and_distances_are_those_from_the_outside_price() -> None:
    # Orders reach 8 ticks from the outside price: the half spread is near that, not 45 (50 bps).
    assert 14 <= warm(own_ask=None) <= 24


def test_how_wide_the_others_are_is_told_by_the_own_book() -> None:
    assert warm(own_ask=5_012) == 12


def test_the_strategy_sees_the_own_book_moved_to_the_outside_price() -> None:
    strategy = make("book-pegged", offset_ticks=1, reference=REFERENCE)
    strategy.on_reference(9_000, 0)
    strategy.on_book(book(5_000, 5_013))
    quote = strategy.quote(0)
    assert quote is not None
    assert (quote.bid_ticks, quote.ask_ticks) == (8_992, 9_008)
    strategy.on_book(book(5_000, None))
    quote = strategy.quote(0)
    assert quote is not None
    assert (quote.bid_ticks, quote.ask_ticks) == (8_998, 9_002)


def test_fills_move_inventory_skew_away_from_the_outside_price_and_both_add_up() -> None:
    strategy, fills = make("inventory-skew", reference=REFERENCE), Fills()
    strategy.on_reference(9_000, 0)
    strategy.quote(0)
    strategy.on_fill(fills.sell(9_005, 7))
    strategy.on_reference(9_020, SECOND)
    assert centre(strategy, SECOND) == 9_027


def test_around_an_outside_price_a_restarted_inventory_skew_quotes_what_the_old_would() -> None:
    old, fills = make("inventory-skew", reference=REFERENCE), Fills()
    old.on_reference(9_000, 0)
    for price, lots in ((9_005, 7), (9_006, 3)):
        old.quote(0)
        old.on_fill(fills.sell(price, lots))
    position = OwnPosition(position_lots=-10, version=fills.version, last_fill_ticks=9_006)
    new = make("inventory-skew", reference=REFERENCE, position=position)
    for strategy in (old, new):
        strategy.on_reference(9_050, 20 * SECOND)
    assert centre(old, 20 * SECOND) == centre(new, 20 * SECOND) == 9_060


def test_a_fill_while_no_own_quote_is_believed_counts_once() -> None:
    strategy, fills = make("inventory-skew", reference=REFERENCE), Fills()
    strategy.on_reference(9_000, 0)
    strategy.on_fill(fills.sell(9_500, 7))
    assert centre(strategy, 0) == 9_007
