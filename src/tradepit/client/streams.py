"""Streams: channels as an asynchronous iterator that outlives its connections."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterator, Sequence
from types import TracebackType
from typing import Any, Final, cast

import httpx
import msgspec
from picows import (
    WSError,
    WSFrame,
    WSInvalidStatusError,
    WSListener,
    WSMsgType,
    WSTransport,
    ws_connect,
)

from tradepit.client.errors import ApiError, NodeUnreachable, api_error
from tradepit.client.following import Follower, Message
from tradepit.client.models import Problem
from tradepit.client.retries import RECONNECTS, RetryPolicy
from tradepit.client.signing import Credentials

WAITING_MAX: Final = 10_000
"""Messages waiting for a slow reader; then the connection is not read until half are taken, and the
node cuts it when it has waited enough."""

FRAME_BYTES_MAX: Final = 256 << 20
"""A snapshot of a book of 100,000 levels a side is about 20 MB."""

PING_SECONDS: Final = 10.0
HANDSHAKE_SECONDS: Final = 5.0


class AsyncStream:
    """Messages of channels, in order, none twice.

    A lost connection or a restarted node is nothing to care about: the stream connects again and
    goes on. What could not be made up for shows as a snapshot with `is_gap`. It raises `ApiError`
    when the node refuses a channel, and `NodeUnreachable` when no node came back in time.
    """

    def __init__(
        self,
        url: str,
        channels: Sequence[str],
        *,
        client_id: str | None = None,
        conflate_ms: int | None = None,
        reconnects: RetryPolicy = RECONNECTS,
        credentials: Credentials | None = None,
    ) -> None:
        """
        Args:
            url: of the node, as a client's.
            client_id: whose `execution` and `positions`; whose orders `orders` marks.
            conflate_ms: of `book` and `bbo`: least time between messages about one level.
        """
        if not channels:
            raise ValueError("a stream follows at least one channel")
        self._url = "ws" + url.removeprefix("http").rstrip("/") + "/ws"
        self._credentials = credentials
        self._follower = Follower(channels, client_id, conflate_ms)
        self._policy = reconnects
        self._pauses: Iterator[float] = reconnects.pauses()
        self._connection: _Connection | None = None
        self._failure = "connections are lost"
        self._ready: deque[Message] = deque()
        self._is_closed = False
        self.connections = 0
        """Connections made so far."""

    async def __aenter__(self) -> AsyncStream:
        await self.open()
        return self

    async def open(self) -> None:
        """Subscribe; what happens in the node from now on is seen. Reading does it too."""
        while not (self._connection and self._follower.is_subscribed) and not self._is_closed:
            self._ready += await self._advance()

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """End the stream."""
        self._is_closed = True
        if self._connection is not None:
            await self._connection.close()
            self._connection = None

    def __aiter__(self) -> AsyncStream:
        return self

    async def __anext__(self) -> Message:
        while not self._ready:
            if self._is_closed:
                raise StopAsyncIteration
            self._ready += await self._advance()
        return self._ready.popleft()

    async def _advance(self) -> list[Message]:
        """Take the next message of the connection, or a new connection."""
        connection = self._connection or await self._connect()
        payload = await connection.next()
        if payload is None:
            self._connection = None
            return []
        message, request = self._follower.take(payload)
        if request is not None:
            connection.send(request)
        if message is None:
            return []
        self._pauses = self._policy.pauses()
        return [message]

    async def _connect(self) -> _Connection:
        while True:
            if self.connections:
                await self._pause()
            try:
                connection = await _Connection.open(self._url, self._credentials)
            except WSInvalidStatusError as error:
                refused = refusal_of(error)
                if refused is not None:
                    raise refused from error
                self._failure = repr(error)
                if not self.connections:
                    await self._pause()
                continue
            except (OSError, WSError, TimeoutError) as error:
                self._failure = repr(error)
                if not self.connections:
                    await self._pause()
                continue
            self.connections += 1
            self._connection = connection
            for request in self._follower.begin():
                connection.send(request)
            return connection

    async def _pause(self) -> None:
        """Wait before the next attempt; the first after a loss comes almost at once."""
        pause = next(self._pauses, None)
        if pause is None:
            raise NodeUnreachable(self._url, self._failure)
        await asyncio.sleep(pause)


def refusal_of(error: WSInvalidStatusError) -> ApiError | None:
    """Why the node does not want this client at all; None when another attempt may help."""
    try:
        problem = msgspec.json.decode(error.raw_body or b"", type=Problem)
    except msgspec.MsgspecError:
        return None
    return api_error(problem) if problem.status in (401, 403) else None


class _Connection(WSListener):
    """One WebSocket and what came over it."""

    def __init__(self) -> None:
        super().__init__()
        self._waiting: asyncio.Queue[bytes | None] = asyncio.Queue()
        self._parts: list[bytes] = []
        self._socket: WSTransport | None = None
        self._is_paused = False

    @staticmethod
    async def open(url: str, credentials: Credentials | None) -> _Connection:
        """Connect, with a signature of this moment."""
        target = httpx.URL(url).raw_path.decode("ascii")
        headers = None if credentials is None else credentials.headers("GET", target)
        _, listener = await ws_connect(
            _Connection,
            url,
            enable_auto_ping=True,
            auto_ping_idle_timeout=PING_SECONDS,
            auto_ping_reply_timeout=PING_SECONDS,
            websocket_handshake_timeout=HANDSHAKE_SECONDS,
            max_frame_size=FRAME_BYTES_MAX,
            extra_headers=headers,
        )
        return cast(_Connection, listener)

    def on_ws_connected(self, transport: WSTransport) -> None:
        self._socket = transport

    def on_ws_disconnected(self, transport: WSTransport) -> None:
        self._socket = None
        self._waiting.put_nowait(None)

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        kind = frame.msg_type
        if kind == WSMsgType.CLOSE:
            transport.send_close(frame.get_close_code())
            transport.disconnect()
        elif kind in (WSMsgType.TEXT, WSMsgType.BINARY, WSMsgType.CONTINUATION):
            self._parts.append(frame.get_payload_as_bytes())
            if frame.fin:
                payload = b"".join(self._parts)
                self._parts.clear()
                self._keep(payload)

    def _keep(self, payload: bytes) -> None:
        self._waiting.put_nowait(payload)
        if self._waiting.qsize() > WAITING_MAX and not self._is_paused and self._socket:
            self._is_paused = True
            self._reader().pause_reading()

    async def next(self) -> bytes | None:
        """The next message; None when the connection is gone."""
        payload = await self._waiting.get()
        if self._is_paused and self._waiting.qsize() < WAITING_MAX // 2 and self._socket:
            self._is_paused = False
            self._reader().resume_reading()
        return payload

    def _reader(self) -> Any:
        assert self._socket is not None
        return self._socket.underlying_transport

    def send(self, request: bytes) -> None:
        """Send a request; on a connection that is gone, the next one begins anew anyway."""
        if self._socket is not None:
            self._socket.send(WSMsgType.TEXT, request)

    async def close(self) -> None:
        """Say goodbye."""
        if self._socket is not None:
            socket = self._socket
            socket.send_close()
            socket.disconnect()
            await socket.wait_disconnected()
