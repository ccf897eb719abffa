import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.unit.journal.reference import (
    group_of,
    move_mark_back,
    named_group,
    reference_scan,
    write_journal,
)

from tradepit.domain import commands
from tradepit.journal import scan
from tradepit.journal.frame import frame_crc
from tradepit.journal.layout import DataDirectory, Place
from tradepit.journal.mark import MarkDamaged
from tradepit.journal.port import Group, JournalError
from tradepit.journal.scan import (
    JournalDamaged,
    JournalTailLost,
    Witness,
    read_run,
    scan_journal,
)
from tradepit.journal.segments import JournalOptions

MIXED = [group_of(1), group_of(2, size=3), named_group(3, "alice"), group_of(4), group_of(5)]
MANY = [group_of(number, size=1 + number % 4) for number in range(1, 40)]
"""Enough for several segments."""


@pytest.fixture
def journal(tmp_path: Path) -> DataDirectory:
    return write_journal(tmp_path / "one", MIXED)


@pytest.fixture
def segments(tmp_path: Path) -> DataDirectory:
    return write_journal(tmp_path / "many", MANY)


def restored(directory: DataDirectory, whole: dict[Path, bytes]) -> None:
    for path, data in whole.items():
        path.write_bytes(data)
    assert directory.journal.is_dir()


def files_of(directory: DataDirectory) -> dict[Path, bytes]:
    paths = [directory.segment(segment) for segment in directory.segments()]
    return {path: path.read_bytes() for path in paths}


def test_a_scan_finds_what_the_reference_finds(segments):
    plain = reference_scan(segments.root)
    tail = scan_journal(segments)
    assert len(segments.segments()) > 2
    assert tail.end.sequence == sum(len(frame.records) for frame in plain)
    assert tail.end.crc == plain[-1].crc
    assert tail.commands == tail.end.sequence
    assert not tail.junk_bytes
    scanned = b"".join(read_run(segments, run) for run in tail.runs)
    assert len(scanned) == sum(frame.size for frame in plain)


@pytest.mark.parametrize("window", [64, 160, 200, 488, 1000])
def test_the_size_of_a_read_changes_nothing(segments, window, monkeypatch):
    whole = scan_journal(segments)
    monkeypatch.setattr(scan, "WINDOW_BYTES", window)
    tail = scan_journal(segments)
    assert tail._replace(runs=[]) == whole._replace(runs=[])
    read = [b"".join(read_run(segments, run) for run in each.runs) for each in (whole, tail)]
    assert read[0] == read[1]


def test_a_scan_from_a_witness_replays_only_what_follows(segments):
    plain = reference_scan(segments.root)
    for frame in plain:
        place = Place(
            segment=int(frame.segment.removesuffix(".journal")),
            offset=frame.offset + frame.size,
            sequence=frame.first_sequence + len(frame.records) - 1,
            crc=frame.crc,
        )
        tail = scan_journal(segments, Witness("a snapshot", place))
        assert tail.commands == tail.end.sequence - place.sequence
        if tail.runs:
            assert tail.runs[0].first_sequence == place.sequence + 1


def test_a_witness_of_another_history_is_refused(segments):
    place = scan_journal(segments).end
    with pytest.raises(JournalDamaged, match="do not belong together"):
        scan_journal(segments, Witness("a snapshot", place._replace(crc=place.crc ^ 1)))


def test_a_hole_right_before_the_witness_shows(segments):
    plain = reference_scan(segments.root)
    last = plain[-1]
    tail = scan_journal(segments)
    path = segments.segment(tail.end.segment)
    data = path.read_bytes()
    path.write_bytes(data[: last.offset] + bytes(last.size) + data[last.offset + last.size :])
    with pytest.raises(JournalTailLost):
        scan_journal(segments, Witness("a snapshot", tail.end))


def flips(size: int) -> list[tuple[int, int]]:
    """Every byte, turned over whole and in one bit that moves along."""
    return [(at, mask) for at in range(size) for mask in (0xFF, 1 << at % 8)]


