"""A maker's statistics: profit, spread captured, mark-out, uptime, each from few events."""

from __future__ import annotations

import random
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from tests.unit.makers.events import FINE, SECOND, UNITS, Fills, book, trade

from tradepit.domain.wire import Side
from tradepit.makers import MakerStatistics, OwnPosition, TwoSided


def statistics(**options: Any) -> MakerStatistics:
    return MakerStatistics("mm-0", UNITS, **options)


def quote(bid: int, ask: int, bid_lots: int = 10, ask_lots: int = 10) -> TwoSided:
    return TwoSided(bid_ticks=bid, bid_lots=bid_lots, ask_ticks=ask, ask_lots=ask_lots)


def test_before_anything_happens_there_is_nothing_to_measure() -> None:
    report = statistics().report(5 * SECOND)
    assert (report.maker, report.symbol, report.fills) == ("mm-0", "ACME", 0)
    assert report.inventory == report.realised_pnl == report.spread_captured == 0
    assert report.average_cost is report.mark is report.unrealised_pnl is None
    assert report.quote_uptime is report.quoted_spread is None


def test_a_round_trip_earns_its_spread_and_leaves_nothing_open() -> None:
    counts, fills = statistics(), Fills()
    counts.on_book(book(9_990, 10_010))
    counts.on_fill(fills.buy(9_995, 4))
    counts.on_fill(fills.sell(10_005, 4))
    report = counts.report(0)
    assert report.realised_pnl == report.spread_captured == Decimal("0.40")
    assert report.unrealised_pnl == 0
    assert (report.inventory, report.bought, report.sold) == (0, 4, 4)
    assert (report.fills, report.buy_fills, report.sell_fills) == (2, 1, 1)


def test_profit_is_realised_plus_the_position_at_the_mid() -> None:
    counts, fills = statistics(), Fills()
    counts.on_fill(fills.buy(10_000, 3))
    counts.on_fill(fills.buy(10_001, 1))
    counts.on_book(book(10_010, 10_011))
    report = counts.report(0)
    assert report.average_cost == Decimal("100.0025")
    assert report.mark == Decimal("100.105")
    assert report.unrealised_pnl == Decimal("0.41")


def test_without_a_book_the_last_trade_is_the_mark() -> None:
    counts, fills = statistics(), Fills()
    counts.on_fill(fills.sell(10_000, 2))
    counts.on_trade(trade(9_990, Side.SELL))
    assert counts.report(0).unrealised_pnl == Decimal("0.20")


def test_spread_captured_is_signed_and_counts_only_fills_that_met_a_mid() -> None:
    counts, fills = statistics(), Fills()
    counts.on_fill(fills.buy(9_000, 1))
    counts.on_book(book(9_990, 10_011))
    counts.on_fill(fills.sell(10_010, 2))
    counts.on_fill(fills.buy(10_004, 1))
    report = counts.report(0)
    assert report.spread_captured == Decimal("0.01") * (2 * Decimal("9.5") - Decimal("3.5"))
    assert report.fills_with_mid == 2
    assert report.fills == 3


def test_adverse_selection_is_how_far_the_mid_went_against_the_fill_within_a_second() -> None:
    counts, fills = statistics(), Fills()
    counts.on_book(book(9_990, 10_010))
    counts.on_fill(fills.buy(9_995, 4))
    counts.on_book(book(9_980, 10_000, at=SECOND - 1))
    counts.on_book(book(8_000, 8_020, at=SECOND + 1))
    report = counts.report(SECOND + 1)
    assert report.adverse_selection == Decimal("0.40")
    assert report.fills_marked_out == 1


def test_a_mid_that_goes_with_the_fill_is_negative_adverse_selection() -> None:
    counts, fills = statistics(horizon_ns=5 * SECOND), Fills()
    counts.on_book(book(9_990, 10_010))
    counts.on_fill(fills.sell(10_005, 2))
    counts.on_book(book(9_980, 10_000, at=3 * SECOND))
    assert counts.report(4 * SECOND).fills_marked_out == 0
    report = counts.report(5 * SECOND)
    assert report.adverse_selection == Decimal("-0.20")
    assert report.horizon_s == 5


