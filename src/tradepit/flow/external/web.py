"""The little of HTTP that a participant's own port takes: a few routes, short bodies, loopback."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import parse_qs

import msgspec
from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

HOST: Final = "127.0.0.1"
NAMES: Final = frozenset({"127.0.0.1", "localhost", "[::1]"})
"""Under which a page or a program on this machine may call."""

BODY_BYTES_MAX: Final = 64 << 10

STATUS_TEXT: Final = {400: "Bad request", 403: "Forbidden", 404: "Not found", 413: "Too large"}


class PortTaken(Exception):
    """Somebody else listens on the port."""

    def __init__(self, port: int) -> None:
        super().__init__(f"port {port} of {HOST} is taken; choose another with --port")
        self.port = port


@dataclass(frozen=True, slots=True)
class Request:
    """What a route is given."""

    query: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Answer:
    """What a route answers."""

    body: bytes
    status: int = 200
    content_type: str = "application/json"


Route = Callable[[Request], Awaitable[Answer]]
Routes = Mapping[tuple[str, str], Route]
"""By method and path."""


def json_answer(value: Any, status: int = 200) -> Answer:
    """Any value as JSON."""
    return Answer(msgspec.json.encode(value), status)


def text_answer(text: str) -> Answer:
    """Plain text."""
    return Answer(text.encode(), content_type="text/plain; charset=utf-8")


def problem(status: int, code: str, detail: str) -> Answer:
    """A problem document, as the node's."""
    title = STATUS_TEXT.get(status, "Problem")
    document = {"type": f"/problems/{code}", "title": title, "status": status, "code": code}
    body = msgspec.json.encode(document | {"detail": detail})
    return Answer(body, status, "application/problem+json")


class Door:
    """Routes behind a port of this machine."""

    def __init__(self, routes: Routes) -> None:
        self._routes = routes
        self._state = ServerState()
        self._server: asyncio.Server | None = None
        self.port = 0

    async def open(self, port: int) -> None:
        """Listen; port 0 takes any free one. Raises `PortTaken`."""
        config = Config(
            self._serve, interface="asgi3", ws="none", lifespan="off", log_config=None,
            access_log=False, date_header=False, server_header=False, proxy_headers=False,
        )  # fmt: skip
        config.load()
        loop = asyncio.get_running_loop()
        try:
            self._server = await loop.create_server(
                lambda: HttpToolsProtocol(config, self._state, app_state={}, _loop=loop), HOST, port
            )
        except OSError:
            raise PortTaken(port) from None
        end: socket.socket = self._server.sockets[0]
        self.port = end.getsockname()[1]

    async def close(self) -> None:
        """Take no more requests; those on their way are answered or cut."""
        if self._server is not None:
            self._server.close()
            for connection in list(self._state.connections):
                connection.shutdown()
            await asyncio.sleep(0)

    async def _serve(self, scope: Any, receive: Any, send: Any) -> None:
        """The ASGI application."""
        answer = await self._answer(scope, receive)
        headers = [
            (b"content-type", answer.content_type.encode()),
            (b"content-length", str(len(answer.body)).encode()),
        ]
        await send({"type": "http.response.start", "status": answer.status, "headers": headers})
        await send({"type": "http.response.body", "body": answer.body})

    async def _answer(self, scope: Any, receive: Any) -> Answer:
        if not _is_from_here(dict(scope["headers"])):
            return problem(403, "foreign_host", "this port answers this machine only")
        route = self._routes.get((scope["method"], scope["path"].rstrip("/") or "/"))
        if route is None:
            return problem(404, "unknown_route", f"there is no {scope['method']} {scope['path']}")
        body = await _body(receive)
        if body is None:
            return problem(413, "too_large", f"a body has at most {BODY_BYTES_MAX} bytes")
        query = {
            name: values[-1] for name, values in parse_qs(scope["query_string"].decode()).items()
        }
        return await route(Request(query, body))


async def _body(receive: Any) -> bytes | None:
    """The whole body; None: it is too long."""
    body: bytes = b""
    while True:
        message = await receive()
        body += message.get("body", b"")
        if len(body) > BODY_BYTES_MAX:
            return None
        if not message.get("more_body", False):
            return body


def _is_from_here(headers: Mapping[bytes, bytes]) -> bool:
    """Whether host and origin, as far as given, are names of this machine: a page from elsewhere
    that a browser here shows must not send orders."""
    hosts = [headers.get(b"host"), headers.get(b"origin", b"").rpartition(b"//")[2] or None]
    return all(host is None or _name(host) in NAMES for host in hosts)


def _name(host: bytes) -> str:
    text = host.decode("latin-1").lower()
    name, separator, port = text.rpartition(":")
    return name if separator and port.isdigit() else text
