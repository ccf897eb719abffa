"""When a quoter sends which quote: each rule from few events, then all of them over random days."""

from __future__ import annotations

import random
from itertools import pairwise
from typing import Final

import msgspec
import pytest
from tests.unit.makers.events import SECOND, UNITS, Fills, book, make, trade

from tradepit.domain.wire import Side
from tradepit.makers import (
    NEVER_NS,
    BookView,
    MakerStatistics,
    OwnFill,
    OwnPosition,
    QuoterSettings,
    QuoteWish,
    Reason,
    Strategy,
    SymbolQuoter,
    TwoSided,
)

MS: Final = 1_000_000


def quote(bid: int, ask: int, bid_lots: int = 10, ask_lots: int = 10) -> TwoSided:
    return TwoSided(bid_ticks=bid, bid_lots=bid_lots, ask_ticks=ask, ask_lots=ask_lots)


class Told(Strategy):
    """Answers what the test says."""

    def __init__(self, answer: TwoSided | None) -> None:
        self.answer = answer

    def quote(self, now_ns: int) -> TwoSided | None:
        return self.answer


class Desk:
    """A quoter, and an exchange that does what it is told."""

    def __init__(self, answer: TwoSided | None = None, **settings: int) -> None:
        self.strategy = Told(answer or quote(9_995, 10_005))
        self.statistics = MakerStatistics("mm-0", UNITS)
        self.settings = QuoterSettings(**settings)
        self.quoter = SymbolQuoter(self.strategy, self.statistics, settings=self.settings)
        self.fills = Fills()

    def wants(self, now_ns: int) -> QuoteWish:
        wish = self.quoter.wants(now_ns)
        assert wish is not None
        return wish

    def grant(self, wish: QuoteWish, now_ns: int, granted: TwoSided | None = None) -> None:
        self.quoter.on_granted(
            wish.number, granted or wish.quote, expires_ns=now_ns + wish.ttl_ns, now_ns=now_ns
        )

    def quoting(self, now_ns: int = 0) -> QuoteWish:
        """Let a first quote stand."""
        wish = self.wants(now_ns)
        self.grant(wish, now_ns)
        return wish


def test_a_symbol_without_a_quote_gets_one_at_once() -> None:
    desk = Desk()
    wish = desk.wants(7)
    assert (wish.reason, wish.quote) == (Reason.FIRST, desk.strategy.answer)
    assert wish.ttl_ns == desk.settings.ttl_ns


def test_nothing_more_is_wanted_while_a_quote_is_under_way() -> None:
    desk = Desk()
    desk.wants(0)
    desk.quoter.on_fill(desk.fills.buy(9_995, 3))
    assert desk.quoter.wants(SECOND) is None


def test_nothing_is_wanted_while_nothing_happens() -> None:
    desk = Desk()
    desk.quoting()
    assert desk.quoter.wants(SECOND) is None


def test_a_fill_lowers_what_stands_and_is_answered_with_a_quote() -> None:
    desk = Desk()
    desk.quoting()
    assert desk.quoter.on_fill(desk.fills.buy(9_995, 3, at=SECOND))
    assert desk.quoter.standing == quote(9_995, 10_005, bid_lots=7)
    assert desk.wants(SECOND).reason is Reason.FILL


def test_a_repeated_fill_is_no_reason() -> None:
    desk = Desk()
    desk.quoting()
    fill = desk.fills.buy(9_995, 3, at=SECOND)
    desk.quoter.on_fill(fill)
    desk.grant(desk.wants(SECOND), SECOND)
    assert not desk.quoter.on_fill(fill)
    assert desk.quoter.wants(2 * SECOND) is None


def test_a_fill_of_the_quote_before_is_answered_once_the_one_under_way_is() -> None:
    desk = Desk()
    wish = desk.wants(0)
    desk.quoter.on_fill(desk.fills.sell(10_005, 1, at=MS))
    desk.grant(wish, 2 * MS)
    assert desk.wants(SECOND).reason is Reason.FILL


