"""Indexes: built once and kept, never half, within a bound; and what is found in them."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from tests.unit.marketdata.replays.written import (
    INSTRUMENT,
    PUBLISHER,
    START_NS,
    adds,
    index_of,
    write,
)
from tests.unit.marketdata.sources.recordings import AAPL, AMZN, CLX5, ESH4, ITCH, recording
from tests.unit.projections.journals import World

from tradepit.marketdata.books import Books
from tradepit.marketdata.generated import GeneratedSource, SessionSettings
from tradepit.marketdata.records import FLAG_SNAPSHOT, MBO_BYTES
from tradepit.marketdata.replays.building import IndexingCancelled
from tradepit.marketdata.replays.cache import IndexCache
from tradepit.marketdata.replays.description import BookName, Keyframe
from tradepit.marketdata.replays.in_use import FolderLock
from tradepit.marketdata.replays.index import DamagedIndex, NoSuchPlace
from tradepit.marketdata.sources.opening import open_source
from tradepit.marketdata.sources.source import RecordingError

KEYFRAMES = 1_000


@pytest.fixture
def cache(tmp_path: Path) -> IndexCache:
    return IndexCache(tmp_path / "indexes", keyframe_messages=KEYFRAMES)


def recorded(folder: Path, *, seed: int = 1, records: int = 5_000) -> Path:
    """A generated recording."""
    settings = SessionSettings(seed=seed, records=records, orders=50, pre_open_orders=20)
    chunks = list(GeneratedSource(settings).chunks())
    return write(folder / f"recording-{seed}.dbn", np.concatenate(chunks))


def names(cache: IndexCache) -> list[str]:
    return sorted(entry.name for entry in cache.folder.iterdir()) if cache.folder.exists() else []


def test_an_index_is_built_once_and_opened_again(cache: IndexCache, tmp_path: Path) -> None:
    path = recorded(tmp_path)
    assert cache.open(path) is None
    told: list[tuple[int, int]] = []
    with cache.build(path, progress=lambda done, total: told.append((done, total))) as built:
        count, folder = built.count, built.folder
    assert told[-1] == (path.stat().st_size, path.stat().st_size)
    told.clear()
    with cache.build(path, progress=lambda *step: told.append(step)) as again:
        assert (again.count, again.folder) == (count, folder)
    assert not told
    with IndexCache(cache.folder).open(path) or pytest.fail("not kept") as kept:
        assert kept.description.name == path.name
        assert kept.description.books == [BookName(1, 1)]
        assert kept.description.problem is None
        assert [each.number for each in kept.description.keyframes] == list(
            range(0, count + 1, 1000)
        )
        [chunk] = open_source(path).chunks()
        assert kept.records.tobytes() == chunk.tobytes()
        assert kept.description.last_ns == int(kept.clock[-1])
        assert (np.diff(kept.clock) >= 0).all()


def test_a_changed_recording_is_indexed_anew(cache: IndexCache, tmp_path: Path) -> None:
    path = recorded(tmp_path)
    with cache.build(path):
        pass
    os.utime(path, ns=(1, 1))
    assert cache.open(path) is None
    write(path, adds([0.0, 1.0]))
    with cache.build(path) as index:
        assert index.count == 2


def test_a_damaged_index_is_thrown_away(cache: IndexCache, tmp_path: Path) -> None:
    path = recorded(tmp_path)
    for name in ("description.json", "clock", "records", "keyframes", "sequences"):
        with cache.build(path) as index:
            file = index.folder / name
        file.write_bytes(file.read_bytes()[:-1])
        assert cache.open(path) is None
        assert names(cache) == []


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


def test_a_cancelled_build_leaves_nothing(cache: IndexCache, tmp_path: Path) -> None:
    asked = iter([False, True])
    path = recorded(tmp_path, records=40_000)
    with pytest.raises(IndexingCancelled):
        cache.build(path, is_cancelled=lambda: next(asked))
    assert names(cache) == []
    with cache.build(path) as index:
        assert index.count >= 40_000


def test_what_a_killed_process_left_behind_is_thrown_away(
    cache: IndexCache, tmp_path: Path
) -> None:
    path = recorded(tmp_path, records=40_000)
    program = (
        "import os, sys; from pathlib import Path;"
        "from tradepit.marketdata.replays.cache import IndexCache;"
        "cache = IndexCache(Path(sys.argv[1]));"
        "cache.build(Path(sys.argv[2]), progress=lambda *_: os.kill(os.getpid(), 9))"
    )
    done = subprocess.run([sys.executable, "-c", program, cache.folder, path], check=False)
    assert done.returncode == -9
    [left] = names(cache)
    assert left.startswith(".building-")
    assert cache.open(path) is None
    with cache.build(path) as index:
        assert names(cache) == [index.folder.name]


def test_a_build_that_goes_on_is_not_thrown_away(cache: IndexCache, tmp_path: Path) -> None:
    """Two of the same recording at a time: both get it, and one is kept."""
    path = recorded(tmp_path, records=40_000)
    is_waiting, may_go_on = threading.Event(), threading.Event()
    found = []

    def slowly(*_: int) -> None:
        is_waiting.set()
        may_go_on.wait(20)

    slow = threading.Thread(target=lambda: found.append(cache.build(path, progress=slowly)))
    slow.start()
    assert is_waiting.wait(20)
    found.append(cache.build(path))
    assert len(names(cache)) == 2
    may_go_on.set()
    slow.join(20)
    assert [index.folder.name for index in found] == names(cache) * 2
    for index in found:
        index.close()


def size_of_one(cache: IndexCache, path: Path) -> int:
    with cache.build(path):
        return cache.size_bytes()


def test_the_longest_unused_index_goes_first(cache: IndexCache, tmp_path: Path) -> None:
    paths = [recorded(tmp_path, seed=seed) for seed in range(4)]
    one = size_of_one(cache, paths[0])
    cache.bytes_max = 3 * one + one // 2
    for number, path in enumerate(paths[:3]):
        with cache.build(path) as index:
            os.utime(index.folder / "lock", (number, number))
    with cache.open(paths[0]) or pytest.fail("not kept"):
        pass  # now it is the last one used
    with cache.build(paths[3]):
        assert cache.size_bytes() <= cache.bytes_max
    kept = []
    for path in paths:
        index = cache.open(path)
        kept.append(index is not None)
        if index is not None:
            index.close()
    assert kept == [True, False, True, True]


def test_an_index_in_use_is_never_evicted(cache: IndexCache, tmp_path: Path) -> None:
    first, second = (recorded(tmp_path, seed=seed) for seed in range(2))
    cache.bytes_max = size_of_one(cache, first) * 3 // 2
    with cache.build(first) as used:
        with pytest.raises(RecordingError, match="no room"):
            cache.build(second)
        assert names(cache) == [used.folder.name]
        assert used.books_at(used.count).live_orders > 0
    with cache.build(second) as index:
        assert names(cache) == [index.folder.name]


def test_one_index_larger_than_the_bound_is_refused(cache: IndexCache, tmp_path: Path) -> None:
    path = recorded(tmp_path)
    cache.bytes_max = size_of_one(cache, path) // 2
    os.utime(path, ns=(1, 1))
    with pytest.raises(RecordingError, match="no room"):
        cache.build(path)
    assert names(cache) == []


def test_what_is_not_an_index_is_left_alone(cache: IndexCache, tmp_path: Path) -> None:
    other = cache.folder / "somebody" / "notes.txt"
    other.parent.mkdir(parents=True)
    other.write_bytes(bytes(100_000))
    cache.bytes_max = 1_000
    with pytest.raises(RecordingError, match="no room"):
        cache.build(recorded(tmp_path))
    assert other.exists()
    assert cache.size_bytes() == 0


@contextmanager
def files_of_at_most(size_bytes: int) -> Iterator[None]:
    """Writes past this size fail, as on a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size_bytes, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_disk_that_takes_no_more_is_told_and_nothing_is_left(
    cache: IndexCache, tmp_path: Path
) -> None:
    path = recorded(tmp_path, records=40_000)
    with (
        files_of_at_most(20_000 * MBO_BYTES),
        pytest.raises(RecordingError, match="cannot be indexed: File too large"),
    ):
        cache.build(path)
    assert names(cache) == []


