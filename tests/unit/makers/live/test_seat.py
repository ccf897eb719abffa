"""One symbol of a maker: what is heard goes to its quoter, what it wants is sent."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from decimal import Decimal
from typing import Any, cast

import pytest

from tradepit.client.channel_data import Auction, OrderChange, QueuesSnapshot, RestingOrder
from tradepit.client.models import Instrument, LastFill, Position, Trade
from tradepit.makers import InstrumentSpec, QuoterSettings, QuoteWish, Reason
from tradepit.makers.live.clock import LocalClock
from tradepit.makers.live.counts import Counts
from tradepit.makers.live.holdings import Holdings
from tradepit.makers.live.seat import Seat
from tradepit.makers.live.sender import Granted, Outcome, QuoteSender, Refused, Unknown
from tradepit.makers.registry import StrategyChoice

ACME = Instrument("ACME", Decimal("0.01"), Decimal(1))
SETTINGS = QuoterSettings(interval_min_ns=0, pause_ns=1_000_000, pause_ns_max=2_000_000)


class FakeVenue:
    """Takes wishes as a sender does; grants them, or answers what it was told to."""

    def __init__(self) -> None:
        self.clock = LocalClock()
        self.wishes: list[QuoteWish] = []
        self.ours: list[bool] = []
        self.answers: list[Outcome] = []
        self.heard = asyncio.Event()
        self.gate: asyncio.Event | None = None

    async def carry_out(
        self, spec: InstrumentSpec, wish: QuoteWish, *, replaces: bool, is_ours: Callable[[], bool]
    ) -> Outcome:
        self.wishes.append(wish)
        self.heard.set()
        if self.gate is not None:
            await self.gate.wait()
        self.ours.append(is_ours())
        number = 2 * len(self.wishes)
        if self.answers:
            return self.answers.pop(0)
        return Granted(wish.quote, self.clock.now_ns(), (str(number), str(number + 1)))


class Place:
    """A seat in a fake venue, with feed and lease as the test says."""

    def __init__(self, position: Position | None = None) -> None:
        self.venue, self.counts, self.holdings = FakeVenue(), Counts(), Holdings()
        self.holdings.begin([] if position is None else [position])
        self.is_held = self.is_heard = True
        self.refusals: list[tuple[str, str]] = []
        self.ended: list[str] = []
        self.seat = Seat(
            "mm-0",
            ACME,
            StrategyChoice(),
            SETTINGS,
            self.holdings,
            cast(QuoteSender, self.venue),
            self.venue.clock,
            self.counts.of("ACME"),
            may_send=lambda symbol: self.is_held,
            may_quote=lambda symbol: self.is_held and self.is_heard,
            on_refused=lambda symbol, code: self.refusals.append((symbol, code)),
            on_ended=self.ended.append,
        )

    @property
    def reasons(self) -> list[Reason]:
        return [wish.reason for wish in self.venue.wishes]

    async def begin(self) -> None:
        """Let the first quote stand."""
        self.seat.on_queues(QueuesSnapshot((), ()))
        self.seat.pump()
        await self.settle()

    async def settle(self) -> None:
        for _ in range(3):
            await asyncio.sleep(0)
            await self.seat.settle()

    async def until_sent(self, count: int) -> None:
        async with asyncio.timeout(5):
            while len(self.venue.wishes) < count:
                self.venue.heard.clear()
                await self.venue.heard.wait()


def run(test: Callable[[Place], Awaitable[None]], position: Position | None = None) -> None:
    async def placed() -> None:
        place = Place(position)
        try:
            await test(place)
        finally:
            place.seat.end()
            await place.settle()

    asyncio.run(placed())


def position(version: int, net: int, *, side: Any = "sell", quantity: int = 2) -> Position:
    fill = LastFill("9", side, Decimal(quantity), Decimal("100.05"), "2026-01-01T00:00:00Z")
    return Position("ACME", Decimal(net), Decimal(0), version=version, last_fill=fill)


def own(action: Any, order_id: str, reason: str | None = None) -> OrderChange:
    return OrderChange(
        action, order_id, "buy", Decimal("99.95"), Decimal(0), 1, own=True, reason=reason
    )


def test_nothing_is_sent_before_the_book_is_known() -> None:
    async def test(place: Place) -> None:
        place.seat.pump()
        await place.settle()
        assert place.reasons == []
        await place.begin()
        assert place.reasons == [Reason.FIRST]
        assert place.seat.standing == place.venue.wishes[0].quote

    run(test)


@pytest.mark.parametrize("missing", ["is_held", "is_heard"])
def test_nothing_is_sent_without_a_lease_or_a_feed_and_it_looks_again(missing: str) -> None:
    async def test(place: Place) -> None:
        setattr(place, missing, False)
        await place.begin()
        assert place.reasons == []
        setattr(place, missing, True)
        await place.until_sent(1)

    run(test)


def test_a_fill_is_answered_by_a_quote_and_the_round_trip_is_counted() -> None:
    async def test(place: Place) -> None:
        await place.begin()
        place.seat.on_fill(position(1, -2))
        place.seat.pump()
        await place.settle()
        assert place.reasons == [Reason.FIRST, Reason.FILL]
        assert place.counts["ACME"].fills == 1
        assert sum(place.counts.round_trips.counts) == 1
        assert place.seat.report().inventory == -2

    run(test)


def test_a_fill_heard_while_a_quote_is_under_way_is_answered_by_the_next() -> None:
    async def test(place: Place) -> None:
        place.venue.gate = asyncio.Event()
        place.seat.on_queues(QueuesSnapshot((), ()))
        place.seat.pump()
        await asyncio.sleep(0)
        place.seat.on_fill(position(1, -2))
        place.seat.pump()
        await asyncio.sleep(0)
        assert place.reasons == [Reason.FIRST]
        place.venue.gate.set()
        await place.until_sent(2)
        await place.settle()
        assert place.reasons == [Reason.FIRST, Reason.FILL]
        assert sum(place.counts.round_trips.counts) == 1

    run(test)


def test_a_repeated_fill_and_an_old_position_change_nothing() -> None:
    async def test(place: Place) -> None:
        await place.begin()
        for _ in range(2):
            place.seat.on_fill(position(6, -4))
        place.seat.on_position(position(5, -2))
        place.seat.on_position(position(6, -4))
        place.seat.pump()
        await place.settle()
        assert place.reasons == [Reason.FIRST, Reason.FILL]
        assert place.seat.report().inventory == -4

    run(test, position(5, -2))


def test_a_position_that_moved_without_a_fill_is_quoted_anew() -> None:
    async def test(place: Place) -> None:
        await place.begin()
        place.seat.on_position(position(5, 3))
        place.seat.pump()
        await place.settle()
        assert place.reasons == [Reason.FIRST, Reason.POSITION]
        assert place.seat.report().inventory == 3

    run(test, position(5, -2))


@pytest.mark.parametrize(
    ("reason", "expected"), [("kill", True), ("expired", True), ("quote", False)]
)
def test_a_side_that_ended_otherwise_is_quoted_again(reason: str, expected: bool) -> None:
    async def test(place: Place) -> None:
        await place.begin()
        for order_id in ("2", "3"):
            place.seat.on_order(own("delete", order_id, reason))
        assert (place.seat.standing is None) is expected
        place.seat.pump()
        await place.settle()
        assert len(place.reasons) == 1 + expected

    run(test)


@pytest.mark.parametrize(("reason", "told"), [("requested", ["ACME"]), ("kill", [])])
def test_a_quote_that_was_ended_by_request_is_told(reason: str, told: list[str]) -> None:
    async def test(place: Place) -> None:
        await place.begin()
        place.seat.on_order(own("delete", "2", reason))
        assert place.ended == told

    run(test)


def test_a_side_that_ended_before_its_answer_was_read_does_not_stand() -> None:
    async def test(place: Place) -> None:
        place.venue.gate = asyncio.Event()
        place.seat.on_queues(QueuesSnapshot((), ()))
        place.seat.pump()
        await asyncio.sleep(0)
        place.seat.on_order(own("delete", "2", "kill"))
        place.venue.gate.set()
        place.is_heard = False
        await place.settle()
        assert place.seat.standing is not None
        assert place.seat.standing.bid_lots == 0

    run(test)


def test_own_orders_are_no_reason_and_those_of_others_move_the_quote() -> None:
    async def test(place: Place) -> None:
        await place.begin()
        place.seat.on_order(own("add", "2"))
        place.seat.pump()
        await place.settle()
        assert place.reasons == [Reason.FIRST]
        ask = RestingOrder("9", Decimal("99.90"), Decimal(5))
        place.seat.on_queues(QueuesSnapshot((), (ask,)))
        place.seat.pump()
        await place.settle()
        assert place.reasons == [Reason.FIRST, Reason.MARKET]
        assert place.seat.standing is not None
        assert place.seat.standing.bid_ticks < 9_990

    run(test)


def test_a_refusal_is_told_and_tried_again() -> None:
    async def test(place: Place) -> None:
        place.venue.answers = [Refused("not_owner"), Unknown("lost")]
        await place.begin()
        await place.until_sent(3)
        await place.settle()
        assert place.refusals == [("ACME", "not_owner")]
        counts = place.counts["ACME"]
        assert (counts.quotes_refused, counts.unknown, counts.granted) == (1, 1, 1)

    run(test)


def test_an_answer_that_comes_after_the_end_changes_nothing() -> None:
    async def test(place: Place) -> None:
        place.venue.gate = asyncio.Event()
        place.seat.on_queues(QueuesSnapshot((), ()))
        place.seat.pump()
        await asyncio.sleep(0)
        place.seat.end()
        place.venue.gate.set()
        await place.settle()
        assert place.venue.ours == [False]
        assert place.seat.standing is None

    run(test)


def test_a_halt_is_waited_for() -> None:
    async def test(place: Place) -> None:
        place.seat.on_auction(Auction("halted", Decimal(0), Decimal(0)))
        await place.begin()
        assert place.reasons == []
        place.seat.on_auction(Auction("continuous", Decimal(0), Decimal(0)))
        place.seat.pump()
        await place.settle()
        assert place.reasons == [Reason.FIRST]

    run(test)


def test_trades_reach_statistics() -> None:
    async def test(place: Place) -> None:
        await place.begin()
        place.seat.on_trade(Trade("1", "ACME", Decimal("101.5"), Decimal(3), "8", "9", "buy"))
        assert place.seat.report().mark == Decimal("101.5")

    run(test)
