"""The desk: what it says when the node takes nothing, stops in the middle, or knows better."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, cast

import pytest
from tests.unit.marketdata.frames import MarketOfFrames

from tradepit.domain import commands
from tradepit.gateway.config import GatewayConfig
from tradepit.gateway.desk import Desk
from tradepit.gateway.replies import Answer
from tradepit.node.outcome import (
    REJECTED,
    UNKNOWN,
    NoSpace,
    NotAccepted,
    Outcome,
    Overloaded,
    ReadOnly,
    Stopped,
)

ORDER = {"client_id": "a", "instrument": "AAA-BBB", "side": "buy", "price": 100, "quantity": 5}


class NodeOfFrames:
    """Applies each submission at once, or does what a test says instead."""

    def __init__(self) -> None:
        self.market = MarketOfFrames()
        self.replica = self.market.replica
        self.error: NotAccepted | None = None
        self.outcome: Outcome | None = None
        self.before: Callable[[], object] = lambda: None
        self.submissions = 0

    def submit(
        self,
        records: bytes,
        texts: bytes,
        count: int,
        done: Callable[[Outcome], None],
        *,
        urgent: bool = False,
        account: int | str = 0,
    ) -> None:
        self.submissions += 1
        if self.error is not None:
            raise self.error
        if self.outcome is not None:
            done(self.outcome)
            return
        self.before()
        first = self.replica.sequence + 1
        parts = [records[at : at + 96] for at in range(0, len(records), 96)]
        events = self.market.run(parts, texts)[96:]
        done(Outcome(None, first, events))


class Counter:
    def __init__(self) -> None:
        self.answers: list[Answer] = []

    def __call__(self, answer: Answer) -> None:
        self.answers.append(answer)


@pytest.fixture
def node() -> NodeOfFrames:
    return NodeOfFrames()


def place(desk: Desk, **more: Any) -> Answer:
    reply = Counter()
    desk.place(json.dumps(ORDER | more).encode(), None, reply)
    (answer,) = reply.answers
    return answer


def desk_of(node: NodeOfFrames) -> Desk:
    return Desk(cast(Any, node), GatewayConfig())


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (Overloaded("node", 5), 503, "overloaded"),
        (Overloaded("account", 5), 429, "too_many_requests"),
        (NoSpace(), 503, "journal_full"),
        (ReadOnly(7), 503, "not_available"),
        (Stopped("x"), 503, "not_available"),
    ],
)
def test_what_the_node_does_not_take_was_rejected(
    node: NodeOfFrames, error: NotAccepted, status: int, code: str
) -> None:
    desk = desk_of(node)
    node.error = error
    answer = place(desk)
    problem = json.loads(answer.body)
    assert (answer.status, problem["code"], problem["outcome"]) == (status, code, "rejected")
    assert answer.retry_after > 0
    batch = Counter()
    desk.batch(json.dumps({"operations": [{"op": "place"} | ORDER]}).encode(), None, batch)
    assert [answer.status for answer in batch.answers] == [status]


@pytest.mark.parametrize(("outcome", "word"), [(UNKNOWN, "unknown"), (REJECTED, "rejected")])
def test_what_was_queued_and_has_no_events_says_what_is_known(
    node: NodeOfFrames, outcome: Outcome, word: str
) -> None:
    desk = desk_of(node)
    node.outcome = outcome
    for body in (ORDER, {"operations": [{"op": "place"} | ORDER]}):
        reply = Counter()
        take = desk.batch if "operations" in body else desk.place
        take(json.dumps(body).encode(), None, reply)
        (answer,) = reply.answers
        assert (answer.status, json.loads(answer.body)["outcome"]) == (503, word)
    assert desk.failed_count == 2


def test_a_definition_that_changed_under_a_command_is_translated_anew(node: NodeOfFrames) -> None:
    desk = desk_of(node)
    desk.market.listing.by_symbol["AAA-BBB"].version = 9
    answer = place(desk)
    assert (answer.status, node.submissions) == (201, 2)
    assert json.loads(answer.body)["price"] == "100"


def test_translating_anew_has_an_end(node: NodeOfFrames) -> None:
    desk = desk_of(node)
    listing = desk.market.listing

    def spoil() -> None:
        listing.by_symbol["AAA-BBB"].version = 9

    spoil()
    real_refresh = listing.refresh

    def refresh_and_spoil() -> None:
        real_refresh()
        spoil()

    listing.refresh = refresh_and_spoil  # type: ignore[method-assign]
    answer = place(desk)
    assert (answer.status, json.loads(answer.body)["code"]) == (422, "stale_definition")
    assert node.submissions == 1 + GatewayConfig().stale_retries


def test_an_instrument_that_vanishes_on_the_way_is_unknown(node: NodeOfFrames) -> None:
    desk = desk_of(node)
    desk.market.listing.by_symbol["AAA-BBB"].version = 9

    def vanish() -> None:
        node.before = lambda: None
        node.market.run([commands.remove_instrument(instrument=1)])

    node.before = vanish
    assert json.loads(place(desk).body)["code"] == "unknown_instrument"


def test_events_that_do_not_belong_to_the_command_are_no_answer(node: NodeOfFrames) -> None:
    desk = desk_of(node)
    node.outcome = Outcome(None, 5, b"")
    answer = place(desk)
    assert (answer.status, json.loads(answer.body)["outcome"]) == (503, "unknown")


def test_one_write_in_sixteen_is_timed(node: NodeOfFrames) -> None:
    desk = desk_of(node)
    for _ in range(64):
        place(desk)
    assert sum(desk.latency.counts) == 4
    assert desk.answered_count == 64
