"""Whatever happens to the connection: no gap unnoticed, nothing twice."""

from __future__ import annotations

import random
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from tradepit.client.channel_data import BookSnapshot, ExecutionReport, LevelChange
from tradepit.client.errors import Rejected, UnreadableAnswer
from tradepit.client.following import Follower, Message
from tradepit.client.models import Top

BOOK = "book:BTC-USD"


def wire(channel: str = BOOK, **fields: Any) -> bytes:
    return msgspec.json.encode({"channel": channel, **fields})


def snapshot(seq: int, channel: str = BOOK) -> bytes:
    return wire(channel, seq=seq, snapshot={"bids": [], "asks": []})


def update(seq: int, previous: int, channel: str = BOOK) -> bytes:
    data = {"side": "buy", "price": "1.5", "quantity": "2", "orders": 1}
    return wire(channel, seq=seq, previous_seq=previous, data=data)


def resumed(seq: int, channel: str = BOOK) -> bytes:
    return wire(channel, seq=seq, resumed=True)


def requests(found: list[bytes]) -> list[dict[str, Any]]:
    return [msgspec.json.decode(each) for each in found]


def follow(*payloads: bytes, channel: str = BOOK) -> tuple[Follower, list[Message], list[Any]]:
    follower = Follower([channel], "alice")
    follower.begin()
    messages, asked = [], []
    for payload in payloads:
        message, request = follower.take(payload)
        messages += [message] if message else []
        asked += requests([request]) if request else []
    return follower, messages, asked


def test_messages_that_follow_each_other_are_passed_on() -> None:
    _, messages, asked = follow(snapshot(10), update(12, 10), update(15, 12))
    assert [message.seq for message in messages] == [10, 12, 15]
    assert messages[0].data == BookSnapshot((), ())
    assert messages[0].is_snapshot
    assert not messages[0].is_gap
    assert messages[1].data == LevelChange("buy", Decimal("1.5"), Decimal(2), 1)
    assert asked == []


def test_a_double_is_dropped() -> None:
    _, messages, asked = follow(snapshot(10), update(12, 10), update(12, 10))
    assert [message.seq for message in messages] == [10, 12]
    assert asked == []


def test_a_gap_is_asked_for_and_what_follows_waits() -> None:
    follower, messages, asked = follow(snapshot(10), update(15, 12), update(17, 15))
    assert [message.seq for message in messages] == [10]
    assert [request["from"] for request in asked] == [10]
    payloads = (update(12, 10), update(15, 12), update(17, 15), resumed(17))
    later = [follower.take(payload)[0] for payload in payloads]
    assert [message.seq for message in later if message] == [12, 15, 17]


def test_a_new_connection_goes_on_from_the_place_of_the_old_one() -> None:
    follower, _, _ = follow(snapshot(10), update(12, 10))
    (request,) = requests(follower.begin())
    assert (request["channel"], request["from"]) == (BOOK, 12)
    assert follower.take(resumed(12)) == (None, None)
    assert follower.take(update(13, 12))[0] is not None


def test_a_node_that_does_not_remember_shows_as_a_gap() -> None:
    follower, _, _ = follow(snapshot(10), update(12, 10))
    follower.begin()
    message, request = follower.take(snapshot(99))
    assert message is not None
    assert (message.is_snapshot, message.is_gap, request) == (True, True, None)


def test_a_resumption_that_ends_elsewhere_is_begun_anew() -> None:
    follower, _, _ = follow(snapshot(10))
    follower.begin()
    message, request = follower.take(resumed(14))
    assert message is None
    assert request is not None
    assert "from" not in msgspec.json.decode(request)


def test_a_star_goes_on_where_each_channel_was() -> None:
    follower, messages, _ = follow(
        snapshot(10, "bbo:A-B"), snapshot(10, "bbo:C-D"), channel="bbo:*"
    )
    assert [message.data for message in messages] == [Top(), Top()]
    (request,) = requests(follower.begin())
    assert "from" not in request
    assert follower.take(snapshot(10, "bbo:A-B")) == (None, None), "nothing was missed"
    message, again = follower.take(snapshot(14, "bbo:C-D"))
    assert message is None
    assert again is not None
    assert msgspec.json.decode(again)["from"] == 10
    top = {"bid_price": "1", "bid_quantity": "2", "ask_price": None, "ask_quantity": "0"}
    missed = wire("bbo:C-D", seq=14, previous_seq=10, data=top)
    message, _ = follower.take(missed)
    assert message is not None
    assert message.data.bid_price == 1
    message, _ = follower.take(snapshot(20, "bbo:E-F"))
    assert message is not None
    assert not message.is_gap, "an instrument that is new"


def test_an_execution_channel_names_its_account() -> None:
    follower = Follower(["execution"], "alice")
    (request,) = requests(follower.begin())
    assert request["client_id"] == "alice"
    follower.take(wire("execution", seq=1, snapshot={"orders": []}))
    data = {"report": "rejected", "sequence": 7, "order_id": None, "reject_reason": "max_value"}
    message, _ = follower.take(wire("execution", seq=2, previous_seq=1, data=data))
    assert message is not None
    assert message.data == ExecutionReport("rejected", 7, reject_reason="max_value")


def counted(seq: int) -> bytes:
    data = {"side": "buy", "price": "1.5", "quantity": "2", "orders": 1}
    return wire(seq=seq, data=data)


def test_messages_without_a_number_before_are_counted_by_one() -> None:
    follower, messages, asked = follow(snapshot(10), counted(11), counted(12))
    assert [message.seq for message in messages] == [10, 11, 12]
    assert asked == []
    message, request = follower.take(counted(14))
    assert message is None
    assert request is not None
    assert msgspec.json.decode(request)["from"] == 12


