"""Order entry answered inside uvicorn's HTTP protocol; everything else goes on to the application.

Why: an ASGI task per request costs more than the order. A hot request (a new order, a batch or a
cancel, in one plain HTTP/1.1 message with a length) is handed to the desk from the parser's
callback, and the desk's reply is written to the transport. Requests with anything unusual about
them take the ASGI way, which gives the same answers.

Order of answers: hot requests of one connection may be in flight together; each has a slot, and
slots are written in order. The two ways are never in flight together on one connection: a request
that would mix them takes the ASGI way and waits in uvicorn's pipeline until the slots are empty.

uvicorn's protocol class is internal to it, hence the exact pin of its version.
"""

from __future__ import annotations

import asyncio
import re
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, cast

import httptools
import structlog
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from tradepit.access.access import Access, AccessDenied
from tradepit.access.principals import Permission
from tradepit.gateway.arrival import Arrival
from tradepit.gateway.authentication import (
    PEER,
    TARGET,
    authenticate,
    denial_answer,
    operations_in,
    part_signature,
    require,
    signed_of,
)
from tradepit.gateway.event_stream import STREAM_PATH
from tradepit.gateway.gateway import is_replay_stream, peer_of
from tradepit.gateway.problems import Refused, problem_of
from tradepit.gateway.replies import Answer, problem_answer
from tradepit.gateway.wire_http import answer_bytes, is_json

if TYPE_CHECKING:
    from tradepit.gateway.desk import Reply
    from tradepit.gateway.gateway import Gateway

log = structlog.get_logger(__name__)

SLOTS_MAX: Final = 128
"""Hot requests of one connection in flight; a further one waits like any pipelined request."""

HEAD_MAX: Final = 32 * 1024
"""Bytes of request line and headers."""

_UNUSUAL: Final = frozenset(
    {
        b"connection",
        b"expect",
        b"host",
        b"idempotency-key",
        b"origin",
        b"prefer",
        b"transfer-encoding",
        b"upgrade",
    }
)
"""Headers that send a request the ASGI way: `connection` unless it says keep-alive, a second
host or key, and an origin, because it has to be compared."""

_JSON: Final = b"application/json"
_ORDERS: Final = frozenset({b"/api/v1/orders", b"/api/v1/orders/"})
_BATCHES: Final = frozenset({b"/api/v1/orders/batch", b"/api/v1/orders/batch/"})
_STREAM: Final = STREAM_PATH.encode()
_ORDER_ID: Final = re.compile(rb"/api/v1/orders/\d+/?(?:\?|$)")


Take = Callable[[bytes, bytes | None, "Reply", str | None], None]
"""Takes what a hot request asks for: its body, its idempotency key, where the answer goes, and in
key mode the account that it cannot leave."""


class _Slot:
    """One hot request in flight: where its answer goes."""

    __slots__ = ("message", "protocol")

    def __init__(self, protocol: OrderEntryProtocol) -> None:
        self.protocol = protocol
        self.message: bytes | None = None

    def reply(self, answer: Answer) -> None:
        self.send(answer_bytes(answer))

    def send(self, message: bytes) -> None:
        self.message = message
        self.protocol.on_slot_filled()


class _Busy:
    """Stands where uvicorn looks for the request before: makes the next one wait its turn."""

    response_complete = False
    disconnected = False
    message_event = asyncio.Event()


