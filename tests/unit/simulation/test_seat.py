"""A firm in one instrument: what the others show, what fills do, who hears of them."""

from __future__ import annotations

from decimal import Decimal

from tradepit.domain.wire import Side
from tradepit.makers import InstrumentSpec, OwnPosition, StrategyChoice
from tradepit.makers.quoter import QuoterSettings
from tradepit.simulation.budget import Budget
from tradepit.simulation.seat import Seat

SPEC = InstrumentSpec("ACME", Decimal("0.01"), Decimal("0.1"))


def seat() -> Seat:
    choice = StrategyChoice(name="book-pegged", parameters={"quantity": "1"})
    return Seat(0, 1, 1, SPEC, choice, QuoterSettings())


def quoting(bid_lots: int = 10, ask_lots: int = 10) -> Seat:
    made = seat()
    made.bid.set(7, 99, bid_lots)
    made.ask.set(8, 101, ask_lots)
    made.granted_bid, made.granted_ask = bid_lots, ask_lots
    return made


def test_the_own_quote_is_left_out_of_what_the_others_show() -> None:
    alone = quoting().others([(99, 10, 1), (98, 4, 1)], [(101, 12, 2), (102, 3, 1)])
    assert alone == (98, 4, 101, 2)
    assert quoting().others([(99, 10, 1)], []) == (0, 0, 0, 0)
    assert seat().others([(99, 10, 1)], [(101, 12, 2)]) == (99, 10, 101, 12)


def test_fills_move_position_cash_grant_and_what_rests() -> None:
    made = quoting()
    made.on_fill(Side.BUY, 99, 3, 5)
    made.on_fill(Side.SELL, 101, 5, 6)
    assert (made.position_lots, made.cash_tick_lots) == (-2, 5 * 101 - 3 * 99)
    assert (made.granted_bid, made.granted_ask) == (7, 5)
    assert (made.bid.lots, made.ask.lots) == (7, 5)
    assert made.position == OwnPosition(position_lots=-2, version=2, last_fill_ticks=101)


def test_fills_that_no_maker_hears_of_are_counted_and_the_next_one_begins_behind_them() -> None:
    made = quoting()
    made.on_fill(Side.BUY, 99, 3, 5)
    assert made.unowned_fills == 1
    made.begin("mm-0", 2 * 100, can_quote=True)
    assert made.quoter is not None
    report = made.quoter.statistics.report(6)
    assert (report.inventory, report.unexplained) == (Decimal("0.3"), 0)
    assert report.average_cost == Decimal("1.00")


def test_a_cancelled_or_reduced_order_gives_its_grant_back() -> None:
    made = quoting()
    assert made.on_shrunk(7, 4)
    assert (made.granted_bid, made.bid.lots) == (4, 4)
    assert made.on_shrunk(8, 0)
    assert made.granted_ask == 0
    assert not made.on_shrunk(9, 0)


def test_a_budget_adds_up_all_symbols_in_units() -> None:
    seats = [quoting(), quoting(bid_lots=3)]
    budget = Budget(Decimal("2"), seats)
    budget.look()
    assert (budget.most_units, budget.exceeded) == (2 * 10**8, 0)
    seats[1].granted_bid += 8
    budget.look()
    assert (budget.exceeded, budget.looks) == (1, 2)
