import asyncio
import errno
import os
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from tests.simulation.disks import FaultyDisk, RecordingDisk
from tests.unit.journal.reference import (
    SMALL,
    Driver,
    group_of,
    move_mark_back,
    named_group,
    reference_scan,
    write_journal,
)

from tradepit.journal.disk import Disk
from tradepit.journal.file import open_journal
from tradepit.journal.layout import DataDirectory
from tradepit.journal.mark import SYNC_FRAMES, read_mark
from tradepit.journal.port import JournalFailed
from tradepit.journal.scan import scan_journal
from tradepit.journal.segments import DiskFull, JournalOptions

Work = Callable[[Driver], Awaitable[None]]


def with_journal(
    root: Path, work: Work, *, disk: Disk | None = None, options: JournalOptions = SMALL
) -> Driver:
    """Open a journal, do the work on it, close it."""
    directory = DataDirectory(root)
    directory.make()

    async def run() -> Driver:
        journal = open_journal(directory, scan_journal(directory), options=options, disk=disk)
        driver = Driver(journal)
        driver.start()
        try:
            await work(driver)
        finally:
            journal.close()
        return driver

    return asyncio.run(run())


def test_what_was_appended_is_read_back_in_order_over_restarts(tmp_path):
    groups = [group_of(1, size=2), named_group(2, "alice"), *map(group_of, range(3, 40))]
    for at in range(0, len(groups), 7):
        write_journal(tmp_path, groups[at : at + 7])
    frames = reference_scan(tmp_path)
    assert [b"".join(frame.records) for frame in frames] == [group.records for group in groups]
    assert len(DataDirectory(tmp_path).segments()) > 1


def test_a_frame_is_written_and_synced_and_then_marked_and_then_delivered(tmp_path):
    disk = RecordingDisk()

    async def work(driver: Driver) -> None:
        for number in range(30):
            await driver.submit(group_of(number))
            disk.note(f"delivered {driver.journal.durable_sequence}")

    with_journal(tmp_path, work, disk=disk)
    written: list[str] = []
    delivered = 0
    for call in disk.calls:
        is_frame = call.path.endswith(".journal")
        if call.kind == "write" and is_frame:
            assert not written
            written.append("frame")
        elif call.kind == "sync" and is_frame and written:
            written.append("sync")
        elif call.kind == "write" and call.path.endswith("mark") and written:
            assert written == ["frame", "sync"]
            written.append("mark")
        elif call.kind == "note":
            assert written == ["frame", "sync", "mark"]
            written.clear()
            delivered += 1
    assert delivered == 30


def test_a_segment_is_named_in_the_directory_before_anything_is_written_to_it(tmp_path):
    disk = RecordingDisk()

    async def work(driver: Driver) -> None:
        for number in range(60):
            await driver.submit(group_of(number))

    with_journal(tmp_path, work, disk=disk)
    rotations = 0
    for number, call in enumerate(disk.calls):
        if call.kind == "rename" and call.target.endswith(".journal"):
            assert disk.calls[number + 1].kind == "sync_directory"
            rotations += 1
    assert rotations > 2


def test_the_mark_is_synced_at_least_every_so_many_frames(tmp_path):
    disk = RecordingDisk()

    async def work(driver: Driver) -> None:
        for number in range(3 * SYNC_FRAMES):
            await driver.submit(group_of(number))

    with_journal(tmp_path, work, disk=disk, options=JournalOptions(segment_bytes=1 << 20))
    unsynced = most = 0
    for call in disk.calls:
        if call.path.endswith("mark"):
            unsynced = 0 if call.kind == "sync" else unsynced + 1
            most = max(most, unsynced)
    assert most <= SYNC_FRAMES + 1


def test_an_idle_journal_syncs_its_mark(tmp_path):
    disk = RecordingDisk()

    async def work(driver: Driver) -> None:
        await driver.submit(group_of(1))
        loop = asyncio.get_running_loop()
        end = loop.time() + 10
        while not (disk.calls[-1].kind == "sync" and disk.calls[-1].path.endswith("mark")):
            assert loop.time() < end
            await asyncio.sleep(0.01)

    with_journal(tmp_path, work, disk=disk)


def test_a_stopped_journal_leaves_a_mark_at_its_end(tmp_path):
    directory = write_journal(tmp_path, [group_of(number) for number in range(20)])
    mark = read_mark(directory.mark)
    assert mark is not None
    assert mark.place == scan_journal(directory).end


@pytest.mark.parametrize("kind", ["write", "sync"])
def test_a_failed_call_fails_the_journal_and_is_not_tried_again(tmp_path, kind):
    write_journal(tmp_path, [group_of(1)])
    disk = FaultyDisk()

    async def work(driver: Driver) -> None:
        assert await driver.submit(group_of(2))
        disk.broken = {kind}
        calls = disk.seen[kind]
        assert not await driver.submit(group_of(3))
        assert disk.seen[kind] == calls + 1
        disk.broken = set()
        with pytest.raises(JournalFailed):
            driver.journal.submit(group_of(4))

    driver = with_journal(tmp_path, work, disk=disk)
    assert len(driver.failures) == 1
    assert [frame.first_sequence for frame in driver.frames] == [2]
    assert scan_journal(DataDirectory(tmp_path)).end.sequence in (2, 3)


