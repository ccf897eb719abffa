"""Sessions of one connection: counted while they live, ended once, whatever the node says."""

from __future__ import annotations

import asyncio
from typing import Any, cast

import pytest

from tradepit.domain.wire import END_SESSION, CommandKind
from tradepit.gateway import bindings
from tradepit.gateway.bindings import SESSIONS_MAX, Binding, Bindings
from tradepit.node.outcome import REJECTED, Done, NoSpace, Outcome, Overloaded, Stopped


class EndingNode:
    """Takes ends of sessions, or refuses them in the way it is told."""

    def __init__(self) -> None:
        self.keeps_sessions = 0
        self.refusals: list[Exception] = []
        self.outcomes: list[Outcome] = []
        self.ended: list[tuple[int, int, int]] = []
        self.is_idle = asyncio.Event()

    def submit(
        self, records: bytes, texts: bytes, count: int, done: Done, *, urgent: bool, account: str
    ) -> None:
        assert urgent
        assert (records[0], count, account) == (CommandKind.END_SESSION, 1, "ann")
        if self.refusals:
            raise self.refusals.pop(0)
        fields = END_SESSION.unpack(records)
        outcome = self.outcomes.pop(0) if self.outcomes else Outcome(None, 1)
        if outcome.failure is None:
            self.ended.append((fields[8], fields[13], fields[15]))
        asyncio.get_running_loop().call_soon(self.tell, done, outcome)

    def tell(self, done: Done, outcome: Outcome) -> None:
        done(outcome)
        if not self.keeps_sessions:
            self.is_idle.set()


def bindings_on(node: EndingNode) -> Bindings:
    return Bindings(cast(Any, node))


def binding(session: int, number: int) -> Binding:
    return Binding(account=3, client_id="ann", session=session, binding=number)


async def until_idle(node: EndingNode) -> None:
    async with asyncio.timeout(10):
        await node.is_idle.wait()


def test_orders_carry_the_session_that_was_bound_last_and_all_end() -> None:
    async def run() -> None:
        node = EndingNode()
        held = bindings_on(node)
        held.add(binding(7, 100))
        held.add(binding(8, 101))
        assert held.sessions == {"ann": 8}
        assert node.keeps_sessions == 2
        held.end()
        assert held.sessions == {}
        await until_idle(node)
        assert node.ended == [(3, 7, 100), (3, 8, 101)]
        held.end()
        assert len(node.ended) == 2

    asyncio.run(run())


def test_a_session_bound_again_on_the_same_connection_counts_once_and_ends_by_its_last() -> None:
    async def run() -> None:
        node = EndingNode()
        held = bindings_on(node)
        held.add(binding(7, 100))
        held.add(binding(7, 105))
        assert node.keeps_sessions == 1
        held.end()
        await until_idle(node)
        assert node.ended == [(3, 7, 105)]

    asyncio.run(run())


def test_a_session_that_is_bound_when_its_connection_is_gone_ends_at_once() -> None:
    async def run() -> None:
        node = EndingNode()
        held = bindings_on(node)
        held.end()
        held.add(binding(7, 100))
        await until_idle(node)
        assert node.ended == [(3, 7, 100)]

    asyncio.run(run())


def test_an_end_that_the_node_has_no_room_for_is_tried_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(bindings, "RETRY_SECONDS", 0.001)

    async def run() -> None:
        node = EndingNode()
        node.refusals = [Overloaded("node", 5), NoSpace()]
        node.outcomes = [REJECTED]
        held = bindings_on(node)
        held.add(binding(7, 100))
        held.end()
        assert node.keeps_sessions == 1
        await until_idle(node)
        assert node.ended == [(3, 7, 100)]

    asyncio.run(run())


def test_a_node_that_takes_no_commands_leaves_its_sessions_to_lapse() -> None:
    async def run() -> None:
        node = EndingNode()
        node.refusals = [Stopped("it stops")]
        held = bindings_on(node)
        held.add(binding(7, 100))
        held.end()
        assert (node.keeps_sessions, node.ended) == (0, [])

    asyncio.run(run())


def test_a_connection_is_full_at_its_bound() -> None:
    held = bindings_on(EndingNode())
    for number in range(SESSIONS_MAX):
        assert not held.is_full
        held.add(binding(number + 1, 100 + number))
    assert held.is_full
