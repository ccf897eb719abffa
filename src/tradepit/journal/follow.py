"""Following a journal beside the node that writes it: whole, durable frames, as they come.

The follower never looks past the commit mark, so it sees nothing that a crash could still take
back. It checks every frame's checksum and its chain to the frame before, as recovery does.
"""

from __future__ import annotations

import os
from typing import Final

from tradepit._native import scan_frames
from tradepit.journal.layout import DataDirectory, Place
from tradepit.journal.mark import Mark, MarkDamaged, read_mark
from tradepit.journal.port import JournalError
from tradepit.journal.scan import FRAME_BYTES_MAX, JournalDamaged

READ_BYTES: Final = 4 << 20
"""Most bytes of one step, unless a single frame is longer."""


class JournalBehind(JournalError):
    """The journal ends before the place from which it should be followed."""


class JournalFollower:
    """Reads on from a place. One caller at a time."""

    def __init__(self, directory: DataDirectory, place: Place) -> None:
        """
        Args:
            place: a frame boundary; for the start of a journal, `START`.
        """
        self._directory = directory
        self.place = place
        self.generation = 0
        """Of the mark that was read last."""
        self.durable_sequence = 0
        """Last durable sequence as of the last step or look."""

    def look(self) -> int:
        """Return the last durable sequence at this moment.

        Raises:
            MarkDamaged: the commit mark cannot be read.
        """
        self._mark()
        return self.durable_sequence

    def step(self, most_bytes: int = READ_BYTES) -> bytes:
        """Return the next whole frames and move behind them; empty when there are none yet.

        Raises:
            JournalDamaged: durable bytes do not check.
            JournalBehind: the place lies beyond the journal's end.
            MarkDamaged: the commit mark cannot be read.
        """
        mark = self._mark()
        if mark is None:
            return b""
        if self.place.sequence >= mark.place.sequence:
            if self.place.sequence > mark.place.sequence:
                raise JournalBehind(
                    f"the journal ends at sequence {mark.place.sequence}, before "
                    f"{self.place.sequence}, which was read from it"
                )
            return b""
        frames = self._read(mark, most_bytes)
        if not frames:
            self._enter_next_segment()
            frames = self._read(mark, most_bytes)
        if not frames:
            raise JournalDamaged(self.place, "it ends here, but the commit mark lies further on")
        return frames

    def _mark(self) -> Mark | None:
        """The newest mark; a reader may meet a slot while it is written."""
        for attempt in range(3):
            try:
                mark = read_mark(self._directory.mark)
                break
            except MarkDamaged:
                if attempt == 2:
                    raise
        if mark is not None:
            self.generation = mark.generation
            self.durable_sequence = mark.place.sequence
        return mark

    def _read(self, mark: Mark, most_bytes: int) -> bytes:
        """Whole frames from the place on, in its segment and not beyond the mark."""
        is_last = self.place.segment == mark.place.segment
        limit = mark.place.offset - self.place.offset if is_last else FRAME_BYTES_MAX
        size = min(most_bytes, limit)
        while True:
            data = self._bytes(size)
            scan = scan_frames(data, self.place.sequence + 1, self.place.crc)
            if scan.valid_bytes:
                break
            if scan.problem == "short" and len(data) == size < limit:
                size = min(4 * size, limit)
            elif scan.problem in ("", "zeros", "short") and not is_last:
                return b""
            else:
                raise JournalDamaged(self.place, f"a durable frame does not check ({scan.problem})")
        self.place = Place(
            self.place.segment,
            self.place.offset + scan.valid_bytes,
            scan.last_sequence,
            scan.last_crc,
        )
        return data[: scan.valid_bytes]

    def _bytes(self, size: int) -> bytes:
        descriptor = os.open(
            self._directory.segment(self.place.segment), os.O_RDONLY | os.O_CLOEXEC
        )
        try:
            return os.pread(descriptor, size, self.place.offset)
        finally:
            os.close(descriptor)

    def _enter_next_segment(self) -> None:
        """A segment is named by its first sequence, so the next one's name is known."""
        following = self.place.sequence + 1
        if not self._directory.segment(following).exists():
            raise JournalDamaged(self.place, f"segment {following} is missing")
        self.place = self.place._replace(segment=following, offset=0)
