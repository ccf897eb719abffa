"""Ordinary orders, which the native module reads straight from a client's bytes and answers.

It recognises what is plainly in order and nothing else (`crates/core/src/plain.rs`). The node
gathers such orders and tells of all at once. Those that were placed get ready bytes from the native
module; whatever else the engine said to one is told the long way: the same bytes become a draft.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from itertools import compress
from typing import TYPE_CHECKING, Any, Final, Protocol

import numpy as np
import structlog

from tradepit.domain.wire import EVENT_HEADER_DTYPE, PLACE_ORDER_DTYPE
from tradepit.gateway.drafts import EVENT_BYTES, Market, offset_of
from tradepit.gateway.placing import PlaceDraft
from tradepit.gateway.problems import Refused
from tradepit.gateway.replies import Answer, problem_answer
from tradepit.gateway.shapes import decode_place, decode_socket_message
from tradepit.node.outcome import NotAccepted, Outcome

if TYPE_CHECKING:
    from tradepit.gateway.desk import Desk

log = structlog.get_logger(__name__)

TIMED_EVERY: Final = 16
"""One write in so many is timed: enough for percentiles, nothing for the others."""

_SESSION: Final = offset_of(PLACE_ORDER_DTYPE, "session")
"""Where the session of a PLACE_ORDER stands."""


class Receiver(Protocol):
    """Where the answer to one order goes."""

    def send(self, message: bytes) -> None:
        """Send an answer that is ready for the wire."""

    def reply(self, answer: Answer) -> None:
        """Send any other answer."""


Item = tuple[Receiver, Any, bytes, float]
"""An order on its way: its receiver, what was found in which bytes, when it was timed (0 = not)."""

FoundRequest = tuple[bytes, str, int, int]
"""Record, account, and where key and body begin."""

FoundMessage = tuple[bytes, str, bytes]
"""Record, account, and JSON of the message's id."""

MakeDraft = Callable[[Market, Any, bytes], PlaceDraft]


class OrdinaryOrders:
    """Takes ordinary orders of both kinds of connection, gives answers."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._node = desk.node
        # The node gathers what wants the very same call.
        self._requests_done: Final = self._answer_requests
        self._messages_done: Final = self._answer_messages

    def take_request(self, data: bytes, host: bytes, receiver: Callable[[], Receiver]) -> bool:
        """Take an order from a whole HTTP request; False, and nothing done, for any other."""
        found = self._node.replica.plain_request(data, host)
        if found is None:
            return False
        self._take(found, data, receiver(), self._requests_done)
        return True

    def find_request(self, data: bytes, host: bytes) -> FoundRequest | None:
        """Look for an order in a whole HTTP request, and do nothing yet."""
        return self._node.replica.plain_request(data, host)

    def take_found(self, found: FoundRequest, data: bytes, receiver: Receiver) -> None:
        """Take an order that `find_request` has found in these bytes."""
        self._take(found, data, receiver, self._requests_done)

    def take_message(
        self,
        data: bytes,
        receiver: Callable[[bytes], Receiver],
        sessions: Mapping[str, int],
        own: str | None = None,
    ) -> bool:
        """Take an order from a socket message; False, and nothing done, for any other, and for
        one that leaves the `own` account. The receiver is made for the message's id.

        Args:
            sessions: by account, that its orders come with.
        """
        found = self._node.replica.plain_message(data)
        if found is None or (own is not None and found[1] != own):
            return False
        if sessions and found[1] in sessions:
            record = with_session(found[0], sessions[found[1]])
            found = (record, found[1], found[2])
        self._take(found, data, receiver(found[2]), self._messages_done)
        return True

    def _take(self, found: Any, data: bytes, receiver: Receiver, done: Callable[..., None]) -> None:
        desk = self._desk
        desk.submitted_count += 1
        began = 0.0 if desk.submitted_count % TIMED_EVERY else time.perf_counter()
        try:
            self._node.gather(found[0], (receiver, found, data, began), done, found[1])
        except NotAccepted as error:
            receiver.reply(desk.refusal_answer(error))

    def _answer_requests(self, items: list[Item], outcome: Outcome) -> None:
        def ready() -> list[bytes | None]:
            first = outcome.first_sequence
            return self._node.replica.placed_messages(outcome.events, first, len(items))

        self._answer(items, outcome, ready, request_draft)

    def _answer_messages(self, items: list[Item], outcome: Outcome) -> None:
        def ready() -> list[bytes | None]:
            ids = [found[2] for _, found, _, _ in items]
            return self._node.replica.placed_frames(outcome.events, outcome.first_sequence, ids)

        self._answer(items, outcome, ready, message_draft)

    def _answer(
        self,
        items: list[Item],
        outcome: Outcome,
        ready: Callable[[], list[bytes | None]],
        draft: MakeDraft,
    ) -> None:
        desk = self._desk
        if outcome.failure is not None:
            for receiver, *_ in items:
                receiver.reply(desk.failure_answer(outcome.failure))
            return
        try:
            messages = ready()
        except Exception as error:
            for receiver, *_ in items:
                receiver.reply(desk.broken_answer(error))
            return
        for (receiver, _, _, began), message in zip(items, messages, strict=True):
            if message is None:
                continue
            desk.answered_count += 1
            if began:
                desk.latency.add((time.perf_counter() - began) * 1e6)
            try:
                receiver.send(message)
            except Exception:
                log.exception("an answer failed")
        if None in messages:
            self._answer_others(items, messages, outcome, draft)

    def _answer_others(
        self,
        items: list[Item],
        messages: list[bytes | None],
        outcome: Outcome,
        make: MakeDraft,
    ) -> None:
        """Answer those that were not placed, each by its own events."""
        first = outcome.first_sequence
        firsts = range(first, first + len(items) + 1)
        sequences = np.frombuffer(outcome.events, EVENT_HEADER_DTYPE)["sequence"]
        bounds = (np.searchsorted(sequences, firsts) * EVENT_BYTES).tolist()
        for index in compress(range(len(items)), [message is None for message in messages]):
            receiver, found, data, _ = items[index]
            events = outcome.events[bounds[index] : bounds[index + 1]]
            own = Outcome(None, first + index, events, outcome.time_ns)
            try:
                draft = make(self._desk.market, found, data)
            except Refused as error:
                receiver.reply(problem_answer(error.problem))
            else:
                self._desk.tell(draft, receiver.reply, own)


def request_draft(market: Market, found: FoundRequest, data: bytes) -> PlaceDraft:
    """Read an HTTP request the long way."""
    _, _, key_start, body_start = found
    key = data[key_start : data.index(b"\r", key_start)] if key_start else None
    return PlaceDraft(market, decode_place(data[body_start:]), key)


def with_session(record: bytes, session: int) -> bytes:
    """A PLACE_ORDER that comes with a session."""
    return record[:_SESSION] + session.to_bytes(4, "little") + record[_SESSION + 4 :]


def message_draft(market: Market, found: FoundMessage, data: bytes) -> PlaceDraft:
    """Read a socket message the long way."""
    session = int.from_bytes(found[0][_SESSION : _SESSION + 4], "little")
    message = decode_socket_message(data)
    key = message.idempotency_key
    return PlaceDraft(market, message, None if key is None else key.encode(), session=session)
