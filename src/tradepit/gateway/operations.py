"""Routes for those who run the node: liveness, readiness, metrics; and the documents."""

from __future__ import annotations

from importlib.resources import files
from typing import Final

from litestar import Response, get
from litestar.params import FromPath
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from tradepit.gateway.event_stream import STREAM_PATH
from tradepit.gateway.gateway import GatewayGiven
from tradepit.gateway.openapi import openapi_document
from tradepit.gateway.problems import refused
from tradepit.gateway.requests import AnyRequest, json_response
from tradepit.gateway.results import Health
from tradepit.gateway.socket import ORDER_ENTRY_PATHS, TRADES_PATHS

SOCKET_PATHS: Final = sorted(ORDER_ENTRY_PATHS | TRADES_PATHS)

PAGE_POLICY: Final = (
    "default-src 'self'; script-src 'self' 'unsafe-inline'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data:; connect-src 'self' ws: wss:; frame-ancestors 'none'"
)
"""Pages load nothing from elsewhere and cannot be framed."""


@get("/health")
async def health(gateway: GatewayGiven) -> Response[bytes]:
    return json_response(Health(status="alive", sequence=gateway.node.replica.sequence))


@get("/ready")
async def ready(gateway: GatewayGiven) -> Response[bytes]:
    if not gateway.node.is_ready:
        raise refused("not_available", "the node takes no new orders")
    return json_response(Health(status="ready", sequence=gateway.node.replica.sequence))


@get("/metrics")
async def metrics(gateway: GatewayGiven) -> Response[bytes]:
    text = generate_latest(gateway.registry)
    return Response(text, headers={"content-type": CONTENT_TYPE_LATEST})


@get("/openapi.json")
async def openapi(gateway: GatewayGiven) -> Response[bytes]:
    return json_response(openapi_document())


@get(SOCKET_PATHS)
async def socket_without_upgrade() -> Response[bytes]:
    raise refused("upgrade_required")


@get(["/ws/replays/{replay_id:str}", "/api/v1/ws/replays/{replay_id:str}"])
async def replay_socket_without_upgrade(replay_id: FromPath[str]) -> Response[bytes]:
    raise refused("upgrade_required")


@get(STREAM_PATH)
async def stream_on_a_busy_connection() -> Response[bytes]:
    raise refused("malformed", "an event stream needs a connection of its own")


@get("/docs")
async def docs(request: AnyRequest) -> Response[bytes]:
    return _page("docs.html")


@get("/")
async def start_page(request: AnyRequest) -> Response[bytes]:
    return _page("index.html")


def _page(name: str) -> Response[bytes]:
    content = files("tradepit.gateway").joinpath("static", name).read_bytes()
    return Response(
        content,
        media_type="text/html; charset=utf-8",
        headers={
            "content-security-policy": PAGE_POLICY,
            "x-content-type-options": "nosniff",
            "cache-control": "no-cache",
        },
    )


HANDLERS: Final = (
    health,
    ready,
    metrics,
    openapi,
    socket_without_upgrade,
    replay_socket_without_upgrade,
    stream_on_a_busy_connection,
    docs,
    start_page,
)
