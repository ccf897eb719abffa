"""Best prices as they are now, over lost connections and restarts of the node."""

from __future__ import annotations

import asyncio
from typing import Final

from tradepit.client import AsyncClient
from tradepit.client.errors import ClientError
from tradepit.client.models import Top

CONFLATE_MS: Final = 200
"""Orders have some protection: a price that is a moment old does."""

PAUSE_S: Final = 1.0
"""After a stream that found no node."""

CHANNEL: Final = "bbo"


class Tops:
    """The best bid and offer of each symbol that somebody rests in."""

    def __init__(self) -> None:
        self._tops: dict[str, Top] = {}
        self.is_followed = asyncio.Event()
        """Set once the node was subscribed to."""

    def of(self, symbol: str) -> Top | None:
        """The last that was heard of a symbol."""
        return self._tops.get(symbol)

    async def follow(self, client: AsyncClient) -> None:
        """Listen until cancelled."""
        while True:
            stream = client.stream(f"{CHANNEL}:*", conflate_ms=CONFLATE_MS)
            try:
                await stream.open()
                self.is_followed.set()
                async for message in stream:
                    _, _, symbol = message.channel.partition(":")
                    self._tops[symbol] = message.data
            except ClientError:
                self._tops.clear()
            finally:
                await stream.close()  # also when cancelled while it was being opened
            await asyncio.sleep(PAUSE_S)
