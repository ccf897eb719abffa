"""The gateway as one thing: what protocol, routes and sockets share."""

from __future__ import annotations

import asyncio
import time
from typing import Any, Final
from urllib.parse import parse_qs

from litestar.di import NamedDependency

from tradepit.access.access import Access, AccessDenied
from tradepit.access.principals import Principal
from tradepit.gateway.access import Doorkeeper
from tradepit.gateway.authentication import authenticate, confine, denial, denial_answer
from tradepit.gateway.beside.door import FeedDoor
from tradepit.gateway.config import GatewayConfig
from tradepit.gateway.desk import Desk, Reply
from tradepit.gateway.numbers import gateway_source
from tradepit.gateway.ports import MarketNode
from tradepit.gateway.problems import Refused
from tradepit.gateway.replies import Answer, problem_answer
from tradepit.gateway.requests import AnyRequest, Slice, Waiters, speaker
from tradepit.gateway.session import Session
from tradepit.gateway.socket import Sockets, feeds_only
from tradepit.gateway.trade_store import StoreDesk, store_source
from tradepit.observe.metrics import new_registry
from tradepit.projections.reads import SqlHistory
from tradepit.projections.store import TradeStore

GATEWAY: Final = "gateway"
"""Under this name a connection's state holds its gateway."""

SWEEP_SECONDS = 1.0
"""How often connections are looked at, and how coarse their clock is."""


