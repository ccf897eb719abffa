from pathlib import Path

import pytest
from tests.simulation.disks import RecordingDisk

from tradepit.journal.disk import Disk
from tradepit.journal.layout import Place
from tradepit.journal.mark import (
    SLOT_BYTES,
    SYNC_FRAMES,
    Mark,
    MarkDamaged,
    MarkFile,
    new_mark,
    read_mark,
)


def mark(number: int) -> Mark:
    return Mark(1, 0, Place(segment=1, offset=160 * number, sequence=number, crc=number * 7))


def written(path: Path, numbers: range, *, synced: range = range(0)) -> MarkFile:
    file = MarkFile.create(path, new_mark(1, 0), Disk())
    for number in numbers:
        file.write(mark(number))
        if number in synced:
            file.sync()
    return file


def test_the_newest_mark_counts(tmp_path):
    written(tmp_path / "mark", range(1, 6), synced=range(1, 4)).close()
    assert read_mark(tmp_path / "mark") == mark(5)


def test_a_file_that_is_not_there_is_no_mark(tmp_path):
    assert read_mark(tmp_path / "mark") is None


def test_the_last_synced_mark_is_never_overwritten_by_unsynced_ones(tmp_path):
    disk = RecordingDisk()
    file = MarkFile.create(tmp_path / "mark", new_mark(1, 0), disk)
    touched: set[int] = set()
    synced_at = 0
    for number in range(1, 100):
        file.write(mark(number))
        touched.add(disk.calls[-1].offset)
        assert synced_at not in touched
        if number % 7 == 0:
            file.sync()
            synced_at = disk.calls[-2].offset
            touched.clear()
    file.close()


@pytest.mark.parametrize("slot", [0, SLOT_BYTES])
def test_one_damaged_slot_leaves_the_other(tmp_path, slot):
    path = tmp_path / "mark"
    written(path, range(1, 3), synced=range(1, 3)).close()
    data = bytearray(path.read_bytes())
    data[slot + 20] ^= 1
    path.write_bytes(data)
    assert read_mark(path) in (mark(1), mark(2))


def test_two_damaged_slots_are_refused(tmp_path):
    path = tmp_path / "mark"
    written(path, range(1, 3), synced=range(1, 3)).close()
    data = bytearray(path.read_bytes())
    data[20] ^= 1
    data[SLOT_BYTES + 20] ^= 1
    path.write_bytes(data)
    with pytest.raises(MarkDamaged):
        read_mark(path)


def test_no_flipped_bit_and_no_truncation_invents_a_mark(tmp_path):
    path = tmp_path / "mark"
    written(path, range(1, 3), synced=range(1, 3)).close()
    whole = path.read_bytes()
    possible = (mark(1), mark(2))
    damaged = [
        whole[:at] + bytes([whole[at] ^ (1 << bit)]) + whole[at + 1 :]
        for slot in (0, SLOT_BYTES)
        for at in range(slot, slot + 64)
        for bit in range(8)
    ]
    damaged += [whole[:size] for size in (0, 10, 63, 64, SLOT_BYTES, SLOT_BYTES + 63)]
    for data in damaged:
        path.write_bytes(data)
        try:
            assert read_mark(path) in possible
        except MarkDamaged:
            assert len(data) < len(whole)


def test_a_reopened_file_goes_on_counting(tmp_path):
    path = tmp_path / "mark"
    written(path, range(1, 4)).close()
    file = MarkFile.open(path, Disk())
    assert file.mark == mark(3)
    file.write(mark(4))
    file.close()
    assert read_mark(path) == mark(4)


def test_marks_ask_for_a_sync_after_a_bounded_number_of_frames(tmp_path):
    file = written(tmp_path / "mark", range(1, SYNC_FRAMES))
    assert not file.wants_sync
    file.write(mark(SYNC_FRAMES))
    assert file.wants_sync
    file.sync()
    assert not file.wants_sync
    assert not file.is_dirty
    file.close()
