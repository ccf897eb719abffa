"""What a maker hears of the market: one stream, channels of its symbols, the firm's positions.

The stream outlives connections; what it cannot make up for comes as snapshots. When it fails for
good, or what was known is void, a new one begins from snapshots.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Final, Protocol

import structlog

from tradepit.client import AsyncClient, AsyncStream, Message
from tradepit.client.errors import ClientError

log = structlog.get_logger(__name__)

POSITIONS: Final = "positions"
OF_A_SYMBOL: Final = ("orders", "trades", "auction")
REPEAT_SECONDS: Final = 0.5
"""Before a stream that was refused is tried again."""


class Listener(Protocol):
    """Hears messages in order."""

    async def on_message(self, _message: Message) -> None:
        """One message."""

    def on_begin(self) -> None:
        """A new stream: what is known is void, snapshots follow."""

    def on_heard(self) -> None:
        """Nothing more waits."""


def channels_of(symbol: str) -> tuple[str, ...]:
    """The channels of a symbol that is made."""
    return tuple(f"{kind}:{symbol}" for kind in OF_A_SYMBOL)


class Feed:
    """One stream of channels that come and go."""

    def __init__(self, client: AsyncClient, firm: str, listener: Listener) -> None:
        self._client, self._firm, self._listener = client, firm, listener
        self._channels: dict[str, None] = {POSITIONS: None}
        self._stream: AsyncStream | None = None
        self._reading: asyncio.Task[None] | None = None
        self.streams = 0
        """Begun so far."""

    @property
    def is_live(self) -> bool:
        """Connected: what happens now will be heard."""
        return self._stream is not None and self._stream.is_live

    @property
    def connections(self) -> int:
        """Connections of the stream so far."""
        return 0 if self._stream is None else self._stream.connections

    def follow(self, channels: Iterable[str]) -> None:
        """Follow more channels; each begins with a snapshot."""
        self._each(channels, is_followed=True)

    def unfollow(self, channels: Iterable[str]) -> None:
        """Hear no more of these."""
        self._each(channels, is_followed=False)

    def _each(self, channels: Iterable[str], *, is_followed: bool) -> None:
        for channel in channels:
            if is_followed:
                self._channels[channel] = None
            else:
                self._channels.pop(channel, None)
            if self._stream is not None:
                (self._stream.follow if is_followed else self._stream.unfollow)(channel)

    def restart(self) -> None:
        """Begin a new stream, from snapshots."""
        if self._reading is not None:
            self._reading.cancel()

    async def run(self) -> None:
        """Listen until cancelled."""
        while True:
            self._reading = asyncio.ensure_future(self._read())
            try:
                await self._reading
            except ClientError as error:
                log.warning("the feed is lost", reason=str(error))
                await asyncio.sleep(REPEAT_SECONDS)
            except asyncio.CancelledError:
                if not self._reading.cancelled() or _is_cancelled():
                    self._reading.cancel()
                    raise

    async def _read(self) -> None:
        self.streams += 1
        self._listener.on_begin()
        stream = self._client.stream(*self._channels, client_id=self._firm)
        self._stream = stream
        try:
            async for message in stream:
                await self._listener.on_message(message)
                while (more := stream.take_ready()) is not None:
                    await self._listener.on_message(more)
                self._listener.on_heard()
        finally:
            self._stream = None
            await stream.close()


def _is_cancelled() -> bool:
    """Somebody cancels this task, and not only the one that it waits for."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
