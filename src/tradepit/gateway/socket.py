"""WebSockets: order entry and channels on connections taken over from the HTTP protocol.

picows reads frames and keeps the protocol; answers are written as ready frames to the transport, so
that a flush of many messages is one write. picows' own queue has no bound, hence the look at the
transport's buffer before each write: who does not read is closed with 4008.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Iterator
from typing import Any, Final, cast
from urllib.parse import parse_qs

import msgspec
from picows import WSAutoPingStrategy, WSFrame, WSListener, WSMsgType, WSTransport
from picows.picows import WSProtocol  # type: ignore[attr-defined]

from tradepit.domain.wire import EventKind
from tradepit.gateway.answers import json_text
from tradepit.gateway.channels import Channels, Name, text_frame
from tradepit.gateway.desk import Desk, result_json
from tradepit.gateway.fields import check_key, visible
from tradepit.gateway.plain import PlainMessage
from tradepit.gateway.problems import (
    UNDECODABLE,
    Problem,
    Refused,
    decoding_problem,
    problem_of,
    refused,
)
from tradepit.gateway.replies import Answer, problem_answer
from tradepit.gateway.shapes import SocketMessage, decode_socket_message
from tradepit.gateway.wire_http import answer_bytes

FLUSH_SECONDS: Final = 0.005
"""Longest time that a feed message waits for company."""

PING_SECONDS: Final = 20.0
SLOW_CONSUMER: Final = 4008
GOING_AWAY: Final = 1001
TOO_BIG: Final = 1009
HANDSHAKE_SECONDS: Final = 5.0
CLOSE_SECONDS: Final = 5.0
"""A closed consumer that does not take its close frame in this time is cut."""

ORDER_ENTRY_PATHS: Final = frozenset({"/ws", "/api/v1/ws"})
TRADES_PATHS: Final = frozenset({"/ws/trades", "/api/v1/ws/trades"})
KINDS: Final = ("trades", "bbo", "book")

_CREATED: Final = 201
_PLACED: Final = b'{"id":%b,"op":"place","sequence":%d,"status":201,"order":%b}'
_FORWARDED: Final = frozenset({b"sec-websocket-key", b"sec-websocket-version", b"host"})
_logger: Final = logging.getLogger("tradepit.picows")
_logger.setLevel(logging.WARNING)


class Reply:
    """The answer to one socket message, under its id and op."""

    __slots__ = ("id", "op", "session")

    def __init__(self, session: Session, id: bytes, op: str) -> None:
        self.session = session
        self.id = id
        self.op = op

    def __call__(self, answer: Answer) -> None:
        session = self.session
        session.in_flight -= 1
        if answer.status == _CREATED and not answer.is_replay and self.op == "place":
            session.send_soon(text_frame(_PLACED % (self.id, answer.sequence, answer.body)))
            return
        sequence = f',"sequence":{answer.sequence}' if answer.sequence else ""
        head = f'"op":{json_text(self.op)}{sequence},'
        session.send_soon(
            text_frame(b'{"id":%b,%b%b' % (self.id, head.encode(), result_json(answer)[1:]))
        )


class Session(WSListener):
    """One WebSocket."""

    def __init__(self, sockets: Sockets) -> None:
        super().__init__()
        self._sockets = sockets
        self._wire: asyncio.Transport | None = None
        self._socket: WSTransport | None = None
        self._parts: list[bytes] = []
        self._answers: list[bytes] = []
        self.in_flight = 0
        self.names: dict[Name, None] = {}
        self.star_kinds: set[str] = set()
        self.waiting_accounts: set[str] = set()
        self.closing_since = 0.0

    # picows

    def on_ws_connected(self, transport: WSTransport) -> None:
        self._socket = transport
        self._wire = transport.underlying_transport
        self._sockets.add(self)
        self.on_open()

    def on_ws_disconnected(self, transport: WSTransport) -> None:
        self._wire = None
        self._sockets.remove(self)

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        kind = frame.msg_type
        if kind == WSMsgType.TEXT or kind == WSMsgType.BINARY:
            payload = frame.get_payload_as_bytes()
            if frame.fin:
                self.on_message(payload)
            else:
                self._parts = [payload]
        elif kind == WSMsgType.CONTINUATION:
            self._continue(frame)
        elif kind == WSMsgType.CLOSE:
            transport.send_close(frame.get_close_code(), frame.get_close_message())
            transport.disconnect()

    def pause_writing(self) -> None:
        """Bounded by `send` instead."""

    def resume_writing(self) -> None:
        """Bounded by `send` instead."""

    def _continue(self, frame: WSFrame) -> None:
        self._parts.append(frame.get_payload_as_bytes())
        if sum(map(len, self._parts)) > self._sockets.desk.config.socket_message_max:
            self.close(TOO_BIG, "message too big")
        elif frame.fin:
            payload = b"".join(self._parts)
            self._parts = []
            self.on_message(payload)

    # Writing

    def send_soon(self, frame: bytes) -> None:
        """Write an answer in this turn of the loop, together with the others of the turn."""
        if not self._answers:
            self._sockets.send_soon(self)
        self._answers.append(frame)

    def send_answers(self) -> None:
        """Write the answers of this turn."""
        if self._answers:
            self.send(b"")

    def send(self, frames: bytes) -> None:
        """Write frames, unless the consumer has fallen too far behind."""
        if self._answers:
            frames = b"".join(self._answers) + frames
            self._answers.clear()
        wire = self._wire
        if wire is None or self.closing_since or wire.is_closing():
            return
        if wire.get_write_buffer_size() > self._sockets.desk.config.socket_buffer_max:
            self._sockets.slow_count += 1
            self.close(SLOW_CONSUMER, self._slow_reason())
            return
        wire.write(frames)

    def _slow_reason(self) -> str:
        last = max((self._sockets.channels.last(name) for name in self.names), default=0)
        return f"slow_consumer {last}"

    def close(self, code: int, reason: str) -> None:
        """Say why, then close once what was written before is taken."""
        self.send_answers()
        if self._socket is None or self._wire is None or self.closing_since:
            return
        self.closing_since = self._sockets.now_s
        self._socket.send_close(cast(Any, code), reason.encode())
        self._socket.disconnect()

    def cut(self) -> None:
        """Close without waiting."""
        if self._wire is not None:
            self._wire.abort()

    # Messages

    def on_open(self) -> None:
        """The socket is open."""

    def on_message(self, payload: bytes) -> None:
        """One whole message from the client."""
        if self._take_plain(payload):
            return
        try:
            message = decode_socket_message(payload)
            id_text = own_id(message)
        except UNDECODABLE as error:
            self._refuse(b"null", "", decoding_problem(error))
            return
        op = message.op
        try:
            if op in ("place", "cancel", "replace", "mass_cancel"):
                self._write(message, id_text)
            elif op in ("subscribe", "unsubscribe"):
                self._subscription(message, id_text)
            elif op == "ping":
                self.send(text_frame(b'{"id":%b,"op":"pong"}' % id_text))
            else:
                raise refused("invalid_field", f"op {op!r} is not known", field="op")
        except Refused as error:
            self._refuse(id_text, op, error.problem)

    def _take_plain(self, payload: bytes) -> bool:
        """Take an ordinary order; False, and nothing done, for any other message."""
        desk = self._sockets.desk
        config = desk.config
        if not config.hot_path or self.in_flight >= config.socket_in_flight_max:
            return False
        found = desk.node.replica.plain_message(payload)
        if found is None:
            return False
        self.in_flight += 1
        draft = PlainMessage(desk.market, found, payload)
        desk.submit(draft, Reply(self, found[2], "place"))
        return True

    def _refuse(self, id_text: bytes, op: str, problem: Problem) -> None:
        self.in_flight += 1
        Reply(self, id_text, op)(problem_answer(problem))

    def _write(self, message: SocketMessage, id_text: bytes) -> None:
        desk = self._sockets.desk
        if self.in_flight >= desk.config.socket_in_flight_max:
            raise refused("too_many_requests")
        key_text = message.idempotency_key
        key = None if key_text is None else check_key(visible(key_text, "idempotency_key"))
        draft = desk.operation_draft(message, key)
        self.in_flight += 1
        desk.submit(draft, Reply(self, id_text, message.op))

    def _subscription(self, message: SocketMessage, id_text: bytes) -> None:
        channel = message.channel
        if channel is None:
            raise refused("invalid_field", "channel is missing", field="channel")
        if message.op == "unsubscribe":
            for name in self._sockets.names(self, channel, message.client_id):
                self._sockets.unsubscribe(self, name)
            if channel.endswith(":*"):
                self.star_kinds.discard(channel[:-2])
        else:
            for name in self._sockets.names(self, channel, message.client_id):
                self._sockets.subscribe(self, name, message.since)
        if message.id is not msgspec.UNSET:
            text = f',"op":"{message.op}","channel":{json_text(channel)},"status":200}}'
            self.send(text_frame(b'{"id":%b' % id_text + text.encode()))


def own_id(message: SocketMessage) -> bytes:
    """Return the JSON of a message's id, to be echoed; raises UnicodeDecodeError when it is not
    UTF-8, which raw JSON need not be."""
    if message.id is msgspec.UNSET:
        return b"null"
    json = bytes(message.id)
    json.decode()
    return json


class TradesSession(Session):
    """A socket of /ws/trades: bare trade objects, nothing to say."""

    def __init__(self, sockets: Sockets, symbol: str | None) -> None:
        super().__init__(sockets)
        self._symbol = symbol

    def on_open(self) -> None:
        for name in self._sockets.names(self, f"prints:{self._symbol or '*'}", None):
            self._sockets.subscribe(self, name, None)

    def on_message(self, payload: bytes) -> None:
        """Whatever is said here is not for this socket."""


class Sockets:
    """All open WebSockets of the node."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk
        self.channels = Channels(desk.market, desk.config.feed_window, self._schedule_flush)
        self.slow_count = 0
        self.now_s = time.monotonic()
        self._sessions: dict[Session, None] = {}
        self._protocols: set[Any] = set()
        self._is_flush_due = False
        self._flushed_at = 0.0
        self._answered: list[Session] = []

    def __len__(self) -> int:
        return len(self._sessions)

    def take(
        self,
        transport: asyncio.Transport,
        url: bytes,
        headers: list[tuple[bytes, bytes]],
        rest: bytes,
        problem: Problem | None,
    ) -> None:
        """Make a WebSocket of a connection whose HTTP request asked for one."""
        path, _, query = url.decode("latin-1").partition("?")
        session: Session | None = None
        if problem is None:
            try:
                session = self._session(path, query)
            except Refused as error:
                problem = error.problem
        if session is None:
            message = answer_bytes(problem_answer(problem or problem_of("not_found")))
            transport.write(message.replace(b"\r\n", b"\r\nconnection: close\r\n", 1))
            transport.close()
            return
        protocol = new_protocol(session, self.desk.config.socket_message_max)
        protocol.connection_made(transport)
        transport.set_protocol(protocol)
        feed(protocol, upgrade_request(path, headers) + rest)

    def _session(self, path: str, query: str) -> Session | None:
        path = path.rstrip("/")
        if path in ORDER_ENTRY_PATHS:
            return Session(self)
        if path in TRADES_PATHS:
            symbol = parse_qs(query).get("instrument", [None])[-1]
            if symbol is not None:
                self.desk.market.listing.find(symbol)
            return TradesSession(self, symbol)
        return None

    def add(self, session: Session) -> None:
        """A session is open."""
        self._sessions[session] = None

    def remove(self, session: Session) -> None:
        """A session is gone."""
        self._sessions.pop(session, None)
        for name in session.names:
            self.channels.unsubscribe(session, name, self.now_s)

    def send_soon(self, session: Session) -> None:
        """A session has answers: it writes them when this turn of the loop is over. A frame
        answers several commands of a socket, and one write is one system call."""
        if not self._answered:
            asyncio.get_running_loop().call_soon(self._send_answers)
        self._answered.append(session)

    def _send_answers(self) -> None:
        answered, self._answered = self._answered, []
        for session in answered:
            session.send_answers()

    # Channels

    def names(self, session: Session, channel: str, client_id: str | None) -> list[Name]:
        """The channels that a text names; raises `Refused`. `*` is every instrument, later ones
        too."""
        if channel == "execution":
            return self._execution(session, client_id)
        kind, separator, symbol = channel.partition(":")
        if not separator or kind not in (*KINDS, "prints"):
            raise refused("invalid_field", f"there is no channel {channel!r}", field="channel")
        listing = self.desk.market.listing
        if symbol != "*":
            return [Name(kind, listing.find(symbol, "channel").number)]
        session.star_kinds.add(kind)
        return [Name(kind, instrument.number) for instrument in listing.by_symbol.values()]

    def _execution(self, session: Session, client_id: str | None) -> list[Name]:
        if client_id is None:
            raise refused("invalid_field", "client_id names the account", field="client_id")
        visible(client_id, "client_id")
        account = self.desk.market.replica.account_number(client_id)
        if account:
            return [Name("execution", 0, account)]
        session.waiting_accounts.add(client_id)
        return []

    def subscribe(self, session: Session, name: Name, since: int | None) -> None:
        """Subscribe a session to a channel; again gives the snapshot again."""
        if name not in session.names and len(session.names) >= self._limit:
            detail = f"at most {self._limit} channels per socket"
            raise refused("too_many_requests", detail, field="channel")
        session.names[name] = None
        self.channels.subscribe(session, name, since)

    @property
    def _limit(self) -> int:
        return self.desk.config.socket_subscriptions_max

    def unsubscribe(self, session: Session, name: Name) -> None:
        """End a subscription."""
        session.names.pop(name, None)
        self.channels.unsubscribe(session, name, self.now_s)

    def on_frame(self, first_sequence: int, events: bytes) -> None:
        """A frame was applied."""
        if not self._sessions and not len(self.channels):
            return
        kinds = events[::96]
        if _OPENED in kinds or _DEFINED in kinds:
            for session, name in list(self._late_names()):
                session.names[name] = None
                self.channels.subscribe_new(session, name, first_sequence)
        self.channels.on_frame(events)

    def _late_names(self) -> Iterator[tuple[Session, Name]]:
        """Accounts that sessions waited for, and instruments that their `*` now covers."""
        market = self.desk.market
        for session in self._sessions:
            for client_id in list(session.waiting_accounts):
                account = market.replica.account_number(client_id)
                if account:
                    session.waiting_accounts.discard(client_id)
                    yield session, Name("execution", 0, account)
            for kind in session.star_kinds:
                for instrument in market.listing.by_symbol.values():
                    name = Name(kind, instrument.number)
                    if name not in session.names:
                        yield session, name

    def _schedule_flush(self) -> None:
        if self._is_flush_due:
            return
        loop = asyncio.get_running_loop()
        wait = self._flushed_at + FLUSH_SECONDS - loop.time()
        self._is_flush_due = True
        if wait <= 0:
            self._flush()
        else:
            loop.call_later(wait, self._flush)

    def _flush(self) -> None:
        self._is_flush_due = False
        self._flushed_at = asyncio.get_running_loop().time()
        self.channels.flush()

    # Life

    def sweep(self, now_s: float) -> None:
        """Cut those who do not take their close frame; forget idle channels."""
        self.now_s = now_s
        for session in list(self._sessions):
            if session.closing_since and now_s - session.closing_since > CLOSE_SECONDS:
                session.cut()
        self.channels.sweep(now_s)

    def close_all(self) -> None:
        """The node stops."""
        for session in list(self._sessions):
            session.close(GOING_AWAY, "the node stops")


