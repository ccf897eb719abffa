"""Streams: channels as an asynchronous iterator that outlives its connections."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterator, Sequence
from types import TracebackType
from typing import Final, Generic, Protocol, Self, TypeVar

from picows import WSError, WSInvalidStatusError

from tradepit.client.connections import Connection, refusal_of
from tradepit.client.errors import NodeUnreachable
from tradepit.client.following import Follower, Message
from tradepit.client.retries import RECONNECTS, RetryPolicy
from tradepit.client.signing import Credentials

WAITING_MAX: Final = 10_000
"""Messages waiting for a slow reader; then the connection is not read until half are taken, and the
node cuts it when it has waited enough."""


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
        self._connection: Connection | None = None
        self._failure = "connections are lost"
        self._ready: deque[M] = deque()
        self._is_closed = False
        self.connections = 0
        """Connections made so far."""

    @property
    def is_live(self) -> bool:
        """Connected, with every subscription taken: what happens now will be seen."""
        return self._connection is not None and self._follower.is_subscribed

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

    def _take(self, connection: Connection, payload: bytes | None) -> None:
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

    async def _connect(self) -> Connection:
        while True:
            if self.connections:
                await self._pause()
            try:
                connection = await Connection.open(
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
        self._channels = Follower(channels, client_id, conflate_ms)
        super().__init__(url, self._channels, reconnects=reconnects, credentials=credentials)

    def follow(self, channel: str) -> None:
        """Follow one more channel from now on; it begins with a snapshot."""
        self._ask(self._channels.add(channel))

    def unfollow(self, channel: str) -> None:
        """Hear no more of a channel."""
        self._ask(self._channels.remove(channel))

    def _ask(self, request: bytes | None) -> None:
        if request is not None and self._connection is not None:
            self._connection.send(request)
