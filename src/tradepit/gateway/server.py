"""The one port: binds it, serves HTTP and WebSocket on it, sweeps connections, stops cleanly."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import resource
import socket
import time
from typing import Any, Final, cast

from uvicorn.config import Config
from uvicorn.server import ServerState

from tradepit.access.access import Access
from tradepit.gateway.access import require_loopback
from tradepit.gateway.app import Door, build_app
from tradepit.gateway.config import GatewayConfig
from tradepit.gateway.gateway import GATEWAY, SWEEP_SECONDS, Gateway
from tradepit.gateway.key_door import KeyDoor
from tradepit.gateway.listener import Listener
from tradepit.gateway.ports import MarketNode
from tradepit.gateway.protocol import OrderEntryProtocol
from tradepit.gateway.recall import Recaller
from tradepit.projections.reads import SqlHistory

BACKLOG: Final = 4096
"""Connections that may wait to be accepted; a load test opens thousands at once."""

STOP_SECONDS: Final = 5.0
"""Time for answers on their way when the server stops."""

SWEEP_CHUNK: Final = 500
"""Connections looked at in one turn of the loop, so that a sweep of 10,000 delays nobody."""

FILES_SPARE: Final = 512
"""File descriptors beside connections: journal, snapshots, the process itself."""

GC_THRESHOLDS: Final = (50_000, 50, 1000)
"""Young collections look at what an order leaves behind, which is almost never a cycle; the default
of 700 costs a third of the 99th percentile. The oldest generation is frozen after the start."""


class GatewayServer:
    """A gateway on its port. Made by `start_server`."""

    def __init__(self, gateway: Gateway, listener: socket.socket) -> None:
        self.gateway = gateway
        self.host, self.port = listener.getsockname()[:2]
        self.app = build_app(gateway.config.batch_body_max)
        self._state = ServerState()
        gateway.connections = cast("set[Any]", self._state.connections)
        self._listener = listener
        self._acceptor: Listener | None = None
        self._sweeper: asyncio.Task[None] | None = None

    @property
    def url(self) -> str:
        """Where a client on this machine finds the node."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{self.port}"

    async def start(self) -> None:
        """Take connections."""
        loop = asyncio.get_running_loop()
        access = self.gateway.access
        keyed = self.app if access is None else KeyDoor(self.app, access, self.gateway.config)
        config = Config(
            Door(cast(Any, keyed), self.gateway.doorkeeper),
            http=cast(Any, type("Protocol", (OrderEntryProtocol,), {"gateway": self.gateway})),
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            date_header=False,
            proxy_headers=False,  # who is believed is `access.proxies`
            server_header=False,
        )
        config.load()

        def connection() -> asyncio.Protocol:
            protocol = cast(Any, config.http_protocol_class)
            made = protocol(
                config=config,
                server_state=self._state,
                app_state={GATEWAY: self.gateway},
                _loop=loop,
            )
            return cast(asyncio.Protocol, made)

        self._acceptor = Listener(self._listener, connection, BACKLOG)
        self._sweeper = loop.create_task(self._sweep())

    async def stop(self) -> None:
        """Take no more connections, let answers on their way go out, close the rest."""
        if self._acceptor is None or self._sweeper is None:
            return
        self._acceptor.close()
        self._sweeper.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._sweeper
        self.gateway.close()
        connections = self._state.connections
        for connection in list(connections):
            connection.shutdown()
        closed = self.gateway.connection_closed
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(STOP_SECONDS):
                while connections:
                    closed.clear()
                    await closed.wait()
        for connection in list(connections):
            cast(Any, connection).transport.abort()

    async def _sweep(self) -> None:
        while True:
            await asyncio.sleep(SWEEP_SECONDS)
            now_s = self.gateway.clock_s = time.monotonic()
            self.gateway.sweep(now_s)
            if self.gateway.access is not None:
                self.gateway.access.sweep()
            connections = list(self._state.connections)
            for start in range(0, len(connections), SWEEP_CHUNK):
                for connection in connections[start : start + SWEEP_CHUNK]:
                    cast(OrderEntryProtocol, connection).sweep(now_s)
                await asyncio.sleep(0)


def bind(host: str, port: int) -> socket.socket:
    """Return a listening socket; raises OSError when the port is taken."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host.strip("[]"), port))
        listener.setblocking(False)
    except BaseException:
        listener.close()
        raise
    return listener


async def start_server(
    node: MarketNode,
    config: GatewayConfig,
    *,
    host: str,
    port: int,
    history: SqlHistory | None = None,
    is_guest: bool = False,
    access: Access | None = None,
) -> GatewayServer:
    """Serve a node, and return once connections are taken.

    Args:
        access: keys; None for open mode, which only loopback addresses have.
        history: the SQL read models, for what the node no longer remembers.
        is_guest: the process belongs to somebody else: leave its garbage collector alone.

    Raises:
        OpenAccessRefused: the address is no loopback one.
        OSError: the port is taken or not ours to bind.
    """
    if access is None:
        require_loopback(host)
    raise_file_limit(config.connections_max + FILES_SPARE)
    gateway = Gateway(node, config, history, access)
    if history is not None:
        gateway.desk.remember = Recaller(node, history).complete
    server = GatewayServer(gateway, bind(host, port))
    await server.start()
    if not is_guest:
        tune_garbage_collector()
    return server


async def serve(node: MarketNode, config: GatewayConfig, *, host: str, port: int) -> None:
    """Serve a node until this task is cancelled; then stop cleanly."""
    server = await start_server(node, config, host=host, port=port)
    try:
        await asyncio.Event().wait()
    finally:
        await server.stop()


def raise_file_limit(wanted: int) -> None:
    """Allow as many open files as connections are taken, as far as the system lets us."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        limit = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, limit), hard))


def tune_garbage_collector() -> None:
    """Leave what lives as long as the process out of every further collection."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*GC_THRESHOLDS)