class OrderEntryProtocol(HttpToolsProtocol):
    """uvicorn's protocol with a short way for orders."""

    gateway: Gateway
    """Set on a subclass by the server."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.slots: deque[_Slot] = deque()
        self.hot: tuple[Take, bytes | None] | None = None
        self.hot_parts: list[bytes] = []
        self.head_size = 0
        self.is_in_head = self.is_new = False
        self.known_host: bytes | None = b""
        self.is_half_closed = False
        self.is_refused = False
        self.is_handed_over = False
        self.refusal = b""
        self.access = self.gateway.access
        self.peer = peer_of(transport)
        self.last_seen = self.gateway.clock_s
        self.request_since = 0.0
        if len(self.connections) > self.gateway.config.connections_max:
            problem = problem_of("overloaded", "too many connections", outcome="rejected")
            transport.write(answer_bytes(problem_answer(problem, retry_after=1)))
            transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self.gateway.connection_closed.set()

    def data_received(self, data: bytes) -> None:
        self.last_seen = self.gateway.clock_s
        if self.is_refused or (not self.request_since and self._take_plain(data)):
            return
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            self._upgrade(data[upgrade.args[0] :])
        except httptools.HttpParserCallbackError as error:
            log.error("request failed", exc_info=error)
            self._refuse("internal_error")
        except httptools.HttpParserError:
            self._refuse("malformed", "not an HTTP/1.1 request")
        if self.is_in_head:
            self._bound_head(len(data))

    def _take_plain(self, data: bytes) -> bool:
        """Take an ordinary order that came whole, between two requests, without parsing it."""
        config = self.gateway.config
        if not config.hot_path or len(data) > config.order_body_max or not self.known_host:
            return False
        if self.pipeline or len(self.slots) >= SLOTS_MAX or self._is_asgi_busy():
            return False
        if self.is_half_closed:
            return False
        if self.access is not None:
            return self._take_signed(self.access, data, self.known_host)
        return self.gateway.desk.ordinary.take_request(data, self.known_host, self._new_slot)

    def _take_signed(self, access: Access, data: bytes, host: bytes) -> bool:
        """The same in key mode. Only what its key may do is taken here, so that refusals of other
        kinds have one home."""
        parted = part_signature(data)
        if parted is None:
            return False
        signed, target, rest = parted
        ordinary = self.gateway.desk.ordinary
        found = ordinary.find_request(rest, host)
        if found is None:
            return False
        principal = access.principal_of(signed.key)
        if principal is None or principal.permission < Permission.TRADE:
            return False
        if principal.account is not None and principal.account != found[1]:
            return False
        slot = self._new_slot()
        try:
            access.admit(self.peer)
            access.authenticate(
                signed,
                method=b"POST",
                path=target,
                raw_query=b"",
                body=rest[found[3] :],
                address=self.peer,
            )
        except AccessDenied as error:
            slot.reply(denial_answer(error))
        else:
            ordinary.take_found(found, rest, slot)
        return True

    def _new_slot(self) -> _Slot:
        slot = _Slot(self)
        self.slots.append(slot)
        return slot

    def _bound_head(self, size: int) -> None:
        """Count what arrives while a head is unfinished, from the second read on: the first one
        may hold other requests before it."""
        if self.is_new:
            self.is_new = False
        else:
            self.head_size += size
            if self.head_size > HEAD_MAX:
                self._refuse("headers_too_large")

    def _upgrade(self, rest: bytes) -> None:
        if not self._should_upgrade():
            # The request was answered as if it had not asked; what follows it is not HTTP.
            self._end_after_answers()
        elif self.slots or self._is_asgi_busy():
            self._refuse("malformed", "a WebSocket needs a connection of its own")
        else:
            self.connections.discard(self)
            self.gateway.hand_over_socket(Arrival(self.transport, self.url, self.headers, rest))

    def _should_upgrade_to_ws(self) -> bool:
        return True

    def _refuse(self, code: str, detail: str = "") -> None:
        """Answer what cannot be understood, after the answers before it, and close."""
        self.is_refused = True
        outcome = "unknown" if code == "internal_error" else None
        message = answer_bytes(problem_answer(problem_of(code, detail, outcome=outcome)))
        self.refusal = message.replace(b"\r\n", b"\r\nconnection: close\r\n", 1)
        if self._is_asgi_busy() and self.cycle.more_body and not self.pipeline:
            # It is this very request whose body went wrong: its handler hears of a disconnect.
            self.cycle.disconnected = self.cycle.response_complete = True
            self.cycle.message_event.set()
        self._end_after_answers()

    def _end_after_answers(self) -> None:
        """Take no more requests; close when the answers on their way are out."""
        self.is_half_closed = True
        if self.transport.is_closing() or not self._is_idle():
            return
        if self.refusal:
            self.transport.write(self.refusal)
        self.transport.close()

    def _is_asgi_busy(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete

    def _is_idle(self) -> bool:
        return not self.slots and not self.pipeline and not self._is_asgi_busy()

    # Parser callbacks

    def on_message_begin(self) -> None:
        self.url = b""
        self.headers = []
        self.hot = None
        self.is_in_head = self.is_new = True
        self.request_since = self.last_seen

    def on_url(self, url: bytes) -> None:
        self.url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers.append((name.lower(), value))

    def on_headers_complete(self) -> None:
        self.is_in_head = False
        self.head_size = 0
        if self.is_handed_over:
            return
        if self._begin_hot() or self._asks_for_stream():
            return
        url, headers = self.url, self.headers
        super().on_message_begin()
        self.url = url
        self.headers.extend(headers)
        facts = cast(dict[str, Any], self.scope)
        facts[TARGET], facts[PEER] = url, self.peer
        for name, value in headers:
            if name == b"expect" and value.lower() == b"100-continue":
                self.expect_100_continue = True
        if self.slots:
            self.cycle = cast(Any, _Busy)
        super().on_headers_complete()

    def _asks_for_stream(self) -> bool:
        path = self.url.partition(b"?")[0].rstrip(b"/")
        is_stream = path == _STREAM or is_replay_stream(path)
        return is_stream and self.parser.get_method() == b"GET"

    def _begin_hot(self) -> bool:
        """Decide whether this request is a hot one, and remember what it asks for."""
        gateway, method = self.gateway, self.parser.get_method()
        config, desk = gateway.config, gateway.desk
        take: Take
        if method == b"POST" and self.url in _ORDERS:
            take, body_max, slots_max = desk.place, config.order_body_max, SLOTS_MAX
        elif method == b"POST" and self.url in _BATCHES:
            # One at a time: a batch may be large, and so may its answer.
            take, body_max, slots_max = desk.batch, config.batch_body_max, 1
        elif method == b"DELETE" and _ORDER_ID.match(self.url):
            take, body_max, slots_max = self._cancel, 0, SLOTS_MAX
        else:
            return False
        if self.pipeline or len(self.slots) >= slots_max or not config.hot_path:
            return False
        if self._is_asgi_busy() or self.parser.get_http_version() != "1.1":
            return False
        return self._read_headers(take, body_max)

    def _cancel(self, _body: bytes, key: bytes | None, reply: Reply, own: str | None) -> None:
        self.gateway.cancel_hot(self.url, key, reply, own)

    def _read_headers(self, take: Take, body_max: int) -> bool:
        host = key = None
        length = 0
        for name, value in self.headers:
            if name == b"content-length":
                length = int(value)
            elif name == b"host" and host is None:
                host = value
            elif name == b"idempotency-key" and key is None:
                key = value
            elif name == b"content-type":
                if value != _JSON and not is_json(value):
                    return False
            elif name in _UNUSUAL and (name != b"connection" or value.lower() != b"keep-alive"):
                return False
        if length > body_max:
            return False
        if host != self.known_host:
            if self.gateway.doorkeeper.problem(host, None) is not None:
                return False
            self.known_host = host
        if self.access is not None and signed_of(self.headers) is None:
            return False  # tickets, and what is signed wrongly, are looked at the ASGI way
        self.hot = (take, key)
        self.hot_parts = []
        return True

    def _hand_over_stream(self) -> None:
        if self._is_idle():
            self.connections.discard(self)
            self.is_handed_over = True  # what came with its request is not looked at
            self.gateway.hand_over_stream(Arrival(self.transport, self.url, self.headers))
        else:
            self._refuse("malformed", "an event stream needs a connection of its own")

    def on_body(self, body: bytes) -> None:
        if self.hot is None:
            if not (self.is_handed_over or self._asks_for_stream()):
                super().on_body(body)
        else:
            self.hot_parts.append(body)

    def on_message_complete(self) -> None:
        self.request_since = 0.0
        if self.is_handed_over:
            return
        if self.hot is None:
            if self._asks_for_stream():
                self._hand_over_stream()
            else:
                super().on_message_complete()
            return
        take, key = self.hot
        self.hot = None
        body = b"".join(self.hot_parts)
        slot = self._new_slot()
        own = None
        if self.access is not None:
            try:
                own = self._speaker(self.access, body)
            except AccessDenied as error:
                slot.reply(denial_answer(error))
                return
            except Refused as error:
                slot.reply(problem_answer(error.problem))
                return
        take(body, key, slot.reply, own)

    def _speaker(self, access: Access, body: bytes) -> str | None:
        """The account of the key that signed a hot request; None for the operator.

        Raises:
            AccessDenied: it is not let in.
            Refused: forbidden; the key may not trade.
        """
        principal = authenticate(
            access,
            method=self.parser.get_method(),
            target=self.url,
            headers=self.headers,
            body=body,
            peer=self.peer,
        )
        require(principal, Permission.TRADE)
        if self.url in _BATCHES:
            access.charge(principal, operations_in(body))
        return principal.account

    # Answers

    def on_slot_filled(self) -> None:
        """Write what can be written in order; then let waiting requests go on."""
        slots = self.slots
        transport = self.transport
        while slots and slots[0].message is not None:
            message = slots.popleft().message
            if not transport.is_closing():
                transport.write(cast(bytes, message))
                self.server_state.total_requests += 1
        if not slots and (self.pipeline or self.is_half_closed):
            self.on_slots_empty()

    def on_slots_empty(self) -> None:
        if self.pipeline and not self.transport.is_closing():
            self.flow.resume_reading()
            cycle, app = self.pipeline.pop()
            self._start_asgi_task(cycle, app)
        elif self.is_half_closed:
            self._end_after_answers()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        self._unset_keepalive_if_required()
        self.last_seen = self.gateway.clock_s
        if self.is_half_closed:
            self._end_after_answers()

    def pause_writing(self) -> None:
        """The peer does not read its answers: take no more of its requests."""
        super().pause_writing()
        self.flow.pause_reading()

    def resume_writing(self) -> None:
        super().resume_writing()
        self.flow.resume_reading()

    def eof_received(self) -> bool:  # type: ignore[override]
        """A peer that has said all it wants still gets the answers that are on their way."""
        if self.request_since and not self.is_refused:
            self._refuse("malformed", "the request ended too early")
        self.is_half_closed = True
        return not self._is_idle()

    def shutdown(self) -> None:
        """Called when the server stops: close when nothing is on its way."""
        if self.slots:
            self.is_half_closed = True
        else:
            super().shutdown()

    def sweep(self, now_s: float) -> None:
        """Close a connection that is idle, or too slow in sending or in reading."""
        config = self.gateway.config
        transport = self.transport
        quiet_s = now_s - self.last_seen
        is_slow = bool(self.request_since) and now_s - self.request_since > config.request_timeout
        is_deaf = quiet_s > config.request_timeout and transport.get_write_buffer_size() > 0
        if is_slow or is_deaf:
            transport.abort()
        elif quiet_s > config.keep_alive_timeout and self._is_idle():
            transport.close()
