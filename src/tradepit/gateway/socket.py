"""All WebSockets and event streams of the node, on connections taken over from HTTP."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Iterator
from typing import Any, Final
from urllib.parse import parse_qs

from picows import WSAutoPingStrategy, WSListener
from picows.picows import WSProtocol  # type: ignore[attr-defined]

from tradepit.access.access import Access
from tradepit.access.principals import Principal
from tradepit.domain.wire import EventKind
from tradepit.gateway.arrival import Arrival
from tradepit.gateway.authentication import Headers
from tradepit.gateway.channel_names import PRIVATE, STAR, Name, Pattern, parse
from tradepit.gateway.channels import Channels
from tradepit.gateway.desk import Desk
from tradepit.gateway.event_stream import EventStream
from tradepit.gateway.fields import visible
from tradepit.gateway.problems import Refused, problem_of, refused
from tradepit.gateway.replies import Answer, problem_answer
from tradepit.gateway.session import Session, TradesSession
from tradepit.gateway.wire_http import answer_bytes

FLUSH_SECONDS: Final = 0.005
"""Longest time that a feed message waits for company."""

PING_SECONDS: Final = 20.0
GOING_AWAY: Final = 1001
ENDED: Final = 4001
"""The key is revoked, or the ticket's session is over."""

HANDSHAKE_SECONDS: Final = 5.0
CLOSE_SECONDS: Final = 5.0
"""A closed consumer that does not take its close frame in this time is cut."""

ORDER_ENTRY_PATHS: Final = frozenset({"/ws", "/api/v1/ws"})
TRADES_PATHS: Final = frozenset({"/ws/trades", "/api/v1/ws/trades"})

_FORWARDED: Final = frozenset({b"sec-websocket-key", b"sec-websocket-version", b"host"})
_logger: Final = logging.getLogger("tradepit.picows")
_logger.setLevel(logging.WARNING)


