"""A port of a process's own: a few routes that tell of it or control it, with short bodies."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import parse_qs

import msgspec
from uvicorn import Config, Server

BODY_BYTES_MAX: Final = 64 << 10
CONNECTIONS_MAX: Final = 64
STOP_SECONDS: Final = 2
PROBLEM: Final = "application/problem+json"

LOOPBACK_NAMES: Final = frozenset({"localhost", "127.0.0.1", "[::1]"})
"""Names under which programs on this machine may call."""

TITLES: Final = {
    400: "Bad request",
    403: "Forbidden",
    404: "Not found",
    405: "Method not allowed",
    413: "Too large",
    503: "Not available",
}

Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]


class PortTaken(OSError):
    """Somebody else listens on the port, or it may not be bound."""

    def __init__(self, host: str, port: int, reason: str) -> None:
        super().__init__(f"cannot listen on port {port} of {host}: {reason}; choose another one")
        self.port = port


class PageRefused(Exception):
    """A request that gets a problem document."""

    def __init__(self, status: int, code: str, detail: str) -> None:
        super().__init__(detail)
        self.status, self.code, self.detail = status, code, detail


@dataclass(frozen=True, slots=True)
class Request:
    """What a route is given."""

    query: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Page:
    """What a route answers."""

    body: bytes
    content_type: str = "application/json"


Route = Callable[[Request], Awaitable[Page]]
"""May raise `PageRefused`."""

Routes = Mapping[tuple[str, str], Route]
"""By method and path, without a slash at its end. HEAD is answered where GET is."""


def json_page(value: object) -> Page:
    """Any value as JSON."""
    return Page(msgspec.json.encode(value))


def text_page(text: str) -> Page:
    """Plain text."""
    return Page(text.encode(), "text/plain; charset=utf-8")


class Pages:
    """Routes as an ASGI application.

    Args:
        is_loopback: bound to a loopback address; then it answers to the names of this machine only,
            so that no web page reaches it under another name.
    """

    def __init__(self, routes: Routes, *, is_loopback: bool) -> None:
        self._routes, self._is_loopback = routes, is_loopback
        self._paths = {path for _, path in routes}

    async def __call__(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        method = scope["method"]
        status = 200
        try:
            self._admit(dict(scope["headers"]))
            route = self._route("GET" if method == "HEAD" else method, scope["path"])
            query = parse_qs(scope["query_string"].decode("latin-1"))
            last = {name: values[-1] for name, values in query.items()}
            page = await route(Request(last, await _body(receive)))
        except PageRefused as error:
            status, page = error.status, _problem(error)
        headers = [
            (b"content-type", page.content_type.encode()),
            (b"content-length", str(len(page.body)).encode()),
        ]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        body = b"" if method == "HEAD" else page.body
        await send({"type": "http.response.body", "body": body})

    def _admit(self, headers: dict[bytes, bytes]) -> None:
        """Refuse web pages: whatever a browser shows here must neither read nor control."""
        if b"origin" in headers:
            raise PageRefused(403, "foreign_origin", "not for web pages")
        host = headers.get(b"host", b"localhost").decode("latin-1").lower()
        if self._is_loopback and not {host, host.rpartition(":")[0]} & LOOPBACK_NAMES:
            raise PageRefused(403, "foreign_host", "this port answers this machine only")

    def _route(self, method: str, path: str) -> Route:
        path = path.rstrip("/") or "/"
        route = self._routes.get((method, path))
        if route is not None:
            return route
        if path in self._paths:
            raise PageRefused(405, "method_not_allowed", f"{path} does not take {method}")
        raise PageRefused(404, "not_found", f"there is nothing at {path}")


async def _body(receive: Receive) -> bytes:
    body = b""
    while True:
        message = await receive()
        body += bytes(message.get("body", b""))
        if len(body) > BODY_BYTES_MAX:
            raise PageRefused(413, "too_large", f"a body has at most {BODY_BYTES_MAX:,} bytes")
        if not message.get("more_body"):
            return body


def _problem(error: PageRefused) -> Page:
    document = {
        "type": f"/problems/{error.code}",
        "title": TITLES[error.status],
        "status": error.status,
        "code": error.code,
        "detail": error.detail,
    }
    return Page(msgspec.json.encode(document), PROBLEM)


def is_loopback(host: str) -> bool:
    """Whether an address can be reached from this machine only."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def bind(host: str, port: int) -> socket.socket:
    """A listening socket; port 0 takes any free one. Raises: PortTaken."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host.strip("[]"), port))
        listener.listen(CONNECTIONS_MAX)
    except OSError as error:
        listener.close()
        raise PortTaken(host, port, error.strerror or str(error)) from error
    return listener


class OwnServer(Server):
    """uvicorn's server of an ASGI application, without signals and words of its own."""

    def __init__(self, app: Any, *, connections_max: int, stop_seconds: int) -> None:
        super().__init__(
            Config(
                app,
                http="httptools",
                ws="none",
                lifespan="off",
                log_config=None,
                access_log=False,
                date_header=False,
                server_header=False,
                proxy_headers=False,
                limit_concurrency=connections_max,
                timeout_graceful_shutdown=stop_seconds,
            )
        )

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    def stop(self) -> None:
        """Answer what was asked, then end."""
        self.should_exit = True


class PageServer:
    """Serves pages on a bound socket while it is entered."""

    def __init__(self, pages: Pages, listener: socket.socket) -> None:
        self._listener = listener
        self._server = OwnServer(pages, connections_max=CONNECTIONS_MAX, stop_seconds=STOP_SECONDS)

    async def __aenter__(self) -> PageServer:
        self._serving = asyncio.ensure_future(self._server.serve(sockets=[self._listener]))
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.stop()
        await self._serving
