"""The price of a replay, kept from what each of its messages did."""

from __future__ import annotations

from decimal import Decimal

from tradepit.client.replays import (
    Effect,
    PlaceInBook,
    RecordedBook,
    RecordedLevel,
    RecordedSide,
    Replay,
    ReplayChanged,
    ReplaySnapshot,
    ReplayStep,
)
from tradepit.makers.live.references import PlayedBook


def replay(state: str = "playing") -> Replay:
    return Replay("r", "day.dbn", "shared", state, "1", 0, 0)


def level(price: str, size: int) -> RecordedLevel:
    return RecordedLevel(Decimal(price), size, 1)


def book(number: int, name: str, bid: str, ask: str) -> RecordedBook:
    return RecordedBook(number, 1, (level(bid, 5),), (level(ask, 5),), instrument=name)


def place(side: RecordedSide, price: str, size: int) -> PlaceInBook:
    return PlaceInBook(side, Decimal(price), size, 0)


def step(effect: Effect, *, number: int = 1, last: bool = True) -> ReplayStep:
    return ReplayStep(1, 1, "add", number, 1, 1, 0, 0, effect, 0, last=last)


def begun(instrument: str | None = None) -> PlayedBook:
    found = PlayedBook(instrument)
    books = (book(1, "ESH4", "100", "101"), book(2, "NQH4", "200", "202"))
    assert found.take(ReplaySnapshot(1, replay(), books))
    return found


def test_the_first_book_is_meant_unless_one_is_named() -> None:
    assert begun().mid == Decimal("100.5")
    assert begun("NQH4").mid == 201


def test_orders_that_come_move_and_go_move_the_middle() -> None:
    played = begun()
    played.take(step(Effect("added", new=place("bid", "100.5", 2))))
    assert played.mid == Decimal("100.75")
    played.take(step(Effect("reduced", old=place("bid", "100.5", 2), new=place("bid", "100.5", 1))))
    assert played.mid == Decimal("100.75")
    moved = Effect("modified_lost", old=place("bid", "100.5", 1), new=place("bid", "100.7", 1))
    played.take(step(moved))
    assert played.mid == Decimal("100.85")
    played.take(step(Effect("removed", old=place("bid", "100.7", 1))))
    assert played.mid == Decimal("100.5")


def test_other_books_and_unfinished_events_say_nothing() -> None:
    played = begun()
    assert not played.take(step(Effect("added", new=place("bid", "100.5", 2)), last=False))
    played.take(step(Effect("cleared"), number=2))
    assert played.mid == Decimal("100.75")


def test_a_side_that_is_empty_has_no_middle() -> None:
    played = begun()
    played.take(step(Effect("cleared")))
    assert played.mid is None


def test_it_knows_whether_the_replay_plays() -> None:
    played = begun()
    assert played.is_playing
    assert not played.take(ReplayChanged(2, replay("paused")))
    assert not played.is_playing
