"""Replays at random: wherever a session goes, its books are those of the naive builder there."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.unit.marketdata.replays.written import index_of
from tests.unit.marketdata.sources.recordings import AMZN, ESH4, recording

from tradepit.marketdata.books import Books
from tradepit.marketdata.records import EFFECT_NAMES, SIDE_ASK, SIDE_BID
from tradepit.marketdata.replays.cache import IndexCache
from tradepit.marketdata.replays.index import RecordingIndex
from tradepit.marketdata.replays.session import Jump, ReplaySession, ReplayState, Steps
from tradepit.testing.mbo_streams import random_records
from tradepit.testing.naive_books import NaiveBooks, messages

MESSAGES = 1_500
MOVES = 300
Queues = dict[tuple[int, int, int], list[tuple[int, list[tuple[int, int]]]]]
"""By publisher, instrument and side: price and queue of each level, best first."""


def queues_of(books: Books) -> Queues:
    found: Queues = {}
    for publisher, instrument in books.keys():  # noqa: SIM118
        for side in (SIDE_BID, SIDE_ASK):
            queues = []
            for price, *_ in books.levels(instrument, publisher, side=side, count=10_000):
                level = books.level(instrument, publisher, side=side, price=price)
                assert level is not None
                queues.append((price, [tuple(order) for order in level.orders]))
            found[publisher, instrument, side] = queues
    return found


class NaivePass:
    """Every state of one naive pass, and what each message did."""

    def __init__(self, records: Any) -> None:
        naive = NaiveBooks()
        self.queues: list[Queues] = [{}]
        self.outcomes = []
        for message in messages(records):
            self.outcomes.append(naive.apply(message))
            key = message.publisher_id, message.instrument_id
            state = dict(self.queues[-1])
            for side, letter in ((SIDE_BID, "B"), (SIDE_ASK, "A")):
                state[(*key, side)] = naive.books[key].levels(letter)
            self.queues.append(state)


class Player:
    """Moves a session at random and checks it after each move."""

    def __init__(self, index: RecordingIndex, seed: int) -> None:
        self.random = random.Random(seed)
        self.now_ns = 10**18
        self.index = index
        self.naive = NaivePass(index.records)
        self.plain = [Books().save()]
        books = Books()
        for at in range(index.count):
            books.apply(index.records[at : at + 1])
            self.plain.append(books.save())
        self.session = ReplaySession(index, lambda: self.now_ns)

    def move(self) -> None:
        session, rng = self.session, self.random
        before = session.position
        moves = [
            lambda: session.step(rng.randint(1, 40)),
            lambda: session.step(-rng.randint(1, 40)),
            lambda: session.seek(rng.randint(0, session.count)),
            lambda: session.seek_fraction(rng.random()),
            lambda: session.seek_time(int(self.index.clock[0]) + rng.randint(-9, MESSAGES + 9)),
            session.play,
            session.pause,
            lambda: session.set_speed(rng.choice([None, 0.1, 1.0, 33.3, 1000.0])),
            lambda: session.set_loop(rng.random() < 0.3),
        ]
        answers = [rng.choice(moves)()]
        self.now_ns += rng.choice([0, 1, 10, 100, 10_000])
        answers += [session.take_due(rng.randint(1, 200)) for _ in range(3)]
        for answer in answers:
            before = self.checked(before, answer)
        assert session.position == before
        self.check_books()

    def checked(self, position: int, answer: Steps | Jump | None) -> int:
        """The position after an answer, whose effects are the naive ones."""
        if answer is None:
            return position
        if isinstance(answer, Jump):
            return answer.position
        assert answer.first_number == position + 1
        end = position + answer.count
        assert answer.records.tobytes() == self.index.records[position:end].tobytes()
        assert (answer.left_ns <= self.now_ns).all()
        assert (np.diff(answer.left_ns.astype(np.int64)) >= 0).all()
        for effect, outcome in zip(answer.effects, self.naive.outcomes[position:end], strict=True):
            assert EFFECT_NAMES[effect["kind"]] == outcome.kind
            ahead = (outcome.new.orders_ahead, outcome.new.size_ahead)
            assert (effect["new_orders_ahead"], effect["new_size_ahead"]) == ahead
        return end

    def check_books(self) -> None:
        session = self.session
        assert queues_of(session.books) == self.naive.queues[session.position]
        assert session.books.save() == self.plain[session.position]
        is_at_end = session.position == session.count
        is_turning = session.loop and session.state is ReplayState.PLAYING
        assert (session.state is ReplayState.ENDED) == (is_at_end and not is_turning)


@pytest.mark.parametrize("seed", range(4))
def test_wherever_a_session_goes_its_books_are_the_naive_ones(tmp_path: Path, seed: int) -> None:
    print("seed", seed)
    records = random_records(seed, MESSAGES)
    with index_of(tmp_path, records, keyframe_messages=97) as index:
        player = Player(index, seed)
        for _ in range(MOVES):
            player.move()


@pytest.mark.parametrize("name", [ESH4, AMZN])
def test_seeks_in_a_real_recording_equal_a_plain_pass(tmp_path: Path, name: str) -> None:
    seed = 5
    print("seed", seed)
    rng = random.Random(seed)
    cache = IndexCache(tmp_path / "indexes", keyframe_messages=10_000)
    with cache.build(recording(name)) as index:
        session = ReplaySession(index, lambda: 0)
        for _ in range(30):
            session.seek(rng.randint(0, index.count))
            session.step(rng.choice([-500, -1, 1, 500]))
            expected = Books()
            expected.apply(index.records[: session.position])
            assert session.books.save() == expected.save()
