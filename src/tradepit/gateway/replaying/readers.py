"""Who watches a replay: an event stream, or a WebSocket that may also control it."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Callable, Coroutine
from typing import Any, Final, NamedTuple, Protocol, cast

import msgspec
from picows import WSFrame, WSListener, WSMsgType, WSTransport

from tradepit.access.principals import Principal
from tradepit.gateway.answers import json_text
from tradepit.gateway.config import GatewayConfig
from tradepit.gateway.event_stream import HEAD, KEEP_ALIVE_SECONDS
from tradepit.gateway.messages import text_frame
from tradepit.gateway.outlet import Outlet
from tradepit.gateway.problems import UNDECODABLE, decoding_problem, problem_of
from tradepit.gateway.replaying.replay import Replay
from tradepit.gateway.replaying.shapes import ControlMessage, ReplayChange
from tradepit.gateway.replies import Answer, problem_answer
from tradepit.gateway.session import SLOW_CONSUMER, TOO_BIG

Control = Callable[[ReplayChange, Principal | None], Coroutine[Any, Any, Answer]]
"""Changes the replay as a PATCH does."""

FULL_BYTES: Final = 256 << 10
"""Waiting for a reader beyond what the kernel took: it is given no more until it has read."""

ROOM_BYTES: Final = 32 << 10

CONTROLS_MAX: Final = 32
"""Of one WebSocket at a time."""

CLOSE_SECONDS: Final = 5.0
"""A closed reader that does not take its last words in this time is cut."""


class Watch(Protocol):
    """What a reader needs of all replays."""

    limits: GatewayConfig
    slow_count: int

    def opened(self, reader: ReplayStream | ReplaySocket) -> None: ...
    def gone(self, reader: ReplayStream | ReplaySocket) -> None: ...
    def spawn(self, work: Coroutine[Any, Any, None]) -> None: ...


class ReadingOptions(NamedTuple):
    """How a reader wants to read."""

    since: int | None
    """Go on after this message."""
    by_order: bool
    """Snapshots with every order."""
    is_awaited: bool
    """The clock waits for this reader."""


class _Reading(ABC):
    """What both kinds of readers have in common."""

    is_stream = False

    def __init__(
        self,
        watch: Watch,
        replay: Replay,
        principal: Principal | None,
        options: ReadingOptions,
    ) -> None:
        self._watch = watch
        self._replay = replay
        self.principal = principal
        self.by_order = options.by_order
        self.is_awaited = options.is_awaited
        self.wire: asyncio.Transport | None = None
        self._since = options.since
        self.seq = options.since
        """Of the last message that this reader was given; None when it has none."""
        self._outlet: Outlet | None = None
        self._loop = asyncio.get_running_loop()
        self._written_at = 0.0
        self._is_closing = False
        self.is_full = False

    def _begin(self, wire: asyncio.Transport) -> None:
        self.wire = wire
        wire.set_write_buffer_limits(high=FULL_BYTES, low=ROOM_BYTES)
        self._outlet = Outlet(wire, self._watch.limits)
        self._watch.opened(cast(Any, self))
        self._watch.spawn(self._replay.join(cast(Any, self), self._since))

    def _end(self) -> None:
        self.wire = None
        self._replay.leave(cast(Any, self))
        self._watch.gone(cast(Any, self))

    @property
    def waiting_bytes(self) -> int:
        return 0 if self._outlet is None or self.wire is None else self._outlet.waiting_bytes

    def send(self, data: bytes, messages: int = 1, seq: int | None = None) -> None:
        """Write messages, unless the reader has fallen too far behind.

        Args:
            seq: of the last of them; None for what has no number.
        """
        outlet = self._outlet
        if self.wire is None or outlet is None or self._is_closing or self.wire.is_closing():
            return
        now_s = self._loop.time()
        excess = outlet.excess(now_s)
        if excess is None:
            outlet.write(data, messages, now_s)
            self._written_at = now_s
            if seq is not None:
                self.seq = seq
        else:
            self.close_slow(excess)

    def look(self) -> None:
        """Close a reader that does not take what it was sent; show that a quiet stream lives."""
        now_s = self._loop.time()
        if self._outlet is None or self._is_closing:
            return
        excess = self._outlet.excess(now_s)
        missing = self._replay.missing(cast(Any, self))
        if excess is None and missing > self._watch.limits.socket_messages_max:
            excess = f"{missing} messages are missing"
        if excess is not None:
            self.close_slow(excess)
        elif self.is_stream and now_s - self._written_at > KEEP_ALIVE_SECONDS:
            self.send(b": keep-alive\n\n")

    def pause_writing(self) -> None:
        """Enough waits for this reader."""
        self.is_full = True

    def resume_writing(self) -> None:
        """It has taken it."""
        self.is_full = False
        if not self._is_closing:
            self._replay.has_room(cast(Any, self))

    def close_slow(self, excess: str) -> None:
        """Close a reader that has exceeded a bound."""
        self._watch.slow_count += 1
        self._replay.leave(cast(Any, self))
        self._say_end("slow_consumer", excess)

    def close(self, code: int, reason: str) -> None:
        """Say why, then close once what was written before is taken."""
        self._say_end("stream_ended", reason, code)

    def cut(self) -> None:
        """Close without waiting."""
        if self.wire is not None:
            self.wire.abort()

    @abstractmethod
    def _say_end(self, code: str, detail: str, number: int = SLOW_CONSUMER) -> None:
        """Write why nothing more comes, and close.

        Args:
            code: for a stream; `number`: for a WebSocket.
        """


class ReplayStream(_Reading, asyncio.Protocol):
    """An event stream of a replay."""

    is_stream = True

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        wire = cast(asyncio.Transport, transport)
        wire.write(HEAD)
        self._begin(wire)

    def data_received(self, data: bytes) -> None:
        """Whatever is said after the request is not for this stream."""

    def eof_received(self) -> bool:
        """A reader may close its own way; it still reads."""
        return True

    def connection_lost(self, exc: Exception | None) -> None:
        self._end()

    def _say_end(self, code: str, detail: str, number: int = SLOW_CONSUMER) -> None:
        if self.wire is None or self._is_closing:
            return
        self._is_closing = True
        seq = "" if self.seq is None else f',"seq":{self.seq}'
        text = f'{{"code":"{code}","detail":{json_text(detail)}{seq}}}'
        self.wire.write(b"event: error\ndata: %b\n\n" % text.encode())
        self.wire.close()
        self._loop.call_later(CLOSE_SECONDS, self.cut)


class ReplaySocket(_Reading, WSListener):
    """A WebSocket of a replay: `{"id": any, "op": "control", …}` takes what a PATCH takes."""

    def __init__(
        self,
        watch: Watch,
        replay: Replay,
        principal: Principal | None,
        options: ReadingOptions,
        *,
        control: Control,
    ) -> None:
        WSListener.__init__(self)
        _Reading.__init__(self, watch, replay, principal, options)
        self._control = control
        self._controls = 0
        self._socket: WSTransport | None = None

    def on_ws_connected(self, transport: WSTransport) -> None:
        self._socket = transport
        self._begin(transport.underlying_transport)

    def on_ws_disconnected(self, transport: WSTransport) -> None:
        self._end()

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        kind = frame.msg_type
        if kind == WSMsgType.CLOSE:
            transport.send_close(frame.get_close_code(), frame.get_close_message())
            transport.disconnect()
        elif kind in (WSMsgType.TEXT, WSMsgType.BINARY) and frame.fin:
            self._watch.spawn(self._answer(frame.get_payload_as_bytes()))
        elif kind in (WSMsgType.TEXT, WSMsgType.BINARY, WSMsgType.CONTINUATION):
            self.close(TOO_BIG, "a message here is one frame")

    async def _answer(self, payload: bytes) -> None:
        id_text, op = b"null", ""
        try:
            message = msgspec.json.decode(payload, type=ControlMessage)
            op = message.op
            if message.id is not msgspec.UNSET:
                id_text = bytes(message.id)
                id_text.decode()
        except UNDECODABLE as error:
            answer = problem_answer(decoding_problem(error))
        else:
            if op == "ping":
                self.send(text_frame(b'{"id":%b,"op":"pong"}' % id_text))
                return
            if op != "control":
                answer = problem_answer(problem_of("invalid_field", "op is `control`", field="op"))
            elif self._controls >= CONTROLS_MAX:
                answer = problem_answer(problem_of("too_many_requests"))
            else:
                self._controls += 1
                try:
                    answer = await self._control(message, self.principal)
                finally:
                    self._controls -= 1
        name = b"problem" if answer.status >= 400 else b"replay"
        said = (id_text, json_text(op).encode(), answer.status, name, answer.body)
        self.send(text_frame(b'{"id":%b,"op":%b,"status":%d,"%b":%b}' % said))

    def _say_end(self, code: str, detail: str, number: int = SLOW_CONSUMER) -> None:
        if self.wire is None or self._socket is None or self._is_closing:
            return
        self._is_closing = True
        is_slow = number == SLOW_CONSUMER
        last = "" if self.seq is None else f" {self.seq}"
        reason = f"slow_consumer{last}" if is_slow else detail
        self._socket.send_close(cast(Any, number), reason.encode())
        self._socket.disconnect()
        self._loop.call_later(CLOSE_SECONDS, self.cut)
