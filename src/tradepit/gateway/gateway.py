"""The gateway as one thing: what protocol, routes and sockets share."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Callable
from typing import Any, Final
from urllib.parse import parse_qs

from litestar.di import NamedDependency

from tradepit.access.access import Access, AccessDenied
from tradepit.access.principals import Principal
from tradepit.gateway.access import Doorkeeper
from tradepit.gateway.arrival import Arrival
from tradepit.gateway.authentication import authenticate, confine, denial, denial_answer
from tradepit.gateway.beside.door import FeedDoor
from tradepit.gateway.bindings import Bindings
from tradepit.gateway.config import GatewayConfig
from tradepit.gateway.desk import Desk, Reply
from tradepit.gateway.event_stream import EventStream
from tradepit.gateway.numbers import gateway_source
from tradepit.gateway.ports import MarketNode
from tradepit.gateway.problems import Refused, refused
from tradepit.gateway.replaying.readers import ReplaySocket, ReplayStream
from tradepit.gateway.replaying.replays import Replays
from tradepit.gateway.replies import Answer, problem_answer
from tradepit.gateway.requests import AnyRequest, Slice, Waiters, speaker
from tradepit.gateway.session import Session
from tradepit.gateway.socket import ENDED, Sockets, become_socket, feeds_only, refuse
from tradepit.gateway.trade_store import StoreDesk, store_source
from tradepit.observe.metrics import new_registry
from tradepit.projections.reads import SqlHistory
from tradepit.projections.store import TradeStore

REPLAY_STREAM: Final = re.compile(rb"/api/v1/replays/[^/]+/(?:stream|export)")
REPLAY_SOCKET: Final = re.compile(rb"(?:/api/v1)?/ws/replays/([^/?]+)/?(?:\?.*)?")

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
        self.replays = Replays(config)
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

    def hand_over_socket(self, arrival: Arrival) -> None:
        """Give a connection that asked for a WebSocket to one."""
        refusal, principal = self._let_in(arrival)
        is_feed = refusal is None and (
            feeds_only(arrival.path) or replay_socket_id(arrival.url) is not None
        )
        if not (is_feed and self.feeds.hand_over(arrival, principal, is_socket=True)):
            self.take_socket(arrival, refusal, principal)

    def take_socket(
        self,
        arrival: Arrival,
        refusal: Answer | None,
        principal: Principal | None,
        *,
        speak: Callable[[bytes], None] | None = None,
    ) -> Session | None:
        """Serve a WebSocket here, or send a refusal; see `Sockets.take`."""
        replay_id = replay_socket_id(arrival.url)
        if replay_id is None:
            return self.sockets.take(arrival, refusal, principal, speak=speak)
        if refusal is None:
            try:
                self._require_replays()
                reader = self.replays.open_socket(replay_id, arrival.query, principal)
            except Refused as error:
                refusal = problem_answer(error.problem, retry_after=error.retry_after)
        if refusal is not None:
            refuse(arrival.transport, refusal)
        else:
            become_socket(arrival, reader, message_max=self.config.socket_message_max)
        return None

    def _require_replays(self) -> None:
        """Replays are in one process only: here, unless there is a feed process, up or not."""
        if self.feeds.is_expected:
            raise refused("feeds_unavailable", retry_after=1)

    async def ask_replays(
        self, method: str, path: str, query: str, body: bytes, principal: Principal | None
    ) -> Answer:
        """Answer a request about replays; see `Replays.handle`. Raises `Refused`."""
        if self.feeds.is_expected:
            return await self.feeds.call(method, path, query, body, principal)
        return await self.replays.handle(method, path, query, body, principal)

    def _move_socket(self, session: Session, messages: list[bytes]) -> bool:
        """Give an open WebSocket that subscribes to the feed process."""
        if session.wire is None or session.asked is None:
            return False
        arrival = session.asked._replace(transport=session.wire, is_open=True)
        is_gone = self.feeds.hand_over(
            arrival,
            session.principal,
            is_socket=True,
            messages=messages,
            bindings=session.bindings,
        )
        if is_gone:
            session.bindings = Bindings(self.node)
            session.wire = None
            self.sockets.remove(session)
        return is_gone

    def hand_over_stream(self, arrival: Arrival) -> None:
        """Give a connection that asked for an event stream to one."""
        refusal, principal = self._let_in(arrival)
        is_gone = refusal is None and self.feeds.hand_over(arrival, principal, is_socket=False)
        if not is_gone:
            self.take_stream(arrival, refusal, principal)

    def take_stream(
        self, arrival: Arrival, refusal: Answer | None, principal: Principal | None
    ) -> None:
        """Serve an event stream here, or send a refusal."""
        path = arrival.path.rstrip("/")
        if not is_replay_stream(path.encode("latin-1")):
            self.sockets.take_stream(arrival, refusal, principal)
            return
        if refusal is None:
            try:
                self._require_replays()
                id, kind = path.split("/")[-2:]
                if kind == "export":
                    export = self._export(arrival.transport, id, arrival.query, principal)
                    self.replays.spawn(export)
                    return
                last_event_id = arrival.header(b"last-event-id")
                reader = self.replays.open_stream(id, arrival.query, last_event_id, principal)
            except Refused as error:
                refusal = problem_answer(error.problem, retry_after=error.retry_after)
        if refusal is not None:
            refuse(arrival.transport, refusal)
            return
        arrival.transport.set_protocol(reader)
        reader.connection_made(arrival.transport)

    def _let_in(self, arrival: Arrival) -> tuple[Answer | None, Principal | None]:
        """Who asks for a connection of its own, or why it does not get one."""
        found = dict(arrival.headers)
        problem = self.doorkeeper.problem(found.get(b"host"), found.get(b"origin"))
        if problem is not None:
            return problem_answer(problem), None
        if self.access is None:
            return None, None
        try:
            principal = authenticate(
                self.access,
                method=b"GET",
                target=arrival.url,
                headers=arrival.headers,
                body=b"",
                peer=peer_of(arrival.transport),
                is_stream=True,
            )
        except AccessDenied as error:
            return denial_answer(error), None
        return None, principal

    def consumers(self) -> list[Session | EventStream | ReplayStream | ReplaySocket]:
        """Everybody who has a stream or a WebSocket here."""
        return [*self.sockets.sessions(), *self.replays.readers()]

    def sweep(self, now_s: float) -> None:
        """Look after streams and WebSockets; once a second."""
        self.sockets.sweep(now_s)
        self.replays.sweep()

    def close(self) -> None:
        """The process stops."""
        self.sockets.close_all()
        self.replays.close()

    async def _export(
        self, transport: asyncio.Transport, id: str, query: str, principal: Principal | None
    ) -> None:
        """Send an export, or a refusal."""
        try:
            download = await self.replays.open_download(id, query, principal)
        except Refused as error:
            refuse(transport, problem_answer(error.problem, retry_after=error.retry_after))
            return
        transport.set_protocol(download)
        download.connection_made(transport)

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
            is_valid = self.access.is_valid
            for consumer in self.consumers():
                if consumer.principal is not None and not is_valid(consumer.principal):
                    consumer.close(ENDED, "the key or its session has ended")
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


def is_replay_stream(path: bytes) -> bool:
    """Whether a GET of this path is answered by a stream about a replay."""
    return REPLAY_STREAM.fullmatch(path) is not None


def replay_socket_id(url: bytes) -> str | None:
    """The replay whose WebSocket a URL asks for."""
    found = REPLAY_SOCKET.fullmatch(url)
    return None if found is None else found[1].decode("latin-1")


def peer_of(transport: asyncio.BaseTransport) -> str:
    """The address at the other end of a connection."""
    peer = transport.get_extra_info("peername")
    return str(peer[0]) if peer else ""


GatewayGiven = NamedDependency[Gateway]
"""The gateway, as an argument of a route handler."""
