"""Indexes: built once and kept, never half, within a bound."""

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
    adds,
    recorded,
    write,
)
from tests.unit.marketdata.sources.recordings import AAPL, recording
from tests.unit.projections.journals import World

from tradepit.marketdata.records import MBO_BYTES
from tradepit.marketdata.replays.building import IndexingCancelled
from tradepit.marketdata.replays.cache import IndexCache
from tradepit.marketdata.replays.description import BookName
from tradepit.marketdata.replays.fingerprint import fingerprint_of
from tradepit.marketdata.replays.in_use import FolderLock
from tradepit.marketdata.sources.opening import open_source
from tradepit.marketdata.sources.source import RecordingError

KEYFRAMES = 1_000


@pytest.fixture
def cache(tmp_path: Path) -> IndexCache:
    return IndexCache(tmp_path / "indexes", keyframe_messages=KEYFRAMES)


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


def test_a_fingerprint_knows_place_size_and_time(tmp_path: Path) -> None:
    first, second = tmp_path / "first.dbn", tmp_path / "second.dbn"
    seen = set()
    for path, content, time_ns in (
        (first, b"1", 5), (second, b"1", 5), (first, b"22", 5), (first, b"1", 6),
    ):  # fmt: skip
        path.write_bytes(content)
        os.utime(path, ns=(time_ns, time_ns))
        seen.add(fingerprint_of(path))
        path.unlink()
    assert len(seen) == 4
    first.write_bytes(b"1")
    os.utime(first, ns=(5, 5))
    second.symlink_to(first)
    assert fingerprint_of(second) == fingerprint_of(first)
    assert fingerprint_of(first) in seen


def test_a_damaged_index_is_thrown_away(cache: IndexCache, tmp_path: Path) -> None:
    path = recorded(tmp_path)
    for name in ("description.json", "clock", "records", "keyframes", "sequences"):
        with cache.build(path) as index:
            file = index.folder / name
        file.write_bytes(file.read_bytes()[:-1])
        assert cache.open(path) is None
        assert names(cache) == []


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
