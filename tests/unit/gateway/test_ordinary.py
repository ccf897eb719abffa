"""Ordinary orders that were gathered: each has the very answer that it would have alone."""

from __future__ import annotations

import json
from typing import Any, cast

import numpy as np
import pytest
from tests.unit.marketdata.frames import SECOND, MarketOfFrames

from tradepit.domain import commands, safety_commands
from tradepit.domain.commands import text_entry
from tradepit.domain.wire import PLACE_ORDER, SESSION_BOUND_DTYPE
from tradepit.gateway.channels import text_frame
from tradepit.gateway.config import GatewayConfig
from tradepit.gateway.desk import Desk
from tradepit.gateway.replies import Answer
from tradepit.gateway.wire_http import answer_bytes
from tradepit.node.outcome import UNKNOWN, GatheredDone, Outcome, Overloaded

HOST = b"localhost"
ORDER = {"client_id": "a", "instrument": "AAA-BBB", "side": "buy", "price": 100, "quantity": 5}


class GatheringNode:
    """Applies what was gathered in one frame when it is told to."""

    def __init__(self, nanoseconds_per_frame: int = 1000) -> None:
        self.market = MarketOfFrames(nanoseconds_per_frame)
        self.market.open_account("a")
        self.replica = self.market.replica
        self.error: Overloaded | None = None
        self.gathered: list[tuple[bytes, Any, GatheredDone]] = []

    def gather(self, record: bytes, item: Any, done: GatheredDone, account: str) -> None:
        if self.error is not None:
            raise self.error
        assert account == "a"
        self.gathered.append((record, item, done))

    def submit(self, records: bytes, texts: bytes, count: int, done: Any, **_: Any) -> None:
        first = self.replica.sequence + 1
        done(Outcome(None, first, self.market.run([records], texts)[96:]))

    def run(self, outcome: Outcome | None = None) -> None:
        records = [record for record, _, _ in self.gathered]
        items = [item for _, item, _ in self.gathered]
        (done,) = {id(done): done for _, _, done in self.gathered}.values()
        if outcome is None:
            first = self.replica.sequence + 1
            outcome = Outcome(None, first, self.market.run(records, b"")[96:])
        done(items, outcome)


class Receiver:
    def __init__(self) -> None:
        self.got: list[bytes | Answer] = []

    def send(self, message: bytes) -> None:
        self.got.append(message)

    def reply(self, answer: Answer) -> None:
        self.got.append(answer)

    @property
    def status(self) -> int:
        (answer,) = self.got
        return answer.status if isinstance(answer, Answer) else 201


@pytest.fixture
def node() -> GatheringNode:
    return GatheringNode()


@pytest.fixture
def desk(node: GatheringNode) -> Desk:
    return Desk(cast(Any, node), GatewayConfig())


def send_request(desk: Desk, *, key: str = "", **more: Any) -> Receiver:
    body = json.dumps(ORDER | more).encode()
    head = f"POST /api/v1/orders HTTP/1.1\r\nhost: {HOST.decode()}\r\n"
    if key:
        head += f"idempotency-key: {key}\r\n"
    receiver = Receiver()
    data = head.encode() + b"content-length: %d\r\n\r\n" % len(body) + body
    assert desk.ordinary.take_request(data, HOST, lambda: receiver)
    return receiver


def send_message(desk: Desk, **more: Any) -> Receiver:
    receiver = Receiver()
    payload = json.dumps(ORDER | {"op": "place"} | more).encode()
    assert desk.ordinary.take_message(payload, lambda _id: receiver, {})
    return receiver


def test_a_placed_order_is_answered_with_a_whole_http_message(
    desk: Desk, node: GatheringNode
) -> None:
    receivers = [send_request(desk, price=price) for price in (100, 101)]
    first = node.replica.sequence + 1
    node.run()
    for sequence, receiver in enumerate(receivers, first):
        body = node.replica.order_json(sequence, sequence)
        assert body is not None
        assert receiver.got == [answer_bytes(Answer(201, body, sequence))]