def test_a_tail_beyond_the_mark_is_written_anew_and_synced_before_anything_else(tmp_path):
    directory = write_journal(tmp_path, [group_of(number) for number in range(9)])
    move_mark_back(directory, frames=3)
    plain = reference_scan(tmp_path)
    beyond = b"".join(
        directory.segment(1).read_bytes()[frame.offset : frame.offset + frame.size]
        for frame in plain[-3:]
    )
    disk = RecordingDisk()
    tail = scan_journal(directory)
    open_journal(directory, tail, options=SMALL, disk=disk).close()
    kinds = [call.kind for call in disk.calls[:3]]
    assert kinds == ["write", "write", "sync"]
    assert disk.calls[0].data == beyond
    mark = read_mark(directory.mark)
    assert mark is not None
    assert mark.place == tail.end


def test_a_torn_write_is_zeroed_so_that_it_can_never_be_read_again(tmp_path):
    directory = write_journal(tmp_path, [group_of(1), group_of(2)])
    move_mark_back(directory, frames=1)
    last = reference_scan(tmp_path)[-1]
    path = directory.segment(1)
    data = bytearray(path.read_bytes())
    data[last.offset + 90] ^= 255
    path.write_bytes(data)
    write_journal(tmp_path, [])
    assert reference_scan(tmp_path)[-1].first_sequence == 1
    assert not path.read_bytes()[last.offset :].strip(b"\0")
    write_journal(tmp_path, [group_of(3)])
    assert [frame.first_sequence for frame in reference_scan(tmp_path)] == [1, 2]


def test_a_full_disk_keeps_the_reserve_for_urgent_frames_and_recovers(tmp_path):
    disk = FaultyDisk(error=errno.ENOSPC)
    room = SMALL.reserve // 160

    async def work(driver: Driver) -> None:
        await driver.submit(group_of(0))
        while driver.journal.space(urgent=True) < SMALL.frame_bytes_max:
            await driver.wait()
        disk.broken = {"allocate"}
        number = 1
        while await driver.submit(group_of(number)):
            number += 1
        # One segment at least, less its reserve; a second one if it was prepared by then.
        assert number > (4096 - SMALL.reserve) // 160 // 2
        assert driver.journal.is_full
        urgent = 0
        while await driver.submit(group_of(number), urgent=True):
            number += 1
            urgent += 1
            if driver.journal.space(urgent=True) < 160 + 8:
                break
        assert urgent >= room
        disk.broken = set()
        while driver.journal.is_full:
            await driver.wait()
        assert await driver.submit(group_of(number))

    driver = with_journal(tmp_path, work, disk=disk)
    assert not driver.failures
    assert len(reference_scan(tmp_path)) == len(driver.frames)


def test_a_disk_that_is_full_at_the_first_start_is_a_plain_refusal(tmp_path):
    disk = FaultyDisk(error=errno.ENOSPC)
    disk.broken = {"allocate"}
    directory = DataDirectory(tmp_path)
    with pytest.raises(DiskFull, match="no space"):
        open_journal(directory, scan_journal(directory), options=SMALL, disk=disk)
    assert directory.segments() == []
    write_journal(tmp_path, [group_of(1)])


def test_an_unreadable_disk_at_the_start_is_a_failed_journal(tmp_path):
    write_journal(tmp_path, [group_of(1)])
    directory = DataDirectory(tmp_path)
    with pytest.raises(JournalFailed):
        open_journal(
            directory, scan_journal(directory), options=SMALL, disk=FaultyDisk("sync", at=1)
        )


@pytest.mark.parametrize("content", [b"", b"\1" + bytes(4095), bytes(100)])
def test_a_prepared_segment_of_no_use_is_made_anew(tmp_path, content):
    directory = write_journal(tmp_path, [group_of(1)])
    directory.prepared.write_bytes(content)
    write_journal(tmp_path, [group_of(number) for number in range(40)])
    assert len(reference_scan(tmp_path)) == 41


def test_a_copied_journal_without_preallocated_space_goes_on(tmp_path):
    directory = write_journal(tmp_path, [group_of(1), group_of(2)])
    end = scan_journal(directory).end
    os.truncate(directory.segment(1), end.offset)
    directory.prepared.unlink()
    write_journal(tmp_path, [group_of(3)])
    assert [frame.first_sequence for frame in reference_scan(tmp_path)] == [1, 2, 3]


def test_a_short_write_is_continued(tmp_path, monkeypatch):
    real = os.pwrite
    monkeypatch.setattr(os, "pwrite", lambda fd, data, at: real(fd, bytes(data)[:7], at))
    write_journal(tmp_path, [group_of(1), group_of(2)])
    monkeypatch.undo()
    assert len(reference_scan(tmp_path)) == 2


def test_incarnations_differ_between_runs(tmp_path):
    seen = []

    async def work(driver: Driver) -> None:
        seen.append(driver.journal.incarnation)

    with_journal(tmp_path, work)
    with_journal(tmp_path, work)
    assert len(set(seen)) == 2
