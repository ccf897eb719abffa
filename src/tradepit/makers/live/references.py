"""Outside prices: the middle of another instrument's best prices, live or from a replay.

A live price holds while its connection does, so it is said again every second; a replay's only
while it plays. Whoever quotes around it stops by itself when it grows old.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Iterable
from decimal import Decimal
from typing import Final

import structlog

from tradepit.client import AsyncClient, AsyncReplayStream
from tradepit.client.errors import ClientError
from tradepit.client.models import Top
from tradepit.client.replays import (
    PlaceInBook,
    RecordedBook,
    Replay,
    ReplayMessage,
    ReplaySnapshot,
    ReplayStep,
)
from tradepit.makers.live.settings import ReferenceFeed

log = structlog.get_logger(__name__)

REPEAT_SECONDS: Final = 1.0
RETRY_SECONDS: Final = 1.0
OVER: Final = ("ended", "failed")

OnPrice = Callable[[ReferenceFeed, Decimal], None]


class ReferencePrices:
    """The outside prices of a maker, one task for each place that they come from."""

    def __init__(self, client_of: Callable[[str | None], AsyncClient], on_price: OnPrice) -> None:
        """
        Args:
            client_of: a client of the node with this URL; None: the maker's own.
            on_price: told every price.
        """
        self._client_of, self._on_price = client_of, on_price
        self._tasks: dict[ReferenceFeed, asyncio.Task[None]] = {}
        self.prices: dict[ReferenceFeed, Decimal] = {}
        """The last ones."""

    def want(self, feeds: Iterable[ReferenceFeed]) -> None:
        """Follow these and no others."""
        wanted = set(feeds)
        for feed in self._tasks.keys() - wanted:
            self._tasks.pop(feed).cancel()
            self.prices.pop(feed, None)
        for feed in wanted - self._tasks.keys():
            self._tasks[feed] = asyncio.ensure_future(self._follow(feed))

    async def close(self) -> None:
        """Follow nothing any more."""
        tasks = list(self._tasks.values())
        self.want(())
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _follow(self, feed: ReferenceFeed) -> None:
        client = self._client_of(feed.url)
        while True:
            try:
                await (self._play if feed.is_replay else self._watch)(feed, client)
            except ClientError as error:
                log.warning("no outside price", reference=str(feed), reason=str(error))
            await asyncio.sleep(RETRY_SECONDS)

    async def _watch(self, feed: ReferenceFeed, client: AsyncClient) -> None:
        """A live instrument."""
        async with (
            client.stream(f"bbo:{feed.instrument}") as stream,
            self._said_again(feed, lambda: stream.is_live),
        ):
            async for message in stream:
                self._say(feed, _mid_of_top(message.data))

    async def _play(self, feed: ReferenceFeed, client: AsyncClient) -> None:
        """A replay."""
        replay = await _replay_of(feed, client)
        book = PlayedBook(feed.instrument)
        async with (
            client.follow_replay(replay.id) as stream,
            self._said_again(feed, lambda: stream.is_live and book.is_playing),
        ):
            await self._hear(feed, stream, book)

    async def _hear(self, feed: ReferenceFeed, stream: AsyncReplayStream, book: PlayedBook) -> None:
        async for message in stream:
            if book.take(message):
                self._say(feed, book.mid)

    def _say(self, feed: ReferenceFeed, price: Decimal | None) -> None:
        if price is None:
            self.prices.pop(feed, None)
        else:
            self.prices[feed] = price
            self._on_price(feed, price)

    @contextlib.asynccontextmanager
    async def _said_again(
        self, feed: ReferenceFeed, is_live: Callable[[], bool]
    ) -> AsyncIterator[None]:
        task = asyncio.ensure_future(self._say_again(feed, is_live))
        try:
            yield
        finally:
            task.cancel()

    async def _say_again(self, feed: ReferenceFeed, is_live: Callable[[], bool]) -> None:
        while True:
            await asyncio.sleep(REPEAT_SECONDS)
            if is_live():
                self._say(feed, self.prices.get(feed))


async def _replay_of(feed: ReferenceFeed, client: AsyncClient) -> Replay:
    """The replay that a reference names; a running one of its recording, or a new one."""
    if feed.replay is not None:
        return await client.replay(feed.replay)
    assert feed.recording is not None
    for replay in reversed(await client.replays()):
        is_open = replay.mode == "shared" and replay.state not in OVER
        if is_open and replay.source.endswith(feed.recording):
            return replay
    return await client.create_replay(feed.recording, speed=feed.speed, loop=True, state="playing")


def _mid_of_top(top: Top) -> Decimal | None:
    if top.bid_price is None or top.ask_price is None:
        return None
    return (top.bid_price + top.ask_price) / 2


class PlayedBook:
    """The levels of one book of a replay, kept from what each message did to them."""

    def __init__(self, instrument: str | None) -> None:
        self._instrument = instrument
        self._key: tuple[int, int] | None = None
        self._levels: dict[str, dict[Decimal, int]] = {"bid": {}, "ask": {}}
        self.is_playing = False

    def take(self, message: ReplayMessage) -> bool:
        """Take over a message; whether the book is one that existed now."""
        if isinstance(message, ReplayStep):
            self._step(message)
            return message.last
        self.is_playing = message.replay.state == "playing"
        if isinstance(message, ReplaySnapshot):
            self._begin(message.books)
            return True
        return False

    @property
    def mid(self) -> Decimal | None:
        """Between best bid and ask; None while a side is empty."""
        bids, asks = self._levels["bid"], self._levels["ask"]
        return (max(bids) + min(asks)) / 2 if bids and asks else None

    def _begin(self, books: Iterable[RecordedBook]) -> None:
        self._levels = {"bid": {}, "ask": {}}
        for book in books:
            if self._is_ours(book.instrument_id, book.publisher_id, book.instrument):
                self._levels = {
                    "bid": {level.price: level.size for level in book.bids},
                    "ask": {level.price: level.size for level in book.asks},
                }

    def _is_ours(self, instrument_id: int, publisher_id: int, name: str | None) -> bool:
        """Whether a book is the one wanted: the first of the instrument, or of all."""
        if self._key is None and self._instrument in (None, name):
            self._key = (instrument_id, publisher_id)
        return self._key == (instrument_id, publisher_id)

    def _step(self, step: ReplayStep) -> None:
        if not self._is_ours(step.instrument_id, step.publisher_id, step.instrument):
            return
        if step.effect.kind == "cleared":
            self._levels = {"bid": {}, "ask": {}}
        self._change(step.effect.old, -1)
        self._change(step.effect.new, 1)

    def _change(self, place: PlaceInBook | None, sign: int) -> None:
        if place is None:
            return
        levels = self._levels[place.side]
        size = levels.get(place.price, 0) + sign * place.size
        if size > 0:
            levels[place.price] = size
        else:
            levels.pop(place.price, None)
