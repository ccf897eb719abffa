"""What is found in an index: places, books anywhere, every source whole."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from tests.unit.marketdata.replays.written import (
    INSTRUMENT,
    PUBLISHER,
    START_NS,
    adds,
    index_of,
    recorded,
)
from tests.unit.marketdata.sources.recordings import AAPL, AMZN, CLX5, ESH4, ITCH, recording

from tradepit.marketdata.books import Books
from tradepit.marketdata.records import FLAG_SNAPSHOT, MBO_BYTES
from tradepit.marketdata.replays.cache import IndexCache
from tradepit.marketdata.replays.description import BookName, Keyframe
from tradepit.marketdata.replays.index import DamagedIndex, NoSuchPlace
from tradepit.marketdata.sources.opening import open_source

KEYFRAMES = 1_000


@pytest.fixture
def cache(tmp_path: Path) -> IndexCache:
    return IndexCache(tmp_path / "indexes", keyframe_messages=KEYFRAMES)


def test_a_damaged_keyframe_is_told_and_changes_nothing(cache: IndexCache, tmp_path: Path) -> None:
    with cache.build(recorded(tmp_path)) as index:
        books = index.books_at(100)
        digest = books.digest()
        file = index.folder / "keyframes"
        data = bytearray(file.read_bytes())
        data[index.keyframe_before(4_500).offset + 50] ^= 1
        with file.open("r+b") as open_file:
            open_file.write(data)
        with pytest.raises(DamagedIndex):
            index.move(books, position=100, target=4_500)
        assert books.digest() == digest


@pytest.mark.parametrize("target", [0, 1, 999, 1_000, 1_001, 4_999, 5_000])
@pytest.mark.parametrize("start", [0, 999, 1_000, 3_500, 5_000])
def test_books_are_moved_anywhere_from_anywhere(
    cache: IndexCache, tmp_path: Path, start: int, target: int
) -> None:
    with cache.build(recorded(tmp_path)) as index:
        expected = Books()
        expected.apply(index.records[:target])
        books = index.books_at(start)
        index.move(books, position=start, target=target)
        assert books.save() == expected.save()


def test_a_seek_applies_no_more_than_lies_between_two_keyframes(
    cache: IndexCache, tmp_path: Path
) -> None:
    with cache.build(recorded(tmp_path)) as index:
        for position in (0, 1, 999, 1_000, 1_001, 2_999, 5_000):
            before = index.keyframe_before(position).number
            assert before == position // KEYFRAMES * KEYFRAMES


def test_sequences_are_found_where_they_first_come(tmp_path: Path) -> None:
    records = adds([0.0] * 6)
    records["sequence"] = [9, 5, 5, 7, 2, 9]
    records["flags"][0] |= FLAG_SNAPSHOT
    with index_of(tmp_path, records) as index:
        found = {wanted: index.position_of_sequence(wanted) for wanted in (2, 5, 6, 7, 8, 9)}
        assert found == {2: 4, 5: 1, 6: 3, 7: 3, 8: 5, 9: 5}
        assert index.position_of_sequence(1) == 1
        for wrong in (-1, 0, 10, 2**32):
            with pytest.raises(NoSuchPlace):
                index.position_of_sequence(wrong)


def test_an_index_of_nothing_is_an_index(tmp_path: Path) -> None:
    with index_of(tmp_path, adds([])) as index:
        assert (index.count, index.time_at(0), index.description.first_ns) == (0, None, None)
        assert index.books_at(0).keys() == []


def test_an_index_keeps_its_names(tmp_path: Path) -> None:
    records = adds([0.0, 1.0, 2.0])
    records["publisher_id"][2] = 2
    with index_of(tmp_path, records, keyframe_messages=3) as index:
        assert index.description.books == [BookName(1, INSTRUMENT), BookName(2, INSTRUMENT)]
        assert [frame.number for frame in index.description.keyframes] == [0, 3]
        assert isinstance(index.keyframe_before(1), Keyframe)
        assert (index.time_at(0), index.time_at(3)) == (START_NS, START_NS + 2 * 10**9)
        level = index.books_at(2).level(INSTRUMENT, PUBLISHER, side=ord("B"), price=10**11)
        assert level is not None
        assert len(level.orders) == 2


def test_saved_books_never_outgrow_the_records(tmp_path: Path) -> None:
    with index_of(tmp_path, adds([0.0] * 3_000), keyframe_messages=1) as index:
        *before, last = index.description.keyframes
        assert len(before) > 10
        assert last.offset <= index.count * MBO_BYTES


@pytest.mark.parametrize("name", [ESH4, CLX5, AMZN, AAPL, ITCH])
def test_recordings_of_every_source_are_indexed_whole(cache: IndexCache, name: str) -> None:
    path = recording(name)
    books = Books()
    count = 0
    for chunk in open_source(path).chunks():
        books.apply(chunk)
        count += len(chunk)
    with cache.build(path) as index:
        assert index.count == count
        assert index.books_at(count).save() == books.save()
        assert (np.diff(index.clock) >= 0).all()
        half = Books()
        half.apply(index.records[: count // 2])
        assert index.books_at(count // 2).save() == half.save()