class Gateway:
    """Everything behind the one port of a node."""

    def __init__(
        self,
        node: MarketNode,
        config: GatewayConfig,
        history: SqlHistory | None = None,
        access: Access | None = None,
    ) -> None:
        self.node = node
        self.config = config
        self.access = access
        """Keys and all that goes with them; None in open mode."""
        self.history = history
        """The SQL read models; None when the node keeps none."""
        self.desk = Desk(node, config)
        self.doorkeeper = Doorkeeper(config.allowed_hosts)
        self.waiters = Waiters(node, config.read_wait_max)
        self.definition_lock = asyncio.Lock()
        """Numbers of assets and instruments are given out here, so one at a time."""
        self.clock_s = time.monotonic()
        """Coarse time for idle connections; set by the sweeper."""
        self.connections: set[Any] = set()
        """Open HTTP connections; the server's own set."""
        self.connection_closed = asyncio.Event()
        self.sockets = Sockets(self.desk, access)
        self.feeds = FeedDoor(self)
        """The way to the feed process, if there is one."""
        self.sockets.move = self._move_socket
        self.registry = new_registry(gateway_source(self))
        self.trade_store: StoreDesk | None = None
        """Set by `use_store` when there is a database."""
        node.add_listener(self._on_frame)
        if access is not None:
            access.on_ended = self.end_sockets

    def _on_frame(self, first_sequence: int, events: bytes, texts: bytes, ends: bytes) -> None:
        self.desk.market.listing.on_events(events)
        self.waiters.on_frame()
        self.sockets.on_frame(first_sequence, events)
        self.feeds.on_frame()

    def use_store(self, store: TradeStore) -> None:
        """Serve the trade store's routes from now on."""
        self.trade_store = StoreDesk(store)
        self.registry.register(store_source(self.trade_store))

    def slice(self, request: AnyRequest, *, cursor_is_number: bool = True) -> Slice:
        """The part of a list that a request asks for."""
        config = self.config
        return Slice(
            request,
            size=config.page_size,
            size_max=config.page_size_max,
            depth_max=config.page_depth_max,
            cursor_is_number=cursor_is_number,
        )

    def hand_over_socket(
        self,
        transport: asyncio.Transport,
        url: bytes,
        headers: list[tuple[bytes, bytes]],
        rest: bytes,
    ) -> None:
        """Give a connection that asked for a WebSocket to one; `rest` came after its request."""
        refusal, principal = self._let_in(transport, url, headers)
        is_feed = refusal is None and feeds_only(url)
        if not (is_feed and self._hand_over(transport, url, headers, rest, principal)):
            self.sockets.take(transport, url, headers, rest, refusal, principal)

    def _hand_over(
        self,
        transport: asyncio.Transport,
        url: bytes,
        headers: list[tuple[bytes, bytes]],
        rest: bytes | None,
        principal: Principal | None,
    ) -> bool:
        """Give a WebSocket, or (no `rest`) an event stream, to the feed process if there is one."""
        return self.feeds.hand_over(
            transport,
            url=url,
            headers=headers,
            rest=rest or b"",
            is_socket=rest is not None,
            principal=principal,
        )

    def _move_socket(self, session: Session, messages: list[bytes]) -> bool:
        """Give an open WebSocket that subscribes to the feed process."""
        if session.wire is None:
            return False
        url, headers = session.asked
        is_gone = self.feeds.hand_over(
            session.wire,
            url=url,
            headers=headers,
            is_socket=True,
            principal=session.principal,
            messages=messages,
        )
        if is_gone:
            session.wire = None
            self.sockets.remove(session)
        return is_gone

    def hand_over_stream(
        self, transport: asyncio.Transport, url: bytes, headers: list[tuple[bytes, bytes]]
    ) -> None:
        """Give a connection that asked for an event stream to one."""
        refusal, principal = self._let_in(transport, url, headers)
        if refusal is not None or not self._hand_over(transport, url, headers, None, principal):
            self.take_stream(transport, url, headers, refusal, principal)

    def take_stream(
        self,
        transport: asyncio.Transport,
        url: bytes,
        headers: list[tuple[bytes, bytes]],
        refusal: Answer | None,
        principal: Principal | None,
    ) -> None:
        """Serve an event stream here, or send a refusal."""
        query = url.decode("latin-1").partition("?")[2]
        last = dict(headers).get(b"last-event-id")
        last_event_id = None if last is None else last.decode("latin-1")
        self.sockets.take_stream(transport, query, last_event_id, refusal, principal)

    def _let_in(
        self, transport: asyncio.Transport, url: bytes, headers: list[tuple[bytes, bytes]]
    ) -> tuple[Answer | None, Principal | None]:
        """Who asks for a connection of its own, or why it does not get one."""
        found = dict(headers)
        problem = self.doorkeeper.problem(found.get(b"host"), found.get(b"origin"))
        if problem is not None:
            return problem_answer(problem), None
        if self.access is None:
            return None, None
        try:
            principal = authenticate(
                self.access,
                method=b"GET",
                target=url,
                headers=headers,
                body=b"",
                peer=peer_of(transport),
                is_stream=True,
            )
        except AccessDenied as error:
            return denial_answer(error), None
        return None, principal

    def charge(self, request: AnyRequest, count: int) -> None:
        """Count what a request holds beside itself; raises `Refused` rate_limited."""
        principal = speaker(request)
        if self.access is not None and principal is not None:
            try:
                self.access.charge(principal, count)
            except AccessDenied as error:
                raise denial(error) from None

    def end_sockets(self) -> None:
        """Close the sockets of keys that are revoked and of sessions that are over."""
        if self.access is not None:
            self.sockets.end(self.access.is_valid)
            self.feeds.end(self.access.is_valid)

    def cancel_hot(
        self, url: bytes, key: bytes | None, reply: Reply, own: str | None = None
    ) -> None:
        """Cancel the order that a hot request's path names."""
        path, _, query = url.decode("latin-1").partition("?")
        order_id = path.rstrip("/").rpartition("/")[2]
        client_id = until = None
        if query:
            found = parse_qs(query, keep_blank_values=True)
            client_id = found.get("client_id", [None])[-1]
            until = found.get("valid_until", [None])[-1]
        try:
            client_id = confine(client_id, own)
        except Refused as error:
            reply(problem_answer(error.problem))
            return
        self.desk.cancel(order_id, client_id, key, reply, valid_until=until)


def peer_of(transport: asyncio.BaseTransport) -> str:
    """The address at the other end of a connection."""
    peer = transport.get_extra_info("peername")
    return str(peer[0]) if peer else ""


GatewayGiven = NamedDependency[Gateway]
"""The gateway, as an argument of a route handler."""