@pytest.mark.parametrize("id", ["7", '"' + "x" * 70_000 + '"'], ids=["short", "long"])
def test_a_placed_order_is_answered_with_a_frame_under_its_id(
    desk: Desk, node: GatheringNode, id: str
) -> None:
    receiver = send_message(desk, id=json.loads(id))
    sequence = node.replica.sequence + 1
    node.run()
    order = node.replica.order_json(sequence, sequence)
    text = b'{"id":%b,"op":"place","sequence":%d,"status":201,"order":%b}'
    assert receiver.got == [text_frame(text % (id.encode(), sequence, order))]


def test_those_that_were_not_placed_are_told_by_their_own_events(
    desk: Desk, node: GatheringNode
) -> None:
    good = send_request(desk, key="one")
    other = send_request(desk, key="one", price=101)
    same = send_request(desk, key="one")
    poor = send_request(desk, quantity=90_000_000_000)
    last = send_request(desk, key="two")
    node.run()
    statuses = [receiver.status for receiver in (good, other, same, poor, last)]
    assert statuses == [201, 409, 200, 422, 201]


def test_an_order_behind_what_time_brings_about_is_answered_for_itself() -> None:
    node = GatheringNode(SECOND)
    desk = Desk(cast(Any, node), GatewayConfig())
    node.market.open_account("b")
    others = [
        commands.place_order(
            account=2, instrument=1, side=1, order_type=1, time_in_force=1, price=50, quantity=1,
            definition_version=1,
        )
    ] * 3  # fmt: skip
    node.market.run([*others, safety_commands.set_dead_man(account=2, timeout_ns=SECOND)])
    receivers = [send_request(desk), send_request(desk, price=101)]
    poor = send_request(desk, quantity=90_000_000_000)
    first = node.replica.sequence + 1
    node.run()
    assert node.replica.counts()["live_orders"] == 2
    assert [receiver.status for receiver in (*receivers, poor)] == [201, 201, 422]
    (answer,) = receivers[0].got
    assert isinstance(answer, Answer)
    assert (answer.sequence, answer.body) == (first, node.replica.order_json(first, first))


def test_a_message_of_a_bound_connection_carries_its_session(
    desk: Desk, node: GatheringNode
) -> None:
    (bound,) = np.frombuffer(
        node.market.run([safety_commands.bind_session(account=1, cancels=True)], text_entry("s"))[
            96:
        ],
        SESSION_BOUND_DTYPE,
    )
    receiver = Receiver()
    payload = json.dumps(ORDER | {"op": "place"}).encode()
    sessions = {"a": int(bound["session"]), "b": 99}
    assert desk.ordinary.take_message(payload, lambda _id: receiver, sessions)
    (record, _, _) = node.gathered[0]
    assert PLACE_ORDER.unpack(record)[-2] == bound["session"]
    node.run()
    end = safety_commands.end_session(
        account=1, session=int(bound["session"]), binding=int(bound["binding"])
    )
    node.market.run([end])
    assert receiver.status == 201
    assert node.replica.counts()["live_orders"] == 0


def test_an_order_under_an_older_definition_is_drafted_anew(
    desk: Desk, node: GatheringNode
) -> None:
    receiver = send_request(desk)
    record, item, done = node.gathered[0]
    fields = list(PLACE_ORDER.unpack(record))
    fields[-3] += 8
    node.gathered[0] = (PLACE_ORDER.pack(*fields), item, done)
    node.run()
    assert receiver.status == 201
    assert node.replica.counts()["live_orders"] == 1


def test_a_failure_and_a_refusal_are_told_to_each(desk: Desk, node: GatheringNode) -> None:
    receivers = [send_request(desk) for _ in range(3)]
    node.error = Overloaded("node", 5)
    assert send_request(desk).status == 503
    node.run(UNKNOWN)
    assert [receiver.status for receiver in receivers] == [503, 503, 503]
    assert (desk.failed_count, desk.refused_count) == (3, 1)
