"""Whatever happens to the connection: of a replay nothing is missed unnoticed, nothing twice."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import msgspec
import pytest

from tradepit.client.errors import UnreadableAnswer
from tradepit.client.replay_following import ReplayFollower
from tradepit.client.replays import (
    ReplayChanged,
    ReplayMessage,
    ReplaySnapshot,
    ReplayStep,
    RestingOrder,
)

REPLAY = {
    "id": "ab",
    "source": "x.dbn",
    "mode": "shared",
    "state": "paused",
    "speed": "max",
    "position": 5,
    "messages": 9,
    "readers": 1,
}
LEVEL = {"price": "5040.25", "size": 3, "orders": 1}
QUEUE = [{"order_id": "18446744073709551615", "size": 3}]


def follower(*, by_order: bool = False, since: int | None = None) -> ReplayFollower:
    return ReplayFollower("ab", by_order=by_order, is_awaited=False, since=since)


def step(seq: int) -> bytes:
    new = {"side": "bid", "price": "5040.25", "size": 3, "orders_ahead": 4, "size_ahead": 17}
    return msgspec.json.encode(
        {
            "seq": seq,
            "number": seq,
            "time": "2024-03-04T00:00:00.000000001Z",
            "instrument_id": 17077,
            "publisher_id": 1,
            "action": "add",
            "side": "bid",
            "order_id": "6413",
            "price": "5040.25",
            "size": 3,
            "last": True,
            "flags": 130,
            "venue_sequence": 123,
            "effect": {"kind": "added", "new": new},
            "left_ns": 1763000000000000000,
        }
    )


def books(seq: int, *, queue: object = None, **fields: Any) -> bytes:
    level = LEVEL if queue is None else LEVEL | {"queue": queue}
    book = {"instrument_id": 17077, "publisher_id": 1, "bids": [level], "asks": []}
    return msgspec.json.encode(
        {"seq": seq, **fields, "snapshot": {"replay": REPLAY, "books": [book]}}
    )


def changed(seq: int) -> bytes:
    return msgspec.json.encode({"seq": seq, "state": REPLAY})


def taken(following: ReplayFollower, *payloads: bytes) -> list[ReplayMessage]:
    found = [following.take(payload) for payload in payloads]
    assert all(request is None for _, request in found)
    return [message for message, _ in found if message is not None]


def test_messages_that_follow_each_other_are_passed_on_typed() -> None:
    first, second, third = taken(follower(), books(4), step(5), changed(6))
    assert isinstance(first, ReplaySnapshot)
    assert first.books[0].bids[0].price == Decimal("5040.25")
    assert (first.is_jump, first.is_gap) == (False, False)
    assert isinstance(second, ReplayStep)
    assert (second.order_id, second.price, second.last) == (6413, Decimal("5040.25"), True)
    assert second.effect.new is not None
    assert second.effect.new.size_ahead == 17
    assert isinstance(third, ReplayChanged)
    assert third.replay.state == "paused"


def test_what_is_known_is_dropped_and_a_gap_is_no_message_of_a_replay() -> None:
    following = follower()
    assert len(taken(following, books(4), step(5), step(5), changed(5), step(4))) == 2
    with pytest.raises(UnreadableAnswer, match="8 of a replay came after 5"):
        following.take(step(8))


def test_a_new_connection_asks_to_go_on_behind_the_last_message() -> None:
    following = follower(by_order=True)
    assert following.target == "/ws/replays/ab?snapshot=orders"
    taken(following, books(4, queue=QUEUE), step(5))
    assert following.target == "/ws/replays/ab?snapshot=orders&from=5"
    assert follower(since=7).target == "/ws/replays/ab?from=7"
    awaited = ReplayFollower("a/b", by_order=False, is_awaited=True, since=None)
    assert awaited.target == "/ws/replays/a%2Fb?wait=true"


def test_jumps_and_gaps_are_told() -> None:
    following = follower()
    _, jump, gap = taken(
        following, books(4), books(5, jump=True), books(3, code="snapshot_required")
    )
    assert isinstance(jump, ReplaySnapshot)
    assert isinstance(gap, ReplaySnapshot)
    assert (jump.is_jump, jump.is_gap) == (True, False)
    assert (gap.is_jump, gap.is_gap) == (False, True)
    assert len(taken(following, step(4))) == 1


def test_every_order_has_its_place_and_its_whole_number() -> None:
    [snapshot] = taken(follower(by_order=True), books(4, queue=QUEUE))
    assert isinstance(snapshot, ReplaySnapshot)
    assert snapshot.books[0].bids[0].queue == (RestingOrder(2**64 - 1, 3),)


def test_a_jump_without_the_orders_that_were_asked_for_is_fetched_anew() -> None:
    following = follower(by_order=True)
    taken(following, books(4, queue=QUEUE))
    assert taken(following, books(5, jump=True)) == []
    assert following.is_lost
    assert following.target == "/ws/replays/ab?snapshot=orders"
    following.begin()
    assert not following.is_lost
    [snapshot] = taken(following, books(9, queue=QUEUE))
    assert isinstance(snapshot, ReplaySnapshot)
    assert snapshot.is_gap


def test_answers_to_somebody_are_nobody_s_message() -> None:
    assert taken(follower(), b'{"id":null,"op":"pong"}') == []


@pytest.mark.parametrize("payload", [b"", b"{", b"[]", b'{"seq":"x"}'])
def test_what_is_no_message_is_told(payload: bytes) -> None:
    with pytest.raises(UnreadableAnswer):
        follower().take(payload)