def test_a_recording_that_is_cut_is_indexed_as_far_as_it_goes(
    cache: IndexCache, tmp_path: Path
) -> None:
    path = recorded(tmp_path)
    path.write_bytes(path.read_bytes()[: -3 * MBO_BYTES - 20])
    [*_, last] = _readable(path)
    with cache.build(path) as index:
        assert index.count == last > 1_000
        assert index.description.problem is not None
        assert index.books_at(index.count).counts().records == last


def _readable(path: Path) -> Iterator[int]:
    """Records delivered before the damage."""
    count = 0
    try:
        for chunk in open_source(path).chunks():
            count += len(chunk)
    except RecordingError:
        yield count


@pytest.mark.parametrize("content", [b"", b"DBN\x03 and nothing else", b"something else" * 100])
def test_what_cannot_be_read_at_all_is_refused(
    cache: IndexCache, tmp_path: Path, content: bytes
) -> None:
    path = tmp_path / "broken.dbn"
    path.write_bytes(content)
    with pytest.raises(RecordingError):
        cache.build(path)
    with pytest.raises(RecordingError, match="cannot be read"):
        cache.build(tmp_path / "missing.dbn")
    assert names(cache) == []


def test_a_recording_changed_while_it_is_read_is_not_kept(
    cache: IndexCache, tmp_path: Path
) -> None:
    path = recorded(tmp_path)
    with pytest.raises(RecordingError, match="changed while"):
        cache.build(path, progress=lambda *_: os.utime(path, ns=(5, 5)))
    assert names(cache) == []


def test_an_index_being_made_cannot_be_opened(cache: IndexCache, tmp_path: Path) -> None:
    path = recorded(tmp_path)
    with cache.build(path) as index:
        folder = index.folder
    lock = FolderLock(folder, alone=True)
    assert cache.open(path) is None
    lock.release()
    with cache.open(path) or pytest.fail("not kept"):
        pass


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


def test_a_market_that_went_on_is_indexed_anew(cache: IndexCache, tmp_path: Path) -> None:
    world = World(tmp_path / "data", seed=1, commands=300)
    world.grow(0.5)
    path = world.directory.root
    with cache.build(path) as first, cache.open(path) or pytest.fail("not kept") as again:
        assert again.folder == first.folder
        assert first.description.format == "journal"
        world.grow()
        assert cache.open(path) is None
        with cache.build(path) as second:
            assert second.count > first.count
            assert second.records[: first.count].tobytes() == first.records.tobytes()


def test_a_folder_of_files_is_one_recording(cache: IndexCache, tmp_path: Path) -> None:
    messages = recording(AAPL)
    book = messages.with_name(messages.name.replace("_message_", "_orderbook_"))
    for file in (messages, book):
        (tmp_path / file.name).symlink_to(file)
    with cache.build(tmp_path / messages.name) as alone:
        count = alone.count
    folder = tmp_path / "pair"
    folder.mkdir()
    for file in (messages, book):
        (folder / file.name).write_bytes(file.read_bytes())
    with cache.build(folder) as whole:
        assert whole.count == count
    os.utime(folder / book.name, ns=(1, 1))
    assert cache.open(folder) is None, "the book file says what rested before"
