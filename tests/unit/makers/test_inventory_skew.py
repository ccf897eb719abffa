"""Inventory skew: where its price comes from, what fills do to price and sizes, how it recovers."""

from __future__ import annotations

import pytest
from tests.unit.makers.events import FINE, SECOND, UNITS, Fills, book, make

from tradepit.makers import OwnPosition, Strategy, StrategyError, TwoSided


def quoted(strategy: Strategy, at: int = 0) -> TwoSided:
    quote = strategy.quote(at)
    assert quote is not None
    return quote


def prices(strategy: Strategy, at: int = 0) -> tuple[int, int]:
    quote = quoted(strategy, at)
    return quote.bid_ticks, quote.ask_ticks


def sizes(strategy: Strategy, at: int = 0) -> tuple[int, int]:
    quote = quoted(strategy, at)
    return quote.bid_lots, quote.ask_lots


def unguarded(position: OwnPosition | None = None) -> Strategy:
    """Without the guard, and so far from the limit that the position hardly leans sizes."""
    return make("inventory-skew", sweep_guard=False, position_limit=1_000_000, position=position)


def test_a_cold_start_quotes_ten_on_each_side_of_one_hundred() -> None:
    quote = make("inventory-skew").quote(0)
    assert quote == TwoSided(bid_ticks=9_995, bid_lots=10, ask_ticks=10_005, ask_lots=10)


def test_without_fills_it_starts_in_the_middle_of_the_book() -> None:
    strategy = make("inventory-skew")
    strategy.on_book(book(8_000, 8_010))
    assert prices(strategy) == (8_000, 8_010)


def test_a_restarted_maker_starts_at_its_last_fill_rather_than_the_book() -> None:
    position = OwnPosition(position_lots=5, version=7, last_fill_ticks=9_000)
    strategy = make("inventory-skew", position=position)
    strategy.on_book(book(8_000, 8_010))
    assert prices(strategy) == (8_995, 9_005)


def test_the_middle_of_the_own_quote_outranks_a_book_that_moves() -> None:
    strategy = make("inventory-skew")
    strategy.on_book(book(8_000, 8_010))
    strategy.quote(0)
    strategy.on_book(book(9_000, 9_010))
    assert prices(strategy, 10 * SECOND) == (8_000, 8_010)


def test_an_own_quote_counts_until_its_time_to_live_is_over_and_no_longer() -> None:
    for age, expected in ((30 * SECOND - 1, (8_000, 8_010)), (30 * SECOND, (9_000, 9_010))):
        strategy = make("inventory-skew")
        strategy.on_book(book(8_000, 8_010))
        strategy.quote(0)
        strategy.on_book(book(9_000, 9_010))
        assert prices(strategy, age) == expected


def test_a_sell_fill_of_three_moves_the_quote_up_three_cents_and_a_buy_down() -> None:
    strategy, fills = make("inventory-skew"), Fills()
    strategy.quote(0)
    strategy.on_fill(fills.sell(10_005, 3))
    assert prices(strategy) == (9_998, 10_008)
    strategy.on_fill(fills.buy(9_998, 5))
    assert prices(strategy) == (9_993, 10_003)


def test_the_move_counts_units_and_keeps_what_is_less_than_a_tick() -> None:
    # A lot of 0.5 moves the reference by 0.005, a tenth of a tick of 0.05: ten make one tick.
    strategy, fills = make("inventory-skew", FINE), Fills()
    start = prices(strategy)
    for _ in range(10):
        strategy.on_fill(fills.sell(2_001, 1))
        strategy.quote(0)
    assert prices(strategy) == (start[0] + 1, start[1] + 1)


def test_a_fill_after_the_own_quote_expired_counts_from_the_price_of_the_fill() -> None:
    strategy, fills = make("inventory-skew"), Fills()
    strategy.quote(0)
    late = 31 * SECOND
    strategy.on_fill(fills.sell(9_000, 1, at=late))
    assert prices(strategy, late) == (8_996, 9_006)


def test_a_sell_fill_adds_two_to_the_ask_and_takes_one_off_the_bid() -> None:
    strategy, fills = unguarded(), Fills()
    strategy.on_fill(fills.sell(10_005, 1))
    # At so wide a limit one lot of position leans by less than a lot: rounded up, 11 and 10.
    assert sizes(strategy) == (11 - 1, 10 + 2)


def test_a_buy_fill_mirrors_it() -> None:
    strategy, fills = unguarded(), Fills()
    strategy.on_fill(fills.buy(9_995, 1))
    assert sizes(strategy) == (10 + 2, 11 - 1)