def test_uptime_is_the_share_of_time_with_both_sides_quoted() -> None:
    counts = statistics()
    counts.on_quote(quote(99, 101), 10 * SECOND)
    counts.on_quote(quote(98, 104), 13 * SECOND)
    counts.on_quote(quote(98, 104, bid_lots=0), 14 * SECOND)
    counts.on_quote(None, 16 * SECOND)
    counts.on_quote(quote(99, 109), 18 * SECOND)
    report = counts.report(20 * SECOND)
    assert report.observed_s == 10
    assert report.quote_uptime == 0.6
    assert report.quoted_spread == pytest.approx((3 * 2 + 1 * 6 + 2 * 10) / 6 * 0.01)


def test_a_report_does_not_change_what_later_ones_say() -> None:
    asked, quiet = statistics(), statistics()
    for counts in (asked, quiet):
        counts.on_quote(quote(99, 101), 0)
    for second in range(1, 9):
        asked.report(second * SECOND)
    assert asked.report(9 * SECOND) == quiet.report(9 * SECOND)


def test_a_repeated_fill_is_counted_once() -> None:
    counts, fills = statistics(), Fills()
    fill = fills.buy(9_995, 4)
    counts.on_fill(fill)
    counts.on_fill(fill)
    assert counts.report(0).fills == 1


def test_a_missed_fill_is_told_by_the_next_as_unexplained() -> None:
    counts, fills = statistics(), Fills()
    fills.buy(9_995, 4)
    counts.on_fill(fills.buy(10_000, 1))
    report = counts.report(0)
    assert report.inventory == 5
    assert report.unexplained == 4
    assert report.average_cost == 100


def test_a_transfer_is_unexplained_and_valued_at_the_mid() -> None:
    counts = statistics()
    counts.on_book(book(9_990, 10_010))
    counts.on_position(OwnPosition(position_lots=-7))
    report = counts.report(0)
    assert (report.inventory, report.unexplained, report.unrealised_pnl) == (-7, -7, 0)


def test_counting_goes_on_from_a_position_and_its_cost() -> None:
    position = OwnPosition(position_lots=10, version=4, last_fill_ticks=9_000)
    fills = Fills(position)
    known = statistics(position=position, cost=Decimal("950.00"))
    assumed = statistics(position=position)
    fill = fills.sell(10_000, 10)
    for counts in (known, assumed):
        counts.on_fill(fill)
    assert known.report(0).realised_pnl == 50
    assert assumed.report(0).realised_pnl == 100


def test_lots_and_ticks_of_any_size_give_exact_money() -> None:
    counts, fills = MakerStatistics("mm-0", FINE), Fills()
    counts.on_fill(fills.buy(1_000, 3))
    counts.on_fill(fills.sell(1_001, 3))
    assert counts.report(0).realised_pnl == Decimal("0.075")
    assert counts.report(0).bought == Decimal("1.5")


def test_a_report_is_json() -> None:
    counts, fills = statistics(), Fills()
    counts.on_fill(fills.buy(9_995, 4))
    told = msgspec.json.decode(msgspec.json.encode(counts.report(0)))
    assert told["inventory"] == "4"
    assert told["average_cost"] == "99.95"


@pytest.mark.parametrize("seed", range(5))
def test_profit_is_spread_captured_plus_what_the_mid_did_to_the_position(seed: int) -> None:
    """Cash and mark alone give the profit; so do the edges at the fills and the moves between."""
    print(f"seed {seed}")
    draw, counts, fills = random.Random(seed), statistics(), Fills()
    mid, carried, cash, at = 10_000, 0, 0, 0
    counts.on_book(book(mid - 3, mid + 3))
    for _ in range(500):
        at += draw.randint(0, SECOND)
        if draw.random() < 0.5:
            move = draw.randint(-4, 4)
            mid += move
            carried += fills.lots * move
            counts.on_book(book(mid - 3, mid + 3, at=at))
            continue
        price, lots = mid + draw.randint(-6, 6), draw.randint(1, 9)
        side = draw.choice((fills.buy, fills.sell))
        before = fills.lots
        counts.on_fill(side(price, lots, at=at))
        cash -= (fills.lots - before) * price
    report = counts.report(at + SECOND)
    assert report.unrealised_pnl is not None
    profit = report.realised_pnl + report.unrealised_pnl
    assert profit == (cash + fills.lots * mid) * UNITS.money_per_tick_lot
    assert profit == report.spread_captured + carried * UNITS.money_per_tick_lot
    assert report.fills_marked_out == report.fills_with_mid == report.fills > 200