def test_what_is_told_anew_at_the_same_number_is_no_gap() -> None:
    begun = wire("positions", seq=4, snapshot={"positions": []})
    _, messages, _ = follow(begun, begun, channel="positions")
    assert [(message.is_snapshot, message.is_gap) for message in messages] == [(True, False)] * 2


def test_requests_say_whose_channel_and_how_much_is_conflated() -> None:
    follower = Follower(["book:X", "trades:X", "orders:X", "positions"], "alice", 100)
    told = {request.pop("channel"): request for request in requests(follower.begin())}
    assert {channel: set(request) - {"id", "op"} for channel, request in told.items()} == {
        "book:X": {"conflate_ms"},
        "trades:X": set(),
        "orders:X": {"client_id"},
        "positions": {"client_id"},
    }


def test_every_candle_channel_of_a_star_goes_on() -> None:
    begun = wire("candles:X:1m", seq=3, snapshot={"candles": []})
    follower, messages, _ = follow(begun, channel="candles:*:1m")
    assert len(messages) == 1
    (request,) = requests(follower.begin())
    assert "from" not in request
    assert follower.take(begun) == (None, None), "nothing was missed"


def test_a_kind_that_is_not_known_stays_as_it_is() -> None:
    _, messages, _ = follow(wire("weather:X", seq=1, snapshot={"a": [1]}), channel="weather:X")
    assert messages[0].data == {"a": [1]}


def test_refusals_and_nonsense_are_raised() -> None:
    follower = Follower([BOOK], None)
    problem = {"code": "unknown_instrument", "title": "no such instrument"}
    with pytest.raises(Rejected) as refused:
        follower.take(msgspec.json.encode({"id": BOOK, "status": 422, "problem": problem}))
    assert refused.value.code == "unknown_instrument"
    with pytest.raises(UnreadableAnswer):
        follower.take(b"<html>")
    with pytest.raises(UnreadableAnswer):
        follower.take(wire(seq=1, snapshot={"bids": 7}))


class FakeNode:
    """A channel with a window, and a connection that may lose what was sent last."""

    def __init__(self, chance: random.Random) -> None:
        self.chance = chance
        self.last = 1
        self.window: list[tuple[int, int]] = []
        self.sent: list[bytes] = []
        self.is_subscribed = False

    def push(self) -> None:
        step = self.chance.randrange(1, 4)
        self.window = [*self.window[-5:], (self.last + step, self.last)]
        self.last += step
        if self.is_subscribed:
            self.sent.append(update(*self.window[-1]))

    def ask(self, request: bytes) -> None:
        since = msgspec.json.decode(request).get("from")
        self.is_subscribed = True
        missed = [update(*each) for each in self.window if since is not None and each[0] > since]
        known = {each[1] for each in self.window} | {self.last}
        if since in known:
            self.sent += [*missed, resumed(self.last)]
        else:
            self.sent.append(snapshot(self.last))


@pytest.mark.parametrize("seed", range(20))
def test_every_message_comes_once_or_a_gap_is_told(seed: int) -> None:
    chance = random.Random(seed)
    node, follower = FakeNode(chance), Follower([BOOK], None)
    place: int | None = None
    history: dict[int, int] = {}
    for request in follower.begin():
        node.ask(request)
    for _ in range(400):
        if chance.random() < 0.5:
            node.push()
            history[node.window[-1][0]] = node.window[-1][1]
        if chance.random() < 0.05:
            node.sent.clear()
            for request in follower.begin():
                node.ask(request)
        if chance.random() < 0.03 and node.sent:
            node.sent.pop(chance.randrange(len(node.sent)))
        if chance.random() < 0.6 and node.sent:
            message, request = follower.take(node.sent.pop(0))
            if request:
                node.ask(request)
            if message and message.is_snapshot:
                assert message.is_gap == (place not in (None, message.seq))
            elif message:
                assert history[message.seq] == place, f"seed {seed}"
            place = message.seq if message else place
    assert place


def test_a_channel_that_is_added_begins_with_its_snapshot() -> None:
    follower = Follower([BOOK], None)
    follower.begin()
    request = follower.add("book:ETH-USD")
    assert request is not None
    assert msgspec.json.decode(request) == {
        "id": "book:ETH-USD",
        "op": "subscribe",
        "channel": "book:ETH-USD",
    }
    assert follower.add("book:ETH-USD") is None
    assert not follower.is_subscribed
    message, _ = follower.take(snapshot(7, "book:ETH-USD"))
    assert message is not None
    assert (message.is_snapshot, message.is_gap) == (True, False)
    assert "book:ETH-USD" in [each["channel"] for each in requests(follower.begin())]


def test_nothing_is_heard_of_a_channel_that_was_removed() -> None:
    follower = Follower([BOOK, "book:ETH-USD"], None)
    follower.begin()
    follower.take(snapshot(7, "book:ETH-USD"))
    request = follower.remove("book:ETH-USD")
    assert request is not None
    assert msgspec.json.decode(request)["op"] == "unsubscribe"
    assert follower.take(update(8, 7, "book:ETH-USD")) == (None, None)
    assert follower.remove("book:ETH-USD") is None
    assert [each["channel"] for each in requests(follower.begin())] == [BOOK]


def test_a_channel_that_comes_back_waits_for_its_snapshot() -> None:
    follower = Follower([BOOK], None)
    follower.begin()
    follower.take(snapshot(3))
    follower.remove(BOOK)
    follower.add(BOOK)
    assert follower.take(update(9, 8)) == (None, None)
    message, _ = follower.take(snapshot(9))
    assert message is not None
    assert not message.is_gap
    message, _ = follower.take(update(10, 9))
    assert message is not None
