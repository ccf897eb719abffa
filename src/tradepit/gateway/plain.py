"""Drafts of ordinary orders, which the native module reads straight from a client's bytes.

It recognises what is plainly in order and nothing else (`crates/core/src/plain.rs`). Whatever the
engine then answers but an acceptance is told the long way: the same bytes become a `PlaceDraft`.
"""

from __future__ import annotations

from typing import Generic, TypeVar

from tradepit.gateway.drafts import Draft, Market, is_accepted
from tradepit.gateway.placing import PlaceDraft
from tradepit.gateway.problems import Refused
from tradepit.gateway.replies import Answer, problem_answer
from tradepit.gateway.shapes import decode_place, decode_socket_message

Found = TypeVar("Found", tuple[bytes, str, int, int], tuple[bytes, str, bytes])
"""What the native module found: record and account id first."""


class PlainDraft(Draft, Generic[Found]):
    """An order whose record is made already."""

    __slots__ = ("data", "found", "whole")

    def __init__(self, market: Market, found: Found, data: bytes) -> None:
        self.market = market
        self.records = found[0]
        self.texts = b""
        self.count = 1
        self.speaker = found[1]
        self.is_urgent = False
        self.found: Found = found
        self.data = data
        self.whole: PlaceDraft | None = None

    def read(self) -> PlaceDraft:
        """Read the same bytes the long way."""
        raise NotImplementedError

    def redraft(self) -> None:
        self.whole = whole = self.read()
        self.records, self.texts, self.count = whole.records, whole.texts, whole.count

    def answer(self, events: bytes, start: int, stop: int, sequence: int) -> Answer:
        if self.whole is None:
            if is_accepted(events, start, stop):
                body = self.market.renderer.order_at(sequence, sequence)
                if body is not None:
                    return Answer(201, body, sequence)
            try:
                self.whole = self.read()
            except Refused as error:
                return problem_answer(error.problem)
        return self.whole.answer(events, start, stop, sequence)


class PlainRequest(PlainDraft[tuple[bytes, str, int, int]]):
    """An order from an HTTP request."""

    __slots__ = ()

    def read(self) -> PlaceDraft:
        data, (_, _, key_start, body_start) = self.data, self.found
        key = data[key_start : data.index(b"\r", key_start)] if key_start else None
        return PlaceDraft(self.market, decode_place(data[body_start:]), key)


class PlainMessage(PlainDraft[tuple[bytes, str, bytes]]):
    """An order from a socket message."""

    __slots__ = ()

    def read(self) -> PlaceDraft:
        message = decode_socket_message(self.data)
        key = message.idempotency_key
        return PlaceDraft(self.market, message, None if key is None else key.encode())
