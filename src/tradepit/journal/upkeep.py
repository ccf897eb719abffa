"""An operator's decision about a journal whose tail is lost or damaged.

Nothing here happens by itself. What is cut off is kept in `lost/`, and the journal goes on under a
new generation, so that nobody who remembers a place in the old history takes it for one in the new.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import NamedTuple

from tradepit.domain.wire import FRAME_HEADER, FRAME_HEADER_BYTES, FrameHeader
from tradepit.journal.disk import Disk
from tradepit.journal.layout import START, DataDirectory, Place
from tradepit.journal.mark import Mark, MarkDamaged, MarkFile, read_mark
from tradepit.journal.port import JournalError
from tradepit.journal.scan import JournalDamaged, JournalTailLost, scan_journal
from tradepit.journal.snapshots import find_snapshots


class NothingToAccept(JournalError):
    """The journal is whole."""


class Loss(NamedTuple):
    """What would be, or was, given up."""

    reason: str
    end: Place
    """Where the journal ends from now on."""
    mark: Mark
    """The mark from now on: a new generation, ending at the same place."""
    moved: list[Path]
    """Files that go into `lost/`, whole or from the cut on."""


def find_loss(directory: DataDirectory) -> Loss:
    """Return what accepting the loss would mean.

    Raises:
        NothingToAccept: the journal is whole, or there is none.
    """
    witnesses = [stored.witness for stored in find_snapshots(directory)[0]]
    try:
        tail = scan_journal(directory, witnesses=witnesses)
    except MarkDamaged as error:
        return _loss_of_mark(directory, str(error))
    except (JournalTailLost, JournalDamaged) as error:
        mark = read_mark(directory.mark)
        generation = 0 if mark is None else mark.generation
        partition = 0 if mark is None else mark.partition
        return _loss(directory, str(error), Mark(generation + 1, partition, error.place))
    raise NothingToAccept(f"the journal is whole, up to sequence {tail.end.sequence}")


def _loss_of_mark(directory: DataDirectory, reason: str) -> Loss:
    """Without a mark the journal is believed as far as it checks."""
    try:
        place = scan_journal(directory, ignore_mark=True).end
    except (JournalTailLost, JournalDamaged) as error:
        place = error.place
    header = _newest_header(directory)
    generation, partition = (header.generation, header.partition) if header else (0, 0)
    return _loss(directory, reason, Mark(generation + 1, partition, place))


def _newest_header(directory: DataDirectory) -> FrameHeader | None:
    """The first frame header of the last segment that has one. A generation begins a segment."""
    for segment in reversed(directory.segments()):
        with directory.segment(segment).open("rb") as file:
            data = file.read(FRAME_HEADER_BYTES)
        if len(data) == FRAME_HEADER_BYTES and any(data):
            return FrameHeader(*FRAME_HEADER.unpack(data))
    return None


def _loss(directory: DataDirectory, reason: str, mark: Mark) -> Loss:
    end = mark.place
    moved = [directory.segment(each) for each in directory.segments() if each >= end.segment]
    moved += [directory.snapshot(each) for each in directory.snapshots() if each > end.sequence]
    return Loss(reason, end, mark, moved)


def accept_loss(directory: DataDirectory, loss: Loss, disk: Disk | None = None) -> Path:
    """Cut the journal where the loss begins; returns where the rest is kept.

    The mark is moved last: until then the journal is refused as before, and this can be repeated.
    """
    disk = disk or Disk()
    kept = directory.root / "lost" / f"generation-{loss.mark.generation - 1}"
    kept.mkdir(parents=True, exist_ok=True)
    for path in loss.moved:
        if path == directory.segment(loss.end.segment):
            shutil.copyfile(path, kept / path.name)
            os.truncate(path, loss.end.offset)
            descriptor = disk.open(path)
            disk.sync(descriptor)
            disk.close(descriptor)
        else:
            shutil.move(path, kept / path.name)
    for touched in (kept, directory.journal, directory.root):
        disk.sync_directory(touched)
    if directory.snapshot_directory.is_dir():
        disk.sync_directory(directory.snapshot_directory)
    mark = loss.mark if directory.segments() else loss.mark._replace(place=START)
    MarkFile.create(directory.mark, mark, disk).close()
    disk.sync_directory(directory.journal)
    return kept
