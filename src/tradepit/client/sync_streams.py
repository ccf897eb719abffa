"""Streams for code that blocks: an asynchronous one on a thread of its own."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence
from concurrent.futures import Future, wait
from types import TracebackType
from typing import Generic, Self, TypeVar

from tradepit.client.following import Message
from tradepit.client.retries import RECONNECTS, RetryPolicy
from tradepit.client.signing import Credentials
from tradepit.client.streams import AsyncReading, AsyncStream

M = TypeVar("M")


class Reading(Generic[M]):
    """What an asynchronous reading gives, as an ordinary iterator."""

    def __init__(self, reading: AsyncReading[M]) -> None:
        self._stream = reading
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name="stream", daemon=True)
        self._coming: Future[M | None] | None = None
        self._thread.start()

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            self._loop.run_forever()
        finally:
            self._loop.close()

    def __enter__(self) -> Self:
        try:
            asyncio.run_coroutine_threadsafe(self._stream.open(), self._loop).result()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    @property
    def connections(self) -> int:
        """Connections made so far."""
        return self._stream.connections

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> M:
        message = self.read()
        if message is None:
            raise StopIteration
        return message

    def read(self, timeout_s: float | None = None) -> M | None:
        """The next message; None when the stream is closed.

        Raises:
            TimeoutError: none came in time; nothing is lost, the next call goes on.
        """
        if self._loop.is_closed():
            return None
        if self._coming is None:
            self._coming = asyncio.run_coroutine_threadsafe(self._next(), self._loop)
        wait([self._coming], timeout_s)
        if not self._coming.done():
            raise TimeoutError(f"no message in {timeout_s} s")
        coming, self._coming = self._coming, None
        return coming.result()

    async def _next(self) -> M | None:
        return await anext(self._stream, None)

    def close(self) -> None:
        """End the stream."""
        if not self._thread.is_alive():
            return
        asyncio.run_coroutine_threadsafe(self._end(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()

    async def _end(self) -> None:
        await self._stream.close()
        pending = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in pending:
            task.cancel()
        await asyncio.gather(*pending, return_exceptions=True)


class Stream(Reading[Message]):
    """Messages of channels, in order, none twice: `AsyncStream` as an ordinary iterator."""

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
        super().__init__(
            AsyncStream(
                url,
                channels,
                client_id=client_id,
                conflate_ms=conflate_ms,
                reconnects=reconnects,
                credentials=credentials,
            )
        )