def test_many_fills_in_a_moment_take_the_other_side_to_zero_and_no_further() -> None:
    long = OwnPosition(position_lots=1_000)
    strategy = unguarded(position=long)
    fills = Fills(long)
    for _ in range(50):
        strategy.on_fill(fills.sell(10_005, 1))
    assert sizes(strategy) == (0, 21)


def test_what_fills_did_to_the_sizes_is_forgotten_by_one_lot_per_second() -> None:
    strategy, fills = unguarded(), Fills()
    for _ in range(5):
        strategy.on_fill(fills.sell(10_005, 1))
        strategy.on_fill(fills.buy(9_995, 1))
    begin = sizes(strategy)
    assert begin == (15, 15)
    assert sizes(strategy, 2 * SECOND) == (13, 13)
    assert sizes(strategy, 60 * SECOND) == (10, 10)


def test_asking_twice_at_one_time_gives_the_same_quote() -> None:
    strategy, fills = make("inventory-skew"), Fills()
    strategy.on_fill(fills.sell(10_005, 3))
    assert strategy.quote(SECOND) == strategy.quote(SECOND)


@pytest.mark.parametrize(("guard", "most"), [(True, 10), (False, 20)])
def test_at_the_limit_only_the_side_that_reduces_is_quoted(guard: bool, most: int) -> None:
    long = OwnPosition(position_lots=100)
    assert sizes(make("inventory-skew", position=long, sweep_guard=guard)) == (0, most)
    short = OwnPosition(position_lots=-100)
    assert sizes(make("inventory-skew", position=short, sweep_guard=guard)) == (most, 0)


def test_one_lot_before_the_limit_one_lot_is_quoted() -> None:
    strategy = make("inventory-skew", position=OwnPosition(position_lots=99))
    assert sizes(strategy)[0] == 1


def test_a_repeated_fill_changes_nothing() -> None:
    strategy, fills = make("inventory-skew"), Fills()
    strategy.quote(0)
    fill = fills.sell(10_005, 3)
    strategy.on_fill(fill)
    once = strategy.quote(0)
    strategy.on_fill(fill)
    assert strategy.quote(0) == once


def test_after_a_silence_longer_than_the_time_to_live_it_starts_at_the_last_fill() -> None:
    strategy, fills = make("inventory-skew"), Fills()
    strategy.quote(0)
    strategy.on_fill(fills.sell(10_005, 50))
    assert prices(strategy) == (10_045, 10_055)
    assert prices(strategy, 40 * SECOND) == (10_000, 10_010)


def test_a_position_counts_unless_it_is_older_than_the_last_fill() -> None:
    strategy, fills = make("inventory-skew"), Fills()
    strategy.on_fill(fills.sell(10_005, 50))
    strategy.on_position(OwnPosition(position_lots=0, version=fills.version - 1))
    assert sizes(strategy, 60 * SECOND) == (10, 5)
    strategy.on_position(OwnPosition(position_lots=0, version=fills.version))
    assert sizes(strategy, 60 * SECOND) == (10, 10)


def test_the_price_never_falls_below_a_tick_and_comes_back_from_there() -> None:
    strategy, fills = make("inventory-skew", reference_price="0.10"), Fills()
    for _ in range(20):
        strategy.on_fill(fills.buy(1, 5))
        assert prices(strategy)[0] >= 1
    assert prices(strategy) == (1, 11)
    strategy.on_fill(fills.sell(11, 3))
    assert prices(strategy) == (4, 14)


@pytest.mark.parametrize(
    ("parameters", "most"),
    [
        ({"spread": "0.10", "impact": "0.01"}, 10),
        ({"spread": "0.05", "impact": "0.01"}, 5),
        ({"spread": "0.10", "impact": "0.03"}, 3),
        ({"spread": "0.10", "impact": "0.004"}, 22),  # a tick is left for rounding
        ({"spread": "0.01", "impact": "0.05"}, 1),
        ({"spread": "0.10", "impact": "0"}, 40),
    ],
)
def test_a_side_is_no_larger_than_moves_the_price_by_the_spread(
    parameters: dict[str, str], most: int
) -> None:
    assert sizes(make("inventory-skew", quantity=40, **parameters)) == (most, most)


def test_a_spread_of_no_whole_ticks_is_quoted_wider_not_tighter() -> None:
    bid, ask = prices(make("inventory-skew", FINE, spread="0.12"))
    assert ask - bid == 3


def test_a_size_of_no_whole_lots_is_refused_by_name() -> None:
    with pytest.raises(StrategyError, match=r"quantity 2\.5 of ACME"):
        make("inventory-skew", UNITS, quantity="2.5")