_OPENED: Final = int(EventKind.ACCOUNT_OPENED)
_DEFINED: Final = int(EventKind.INSTRUMENT_DEFINED)


def new_protocol(session: Session, message_max: int) -> Any:
    """A picows protocol for a server's side, with this listener."""
    return WSProtocol(
        None,
        None,
        False,
        lambda request: session,
        _logger,
        True,
        HANDSHAKE_SECONDS,
        True,
        PING_SECONDS,
        PING_SECONDS,
        WSAutoPingStrategy.PING_WHEN_IDLE,
        True,
        message_max,
        None,
        16 * 1024,
    )


def upgrade_request(path: str, headers: list[tuple[bytes, bytes]]) -> bytes:
    """The request again, with what a handshake needs of it."""
    lines = [b"GET %b HTTP/1.1" % path.encode("latin-1")]
    lines += [b"upgrade: websocket", b"connection: upgrade"]
    lines += [b"%b: %b" % (name, value) for name, value in headers if name in _FORWARDED]
    return b"\r\n".join([*lines, b"", b""])


def feed(protocol: Any, data: bytes) -> None:
    """Give bytes to a buffered protocol as if they had just arrived."""
    while data:
        buffer = protocol.get_buffer(len(data))
        size = min(len(buffer), len(data))
        buffer[:size] = data[:size]
        protocol.buffer_updated(size)
        data = data[size:]
