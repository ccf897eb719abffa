import asyncio
import shutil

import pytest
from tests.unit.journal.reference import (
    SMALL,
    Driver,
    group_of,
    reference_scan,
    write_journal,
)

from tradepit.journal.backup import BackupFailed, back_up
from tradepit.journal.file import open_journal
from tradepit.journal.layout import DataDirectory
from tradepit.journal.mark import MarkDamaged
from tradepit.journal.scan import scan_journal
from tradepit.journal.snapshots import Snapshot, find_snapshots, write_snapshot


def test_a_copy_made_while_the_journal_is_written_holds_what_was_durable(tmp_path):
    source, copy = tmp_path / "source", tmp_path / "copy"
    directory = write_journal(source, [group_of(0)])

    async def run() -> int:
        journal = open_journal(directory, scan_journal(directory), options=SMALL)
        driver = Driver(journal)
        driver.start()
        for number in range(1, 50):
            await driver.submit(group_of(number))
        copying = asyncio.get_running_loop().run_in_executor(None, back_up, source, copy)
        durable = journal.durable_sequence
        number = 50
        while not copying.done():
            await driver.submit(group_of(number))
            number += 1
        made = await copying
        journal.close()
        assert durable <= made.end.sequence <= journal.durable_sequence
        return made.end.sequence

    copied = asyncio.run(run())
    original, frames = reference_scan(source), reference_scan(copy)
    assert len(frames) == copied
    assert [frame.crc for frame in frames] == [frame.crc for frame in original[:copied]]


def test_a_restored_copy_goes_on(tmp_path):
    write_journal(tmp_path / "source", [group_of(number) for number in range(50)])
    back_up(tmp_path / "source", tmp_path / "copy")
    write_journal(tmp_path / "copy", [group_of(50)])
    assert len(reference_scan(tmp_path / "copy")) == 51


def test_the_newest_snapshot_is_copied(tmp_path):
    directory = write_journal(tmp_path / "source", [group_of(number) for number in range(9)])
    for crc_of in (3, 9):
        end = scan_journal(directory).end if crc_of == 9 else None
        if end is not None:
            write_snapshot(directory, Snapshot(0, 0, end, "00" * 16), b"state")
    made = back_up(tmp_path / "source", tmp_path / "copy")
    assert made.snapshot_sequence == 9
    ((stored,), _) = find_snapshots(DataDirectory(tmp_path / "copy"))
    assert stored.about.place == made.end


def test_a_copy_that_was_interrupted_is_refused(tmp_path):
    write_journal(tmp_path / "source", [group_of(number) for number in range(9)])
    back_up(tmp_path / "source", tmp_path / "copy")
    (tmp_path / "copy" / "journal" / "mark").unlink()
    with pytest.raises(MarkDamaged):
        scan_journal(DataDirectory(tmp_path / "copy"))


def test_a_used_directory_and_an_absent_journal_are_refused(tmp_path):
    write_journal(tmp_path / "source", [group_of(1)])
    with pytest.raises(BackupFailed, match="not empty"):
        back_up(tmp_path / "source", tmp_path)
    with pytest.raises(BackupFailed, match="no journal"):
        back_up(tmp_path / "nothing", tmp_path / "copy")
    shutil.rmtree(tmp_path / "source")