def test_a_position_from_elsewhere_is_a_reason_and_an_older_one_is_not() -> None:
    desk = Desk()
    desk.quoting()
    assert desk.quoter.on_position(OwnPosition(position_lots=50, version=4))
    desk.grant(desk.wants(SECOND), SECOND)
    assert not desk.quoter.on_position(OwnPosition(position_lots=40, version=3))
    assert desk.quoter.wants(2 * SECOND) is None


@pytest.mark.parametrize(
    ("answer", "is_sent"),
    [
        (quote(9_996, 10_006), False),
        (quote(9_997, 10_005), True),
        (quote(9_995, 10_003), True),
        (quote(9_995, 10_005, bid_lots=4), False),
        (quote(9_995, 10_005, bid_lots=0), True),
    ],
)
def test_the_market_is_a_reason_when_it_moves_a_side_far_enough(
    answer: TwoSided, is_sent: bool
) -> None:
    desk = Desk(move_ticks=2)
    desk.quoting()
    desk.strategy.answer = answer
    desk.quoter.on_book(book(9_000, 11_000, at=SECOND))
    wish = desk.quoter.wants(SECOND)
    assert (wish is not None) is is_sent
    if wish is not None:
        assert (wish.reason, wish.quote) == (Reason.MARKET, answer)


def test_trades_and_outside_prices_let_the_strategy_look_too() -> None:
    desk = Desk()
    desk.quoting()
    desk.strategy.answer = quote(9_990, 10_000)
    desk.quoter.on_trade(trade(9_990, Side.SELL, at=SECOND))
    desk.grant(desk.wants(SECOND), SECOND)
    desk.strategy.answer = quote(9_980, 9_990)
    desk.quoter.on_reference(9_985, 2 * SECOND)
    assert desk.wants(2 * SECOND).quote == desk.strategy.answer


def test_a_quote_is_renewed_before_it_ends_and_not_earlier() -> None:
    desk = Desk(ttl_ns=30 * SECOND, renew_before_ns=10 * SECOND)
    desk.quoting()
    assert desk.quoter.wakes_at_ns(0) == 20 * SECOND
    assert desk.quoter.wants(20 * SECOND - 1) is None
    wish = desk.wants(20 * SECOND)
    assert wish.reason is Reason.RENEWAL
    desk.grant(wish, 20 * SECOND)
    assert desk.quoter.wakes_at_ns(20 * SECOND) == 40 * SECOND


def test_two_quotes_are_never_closer_than_the_interval() -> None:
    desk = Desk(interval_min_ns=100 * MS)
    desk.quoting()
    desk.quoter.on_fill(desk.fills.buy(9_995, 1, at=MS))
    assert desk.quoter.wants(100 * MS - 1) is None
    assert desk.quoter.wakes_at_ns(MS) == 100 * MS
    assert desk.wants(100 * MS).reason is Reason.FILL


