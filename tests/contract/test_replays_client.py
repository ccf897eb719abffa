"""Replays through the public client, against a node with a feed process and one without."""

from __future__ import annotations

import asyncio
import random
import re
import time
from collections.abc import Iterable, Iterator
from decimal import Decimal
from pathlib import Path

import pytest
from tests.contract.recordings import write_recording
from tests.contract.served_market import ServedMarket

from tradepit.client import (
    AsyncClient,
    Client,
    Replay,
    ReplayChanged,
    ReplayMessage,
    ReplayPlace,
    ReplaySnapshot,
    ReplayStep,
)
from tradepit.client.errors import Malformed, NotFound, Rejected
from tradepit.client.replays import PlaceInBook, RecordedBook

GUIDE = Path(__file__).parents[2] / "docs" / "replays.md"
MESSAGES = 20_000
SECONDS = 20.0
Levels = dict[tuple[str, Decimal], list[int]]


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("recordings") / "session.dbn"
    write_recording(path, messages=MESSAGES, events_per_second=2_000.0)
    return str(path)


@pytest.fixture
def client(market: ServedMarket) -> Iterator[Client]:
    with Client(market.url) as made:
        yield made


@pytest.fixture
def replay(client: Client, source: str) -> Iterator[Replay]:
    made = indexed(client, client.create_replay(source))
    yield made
    if any(each.id == made.id for each in client.replays()):
        client.delete_replay(made.id)


def indexed(client: Client, replay: Replay) -> Replay:
    end = time.monotonic() + SECONDS
    while replay.state == "indexing":
        assert time.monotonic() < end
        replay = client.replay(replay.id)
    return replay


class Rebuilt:
    """Price levels of a book, kept up by messages."""

    def __init__(self) -> None:
        self.levels: Levels = {}
        self.steps = self.gaps = self.jumps = 0
        self.state = ""

    def take(self, message: ReplayMessage) -> None:
        match message:
            case ReplaySnapshot():
                self.gaps += message.is_gap
                self.jumps += message.is_jump
                self.state = message.replay.state
                self.levels = levels_of(message.books)
            case ReplayStep():
                self.steps += 1
                effect = message.effect
                if effect.orders_cleared:
                    self.levels.clear()
                self._change(effect.old, -1)
                self._change(effect.new, 1)
            case ReplayChanged():
                self.state = message.replay.state

    def _change(self, place: PlaceInBook | None, sign: int) -> None:
        if place is None:
            return
        key = place.side, place.price
        level = self.levels.setdefault(key, [0, 0])
        level[0] += sign * place.size
        level[1] += sign
        if not level[1]:
            del self.levels[key]


def levels_of(books: Iterable[RecordedBook]) -> Levels:
    [book] = books
    sides = (("bid", book.bids), ("ask", book.asks))
    return {
        (side, level.price): [level.size, level.orders]
        for side, levels in sides
        for level in levels
    }


def test_a_replay_is_made_found_changed_read_and_deleted(client: Client, source: str) -> None:
    made = client.create_replay(source, speed=2.5, loop=True)
    replay = indexed(client, made)
    assert (replay.state, replay.speed, replay.loop) == ("paused", "2.5", True)
    assert client.replays()[0].id == replay.id
    stepped = client.change_replay(replay.id, step=3)
    assert (stepped.position, len(stepped.steps)) == (3, 3)
    assert client.change_replay(replay.id, seek="end", speed="max").position == replay.messages
    moved = client.change_replay(replay.id, seek=ReplayPlace(fraction=0.5), loop=False)
    books = client.replay_book(replay.id, depth=100_000, by_order=True)
    assert books.position == moved.position
    assert books.books[0].bids[0].queue is not None
    assert client.replay_book(replay.id, depth=1).books[0].bids[0].queue is None
    assert client.delete_replay(replay.id).id == replay.id
    with pytest.raises(NotFound, match="unknown_replay"):
        client.replay(replay.id)


