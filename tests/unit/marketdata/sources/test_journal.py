"""The market's own journal as order-by-order records."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from tests.unit.marketdata.sources.plain_book import PlainBook
from tests.unit.projections.journals import World

from tradepit._native import Replica
from tradepit.domain.wire import Side
from tradepit.engine.rows import InstrumentRow
from tradepit.journal.layout import DataDirectory
from tradepit.journal.scan import read_run, scan_journal
from tradepit.marketdata.records import FLAG_LAST, FLAG_SNAPSHOT
from tradepit.marketdata.sources.journal import JournalSource, JournalTail
from tradepit.marketdata.sources.source import MboRecords, RecordingError
from tradepit.node.recovery import frames_until
from tradepit.testing.frames import build_frame, read_frames

SEEDS = range(6)
COMMANDS = 600
"""Enough that every kind of order event occurs over the seeds."""


def engine_books(replica: Replica) -> dict[int, dict[str, list[tuple[int, int, int]]]]:
    """Orders of every instrument as the engine has them, prices in 1e-9 units."""
    books = {}
    for row in map(InstrumentRow._make, replica.instruments()):
        unit = row.tick_mantissa * 10**9 // 10**row.tick_exponent
        books[row.instrument] = {
            name: [(order, price * unit, leaves) for order, price, leaves, _ in queue]
            for name, queue in (
                ("B", replica.queue(row.instrument, Side.BUY, 1 << 20)),
                ("A", replica.queue(row.instrument, Side.SELL, 1 << 20)),
            )
        }
    return books


@pytest.fixture(params=SEEDS)
def world(request: pytest.FixtureRequest, tmp_path: Path) -> World:
    print(f"seed {request.param}")
    made = World(tmp_path / "data", seed=request.param, commands=COMMANDS)
    made.grow()
    return made


def test_book_of_the_records_is_the_engines_after_every_command(world: World) -> None:
    records = all_records(JournalSource(world.directory.root))
    by_sequence = defaultdict(list)
    for record in records:
        by_sequence[int(record["sequence"])].append(record)
    plain: dict[int, PlainBook] = defaultdict(PlainBook)
    crossed: set[int] = set()
    for sequence, expected in books_after_each_command(world.directory):
        # Where orders gather, or a price left its band, the engine's own book is crossed.
        were, crossed = crossed, {number for number in expected if is_crossed(expected[number])}
        for record in by_sequence[sequence]:
            number = int(record["instrument_id"])
            plain[number].apply(record)
            assert not plain[number].is_crossed or number in were | crossed, sequence
        found = {number: {side: plain[number].orders(side) for side in "BA"} for number in expected}
        assert found == expected, sequence
    assert not [error for book in plain.values() for error in book.errors]


def is_crossed(book: dict[str, list[tuple[int, int, int]]]) -> bool:
    bids, asks = book["B"], book["A"]
    return bool(bids and asks) and bids[0][1] >= asks[0][1]


def books_after_each_command(
    directory: DataDirectory,
) -> Iterator[tuple[int, dict[int, dict[str, list[tuple[int, int, int]]]]]]:
    """The engine's books after every command, also of those in the middle of a frame."""
    replica = Replica()
    for run in scan_journal(directory).runs:
        for frame in read_frames(read_run(directory, run)):
            state, first = replica.snapshot(), frame.header.first_sequence
            data = build_frame(frame.header, frame.commands)
            for sequence in range(first, first + len(frame.commands)):
                replica = Replica.restore(state)
                replica.replay(frames_until(data, sequence))
                yield sequence, engine_books(replica)


def test_last_record_of_each_command_and_instrument_ends_its_event(world: World) -> None:
    records = all_records(JournalSource(world.directory.root))
    last = {(int(r["sequence"]), int(r["instrument_id"])): n for n, r in enumerate(records)}
    flagged = np.flatnonzero(records["flags"] & FLAG_LAST)
    assert sorted(last.values()) == flagged.tolist()


def test_trades_of_the_records_are_the_markets(world: World) -> None:
    records = all_records(JournalSource(world.directory.root))
    at = np.flatnonzero(records["action"] == ord("T"))
    trades, fills = records[at], records[at + 1]
    assert (fills["action"] == ord("F")).all()
    expected = [
        (sequence, instrument, quantity, maker, taker)
        for _, sequence, _, instrument, _, quantity, maker, taker, *_ in world.fold.trades
    ]
    assert expected == [
        (
            *tuple(int(t[name]) for name in ("sequence", "instrument_id", "size")),
            int(f["order_id"]),
            int(t["order_id"]),
        )
        for t, f in zip(trades, fills, strict=True)
    ]


def test_generated_journals_have_every_kind_of_record(tmp_path: Path) -> None:
    seen: Counter[str] = Counter()
    for seed in SEEDS:
        made = World(tmp_path / str(seed), seed=seed, commands=COMMANDS)
        made.grow()
        records = all_records(JournalSource(made.directory.root))
        seen.update(chr(action) for action in records["action"])
    print(seen)
    assert all(seen[action] >= 15 for action in "ACMRTF")


def test_recording_from_the_middle_ends_with_the_same_books(world: World) -> None:
    whole = all_records(JournalSource(world.directory.root))
    end = int(whole["sequence"][-1])
    for first in (2, end // 3, end // 2, end):
        part = all_records(JournalSource(world.directory.root, first_sequence=first))
        begins = part["flags"] & FLAG_SNAPSHOT != 0
        assert (np.diff(begins.astype(int)) <= 0).all(), "the snapshot comes first"
        assert (part[~begins] == whole[whole["sequence"] >= first]).all()
        assert books_of(part) == books_of(whole)


def test_journal_that_ends_before_the_wanted_sequence_is_refused(world: World) -> None:
    with pytest.raises(RecordingError, match="its last sequence is"):
        JournalTail(world.directory.root, first_sequence=1_000_000)


def all_records(source: JournalSource) -> MboRecords:
    return np.concatenate(list(source.chunks()))


def books_of(records: MboRecords) -> dict[int, dict[str, list[tuple[int, int, int]]]]:
    plain: dict[int, PlainBook] = defaultdict(PlainBook)
    for record in records:
        plain[int(record["instrument_id"])].apply(record)
    assert not [error for book in plain.values() for error in book.errors]
    return {number: {side: book.orders(side) for side in "BA"} for number, book in plain.items()}
