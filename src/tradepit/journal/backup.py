"""A copy of a journal, also while a node writes it.

What is copied ends at the commit mark, so it is durable and ends between two frames. The copy's own
mark is written last: a copy that was interrupted is refused when somebody tries to start from it.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Final, NamedTuple

from tradepit.journal.disk import Disk
from tradepit.journal.layout import DataDirectory, Place
from tradepit.journal.mark import MarkFile, read_mark
from tradepit.journal.port import JournalError
from tradepit.journal.scan import Progress, scan_journal
from tradepit.journal.snapshots import find_snapshots

PIECE_BYTES: Final = 8 << 20


class BackupFailed(JournalError):
    """There is no usable copy."""


class Backup(NamedTuple):
    """What was copied."""

    end: Place
    segments: int
    size_bytes: int
    snapshot_sequence: int
    """0: none was copied."""


def back_up(source: Path, destination: Path, progress: Progress | None = None) -> Backup:
    """Copy a data directory's journal and newest snapshot, then check the copy.

    Raises:
        BackupFailed: the destination is not empty, or there is no journal.
        JournalError: the copy does not check.
        OSError: it cannot be written.
    """
    here, there = DataDirectory(source), DataDirectory(destination)
    mark = read_mark(here.mark)
    if mark is None:
        raise BackupFailed(f"{source} holds no journal")
    if destination.exists() and any(destination.iterdir()):
        raise BackupFailed(f"{destination} is not empty")
    there.journal.mkdir(parents=True)
    snapshot_sequence = _copy_snapshot(here, there, mark.place.sequence)
    segments = [segment for segment in here.segments() if segment <= mark.place.segment]
    total = sum(here.segment(segment).stat().st_size for segment in segments)
    done = 0
    for segment in segments:
        size = here.segment(segment).stat().st_size
        if segment == mark.place.segment:
            size = mark.place.offset
        _copy(here.segment(segment), there.segment(segment), size)
        done += size
        if progress is not None:
            progress(done, total)
    disk = Disk()
    disk.sync_directory(there.journal)
    MarkFile.create(there.mark, mark, disk).close()
    for directory in (there.journal, destination, destination.parent):
        disk.sync_directory(directory)
    if scan_journal(there).end != mark.place:
        raise BackupFailed("the copy does not end where the journal did")
    return Backup(mark.place, len(segments), done, snapshot_sequence)


def _copy_snapshot(here: DataDirectory, there: DataDirectory, sequence_max: int) -> int:
    """Copy the newest snapshot that the copied journal reaches; 0 when there is none."""
    for stored in find_snapshots(here)[0]:
        if stored.about.place.sequence > sequence_max:
            continue
        there.snapshot_directory.mkdir(exist_ok=True)
        target = there.snapshot(stored.about.place.sequence)
        try:
            shutil.copyfile(stored.path, target)
        except FileNotFoundError:
            continue  # the node removed it, having made a newer one
        _sync(target)
        Disk().sync_directory(there.snapshot_directory)
        return stored.about.place.sequence
    return 0


def _copy(source: Path, target: Path, size_bytes: int) -> None:
    with source.open("rb") as reader, target.open("wb") as writer:
        while size_bytes > 0:
            piece = reader.read(min(PIECE_BYTES, size_bytes))
            if not piece:
                raise BackupFailed(f"{source} is shorter than its journal says")
            writer.write(piece)
            size_bytes -= len(piece)
        writer.flush()
        os.fsync(writer.fileno())


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