def test_every_flipped_byte_below_the_mark_is_refused_with_its_place(journal):
    whole = files_of(journal)
    (path,) = whole
    plain = reference_scan(journal.root)
    end = plain[-1].offset + plain[-1].size
    starts = [frame.offset for frame in plain]
    for at, mask in flips(end):
        data = bytearray(whole[path])
        data[at] ^= mask
        path.write_bytes(data)
        with pytest.raises((JournalDamaged, JournalTailLost)) as caught:
            scan_journal(journal)
        assert caught.value.place.segment == 1
        assert caught.value.place.offset == max(start for start in starts if start <= at)


def test_a_flipped_byte_beyond_the_mark_is_a_torn_tail_or_refused(journal):
    move_mark_back(journal, frames=1)
    whole = files_of(journal)
    (path,) = whole
    last = reference_scan(journal.root)[-1]
    cut = 0
    for at, mask in flips(last.offset + last.size):
        data = bytearray(whole[path])
        data[at] ^= mask
        path.write_bytes(data)
        try:
            tail = scan_journal(journal)
        except (JournalDamaged, JournalTailLost):
            continue
        assert at >= last.offset
        assert tail.end.offset == last.offset
        assert tail.junk_bytes
        cut += 1
    assert cut > last.size


def test_a_flipped_byte_two_frames_beyond_the_mark_is_never_taken_for_a_torn_tail(journal):
    move_mark_back(journal, frames=2)
    whole = files_of(journal)
    (path,) = whole
    before = reference_scan(journal.root)[-2]
    for at, mask in flips(before.size):
        data = bytearray(whole[path])
        data[before.offset + at] ^= mask
        path.write_bytes(data)
        with pytest.raises(JournalDamaged, match=r"sound frame|schema version"):
            scan_journal(journal)


@pytest.mark.parametrize("fill", ["cut", "zeros"])
def test_every_truncation_below_the_mark_is_refused(tmp_path, fill):
    singles = [group_of(number) for number in range(1, 15)]
    segments = write_journal(tmp_path / "short", singles, options=JournalOptions(1024, 128))
    assert len(segments.segments()) == 3
    whole = files_of(segments)
    ends = scan_journal(segments).segment_ends
    for path, data in whole.items():
        end = ends[int(path.name.removesuffix(".journal"))]
        for size in range(end):
            kept = data[:size] if fill == "cut" else data[:size] + bytes(len(data) - size)
            if kept == data:
                continue  # the bytes that were lost are zeros
            path.write_bytes(kept)
            with pytest.raises((JournalDamaged, JournalTailLost)):
                scan_journal(segments)
        path.write_bytes(data)
    scan_journal(segments)


@pytest.mark.parametrize("fill", ["cut", "zeros"])
def test_every_truncation_beyond_the_mark_is_a_torn_tail(journal, fill):
    move_mark_back(journal, frames=1)
    ((path, data),) = files_of(journal).items()
    last = reference_scan(journal.root)[-1]
    for size in range(last.offset, last.offset + last.size):
        kept = data[:size] if fill == "cut" else data[:size] + bytes(len(data) - size)
        path.write_bytes(kept)
        tail = scan_journal(journal)
        assert tail.end.offset == (last.offset if kept != data else last.offset + last.size)
        if kept != data:
            assert tail.junk_bytes == len(kept[last.offset :].rstrip(b"\0"))


def test_every_missing_segment_is_refused(segments):
    for path, data in files_of(segments).items():
        path.unlink()
        with pytest.raises((JournalDamaged, JournalTailLost)):
            scan_journal(segments)
        path.write_bytes(data)


def test_a_missing_mark_is_refused(journal):
    journal.mark.unlink()
    with pytest.raises(MarkDamaged):
        scan_journal(journal)


def test_all_files_gone_but_the_mark_is_a_lost_tail(segments):
    for path in files_of(segments):
        path.unlink()
    with pytest.raises(JournalTailLost):
        scan_journal(segments)