def test_refusals_are_tried_again_after_pauses_that_double_up_to_a_bound() -> None:
    desk = Desk(pause_ns=100 * MS, pause_ns_max=300 * MS, interval_min_ns=0)
    now, waits = 0, []
    for _ in range(4):
        wish = desk.wants(now)
        desk.quoter.on_refused(wish.number, now_ns=now)
        due = desk.quoter.wakes_at_ns(now)
        assert desk.quoter.wants(due - 1) is None
        waits.append((due - now) // MS)
        now = due
    assert waits == [100, 200, 300, 300]
    desk.grant(desk.wants(now), now)
    desk.quoter.on_fill(desk.fills.buy(9_995, 1, at=now))
    wish = desk.wants(now)
    desk.quoter.on_refused(wish.number, now_ns=now)
    assert desk.quoter.wakes_at_ns(now) == now + 100 * MS


def test_a_refusal_leaves_what_stood() -> None:
    desk = Desk()
    desk.quoting()
    desk.quoter.on_fill(desk.fills.buy(9_995, 1, at=SECOND))
    desk.quoter.on_refused(desk.wants(SECOND).number, now_ns=SECOND)
    assert desk.quoter.standing == quote(9_995, 10_005, bid_lots=9)


def test_a_partial_grant_stands_and_is_asked_for_again() -> None:
    desk = Desk(pause_ns=SECOND)
    wish = desk.wants(0)
    desk.grant(wish, 0, quote(9_995, 10_005, bid_lots=2))
    assert desk.quoter.standing == quote(9_995, 10_005, bid_lots=2)
    assert desk.quoter.wants(SECOND - 1) is None
    wish = desk.wants(SECOND)
    assert (wish.reason, wish.quote) == (Reason.SHORTFALL, quote(9_995, 10_005))


def test_a_fill_is_answered_although_less_was_granted() -> None:
    desk = Desk(pause_ns=SECOND, interval_min_ns=0)
    desk.grant(desk.wants(0), 0, quote(9_995, 10_005, bid_lots=2))
    desk.quoter.on_fill(desk.fills.buy(9_995, 1, at=MS))
    assert desk.wants(MS).reason is Reason.FILL


def test_a_grant_of_nothing_never_locks_a_symbol() -> None:
    desk = Desk(pause_ns=SECOND)
    nothing = quote(9_995, 10_005, bid_lots=0, ask_lots=0)
    desk.grant(desk.wants(0), 0, nothing)
    assert desk.quoter.standing is None
    desk.quoter.on_book(book(9_000, 11_000, at=MS))
    assert desk.quoter.wants(MS) is None
    wish = desk.wants(desk.quoter.wakes_at_ns(MS))
    assert wish.quote == quote(9_995, 10_005)


def test_without_an_answer_it_is_asked_for_anew_and_the_late_answer_is_passed_over() -> None:
    desk = Desk(answer_ns_max=2 * SECOND, pause_ns=100 * MS)
    late = desk.wants(0)
    assert desk.quoter.wakes_at_ns(0) == 2 * SECOND
    assert desk.quoter.wants(2 * SECOND) is None
    again = desk.wants(2 * SECOND + 100 * MS)
    desk.grant(late, 3 * SECOND)
    assert desk.quoter.standing is None
    desk.grant(again, 3 * SECOND)
    assert desk.quoter.standing == again.quote


def test_a_strategy_without_a_quote_withdraws_what_stands_once() -> None:
    desk = Desk()
    desk.quoting()
    desk.strategy.answer = None
    desk.quoter.on_book(book(9_000, 11_000, at=SECOND))
    wish = desk.wants(SECOND)
    assert (wish.quote, wish.reason) == (None, Reason.WITHDRAWAL)
    desk.quoter.on_granted(wish.number, None, expires_ns=0, now_ns=SECOND)
    desk.quoter.on_book(book(9_000, 11_001, at=2 * SECOND))
    assert desk.quoter.wants(2 * SECOND) is None
    assert desk.quoter.wakes_at_ns(2 * SECOND) == NEVER_NS


def test_a_quote_that_would_take_is_moved_behind_the_others() -> None:
    desk = Desk(quote(9_995, 10_005))
    desk.quoter.on_book(book(9_990, 9_993))
    assert desk.wants(0).quote == quote(9_992, 10_005)


def test_a_quote_that_ended_is_replaced_and_uptime_ends_with_it() -> None:
    desk = Desk(ttl_ns=10 * SECOND, renew_before_ns=SECOND)
    desk.quoting()
    wish = desk.wants(20 * SECOND)
    assert wish.reason is Reason.FIRST
    assert desk.statistics.report(20 * SECOND).quote_uptime == 0.5


def test_the_venue_says_what_stands_after_a_gap() -> None:
    desk = Desk()
    desk.quoting()
    desk.quoter.on_standing(None, expires_ns=0, now_ns=SECOND)
    assert desk.quoter.standing is None
    assert desk.wants(SECOND).reason is Reason.FIRST


def test_a_halt_is_waited_for_and_its_end_is_a_reason() -> None:
    desk = Desk()
    desk.quoter.on_phase(can_quote=False)
    assert desk.quoter.wants(0) is None
    assert desk.quoter.wakes_at_ns(0) == NEVER_NS
    desk.quoter.on_phase(can_quote=True)
    assert desk.wants(SECOND).reason is Reason.FIRST


def test_after_its_end_nothing_is_wanted() -> None:
    desk = Desk()
    late = desk.wants(0)
    desk.quoter.end(MS)
    desk.grant(late, 2 * MS)
    desk.quoter.on_fill(desk.fills.buy(9_995, 1, at=SECOND))
    assert desk.quoter.wants(SECOND) is None
    assert desk.quoter.standing is None
    assert desk.quoter.wakes_at_ns(SECOND) == NEVER_NS


def test_statistics_hear_the_fills_and_what_stands() -> None:
    desk = Desk()
    desk.quoter.on_book(book(9_990, 10_010))
    desk.quoting()
    desk.quoter.on_fill(desk.fills.buy(9_995, 4, at=SECOND))
    report = desk.statistics.report(2 * SECOND)
    assert (report.fills, report.quote_uptime) == (1, 1.0)


@pytest.mark.parametrize(
    "settings",
    [
        {"ttl_ns": 5, "renew_before_ns": 5},
        {"pause_ns": 0},
        {"pause_ns": 2, "pause_ns_max": 1},
        {"move_ticks": 0},
        {"interval_min_ns": -1},
    ],
)
def test_settings_that_cannot_work_are_refused(settings: dict[str, int]) -> None:
    with pytest.raises(ValueError):
        QuoterSettings(**settings)


class Exchange:
    """Answers wishes at random, some time later: grants, parts, refusals, silence."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.strategy = make("inventory-skew")
        settings = QuoterSettings(interval_min_ns=50 * MS, answer_ns_max=SECOND)
        self.quoter = SymbolQuoter(self.strategy, MakerStatistics("mm-0", UNITS), settings=settings)
        self.fills = Fills()
        self.sent: list[tuple[int, QuoteWish]] = []
        self.granted = 0

    def step(self, now: int) -> None:
        self._happen(now)
        wish = self.quoter.wants(now)
        if wish is not None:
            self.sent.append((now, wish))
        under_way = self.quoter.under_way
        if under_way is not None and self.random.random() < 0.3:
            self._answer(under_way, now)

    def _happen(self, now: int) -> None:
        kind, standing = self.random.random(), self.quoter.standing
        if kind < 0.2:
            mid = 10_000 + self.random.randint(-30, 30)
            self.quoter.on_book(book(mid - 2, mid + 2, at=now))
        elif kind < 0.3 and standing is not None:
            self._fill(standing, now)

    def _fill(self, standing: TwoSided, now: int) -> None:
        fill: OwnFill | None = None
        if self.random.random() < 0.5 and standing.bid_lots:
            fill = self.fills.buy(standing.bid_ticks, 1, at=now)
        elif standing.ask_lots:
            fill = self.fills.sell(standing.ask_ticks, 1, at=now)
        if fill is not None:
            self.quoter.on_fill(fill)

    def _answer(self, wish: QuoteWish, now: int) -> None:
        if self.random.random() < 0.2:
            self.quoter.on_refused(wish.number, now_ns=now)
            return
        asked = wish.quote
        if asked is not None:
            part = self.random.choice((0, 1, 1, 1))
            asked = msgspec.structs.replace(asked, bid_lots=asked.bid_lots * part)
        self.granted += 1
        expires = now + wish.ttl_ns
        self.quoter.on_granted(wish.number, asked, expires_ns=expires, now_ns=now)


@pytest.mark.parametrize("seed", range(8))
def test_over_a_random_day_the_rules_hold_and_no_quote_goes_stale(seed: int) -> None:
    print(f"seed {seed}")
    day = Exchange(seed)
    without = 0
    for now in range(0, 200 * SECOND, 20 * MS):
        day.step(now)
        standing = day.quoter.standing
        assert standing is None or now < day.quoter.expires_ns
        without = 0 if standing is not None else without + 20 * MS
        assert without <= 60 * SECOND, "a symbol stayed without a quote"
    times = [now for now, _ in day.sent]
    assert all(b - a >= 50 * MS for a, b in pairwise(times))
    assert [wish.number for _, wish in day.sent] == list(range(1, len(day.sent) + 1))
    assert day.granted > 25


def test_the_same_events_give_the_same_wishes() -> None:
    days = [Exchange(7), Exchange(7)]
    for day in days:
        for now in range(0, 60 * SECOND, 20 * MS):
            day.step(now)
    assert days[0].sent == days[1].sent


def test_an_empty_book_is_enough_to_quote() -> None:
    desk = Desk()
    desk.quoter.on_book(BookView(time_ns=0))
    assert desk.wants(0).quote == desk.strategy.answer
