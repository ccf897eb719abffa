"""One WebSocket: reads messages, answers them under their ids, is sent frames.

picows reads frames and keeps the protocol; answers are written as ready frames to the transport, so
that many of them are one write. picows' own queue has no bound, hence the look at the transport's
buffer before each write: who does not read is closed with 4008.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, cast

import msgspec
from picows import WSFrame, WSListener, WSMsgType, WSTransport

from tradepit.access.access import AccessDenied
from tradepit.access.principals import Permission, Principal
from tradepit.gateway.answers import json_text
from tradepit.gateway.authentication import confine, denial, require
from tradepit.gateway.bindings import Bindings
from tradepit.gateway.channel_names import (
    Name,
    Pattern,
    check_conflatable,
    check_conflation,
    parse,
)
from tradepit.gateway.desk import result_json
from tradepit.gateway.drafts import Draft
from tradepit.gateway.fields import check_key, visible
from tradepit.gateway.firms.operations import FIRM_OPERATIONS
from tradepit.gateway.messages import text_frame
from tradepit.gateway.outlet import Outlet
from tradepit.gateway.problems import (
    UNDECODABLE,
    Problem,
    Refused,
    decoding_problem,
    problem_of,
    refused,
)
from tradepit.gateway.replies import Answer, problem_answer
from tradepit.gateway.safety_drafts import BindDraft, DeadManDraft
from tradepit.gateway.shapes import TIMEOUT_MS_MAX, SetDeadMan, SocketMessage, decode_socket_message

if TYPE_CHECKING:
    from tradepit.gateway.arrival import Arrival
    from tradepit.gateway.socket import Sockets

SLOW_CONSUMER: Final = 4008
TOO_BIG: Final = 1009
ORDER_OPS: Final = FIRM_OPERATIONS | {"place", "cancel", "replace", "mass_cancel"}
NODE_OPS: Final = ORDER_OPS | {"bind_session", "dead_man"}
"""What only the node itself can answer."""

FRAGMENT_COST: Final = 64
"""Counted for each fragment beside its bytes: a message of very many tiny ones costs memory too."""


class Reply:
    """The answer to one socket message, under its id and op."""

    __slots__ = ("id", "op", "session")

    def __init__(self, session: Session, id: bytes, op: str) -> None:
        self.session = session
        self.id = id
        self.op = op

    def send(self, message: bytes) -> None:
        session = self.session
        session.in_flight -= 1
        session.send_soon(message)

    def reply(self, answer: Answer) -> None:
        sequence = f',"sequence":{answer.sequence}' if answer.sequence else ""
        head = f'"op":{json_text(self.op)}{sequence},'
        self.send(text_frame(b'{"id":%b,%b%b' % (self.id, head.encode(), result_json(answer)[1:])))


class Session(WSListener):
    """One WebSocket."""

    is_stream = False
    chooses_channels = True
    """Channels are asked for one by one, so their number is bounded."""

    def __init__(self, sockets: Sockets) -> None:
        super().__init__()
        self._sockets = sockets
        self.principal: Principal | None = None
        """Who speaks in key mode; None in open mode."""
        self.speak: Callable[[bytes], None] | None = None
        """Passes on what only the node itself can answer; None in the node."""
        self.bindings = Bindings(sockets.desk.node)
        """Sessions of accounts that end with this connection."""
        self.on_gone: Callable[[], None] | None = None
        """Told when the connection is gone."""
        self._held: list[bytes] | None = None
        """Messages that wait until a session is bound, while one is."""
        self.asked: Arrival | None = None
        """What it was made of; None for one without a connection of its own."""
        self.wire: asyncio.Transport | None = None
        self._moving: list[bytes] = []
        """Messages that the feed process will answer, while it is about to take this over."""
        self._can_move = True
        self._socket: WSTransport | None = None
        self._outlet: Outlet | None = None
        self._parts: list[bytes] = []
        self._parts_size = 0
        self._answers: list[bytes] = []
        self.in_flight = 0
        self.names: dict[Name, None] = {}
        self.patterns: dict[Pattern, str | None] = {}
        """Channels of every instrument, each with the account that asked for it."""
        self.waiting: dict[str, set[Pattern]] = {}
        """Channels of accounts that are not opened yet."""
        self.closing_since = 0.0

    # picows

    def on_ws_connected(self, transport: WSTransport) -> None:
        self._socket = transport
        wire = transport.underlying_transport
        self.wire = getattr(wire, "real", wire)
        self._outlet = Outlet(self.wire, self._sockets.desk.config)
        self._sockets.add(self)
        self.on_open()

    def on_ws_disconnected(self, transport: WSTransport) -> None:
        self.wire = None
        self._sockets.remove(self)
        self.bindings.end()
        if self.on_gone is not None:
            self.on_gone()

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        kind = frame.msg_type
        if kind == WSMsgType.TEXT or kind == WSMsgType.BINARY:
            payload = frame.get_payload_as_bytes()
            if frame.fin:
                self.on_message(payload)
            else:
                self._parts = [payload]
                self._parts_size = len(payload)
        elif kind == WSMsgType.CONTINUATION:
            self._continue(frame)
        elif kind == WSMsgType.CLOSE:
            transport.send_close(frame.get_close_code(), frame.get_close_message())
            transport.disconnect()
        if self._moving and frame.fin and not frame.tail_size:
            self._move()

    def pause_writing(self) -> None:
        """Bounded by `send` instead."""

    def resume_writing(self) -> None:
        """Bounded by `send` instead."""

    def _continue(self, frame: WSFrame) -> None:
        self._parts.append(frame.get_payload_as_bytes())
        self._parts_size += len(self._parts[-1]) + FRAGMENT_COST
        if self._parts_size > self._sockets.desk.config.socket_message_max:
            self.close(TOO_BIG, "message too big")
        elif frame.fin:
            payload = b"".join(self._parts)
            self._parts = []
            self.on_message(payload)

    def _move(self) -> None:
        """Let the feed process go on with this connection: all that was read of it is whole."""
        messages, self._moving = self._moving, []
        if self._sockets.move is None or not self._sockets.move(self, messages):
            self._can_move = False
            for message in messages:
                self.on_message(message)

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

    def send(self, frames: bytes, messages: int = 1) -> None:
        """Write frames, unless the consumer has fallen too far behind."""
        if self._answers:
            messages += len(self._answers)
            frames = b"".join(self._answers) + frames
            self._answers.clear()
        wire, outlet = self.wire, self._outlet
        if wire is None or outlet is None or self.closing_since or wire.is_closing():
            return
        now_s = self._sockets.now_s
        if outlet.excess(now_s) is None:
            outlet.write(frames, messages, now_s)
        else:
            self._close_slow()

    def look(self, now_s: float) -> None:
        """Close the consumer of a quiet channel when it has not taken what it was sent."""
        outlet = self._outlet
        if outlet is not None and not self.closing_since and outlet.excess(now_s) is not None:
            self._close_slow()

    def _close_slow(self) -> None:
        self._sockets.slow_count += 1
        last = self._sockets.channels.handed(self, self.names)
        self.close(SLOW_CONSUMER, f"slow_consumer {last}")

    def close(self, code: int, reason: str) -> None:
        """Say why, then close once what was written before is taken."""
        self.send_answers()
        if self._socket is None or self.wire is None or self.closing_since:
            return
        self.closing_since = self._sockets.now_s
        self._socket.send_close(cast(Any, code), reason.encode())
        self._socket.disconnect()

    def cut(self) -> None:
        """Close without waiting."""
        if self.wire is not None:
            self.wire.abort()

    # Messages

    def on_open(self) -> None:
        """The socket is open."""

    def on_message(self, payload: bytes) -> None:
        """One whole message from the client."""
        if self._moving:
            self._moving.append(payload)
            return
        if self._held is not None:
            self._hold(payload)
            return
        if self.principal is not None:
            try:
                self._admit(self.principal)
            except Refused as error:
                self._refuse(id_in(payload), "", error.problem)
                return
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
            if op in NODE_OPS and self.speak is not None:
                self.speak(payload)
            elif op in ORDER_OPS:
                self._write(message, id_text)
            elif op == "bind_session":
                self._bind(message, id_text)
            elif op == "dead_man":
                self._set_dead_man(message, id_text)
            elif op in ("subscribe", "unsubscribe"):
                if self._begins_to_move():
                    self._moving.append(payload)
                else:
                    self._subscription(message, id_text)
            elif op == "ping":
                self.send(text_frame(b'{"id":%b,"op":"pong"}' % id_text))
            else:
                raise refused("invalid_field", f"op {op!r} is not known", field="op")
        except Refused as error:
            self._refuse(id_text, op, error.problem)

    def _begins_to_move(self) -> bool:
        """Whether the feed process is to serve this WebSocket: it subscribes, for the first time,
        and nothing else is on its way."""
        if self.speak is not None or self._sockets.move is None or not self._can_move:
            return False
        return not (self.names or self.waiting or self.in_flight or self._answers)

    def _take_plain(self, payload: bytes) -> bool:
        """Take an ordinary order; False, and nothing done, for any other message."""
        if self.speak is not None:
            return False
        desk = self._sockets.desk
        config = desk.config
        if not config.hot_path or self.in_flight >= config.socket_in_flight_max:
            return False
        principal, sessions = self.principal, self.bindings.sessions
        if principal is None:
            return desk.ordinary.take_message(payload, self._new_reply, sessions)
        if principal.permission < Permission.TRADE:
            return False
        return desk.ordinary.take_message(payload, self._new_reply, sessions, principal.account)

    def _admit(self, principal: Principal) -> None:
        """Count a message; raises `Refused` rate_limited."""
        access = self._sockets.access
        if access is not None:
            try:
                access.charge(principal)
            except AccessDenied as error:
                raise denial(error) from None

    def _own(self, client_id: str | None) -> str | None:
        """The account that a message is about; raises `Refused` forbidden."""
        return confine(client_id, None if self.principal is None else self.principal.account)

    def _new_reply(self, id_text: bytes) -> Reply:
        self.in_flight += 1
        return Reply(self, id_text, "place")

    def _refuse(self, id_text: bytes, op: str, problem: Problem) -> None:
        self.in_flight += 1
        Reply(self, id_text, op).reply(problem_answer(problem))

    def _write(self, message: SocketMessage, id_text: bytes) -> None:
        key = self._may_write(message)
        session = self.bindings.sessions.get(message.client_id or "", 0)
        draft = self._sockets.desk.operation_draft(message, key, session)
        self._submit(draft, id_text, message.op)

    def _may_write(self, message: SocketMessage) -> bytes | None:
        """Confine a write to the caller's account; its key. Raises `Refused`."""
        if self.in_flight >= self._sockets.desk.config.socket_in_flight_max:
            raise refused("too_many_requests")
        require(self.principal, Permission.TRADE)
        message.client_id = self._own(message.client_id)
        key = message.idempotency_key
        return None if key is None else check_key(visible(key, "idempotency_key"))

    def _submit(self, draft: Draft, id_text: bytes, op: str) -> None:
        self.in_flight += 1
        self._sockets.desk.submit(draft, Reply(self, id_text, op).reply)

    def _set_dead_man(self, message: SocketMessage, id_text: bytes) -> None:
        key = self._may_write(message)
        if message.client_id is None or message.timeout_ms is None:
            field = "timeout_ms" if message.client_id else "client_id"
            raise refused("invalid_field", f"{field} is missing", field=field)
        if not 0 <= message.timeout_ms <= TIMEOUT_MS_MAX:
            detail = f"timeout_ms is 0 to {TIMEOUT_MS_MAX}"
            raise refused("invalid_field", detail, field="timeout_ms")
        body = SetDeadMan(message.timeout_ms, message.valid_until)
        market = self._sockets.desk.market
        self._submit(DeadManDraft(market, message.client_id, body, key), id_text, message.op)

    def _bind(self, message: SocketMessage, id_text: bytes) -> None:
        """Bind a session; until it is bound, later messages wait, as they may belong to it."""
        self._may_write(message)
        if self.bindings.is_full:
            raise refused("too_many_sessions")
        cancels = message.cancel_on_disconnect
        desk = self._sockets.desk
        draft = BindDraft(desk.market, message.client_id, message.name, cancels=cancels)
        reply = Reply(self, id_text, message.op).reply

        def bound(answer: Answer) -> None:
            if draft.bound is not None:
                self.bindings.add(draft.bound)
            reply(answer)
            self._release()

        self.in_flight += 1
        self._held = []
        desk.submit(draft, bound)

    def _hold(self, payload: bytes) -> None:
        held = self._held
        if held is None or len(held) >= self._sockets.desk.config.socket_in_flight_max:
            self._refuse(id_in(payload), "", problem_of("too_many_requests"))
        else:
            held.append(payload)

    def _release(self) -> None:
        """Take the messages that waited, in their order, unless the connection is gone."""
        held, self._held = self._held or [], None
        if self.bindings.is_over:
            return  # what was to leave with the connection would now rest without a session
        while held:
            self.on_message(held.pop(0))
            if self._held is not None:  # another session is being bound
                self._held += held
                return

    def _subscription(self, message: SocketMessage, id_text: bytes) -> None:
        channel = message.channel
        if channel is None:
            raise refused("invalid_field", "channel is missing", field="channel")
        client_id = self._own(message.client_id)
        self._sockets.refresh()
        if message.op == "unsubscribe":
            self._unsubscribe(channel, client_id)
        else:
            check_conflatable(channel, message.conflate_ms)
            conflate_ms = check_conflation(message.conflate_ms)
            for name in self._sockets.names(self, channel, client_id, conflate_ms):
                self._sockets.subscribe(self, name, message.since)
        if message.id is not msgspec.UNSET:
            text = f',"op":"{message.op}","channel":{json_text(channel)},"status":200}}'
            self.send(text_frame(b'{"id":%b' % id_text + text.encode()))

    def _unsubscribe(self, channel: str, client_id: str | None) -> None:
        """End every form of a channel."""
        for other in self._sockets.names(self, channel, client_id):
            for name in list(self.names):
                if other.is_same_channel(name):
                    self._sockets.unsubscribe(self, name)
        unwanted = parse(channel, 0)
        for pattern in list(self.patterns):
            if pattern._replace(conflate_ms=0) == unwanted:
                del self.patterns[pattern]
        for patterns in self.waiting.values():
            patterns.discard(unwanted)


def own_id(message: SocketMessage) -> bytes:
    """Return the JSON of a message's id, to be echoed; raises UnicodeDecodeError when it is not
    UTF-8, which raw JSON need not be."""
    if message.id is msgspec.UNSET:
        return b"null"
    json = bytes(message.id)
    json.decode()
    return json


def id_in(payload: bytes) -> bytes:
    """The JSON of the id of a message that is not read further; null when it has none."""
    try:
        return own_id(decode_socket_message(payload))
    except UNDECODABLE:
        return b"null"


class TradesSession(Session):
    """A socket of /ws/trades: bare trade objects, nothing to say."""

    chooses_channels = False

    def __init__(self, sockets: Sockets, symbol: str | None) -> None:
        super().__init__(sockets)
        self._symbol = symbol

    def on_open(self) -> None:
        for name in self._sockets.names(self, f"prints:{self._symbol or '*'}", None):
            self._sockets.subscribe(self, name, None)

    def on_message(self, payload: bytes) -> None:
        """Whatever is said here is not for this socket."""
