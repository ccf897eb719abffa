"""The pages of a maker process: /health, /ready, /metrics, /status, and for tests /test/faults."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final

import msgspec
from msgspec import Struct
from prometheus_client import CONTENT_TYPE_LATEST
from uvicorn import Config, Server

from tradepit.makers.live.faults import Fault
from tradepit.makers.live.metrics import MakerMetrics
from tradepit.makers.live.node import MakerNode
from tradepit.makers.live.status import status_of

JSON: Final = "application/json"
PROBLEM: Final = "application/problem+json"
BODY_BYTES_MAX: Final = 16 * 1024
CONNECTIONS_MAX: Final = 64
STOP_SECONDS: Final = 2
LOOPBACK_NAMES: Final = frozenset({b"localhost", b"127.0.0.1", b"[::1]"})

Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]


class PageRefused(Exception):
    """A request that gets an error document."""

    def __init__(self, status: int, code: str, detail: str) -> None:
        super().__init__(detail)
        self.status, self.code, self.detail = status, code, detail


class Page(Struct, frozen=True):
    """An answer."""

    body: bytes
    content_type: str = JSON
    status: int = 200


class MakerPages:
    """An ASGI application with the pages of one maker."""

    def __init__(self, node: MakerNode, *, is_loopback: bool) -> None:
        """
        Args:
            is_loopback: bound to a loopback address; then names of elsewhere are refused, so that
                no web page can reach it under another name.
        """
        self._node, self._is_loopback = node, is_loopback
        self._metrics = MakerMetrics(node)

    async def __call__(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        try:
            self._admit(dict(scope["headers"]))
            page = await self._page(scope["method"], scope["path"].rstrip("/"), receive)
        except PageRefused as error:
            page = _problem(error)
        headers = [
            (b"content-type", page.content_type.encode()),
            (b"content-length", str(len(page.body)).encode()),
        ]
        await send({"type": "http.response.start", "status": page.status, "headers": headers})
        body = b"" if scope["method"] == "HEAD" else page.body
        await send({"type": "http.response.body", "body": body})

    def _admit(self, headers: dict[bytes, bytes]) -> None:
        """Refuse web pages of elsewhere."""
        if b"origin" in headers:
            raise PageRefused(403, "foreign_origin", "not for web pages")
        name = headers.get(b"host", b"localhost").lower()
        if self._is_loopback and not {name, name.rpartition(b":")[0]} & LOOPBACK_NAMES:
            raise PageRefused(403, "foreign_host", "this maker is not known by that name")

    async def _page(self, method: str, path: str, receive: Receive) -> Page:
        if path == "/test/faults":
            return await self._faults(method, receive)
        pages = {
            "": self._status,
            "/status": self._status,
            "/health": self._health,
            "/ready": self._ready,
        }
        if path != "/metrics" and path not in pages:
            raise PageRefused(404, "not_found", f"there is nothing at {path or '/'}")
        if method not in ("GET", "HEAD"):
            raise PageRefused(405, "method_not_allowed", f"{path} is only read")
        if path == "/metrics":
            return Page(self._metrics.text(), CONTENT_TYPE_LATEST)
        return pages[path]()

    def _health(self) -> Page:
        speaker = self._node.options.speaker
        return _json({"status": "alive", "name": speaker.name, "firm": speaker.firm})

    def _ready(self) -> Page:
        """Ready: a lease is held and the market is heard."""
        node = self._node
        if not node.heart.lease.is_held(node.clock.now_ns()):
            raise PageRefused(
                503, "no_lease", node.heart.last_error or "no heartbeat is answered yet"
            )
        if not node.feed.is_live:
            raise PageRefused(503, "no_feed", "the market is not heard")
        return _json({"status": "ready", "symbols": len(node.seats)})

    def _status(self) -> Page:
        return _json(status_of(self._node))

    async def _faults(self, method: str, receive: Receive) -> Page:
        faults = self._node.faults
        if not faults.is_enabled:
            raise PageRefused(403, "no_fault_injection", "start it with --fault-injection")
        if method == "POST":
            try:
                faults.arm(msgspec.json.decode(await _body(receive), type=Fault))
            except (msgspec.MsgspecError, ValueError) as error:
                raise PageRefused(400, "invalid_fault", str(error)) from error
        elif method == "DELETE":
            faults.clear()
        elif method != "GET":
            raise PageRefused(405, "method_not_allowed", "GET, POST or DELETE")
        return _json(faults.state())


async def _body(receive: Receive) -> bytes:
    body = b""
    while True:
        message = await receive()
        body += bytes(message.get("body", b""))
        if len(body) > BODY_BYTES_MAX:
            raise PageRefused(413, "too_large", f"at most {BODY_BYTES_MAX:,} bytes")
        if not message.get("more_body"):
            return body


def _json(value: object) -> Page:
    return Page(msgspec.json.encode(value))


def _problem(error: PageRefused) -> Page:
    document = {
        "type": "about:blank",
        "title": error.code.replace("_", " "),
        "status": error.status,
        "code": error.code,
        "detail": error.detail,
    }
    return Page(msgspec.json.encode(document), PROBLEM, error.status)


def bind(host: str, port: int) -> socket.socket:
    """A listening socket; port 0 takes any free one. Raises: OSError."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host.strip("[]"), port))
        listener.listen(CONNECTIONS_MAX)
    except OSError:
        listener.close()
        raise
    return listener


def is_loopback(host: str) -> bool:
    """Whether an address can be reached from this machine only."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


class PageServer:
    """Serves the pages on a bound socket while it is entered."""

    def __init__(self, pages: MakerPages, listener: socket.socket) -> None:
        app: Any = pages
        self._listener = listener
        self._server = _Server(
            Config(
                app,
                http="httptools",
                ws="none",
                lifespan="off",
                log_config=None,
                access_log=False,
                date_header=False,
                server_header=False,
                limit_concurrency=CONNECTIONS_MAX,
                timeout_graceful_shutdown=STOP_SECONDS,
            )
        )

    async def __aenter__(self) -> PageServer:
        self._serving = asyncio.ensure_future(self._server.serve(sockets=[self._listener]))
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.should_exit = True
        await self._serving


class _Server(Server):
    """uvicorn's server without its own handling of signals."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield
