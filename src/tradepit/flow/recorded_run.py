"""One run of `tradepit flow recorded`: from the wish of a person to the result."""

from __future__ import annotations

import asyncio
import gc
import math
import signal
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Final

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from tradepit.client import AsyncClient, Replay, RetryPolicy
from tradepit.client.replays import BookName, Speed
from tradepit.client.retries import NO_RETRIES
from tradepit.flow.api_market import ApiMarket
from tradepit.flow.local_market import LocalMarket
from tradepit.flow.market_port import MarketUnavailable
from tradepit.flow.recorded import OutsiderOrder, RecordedFlow, RunResult
from tradepit.flow.recorded_source import Happening, at_once
from tradepit.flow.recorded_survey import Survey, survey
from tradepit.flow.replay_source import ReplaySource
from tradepit.marketdata.recorded_events import RecordedEvent, read_events, read_symbols

PATIENT: Final = RetryPolicy(attempts=30)
"""A recording goes on where it was when the node comes back within a minute."""

GC_THRESHOLDS: Final = (50_000, 20, 100)
"""Orders of a recording live long and hold no cycles; by default some are always looked for."""

PROGRESS_EVENTS: Final = 100
"""Events between two moves of the progress bar."""

SPEED_MIN: Final = 0.1
SPEED_MAX: Final = 1_000.0
"""What a replay can do."""


@dataclass(frozen=True, slots=True)
class RunWish:
    """What a person asked for."""

    file: Path | None
    url: str
    replay_id: str | None
    """Follow this replay instead of making one."""
    speed: Speed
    from_start: bool
    """Keep the pace before the first trade too, so that one waits through a pre-open."""
    symbol: str | None
    instrument_id: int | None
    tick_size: str | None
    limit: int | None
    """Events."""
    outsiders: list[OutsiderOrder]


def speed_of(text: str | None, *, is_offline: bool, is_followed: bool) -> Speed:
    """The speed that an option names.

    Raises: typer.BadParameter: no speed, or one where another clock decides.
    """
    hint = "--speed"
    if is_followed and text is not None:
        raise typer.BadParameter("a replay that is followed has its own", param_hint=hint)
    if (text or "1").lower() == "max":
        return "max"
    try:
        speed = float(text or "1")
    except ValueError:
        speed = math.nan
    if not SPEED_MIN <= speed <= SPEED_MAX:
        limits = f"from {SPEED_MIN:g} to {SPEED_MAX:g}, or max"
        raise typer.BadParameter(limits, param_hint=hint)
    if is_offline and text is not None:
        raise typer.BadParameter(
            "the clock is a node's: offline there is only max", param_hint=hint
        )
    return speed


