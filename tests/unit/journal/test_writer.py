"""The writer's thread: in order, nothing after a failure, and everything before it is let go."""

from __future__ import annotations

import errno
import os
import select
from collections.abc import Iterator
from pathlib import Path

import pytest

from tradepit.journal.disk import Disk, Writer


@pytest.fixture
def file(tmp_path: Path) -> Iterator[int]:
    descriptor = os.open(tmp_path / "file", os.O_RDWR | os.O_CREAT)
    yield descriptor
    os.close(descriptor)


@pytest.fixture
def writer() -> Writer:
    return Disk().writer()


def results(writer: Writer, count: int) -> list[int]:
    """The errno of so many results."""
    found: list[int] = []
    while len(found) < count:
        assert select.select([writer.fileno()], [], [], 10.0)[0]
        found += [error_number for _, error_number in writer.results()]
    return found


def test_jobs_are_done_in_order_and_told_of(writer: Writer, file: int) -> None:
    for number in range(100):
        writer.submit(-1, file, b"%08d" % number, number)
    assert results(writer, 100) == [0] * 100
    expected = bytearray(107)
    for number in range(100):
        expected[number : number + 8] = b"%08d" % number
    assert os.pread(file, 1000, 0) == expected
    assert not select.select([writer.fileno()], [], [], 0)[0]


def test_a_sync_alone_writes_nothing(writer: Writer, file: int) -> None:
    writer.submit(file, -1, b"", 0)
    assert results(writer, 1) == [0]
    assert os.fstat(file).st_size == 0


def test_nothing_is_written_after_a_failure(writer: Writer, file: int, tmp_path: Path) -> None:
    read_only = os.open(tmp_path / "file", os.O_RDONLY)
    writer.submit(-1, read_only, b"refused", 0)
    assert results(writer, 1) == [errno.EBADF]
    writer.submit(-1, file, b"late", 0)
    writer.close()
    assert writer.results() == []
    assert os.fstat(file).st_size == 0
    os.close(read_only)


def test_a_failed_sync_before_a_write_leaves_it_out(writer: Writer, file: int) -> None:
    reads, writes = os.pipe()
    writer.submit(writes, file, b"late", 0)
    assert results(writer, 1) == [errno.EINVAL]
    assert os.fstat(file).st_size == 0
    os.close(reads)
    os.close(writes)


def test_closing_waits_for_what_was_submitted(writer: Writer, file: int) -> None:
    for number in range(20):
        writer.submit(-1, file, b"x" * 1000, number * 1000)
    writer.close()
    assert os.fstat(file).st_size == 20_000
    assert [error_number for _, error_number in writer.results()] == [0] * 20
    with pytest.raises(RuntimeError):
        writer.submit(-1, file, b"late", 0)
