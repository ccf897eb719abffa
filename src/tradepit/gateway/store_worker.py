"""A store worker: the trade store's routes alone, without a market. Any number may run on one
PostgreSQL; a load balancer in front sends each request to any of them."""

from __future__ import annotations

import asyncio
import signal
import socket
from typing import Final

from litestar import Litestar, Response, Router, get
from litestar.di import Provide
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from tradepit.gateway import trade_store
from tradepit.gateway.access import Doorkeeper, require_loopback
from tradepit.gateway.app import BASE_PATH, EXCEPTION_HANDLERS, Door
from tradepit.gateway.problems import refused
from tradepit.gateway.requests import json_response
from tradepit.gateway.results import Health
from tradepit.gateway.server import tune_garbage_collector
from tradepit.gateway.trade_store import StoreDesk, StoreGiven, store_source
from tradepit.observe.metrics import new_registry
from tradepit.observe.own_port import OwnServer
from tradepit.projections.store import StoreUnavailable, TradeStore

CONNECTIONS_MAX: Final = 2_000
"""Writers and readers; more are answered 503."""

STOP_SECONDS: Final = 30
"""Time for batches on their way when the worker stops."""


@get("/health")
async def health() -> Response[bytes]:
    return json_response(Health(status="alive", sequence=0))


@get("/ready")
async def ready(trade_store: StoreGiven) -> Response[bytes]:
    try:
        await trade_store.store.check()
    except StoreUnavailable as error:
        raise refused("database_unavailable", str(error)) from error
    return json_response(Health(status="ready", sequence=0))


def build_store_app(desk: StoreDesk) -> Litestar:
    """Return the application of a worker. Serve it behind a `Door`."""
    registry = new_registry(store_source(desk))

    async def the_trade_store() -> StoreDesk:
        return desk

    @get("/metrics")
    async def metrics() -> Response[bytes]:
        text = generate_latest(registry)
        return Response(text, headers={"content-type": CONTENT_TYPE_LATEST})

    return Litestar(
        route_handlers=[
            Router(BASE_PATH, route_handlers=list(trade_store.HANDLERS)),
            health,
            ready,
            metrics,
        ],
        dependencies={"trade_store": Provide(the_trade_store)},
        exception_handlers=EXCEPTION_HANDLERS,
        openapi_config=None,
        signature_namespace={"StoreDesk": StoreDesk},
        logging_config=None,
    )


async def serve_store(
    store: TradeStore, listener: socket.socket, *, allowed_hosts: tuple[str, ...] = ()
) -> None:
    """Serve a store on a bound socket until SIGINT or SIGTERM.

    Raises:
        OpenAccessRefused: the address is no loopback one.
    """
    require_loopback(listener.getsockname()[0])
    app = Door(build_store_app(StoreDesk(store)), Doorkeeper(allowed_hosts))
    server = OwnServer(app, connections_max=CONNECTIONS_MAX, stop_seconds=STOP_SECONDS)
    loop = asyncio.get_running_loop()
    for name in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(name, server.stop)
    tune_garbage_collector()
    await server.serve(sockets=[listener])
