"""Writes frames as a node's journal, without waiting for the disk until the end.

Nothing here is acknowledged to anybody, so one sync at the end of each segment is enough.
"""

from __future__ import annotations

import os
from pathlib import Path

from tradepit.journal.disk import Disk
from tradepit.journal.layout import START, DataDirectory
from tradepit.journal.mark import Mark, MarkFile, new_mark
from tradepit.journal.segments import SEGMENT_BYTES, Segment, activate, prepare


class JournalExists(Exception):
    """The folder already holds a journal."""

    def __init__(self, folder: Path) -> None:
        super().__init__(f"{folder} already holds a journal; choose another folder")
        self.folder = folder


class JournalWriter:
    """A new journal in a data directory.

    Raises:
        JournalExists: there is one already.
        OSError: the disk refuses.
    """

    def __init__(self, root: Path, *, segment_bytes: int = SEGMENT_BYTES) -> None:
        self._directory = DataDirectory(root)
        if self._directory.mark.exists() or self._directory.segments():
            raise JournalExists(root)
        self._directory.make()
        self._disk = Disk()
        self._disk.make_directory(self._directory.journal)
        self._segment_bytes = segment_bytes
        self._mark = MarkFile.create(self._directory.mark, new_mark(0, 0), self._disk)
        self._place = START
        self._segment = self._begin_segment(START.segment)

    def _begin_segment(self, first_sequence: int) -> Segment:
        segment = prepare(self._directory, self._segment_bytes, self._disk)
        activate(self._directory, first_sequence, self._disk)
        return segment

    def write(self, frame: bytes, commands: int, crc: int) -> None:
        """Append a frame."""
        if self._place.offset + len(frame) > self._segment.size_bytes:
            self._end_segment()
            self._place = self._place._replace(segment=self._place.sequence + 1, offset=0)
            self._segment = self._begin_segment(self._place.segment)
        os.pwrite(self._segment.descriptor, frame, self._place.offset)
        self._place = self._place._replace(
            offset=self._place.offset + len(frame),
            sequence=self._place.sequence + commands,
            crc=crc,
        )

    def _end_segment(self) -> None:
        self._disk.sync_data(self._segment.descriptor)
        self._disk.close(self._segment.descriptor)

    def close(self) -> None:
        """Sync what was written, then the commit mark that names it."""
        self._end_segment()
        self._mark.write(Mark(0, 0, self._place))
        self._mark.sync()
        self._mark.close()