def test_what_a_node_refuses_is_raised(client: Client, replay: Replay) -> None:
    with pytest.raises(NotFound, match="unknown_recording"):
        client.create_replay("nowhere.dbn")
    with pytest.raises(Malformed, match="speed"):
        client.change_replay(replay.id, speed=0)
    with pytest.raises(Rejected, match="no_such_place"):
        client.change_replay(replay.id, seek=ReplayPlace(number=10**9))
    with pytest.raises(NotFound, match="unknown_replay"), client.follow_replay("abc") as stream:
        next(stream)


def test_the_messages_of_a_replay_rebuild_its_books(client: Client, replay: Replay) -> None:
    book = Rebuilt()
    with client.follow_replay(replay.id, is_awaited=True) as stream:
        client.change_replay(replay.id, speed="max", state="playing")
        while book.state != "ended":
            book.take(next(stream))
        assert (book.steps, book.gaps) == (replay.messages, 0)
        assert book.levels == levels_of(client.replay_book(replay.id, depth=100_000).books)
        client.change_replay(replay.id, seek=ReplayPlace(fraction=0.3))
        while not book.jumps:
            book.take(next(stream))
        assert book.levels == levels_of(client.replay_book(replay.id, depth=100_000).books)
        client.delete_replay(replay.id)
        assert all(isinstance(message, ReplayChanged) for message in stream)


def test_a_stream_that_is_cut_at_random_goes_on_without_a_gap(
    market: ServedMarket, client: Client, replay: Replay
) -> None:
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    chance = random.Random(seed)
    book = Rebuilt()

    async def follow() -> int:
        async with (
            AsyncClient(market.url) as reader,
            reader.follow_replay(replay.id, is_awaited=True) as stream,
        ):
            await reader.change_replay(replay.id, speed="max", state="playing")
            while book.state != "ended":
                book.take(await anext(stream))
                if chance.random() < 0.002 and stream._connection is not None:
                    stream._connection._reader().abort()
            return stream.connections

    connections = asyncio.run(follow())
    assert connections > 3
    # The clock runs on while nobody reads: what is behind its window is told as a gap.
    assert book.gaps or book.steps == replay.messages
    assert book.levels == levels_of(client.replay_book(replay.id, depth=100_000).books)


def test_the_clock_waits_for_a_slow_reader_who_asks_for_it(
    market: ServedMarket, client: Client, replay: Replay
) -> None:
    book = Rebuilt()

    async def follow() -> int:
        async with (
            AsyncClient(market.url) as reader,
            reader.follow_replay(replay.id, is_awaited=True) as stream,
        ):
            book.take(await anext(stream))
            await reader.change_replay(replay.id, speed=1_000, state="playing")
            await asyncio.sleep(0.5)  # longer than it waits for others
            position = (await reader.replay(replay.id)).position
            while book.state != "ended":
                book.take(await anext(stream))
            return position

    assert asyncio.run(follow()) < replay.messages
    assert (book.steps, book.gaps) == (replay.messages, 0)


def test_the_blocking_stream_can_go_on_after_a_message(client: Client, replay: Replay) -> None:
    with client.follow_replay(replay.id) as stream:
        client.change_replay(replay.id, step=5)
        seqs = [next(stream).seq for _ in range(4)]
    with client.follow_replay(replay.id, since=seqs[-1]) as stream:
        assert [next(stream).seq for _ in range(2)] == [seqs[-1] + 1, seqs[-1] + 2]


def test_what_the_guide_shows_happens(
    market: ServedMarket, source: str, capsys: pytest.CaptureFixture[str]
) -> None:
    [code] = re.findall(r"^```python\n(.*?)^```", GUIDE.read_text(), re.MULTILINE | re.DOTALL)
    code = code.replace("http://127.0.0.1:8080", market.url).replace("day.dbn.zst", source)
    exec(compile(code, GUIDE.name, "exec"), {"__name__": "guide"})
    said = capsys.readouterr().out.splitlines()
    assert said[0].startswith("books anew False False")
    assert said[1].startswith("books anew True False")
    assert len(said) > MESSAGES / 2
