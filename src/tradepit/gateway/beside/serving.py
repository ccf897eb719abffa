"""The feed process: a gateway on a replica of its own, for connections that the node hands over."""

from __future__ import annotations

import asyncio
import os
import socket
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import msgspec
import structlog

from tradepit.gateway.arrival import Arrival
from tradepit.gateway.beside.link import Link
from tradepit.gateway.beside.messages import (
    Answered,
    Await,
    Call,
    Closed,
    Counted,
    End,
    Grown,
    HandOver,
    Heard,
    Ready,
    Said,
    decode_from_node,
    encode,
)
from tradepit.gateway.gateway import SWEEP_SECONDS, Gateway
from tradepit.gateway.problems import problem_of
from tradepit.gateway.replies import problem_answer
from tradepit.gateway.session import Session
from tradepit.gateway.socket import ENDED, refuse
from tradepit.node.following import FollowingNode

log = structlog.get_logger(__name__)


class FeedServer:
    """Serves what comes over the link, until it is lost."""

    def __init__(self, node: FollowingNode, gateway: Gateway, end: socket.socket) -> None:
        self._node = node
        self._gateway = gateway
        self._link = Link(end, self._take, self._on_lost)
        self._lost = asyncio.Event()
        self._connections: dict[int, asyncio.Transport] = {}
        self._sessions: dict[int, Session] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._awaited = -1
        gateway.sockets.refresh = node.catch_up
        node.is_watched = lambda: bool(len(gateway.sockets) or len(gateway.sockets.channels))
        node.on_skipped = gateway.desk.market.listing.refresh
        node.on_failed = self._on_lost

    async def serve(self) -> None:
        """Return when the node has gone.

        Raises:
            CannotFollow: nobody can be served any more; everybody has been sent away.
        """
        self._node.start(self._on_end)
        self._gateway.replays.restore()
        self._link.send(encode(Ready()))
        sweeper = asyncio.ensure_future(self._sweep())
        try:
            await self._lost.wait()
        finally:
            sweeper.cancel()
            self._node.stop()
            self._gateway.close()
            self._link.close()
        if self._node.failure is not None:
            raise self._node.failure

    def _on_lost(self) -> None:
        self._lost.set()

    def _on_end(self) -> None:
        """Everything durable is applied: when somebody listens, ask to hear of more."""
        sequence = self._node.replica.sequence
        if self._awaited != sequence and len(self._gateway.sockets):
            self._awaited = sequence
            self._link.send(encode(Await(sequence)))

    async def _sweep(self) -> None:
        gateway = self._gateway
        while True:
            await asyncio.sleep(SWEEP_SECONDS)
            gateway.clock_s = time.monotonic()
            gateway.sweep(gateway.clock_s)
            self._close_ended()
            sockets = gateway.sockets
            counted = Counted(
                self._node.measure_lag(),
                len(self._connections),
                len(sockets.channels),
                sockets.slow_count + gateway.replays.slow_count,
                len(gateway.replays),
            )
            self._link.send(encode(counted))

    def _close_ended(self) -> None:
        for number, transport in list(self._connections.items()):
            if transport.is_closing():
                self._close(number)

    def _close(self, number: int) -> None:
        """A connection is gone: what the node keeps of it ends too."""
        if self._connections.pop(number, None) is not None:
            self._sessions.pop(number, None)
            self._link.send(encode(Closed(number)))

    # What the node says

    def _take(self, message: bytes, descriptor: int | None) -> None:
        try:
            said = decode_from_node(message)
        except msgspec.DecodeError:
            if descriptor is not None:
                os.close(descriptor)
            raise
        if isinstance(said, HandOver) and descriptor is not None:
            self._spawn(self._adopt(said, socket.socket(fileno=descriptor)))
            return
        if descriptor is not None:
            os.close(descriptor)
        match said:
            case Grown():
                self._node.look()
            case Heard(number, frames):
                session = self._sessions.get(number)
                if session is not None:
                    session.send(frames)
            case End(numbers):
                self._end(numbers)
            case Call():
                self._spawn(self._answer(said))

    def _spawn(self, work: Any) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _end(self, numbers: list[int]) -> None:
        ended = set(numbers)
        transports = {id(self._connections.get(number)) for number in ended}
        for reader in self._gateway.consumers():
            if id(reader.wire) in transports:
                reader.close(ENDED, "the key or its session has ended")

    async def _adopt(self, over: HandOver, connection: socket.socket) -> None:
        try:
            connection.setblocking(False)
            loop = asyncio.get_running_loop()
            await loop.connect_accepted_socket(lambda: _Adopted(self, over), connection)
        except OSError:  # it is gone again
            connection.close()
            self._link.send(encode(Closed(over.number)))

    def adopted(self, over: HandOver, transport: asyncio.Transport) -> None:
        """A connection is on our loop: make of it what its request asked for."""
        self._connections[over.number] = transport
        try:
            self._begin(over, transport)
        except Exception:
            log.exception("a connection cannot be served")
            transport.abort()

    def _begin(self, over: HandOver, transport: asyncio.Transport) -> None:
        if len(self._connections) > self._gateway.config.connections_max:
            refuse(transport, problem_answer(problem_of("overloaded", "too many streams")))
            return
        self._node.catch_up()
        arrival = Arrival(transport, over.url, over.headers, over.rest, over.is_open)
        if not over.is_socket:
            self._gateway.take_stream(arrival, None, over.principal)
            return
        speak = self._speaker(over.number)
        session = self._gateway.take_socket(arrival, None, over.principal, speak=speak)
        if session is not None:
            self._sessions[over.number] = session
            session.on_gone = partial(self._close, over.number)
            for message in over.messages:
                session.on_message(message)

    def _speaker(self, number: int) -> Callable[[bytes], None]:
        return lambda message: self._link.send(encode(Said(number, message)))

    async def _answer(self, call: Call) -> None:
        answer = await self._gateway.ask_replays(
            call.method, call.path, call.query, call.body, call.principal
        )
        answered = Answered(call.number, answer.status, answer.body, answer.retry_after)
        self._link.send(encode(answered))


class _Adopted(asyncio.Protocol):
    """A connection until it is known what becomes of it."""

    def __init__(self, server: FeedServer, over: HandOver) -> None:
        self._server = server
        self._over = over

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport) or hasattr(transport, "write")
        self._server.adopted(self._over, transport)  # type: ignore[arg-type]
