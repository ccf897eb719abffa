"""Channels as Server-Sent Events, on connections taken over from the HTTP protocol."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final, cast
from urllib.parse import parse_qs

from tradepit.access.principals import Principal
from tradepit.gateway.answers import json_text
from tradepit.gateway.authentication import confine
from tradepit.gateway.channel_names import Name, Pattern, check_conflation
from tradepit.gateway.outlet import Outlet
from tradepit.gateway.problems import refused
from tradepit.marketdata.feeds import last_id, place_of

if TYPE_CHECKING:
    from tradepit.gateway.socket import Sockets

STREAM_PATH: Final = "/api/v1/stream"
CHANNELS_MAX: Final = 64
"""Channel texts of one request; each may stand for many instruments."""

KEEP_ALIVE_SECONDS: Final = 15.0
"""Silence after which a comment shows that the stream lives."""

HEAD: Final = (
    b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncache-control: no-store\r\n"
    b"x-accel-buffering: no\r\nconnection: close\r\n\r\n"
)


class EventStream(asyncio.Protocol):
    """One event stream."""

    is_stream = True

    def __init__(self, sockets: Sockets, principal: Principal | None) -> None:
        self._sockets = sockets
        self.principal = principal
        self.wire: asyncio.Transport | None = None
        self._outlet: Outlet | None = None
        self._asked: list[Name] = []
        self._since: int | None = None
        self._written_at = 0.0
        self._last_id = b""
        """Of the last event that it was handed with one."""
        self.names: dict[Name, None] = {}
        self.patterns: dict[Pattern, str | None] = {}
        """Channels of every instrument, each with the account that asked for it."""
        self.waiting: dict[str, set[Pattern]] = {}
        """Channels of accounts that are not opened yet."""
        self.closing_since = 0.0

    def ask(self, query: str, last_event_id: str | None) -> None:
        """Read what the request asks for; nothing is sent yet. Raises `Refused`."""
        found = parse_qs(query, keep_blank_values=True)
        texts = [text for given in found.get("channels", []) for text in given.split(",") if text]
        if not texts:
            raise refused("invalid_field", "name channels, such as trades:*", field="channels")
        if len(texts) > CHANNELS_MAX:
            raise refused("too_many_requests", f"at most {CHANNELS_MAX}", field="channels")
        own = None if self.principal is None else self.principal.account
        client_id = confine(found.get("client_id", [None])[-1], own)
        conflate_ms = _conflation(found.get("conflate_ms", [None])[-1])
        for text in texts:
            self._asked += self._sockets.names(self, text, client_id, conflate_ms)
        if len(set(self._asked)) > self._sockets.subscriptions_max:
            raise refused("too_many_requests", "too many channels", field="channels")
        since = last_event_id or found.get("last_event_id", [""])[-1]
        if since:
            self._since = place_of(since)
            if self._since is None:
                raise refused("invalid_field", "is no id of an event", field="last_event_id")

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        wire = self.wire = cast(asyncio.Transport, transport)
        self._outlet = Outlet(wire, self._sockets.desk.config)
        wire.write(HEAD)
        self._sockets.add(self)
        self.names = dict.fromkeys(self._asked)
        self._sockets.channels.open_stream(self, self.names, self._since)

    def data_received(self, data: bytes) -> None:
        """Whatever is said after the request is not for this stream."""

    def eof_received(self) -> bool:
        """A reader may close its own way; it still reads."""
        return True

    def connection_lost(self, exc: Exception | None) -> None:
        self.wire = None
        self._sockets.remove(self)

    def send_answers(self) -> None:
        """A stream asks nothing."""

    def send(self, data: bytes, messages: int = 1) -> None:
        """Write events, unless the consumer has fallen too far behind."""
        wire, outlet = self.wire, self._outlet
        if wire is None or outlet is None or self.closing_since or wire.is_closing():
            return
        now_s = self._sockets.now_s
        excess = outlet.excess(now_s)
        if excess is None:
            outlet.write(data, messages, now_s)
            self._written_at = now_s
            self._last_id = last_id(data) or self._last_id
        else:
            self._close_slow(excess)

    def _close_slow(self, excess: str) -> None:
        self._sockets.slow_count += 1
        seq = self._sockets.channels.handed(self, self.names)
        place = f',"seq":{seq},"last_event_id":{json_text(self._last_id.decode())}'
        self._end("slow_consumer", excess, place)

    def look(self, now_s: float) -> None:
        """Say that the stream lives when there is nothing else to say; close it when what it was
        sent is not taken."""
        excess = None if self._outlet is None else self._outlet.excess(now_s)
        if excess is not None:
            self._close_slow(excess)
        elif now_s - self._written_at > KEEP_ALIVE_SECONDS:
            self.send(b": keep-alive\n\n")
            self._written_at = now_s

    def close(self, code: int, reason: str) -> None:
        """Say why, then close once what was written before is taken."""
        self._end("stream_ended", reason)

    def _end(self, code: str, detail: str, place: str = "") -> None:
        if self.wire is None or self.closing_since:
            return
        self.closing_since = self._sockets.now_s
        text = f'{{"code":"{code}","detail":{json_text(detail)}{place}}}'
        self.wire.write(b"event: error\ndata: %b\n\n" % text.encode())
        self.wire.close()

    def cut(self) -> None:
        """Close without waiting."""
        if self.wire is not None:
            self.wire.abort()


def _conflation(text: str | None) -> int:
    """Milliseconds that a query asks for; raises `Refused`."""
    if text is None:
        return 0
    is_number = text.isascii() and text.isdigit() and len(text) < 10
    return check_conflation(int(text) if is_number else -1)