class RecordedRun:
    """A recording into a node, or into a book in memory."""

    def __init__(self, wish: RunWish, screen: Console) -> None:
        self._wish = wish
        self._screen = screen
        self._stopping: asyncio.Future[None] | None = None

    async def offline(self) -> RunResult:
        """Play the file into a book in memory."""
        wish = self._wish
        assert wish.file is not None
        found = survey(wish.file, wish.instrument_id)
        symbol = wish.symbol or _only_symbol(wish.file)
        events = islice(read_events(wish.file, instrument_id=wish.instrument_id), wish.limit)
        taken = 0
        with self._progress(symbol, total=wish.limit or found.records) as advance:

            def on_event(event: RecordedEvent) -> None:
                nonlocal taken
                taken += 1 if wish.limit else len(event.records)
                advance(taken)

            flow = RecordedFlow(LocalMarket(), outsiders=wish.outsiders, on_event=on_event)
            return await flow.run(at_once(events))

    async def online(self) -> RunResult:
        """Play a replay of the node into its market."""
        wish = self._wish
        gc.freeze()
        gc.set_threshold(*GC_THRESHOLDS)
        async with AsyncClient(wish.url, retries=NO_RETRIES) as client:
            await client.health()
        found = None if wish.file is None else survey(wish.file, wish.instrument_id)
        async with AsyncClient(wish.url, retries=PATIENT) as client:
            source = ReplaySource(client, tell=self._tell)
            try:
                replay = await self._open(source, found)
                return await self._follow(client, source, replay, found)
            finally:
                await source.close()

    async def _open(self, source: ReplaySource, found: Survey | None) -> Replay:
        wish = self._wish
        if wish.replay_id is not None:
            return await source.join(wish.replay_id)
        assert wish.file is not None
        assert found is not None
        is_led = wish.speed == "max" or wish.from_start
        lead_to = 0 if is_led else found.first_trade
        return await source.make(str(wish.file.resolve()), speed=wish.speed, lead_to=lead_to)

    async def _follow(
        self, client: AsyncClient, source: ReplaySource, replay: Replay, found: Survey | None
    ) -> RunResult:
        wish = self._wish
        book = _book(replay, wish.instrument_id)
        file = wish.file or _seen_file(replay)
        symbol = wish.symbol or book.instrument or _only_symbol(file)
        if found is None and file is not None:
            found = survey(file, book.instrument_id)
        market = ApiMarket(client, symbol)
        tick_size = wish.tick_size or (None if found is None else found.tick_size)
        await market.prepare(tick_size=tick_size)
        for name in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(name, self._stop, source)
        events = _limited(source.happenings(book.instrument_id), wish.limit)
        with self._progress(symbol, total=wish.limit or replay.messages) as advance:

            def on_event(event: RecordedEvent) -> None:
                advance(event.number + 1 if wish.limit else source.position)

            flow = RecordedFlow(market, outsiders=wish.outsiders, on_event=on_event)
            return await flow.run(events)

    def _tell(self, replay: Replay) -> None:
        """How to pause it, in one line that can be copied."""
        path = f"{self._wish.url.rstrip('/')}/api/v1/replays/{replay.id}"
        self._screen.print(f"replay {replay.id} plays it; to pause it:", highlight=False)
        head = "-H 'Content-Type: application/json'"
        pause = f"""curl -X PATCH {path} {head} -d '{{"state": "paused"}}'"""
        self._screen.print(pause, highlight=False, soft_wrap=True)

    def _stop(self, source: ReplaySource) -> None:
        """End with the report of what was played; told twice, at once."""
        loop = asyncio.get_running_loop()
        for name in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(name)
        self._stopping = asyncio.ensure_future(source.stop())

    @contextmanager
    def _progress(self, symbol: str, *, total: int) -> Iterator[Callable[[int], None]]:
        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
        )
        with Progress(*columns, console=self._screen) as progress:
            name = "a replay" if self._wish.file is None else self._wish.file.name
            task = progress.add_task(f"{symbol} from {name}", total=total)
            calls = 0

            def advance(completed: int) -> None:
                nonlocal calls
                calls += 1
                if calls % PROGRESS_EVENTS == 0 or completed >= total:
                    progress.update(task, completed=completed)

            yield advance


def _only_symbol(file: Path | None) -> str:
    """The symbol that the head of a recording names."""
    symbols = [] if file is None else read_symbols(file)
    if len(symbols) != 1:
        raise typer.BadParameter("name it: the recording does not", param_hint="--instrument")
    return symbols[0]


def _book(replay: Replay, instrument_id: int | None) -> BookName:
    """The book that is meant."""
    found = {
        book.instrument_id: book
        for book in replay.books
        if instrument_id in (None, book.instrument_id)
    }
    if len(found) > 1:
        raise MarketUnavailable("the replay has several instruments; choose one by its id")
    for book in found.values():
        return book
    raise MarketUnavailable("the replay has no such instrument")


def _seen_file(replay: Replay) -> Path | None:
    """The file of somebody's replay, where it can be read here too."""
    path = Path(replay.source)
    return path if replay.format == "dbn" and path.is_file() else None


async def _limited(
    happenings: AsyncIterator[Happening], limit: int | None
) -> AsyncIterator[Happening]:
    """The first so many events, and what lies between them."""
    count = 0
    async for happening in happenings:
        yield happening
        count += isinstance(happening, RecordedEvent)
        if count == limit:
            return
