"""Messages of a replay become the events that the recording has."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from tradepit.client.replays import (
    Effect,
    RecordedBook,
    RecordedLevel,
    Replay,
    ReplayChanged,
    ReplaySnapshot,
    ReplayStep,
    RestingOrder,
)
from tradepit.flow.recorded_source import Happening, Moved
from tradepit.flow.replayed_events import ReplayedEvents
from tradepit.marketdata.recorded_events import MboRecord, RecordedEvent
from tradepit.marketdata.records import FLAG_LAST

OURS, OTHER = 7, 8


def step(
    number: int, *, instrument_id: int = OURS, is_last: bool = True, action: str = "add"
) -> ReplayStep:
    return ReplayStep(
        seq=number,
        number=number,
        action=action,
        instrument_id=instrument_id,
        publisher_id=1,
        size=3,
        flags=FLAG_LAST if is_last else 0,
        venue_sequence=5,
        effect=Effect("added"),
        left_ns=0,
        side="ask" if action == "add" else None,
        order_id=40 + number if action == "add" else 0,
        price=Decimal("100.25") if action == "add" else None,
    )


def replay(position: int, state: str = "playing") -> Replay:
    return Replay("ab", "x.dbn", "shared", state, "1", position, 9)


def snapshot(position: int, *books: RecordedBook, state: str = "playing") -> ReplaySnapshot:
    return ReplaySnapshot(0, replay(position, state), books, is_jump=True)


def book(instrument_id: int, *order_ids: int) -> RecordedBook:
    queue = tuple(RestingOrder(order_id, 2) for order_id in order_ids)
    level = RecordedLevel(Decimal("99.5"), 2 * len(queue), len(queue), queue)
    return RecordedBook(instrument_id, 1, (level,), ())


def events_of(happenings: Sequence[Happening]) -> list[RecordedEvent]:
    found = []
    for happening in happenings:
        assert isinstance(happening, RecordedEvent)
        found.append(happening)
    return found


def test_an_event_is_told_with_its_last_message() -> None:
    events = ReplayedEvents(OURS)
    assert events.take(step(1, is_last=False)) == ()
    [event] = events_of(events.take(step(2)))
    assert event.records[1] == MboRecord("A", "A", 100_250_000_000, 3, 42, FLAG_LAST, 5, 0, 0)
    assert (event.number, events.position) == (0, 2)


def test_a_message_without_side_and_price_says_nothing_of_them() -> None:
    [event] = events_of(ReplayedEvents(OURS).take(step(1, action="clear")))
    assert event.records[0][:5] == ("R", "N", None, 3, 0)
    [event] = events_of(ReplayedEvents(OURS).take(step(1, action="unknown")))
    assert event.records[0].action == "N"


def test_other_instruments_are_passed_over() -> None:
    events = ReplayedEvents(OURS)
    events.take(step(1, is_last=False))
    assert events.take(step(2, instrument_id=OTHER)) == ()
    [event] = events_of(events.take(step(3)))
    assert [record.order_id for record in event.records] == [41, 43]
    assert events.position == 3


def test_a_snapshot_of_where_one_is_changes_nothing() -> None:
    events = ReplayedEvents(OURS)
    assert events.take(snapshot(0, book(OURS))) == ()
    events.take(step(1, is_last=False))
    assert events.take(snapshot(1, book(OURS, 41))) == ()
    [event] = events_of(events.take(step(2)))
    assert len(event.records) == 2


def test_elsewhere_the_book_is_told_order_by_order_and_what_was_begun_is_dropped() -> None:
    events = ReplayedEvents(OURS)
    events.take(step(1, is_last=False))
    [moved] = events.take(snapshot(5, book(OTHER, 90), book(OURS, 70, 60)))
    assert isinstance(moved, Moved)
    assert moved.event.is_snapshot
    assert [record.action for record in moved.event.records] == ["R", "A", "A"]
    assert [record.order_id for record in moved.event.records[1:]] == [70, 60]
    assert moved.event.records[1].price == 99_500_000_000
    [event] = events_of(events.take(step(6)))
    assert [record.order_id for record in event.records] == [46]


def test_the_end_ends_an_event_without_a_last_message() -> None:
    events = ReplayedEvents(OURS)
    events.take(step(1, is_last=False))
    assert events.take(ReplayChanged(2, replay(1, "paused"))) == ()
    assert not events.is_ended
    [event] = events_of(events.take(ReplayChanged(3, replay(1, "ended"))))
    assert len(event.records) == 1
    assert events.is_ended
