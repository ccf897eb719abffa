"""What the node and its feed process say to each other."""

from __future__ import annotations

from typing import Final

import msgspec

from tradepit.access.principals import Principal
from tradepit.gateway.authentication import Headers


class HandOver(msgspec.Struct, tag="hand_over", frozen=True):
    """Node: a connection is yours; its descriptor comes with this. A WebSocket that is open
    already (`is_open`) has sent `messages` that nobody has answered."""

    number: int
    url: bytes
    headers: Headers
    rest: bytes
    """What came after the request."""
    is_socket: bool
    principal: Principal | None
    is_open: bool = False
    messages: list[bytes] = []


class End(msgspec.Struct, tag="end", frozen=True):
    """Node: close these connections, their keys or sessions have ended."""

    numbers: list[int]


class Call(msgspec.Struct, tag="call", frozen=True):
    """Node: answer this request."""

    number: int
    method: str
    path: str
    query: str
    body: bytes
    principal: Principal | None


class Grown(msgspec.Struct, tag="grown", frozen=True):
    """Node: the journal has grown, as you asked to be told."""


class Heard(msgspec.Struct, tag="heard", frozen=True):
    """Node: frames for a WebSocket that gave orders."""

    number: int
    frames: bytes


class Ready(msgspec.Struct, tag="ready", frozen=True):
    """Feed process: connections may come."""


class Await(msgspec.Struct, tag="await", frozen=True):
    """Feed process: say once when the journal goes beyond this sequence."""

    sequence: int


class Closed(msgspec.Struct, tag="closed", frozen=True):
    """Feed process: a connection is gone."""

    number: int


class Said(msgspec.Struct, tag="said", frozen=True):
    """Feed process: a message on a WebSocket that only the node can answer."""

    number: int
    message: bytes


class Answered(msgspec.Struct, tag="answered", frozen=True):
    """Feed process: the answer to a call."""

    number: int
    status: int
    body: bytes
    retry_after: int = 0


class Counted(msgspec.Struct, tag="counted", frozen=True):
    """Feed process: its numbers, for the node's metrics."""

    lag: int
    """Durable commands that it has not applied, as it says so."""
    connections: int
    channels: int
    slow: int
    replays: int


FromNode = HandOver | End | Call | Grown | Heard
FromFeeds = Ready | Await | Closed | Said | Answered | Counted

encode: Final = msgspec.msgpack.Encoder().encode
decode_from_node: Final = msgspec.msgpack.Decoder(FromNode).decode
decode_from_feeds: Final = msgspec.msgpack.Decoder(FromFeeds).decode
