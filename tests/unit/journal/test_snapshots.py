import pytest
from tests.simulation.disks import FaultyDisk, RecordingDisk

from tradepit.journal.layout import DataDirectory, Place
from tradepit.journal.snapshots import (
    Snapshot,
    SnapshotDamaged,
    find_snapshots,
    read_state,
    remove_old_snapshots,
    remove_unfinished,
    write_snapshot,
)

STATE = bytes(range(256)) * 3


def about(sequence: int) -> Snapshot:
    place = Place(segment=1, offset=sequence * 10, sequence=sequence, crc=sequence * 3)
    return Snapshot(2, 0, place, "00112233445566778899aabbccddeeff")


@pytest.fixture
def directory(tmp_path):
    return DataDirectory(tmp_path)


def test_a_snapshot_is_read_back_and_is_a_witness(directory):
    write_snapshot(directory, about(7), STATE)
    ((stored,), bad) = find_snapshots(directory)
    assert bad == []
    assert stored.about == about(7)
    assert read_state(stored) == STATE
    assert stored.witness.place == about(7).place


def test_the_newest_comes_first_and_old_ones_are_removed(directory):
    for sequence in (5, 900, 70, 1000):
        write_snapshot(directory, about(sequence), STATE)
    remove_old_snapshots(directory, kept=3)
    found = [stored.about.place.sequence for stored in find_snapshots(directory)[0]]
    assert found == [1000, 900, 70]


def test_every_flipped_byte_is_noticed(directory):
    path = write_snapshot(directory, about(7), STATE)
    whole = path.read_bytes()
    for at in range(len(whole)):
        data = bytearray(whole)
        data[at] ^= 1 << at % 8
        path.write_bytes(data)
        good, bad = find_snapshots(directory)
        if good:
            with pytest.raises(SnapshotDamaged):
                read_state(good[0])
        else:
            assert len(bad) == 1


def test_every_truncation_is_noticed(directory):
    path = write_snapshot(directory, about(7), STATE)
    whole = path.read_bytes()
    for size in range(len(whole)):
        path.write_bytes(whole[:size])
        assert find_snapshots(directory)[0] == []


def test_a_large_snapshot_is_written_and_synced_in_pieces(directory):
    disk, state, pauses = RecordingDisk(), bytes(9 << 20), []
    write_snapshot(directory, about(7), state, disk, pause=pauses.append)
    kinds = [call.kind for call in disk.calls if call.kind in ("write", "sync")]
    assert kinds == ["write", "sync"] * 3 + ["sync"]
    assert len(pauses) == 3
    assert read_state(find_snapshots(directory)[0][0]) == state


def test_unfinished_snapshots_of_a_killed_process_are_removed(directory):
    path = write_snapshot(directory, about(7), STATE)
    path.with_name("00000000000000000009.tmp").write_bytes(b"half")
    remove_unfinished(directory)
    assert list(directory.snapshot_directory.iterdir()) == [path]


def test_a_snapshot_is_durable_before_it_has_its_name(directory):
    disk = RecordingDisk()
    write_snapshot(directory, about(7), STATE, disk)
    kinds = [call.kind for call in disk.calls]
    assert kinds[-3:] == ["sync", "rename", "sync_directory"]


@pytest.mark.parametrize("kind", ["create", "write", "sync", "rename", "sync_directory"])
def test_a_snapshot_that_cannot_be_written_leaves_no_half_of_it(directory, kind):
    write_snapshot(directory, about(6), STATE)
    disk = FaultyDisk()
    disk.broken = {kind}
    with pytest.raises(OSError):
        write_snapshot(directory, about(7), STATE, disk)
    assert not list(directory.snapshot_directory.glob("*.tmp"))
    assert find_snapshots(directory)[1] == []