class Sockets:
    """All open WebSockets and event streams of the node."""

    def __init__(self, desk: Desk, access: Access | None = None) -> None:
        self.desk = desk
        self.access = access
        self.channels = Channels(desk.market, desk.config.feed_window, self._schedule_flush)
        self.move: Callable[[Session, list[bytes]], bool] | None = None
        """Gives a WebSocket that subscribes to the feed process; None when there can be none."""
        self.refresh: Callable[[], None] = _nothing
        """Brings the replica up to what is durable, where it is not so by itself."""
        self.slow_count = 0
        self.now_s = time.monotonic()
        self._sessions: dict[Session | EventStream, None] = {}
        self._protocols: set[Any] = set()
        self._is_flush_due = False
        self._flushed_at = 0.0
        self._answered: list[Session] = []

    def __len__(self) -> int:
        return len(self._sessions)

    def sessions(self) -> list[Session | EventStream]:
        """Every open WebSocket and stream."""
        return list(self._sessions)

    def take(
        self,
        arrival: Arrival,
        refusal: Answer | None,
        principal: Principal | None,
        *,
        speak: Callable[[bytes], None] | None = None,
    ) -> Session | None:
        """Make a WebSocket of a connection, or send a refusal.

        Args:
            speak: passes on what only the node itself can answer; None in the node.
        """
        session: Session | None = None
        if refusal is None:
            try:
                session = self._session(arrival.path, arrival.query)
            except Refused as error:
                refusal = problem_answer(error.problem)
        if session is None:
            refuse(arrival.transport, refusal or problem_answer(problem_of("not_found")))
            return None
        session.principal, session.speak = principal, speak
        session.asked = arrival._replace(rest=b"")
        become_socket(arrival, session, message_max=self.desk.config.socket_message_max)
        return session

    def take_stream(
        self, arrival: Arrival, refusal: Answer | None, principal: Principal | None
    ) -> None:
        """Make an event stream of a connection, or send a refusal."""
        stream = EventStream(self, principal)
        if refusal is None:
            try:
                stream.ask(arrival.query, arrival.header(b"last-event-id"))
            except Refused as error:
                refusal = problem_answer(error.problem)
        if refusal is not None:
            refuse(arrival.transport, refusal)
            return
        arrival.transport.set_protocol(stream)
        stream.connection_made(arrival.transport)

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

    def add(self, session: Session | EventStream) -> None:
        """A session is open."""
        self._sessions[session] = None

    def remove(self, session: Session | EventStream) -> None:
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

    def names(
        self,
        session: Session | EventStream,
        channel: str,
        client_id: str | None,
        conflate_ms: int = 0,
    ) -> list[Name]:
        """The channels that a text names; raises `Refused`. `*` is every instrument, later ones
        too."""
        pattern = parse(channel, conflate_ms)
        listing = self.desk.market.listing
        if pattern.symbol not in ("", STAR):
            listing.find(pattern.symbol, "channel")
        account = self._account(session, pattern, client_id)
        if pattern.kind in PRIVATE:
            return [Name(pattern.kind, 0, account)] if account else []
        if pattern.symbol == STAR:
            session.patterns[pattern] = client_id
        return self._names_of(pattern, account)

    def _names_of(self, pattern: Pattern, account: int) -> list[Name]:
        listing = self.desk.market.listing
        found = list(listing.by_symbol.values())
        if pattern.symbol != STAR:
            found = [listing.find(pattern.symbol, "channel")]
        return [
            Name(pattern.kind, instrument.number, account, pattern.conflate_ms, pattern.interval)
            for instrument in found
        ]

    def _account(
        self, session: Session | EventStream, pattern: Pattern, client_id: str | None
    ) -> int:
        """The account that a channel is about, or for; 0 = nobody, or one still to be opened."""
        is_private = pattern.kind in PRIVATE
        if client_id is None and is_private:
            raise refused("invalid_field", "client_id names the account", field="client_id")
        if client_id is None or not (is_private or pattern.kind == "orders"):
            return 0
        visible(client_id, "client_id")
        account = self.desk.market.replica.account_number(client_id)
        if not account:
            session.waiting.setdefault(client_id, set()).add(pattern)
        return account

    def subscribe(self, session: Session, name: Name, since: int | None) -> None:
        """Subscribe a session to a channel; again gives the snapshot again."""
        limit = self.subscriptions_max
        is_one_more = name not in session.names and session.chooses_channels
        if is_one_more and len(session.names) >= limit:
            detail = f"at most {limit} channels per socket"
            raise refused("too_many_requests", detail, field="channel")
        session.names[name] = None
        self.channels.subscribe(session, name, since)

    @property
    def subscriptions_max(self) -> int:
        """Channels that one socket or stream may follow."""
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
            for session in list(self._sessions):
                self._meet_accounts(session, events)
                for name in list(self._late_names(session)):
                    session.names[name] = None
                    self.channels.subscribe_new(session, name, events)
        self.channels.on_frame(events)

    def _meet_accounts(self, session: Session | EventStream, events: bytes) -> None:
        """Accounts that a session waited for: their own channels begin, and their orders are
        marked from now on."""
        for client_id in list(session.waiting):
            account = self.desk.market.replica.account_number(client_id)
            if not account:
                continue
            for pattern in session.waiting.pop(client_id):
                if pattern.kind in PRIVATE:
                    name = Name(pattern.kind, 0, account)
                    session.names[name] = None
                    self.channels.subscribe_new(session, name, events)
                    continue
                for unmarked in self._names_of(pattern, 0):
                    if unmarked in session.names:
                        name = unmarked._replace(account=account)
                        self.channels.move(session, unmarked, name, events)
                        del session.names[unmarked]
                        session.names[name] = None

    def _late_names(self, session: Session | EventStream) -> Iterator[Name]:
        """Instruments that the `*` of a session now covers."""
        for pattern, client_id in session.patterns.items():
            account = 0
            if pattern.kind == "orders" and client_id is not None:
                account = self.desk.market.replica.account_number(client_id)
            for name in self._names_of(pattern, account):
                if name not in session.names:
                    yield name

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
            else:
                session.look(now_s)
        self.channels.sweep(now_s)

    def close_all(self) -> None:
        """The node stops."""
        for session in list(self._sessions):
            session.close(GOING_AWAY, "the node stops")


def feeds_only(path: str) -> bool:
    """Whether a WebSocket of this path only listens, and so belongs to the feed process."""
    return path.rstrip("/") in TRADES_PATHS


def _nothing() -> None:
    """The node's own replica has all that was ever answered."""


class _Answered:
    """The transport of a WebSocket that is open already: swallows the answer to its request."""

    def __init__(self, transport: asyncio.Transport) -> None:
        self.real = transport
        self._is_swallowed = False

    def __getattr__(self, name: str) -> Any:
        return getattr(self.real, name)

    def write(self, data: bytes) -> None:
        if self._is_swallowed:
            self.real.write(data)
        self._is_swallowed = True


_OPENED: Final = int(EventKind.ACCOUNT_OPENED)
_DEFINED: Final = int(EventKind.INSTRUMENT_DEFINED)


def refuse(transport: asyncio.Transport, refusal: Answer) -> None:
    """Answer a request that asked for a connection of its own, and close."""
    message = answer_bytes(refusal)
    transport.write(message.replace(b"\r\n", b"\r\nconnection: close\r\n", 1))
    transport.close()


def become_socket(arrival: Arrival, listener: WSListener, *, message_max: int) -> None:
    """Make a WebSocket of a connection."""
    transport = arrival.transport
    protocol = new_protocol(listener, message_max)
    protocol.connection_made(_Answered(transport) if arrival.is_open else transport)
    transport.set_protocol(protocol)
    feed(protocol, upgrade_request(arrival.path, arrival.headers) + arrival.rest)


def new_protocol(session: WSListener, message_max: int) -> Any:
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


def upgrade_request(path: str, headers: Headers) -> bytes:
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