def test_a_snapshot_is_a_witness_beyond_the_mark(journal):
    move_mark_back(journal, frames=1)
    end = scan_journal(journal).end
    last = reference_scan(journal.root)[-1]
    ((path, data),) = files_of(journal).items()
    path.write_bytes(data[: last.offset] + bytes(len(data) - last.offset))
    scan_journal(journal)
    with pytest.raises(JournalTailLost, match="snapshot 9"):
        scan_journal(journal, witnesses=[Witness("snapshot 9", end)])


def rewritten(journal: DataDirectory, change: Callable[[bytearray], None]) -> None:
    """Change the last frame and seal it anew, as other software would have written it."""
    last = reference_scan(journal.root)[-1]
    ((path, data),) = files_of(journal).items()
    frame = bytearray(data[last.offset : last.offset + last.size])
    change(frame)
    frame[60:64] = frame_crc(bytes(frame)).to_bytes(4, "little")
    path.write_bytes(data[: last.offset] + frame + data[last.offset + last.size :])


def test_a_frame_of_another_schema_is_named_and_refused(journal):
    move_mark_back(journal, frames=1)

    def newer(frame: bytearray) -> None:
        frame[4:6] = (9).to_bytes(2, "little")

    rewritten(journal, newer)
    with pytest.raises(JournalDamaged, match="schema version 9, this program reads version 1"):
        scan_journal(journal)


@pytest.mark.parametrize(("field", "reason"), [(16, "sequence"), (56, "checksum chain")])
def test_a_sound_frame_that_does_not_follow_is_refused(journal, field, reason):
    move_mark_back(journal, frames=1)

    def misplace(frame: bytearray) -> None:
        frame[field] ^= 1

    rewritten(journal, misplace)
    with pytest.raises(JournalDamaged, match=reason):
        scan_journal(journal)


def test_beside_a_running_node_nothing_beyond_the_mark_is_read(segments):
    whole = scan_journal(segments).end
    move_mark_back(segments, frames=3)
    ended = scan_journal(segments, until_mark=True).end
    assert ended.sequence < whole.sequence
    last = reference_scan(segments.root)[-1]
    path = segments.journal / last.segment
    data = bytearray(path.read_bytes())
    data[last.offset + 70] ^= 1
    path.write_bytes(data)
    assert scan_journal(segments, until_mark=True).end == ended


def test_quarantine_decisions_are_found_and_nothing_else_is(tmp_path):
    lookalikes = [
        Group(commands.cancel_order(account=0, order_id=5), b"", 1, 5),
        Group(commands.cancel_order(account=0, order_id=0x05_0000_0000), b"", 1, 5),
        Group(commands.deposit(account=5, asset=5, amount=5), b"", 1, 5),
        Group(commands.tick() * 5, b"", 5, 5),
    ]
    decisions = [
        Group(commands.quarantine(target_sequence=number), b"", 1, 5) for number in (3, 2**40)
    ]
    directory = write_journal(
        tmp_path / "one", [decisions[0], *lookalikes, decisions[1], *lookalikes]
    )
    assert scan_journal(directory).quarantined == [3, 2**40]


def test_an_unreadable_journal_changes_no_file(segments):
    path = segments.segment(segments.segments()[1])
    data = bytearray(path.read_bytes())
    data[100] ^= 1
    path.write_bytes(data)
    before = {path: path.read_bytes() for path in segments.journal.iterdir()}
    with pytest.raises(JournalError):
        scan_journal(segments)
    assert before == {path: path.read_bytes() for path in segments.journal.iterdir()}


def test_an_empty_directory_is_a_new_journal(tmp_path):
    tail = scan_journal(DataDirectory(tmp_path))
    assert tail.end.sequence == 0
    assert tail.runs == []


def test_a_copy_reads_the_same(segments, tmp_path):
    shutil.copytree(segments.root, tmp_path / "copy")
    assert scan_journal(DataDirectory(tmp_path / "copy")) == scan_journal(segments)
