"""Streams: channels as an asynchronous iterator that outlives its connections."""

from __future__ import annotations

import asyncio
import socket
from collections import deque
from collections.abc import Iterator, Sequence
from types import TracebackType
from typing import Any, Final, Generic, Protocol, Self, TypeVar, cast

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


M = TypeVar("M")
M_co = TypeVar("M_co", covariant=True)


class Following(Protocol[M_co]):
    """Where a reader stands: what to ask for on a new connection, what to make of a message."""

    @property
    def target(self) -> str:
        """Path and query of the next connection."""

    @property
    def is_subscribed(self) -> bool:
        """Nothing from now on passes unseen."""

    @property
    def is_lost(self) -> bool:
        """Only a new connection helps."""

    @property
    def final_codes(self) -> frozenset[int]:
        """Codes of closing after which there is nothing to come back for."""

    def begin(self) -> list[bytes]:
        """What to send on a new connection."""

    def take(self, _payload: bytes) -> tuple[M_co | None, bytes | None]:
        """The message to pass on, and the request to send, if any."""


class AsyncReading(Generic[M]):
    """Messages in order, none twice, over as many connections as it takes."""

    def __init__(
        self,
        url: str,
        follower: Following[M],
        *,
        reconnects: RetryPolicy,
        credentials: Credentials | None,
        waiting_max: int = WAITING_MAX,
        receive_bytes: int | None = None,
    ) -> None:
        self._url = "ws" + url.removeprefix("http").rstrip("/")
        self._credentials = credentials
        self._follower = follower
        self._waiting_max = waiting_max
        self._receive_bytes = receive_bytes
        self._policy = reconnects
        self._pauses: Iterator[float] = reconnects.pauses()
        self._connection: _Connection | None = None
        self._failure = "connections are lost"
        self._ready: deque[M] = deque()
        self._is_closed = False
        self.connections = 0
        """Connections made so far."""

    async def __aenter__(self) -> Self:
        await self.open()
        return self

    async def open(self) -> None:
        """Subscribe; what happens in the node from now on is seen. Reading does it too."""
        while not (self._connection and self._follower.is_subscribed) and not self._is_closed:
            await self._advance()

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

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> M:
        while not self._ready:
            if self._is_closed:
                raise StopAsyncIteration
            await self._advance()
        return self._ready.popleft()

    def take_ready(self) -> M | None:
        """The next message that has come already; None when one would have to be waited for."""
        while not self._ready and self._connection is not None and self._connection.has_waiting:
            self._take(self._connection, self._connection.next_waiting())
        return self._ready.popleft() if self._ready else None

    async def _advance(self) -> None:
        """Take the next message of the connection, or of a new one."""
        connection = self._connection or await self._connect()
        self._take(connection, await connection.next())

    def _take(self, connection: _Connection, payload: bytes | None) -> None:
        if payload is None:
            self._connection = None
            self._is_closed |= connection.close_code in self._follower.final_codes
            return
        message, request = self._follower.take(payload)
        if request is not None:
            connection.send(request)
        if self._follower.is_lost:
            connection.drop()
            self._connection = None
        if message is not None:
            self._pauses = self._policy.pauses()
            self._ready.append(message)

    async def _connect(self) -> _Connection:
        while True:
            if self.connections:
                await self._pause()
            try:
                connection = await _Connection.open(
                    self._url + self._follower.target, self._credentials, self._waiting_max
                )
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
            if self._receive_bytes is not None:
                connection.limit_buffer(self._receive_bytes)
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


class AsyncStream(AsyncReading[Message]):
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
        follower = Follower(channels, client_id, conflate_ms)
        super().__init__(url, follower, reconnects=reconnects, credentials=credentials)


def refusal_of(error: WSInvalidStatusError) -> ApiError | None:
    """Why the node does not want this client at all; None when another attempt may help."""
    try:
        problem = msgspec.json.decode(error.raw_body or b"", type=Problem)
    except msgspec.MsgspecError:
        return None
    return api_error(problem) if problem.status in (401, 403, 404) else None


class _Connection(WSListener):
    """One WebSocket and what came over it."""

    def __init__(self, waiting_max: int) -> None:
        super().__init__()
        self._waiting_max = waiting_max
        self._waiting: asyncio.Queue[bytes | None] = asyncio.Queue()
        self._parts: list[bytes] = []
        self._socket: WSTransport | None = None
        self._is_paused = False
        self.close_code = 0
        """Why the node closed it; 0 when it was lost."""

    @staticmethod
    async def open(url: str, credentials: Credentials | None, waiting_max: int) -> _Connection:
        """Connect, with a signature of this moment."""
        target = httpx.URL(url).raw_path.decode("ascii")
        headers = None if credentials is None else credentials.headers("GET", target)
        _, listener = await ws_connect(
            lambda: _Connection(waiting_max),
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
            self.close_code = int(cast(Any, frame.get_close_code()))
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
        if self._waiting.qsize() > self._waiting_max and not self._is_paused and self._socket:
            self._is_paused = True
            self._reader().pause_reading()

    async def next(self) -> bytes | None:
        """The next message; None when the connection is gone."""
        payload = await self._waiting.get()
        self._read_on()
        return payload

    @property
    def has_waiting(self) -> bool:
        """Whether something has come that is not taken."""
        return not self._waiting.empty()

    def next_waiting(self) -> bytes | None:
        """What `next` gives, while something is waiting."""
        payload = self._waiting.get_nowait()
        self._read_on()
        return payload

    def _read_on(self) -> None:
        few = self._waiting_max // 2
        if self._is_paused and self._waiting.qsize() < few and self._socket:
            self._is_paused = False
            self._reader().resume_reading()

    def _reader(self) -> Any:
        assert self._socket is not None
        return self._socket.underlying_transport

    def send(self, request: bytes) -> None:
        """Send a request; on a connection that is gone, the next one begins anew anyway."""
        if self._socket is not None:
            self._socket.send(WSMsgType.TEXT, request)

    def limit_buffer(self, receive_bytes: int) -> None:
        """Keep the kernel from gathering more than about twice this before it is read."""
        end = self._reader().get_extra_info("socket") if self._socket is not None else None
        if end is not None:
            end.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)

    def drop(self) -> None:
        """Say goodbye, and wait for nothing."""
        if self._socket is not None:
            self._socket.send_close()
            self._socket.disconnect()

    async def close(self) -> None:
        """Say goodbye."""
        if self._socket is not None:
            wire = self._socket
            self.drop()
            await wire.wait_disconnected()
