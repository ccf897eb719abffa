"""A recording made seekable: its messages, when each is due, and books saved along the way.

Everything is memory-mapped, so opening costs milliseconds whatever the length. An index is made
and kept by `cache.IndexCache`. Messages are counted from 1; a *position* is how many of them have
been applied, from 0 (before the first) to their count.
"""

from __future__ import annotations

from bisect import bisect_right
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import msgspec
import numpy as np
from numpy.typing import NDArray

from tradepit.marketdata.books import Books
from tradepit.marketdata.records import MBO_DTYPE
from tradepit.marketdata.replays.description import (
    CLOCK_NAME,
    FORMAT_VERSION,
    KEYFRAMES_NAME,
    RECORDS_NAME,
    SEQUENCES_NAME,
    Keyframe,
    read_description,
)
from tradepit.marketdata.replays.in_use import FolderLock
from tradepit.marketdata.sources.source import MboRecords

CLOCK_DTYPE: Final = np.dtype("<i8")
SEQUENCE_DTYPE: Final = np.dtype("<u4")
SEQUENCE_MAX: Final = 2**32 - 1
TIME_NS_MAX: Final = 2**63 - 1


class DamagedIndex(Exception):
    """The files of an index are not what its description says; `folder` has to be built anew."""

    def __init__(self, folder: Path, reason: str) -> None:
        super().__init__(f"index {folder.name}: {reason}")
        self.folder = folder
        self.reason = reason


class NoSuchPlace(LookupError):
    """The recording has no such place."""


class RecordingIndex:
    """An open index; while it is open, nothing evicts it. Never changes: any thread may read."""

    def __init__(self, folder: Path, lock: FolderLock | None = None) -> None:
        """
        Args:
            lock: of this folder, shared; its owner is the index from now on.
        Raises:
            InUse: the folder is gone, or being made or removed.
            DamagedIndex: it is not whole.
        """
        self._lock = lock or FolderLock(folder, alone=False)
        self.folder = folder
        try:
            self._open(folder)
        except (OSError, ValueError, msgspec.MsgspecError) as error:
            self.close()
            raise DamagedIndex(folder, str(error)) from error
        self._lock.note_use()

    def _open(self, folder: Path) -> None:
        self.description = read_description(folder)
        if self.description.version != FORMAT_VERSION:
            raise ValueError(f"version {self.description.version}, not {FORMAT_VERSION}")
        count = self.description.messages
        self.records: MboRecords = _column(folder / RECORDS_NAME, MBO_DTYPE, count)
        """All messages, message n at n - 1."""
        self.clock: NDArray[np.int64] = _column(folder / CLOCK_NAME, CLOCK_DTYPE, count)
        """When each is due by the recording's clock, in ns since the Unix epoch, ascending."""
        self._sequences = _column(folder / SEQUENCES_NAME, SEQUENCE_DTYPE, count)
        self._keyframes = self.description.keyframes
        last = self._keyframes[-1]
        size = last.offset + last.length
        self._saved = _column(folder / KEYFRAMES_NAME, np.dtype("u1"), size).data
        self._keyframe_numbers = [keyframe.number for keyframe in self._keyframes]

    @property
    def count(self) -> int:
        """How many messages there are."""
        return self.description.messages

    def time_at(self, position: int) -> int | None:
        """The clock at a position: that of the last message applied, at 0 that of the first; None
        without messages. In ns since the Unix epoch."""
        return int(self.clock[max(0, position - 1)]) if self.count else None

    def position_of_time(self, time_ns: int) -> int:
        """The position right before the first message that is due at this time or later; the end
        when there is none."""
        time_ns = min(max(time_ns, 0), TIME_NS_MAX)
        return int(np.searchsorted(self.clock, np.int64(time_ns), side="left"))

    def position_of_fraction(self, fraction: float) -> int:
        """The position after this share of the messages.

        Raises: ValueError when it does not lie in 0 to 1.
        """
        if not 0 <= fraction <= 1:
            raise ValueError(f"a fraction lies from 0 to 1, not at {fraction}")
        return min(self.count, int(fraction * self.count))

    def position_of_sequence(self, sequence: int) -> int:
        """The position right before the first message with this sequence of the venue, snapshots
        left out; when none has it, before the first that has a higher one.

        Raises: NoSuchPlace when there is neither.
        """
        if 0 < sequence <= SEQUENCE_MAX:
            wanted = np.uint32(sequence)
            for is_it in (np.equal, np.greater):
                [found] = is_it(self._sequences, wanted).nonzero()
                if len(found):
                    return int(found[0])
        raise NoSuchPlace(f"no message has the sequence {sequence} or a higher one")

    def keyframe_before(self, position: int) -> Keyframe:
        """The last saved books at this position or before it."""
        return self._keyframes[bisect_right(self._keyframe_numbers, position) - 1]

    def move(self, books: Books, *, position: int, target: int) -> None:
        """Bring books that stand at one position to another one.

        Applies at most what lies between two keyframes, about `building.KEYFRAME_MESSAGES`.
        Raises: DamagedIndex; the books are unchanged.
        """
        keyframe = self.keyframe_before(target)
        start = position
        if target < position or keyframe.number > position:
            saved = self._saved[keyframe.offset : keyframe.offset + keyframe.length]
            try:
                books.load(saved)
            except ValueError as error:
                raise DamagedIndex(self.folder, str(error)) from error
            start = keyframe.number
        if start < target:
            books.apply(self.records[start:target])

    def books_at(self, position: int) -> Books:
        """New books as they stand at a position."""
        books = Books()
        # No position: the first keyframe has what the books were built with.
        self.move(books, position=self.count + 1, target=position)
        return books

    def close(self) -> None:
        """Let go of the folder; arrays in use elsewhere stay readable. Again is nothing."""
        self._lock.release()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


def _column(path: Path, dtype: np.dtype[Any], count: int) -> NDArray[Any]:
    """One value per message, mapped.

    Raises: OSError; ValueError when the file has another size.
    """
    size = path.stat().st_size
    if size != count * dtype.itemsize:
        raise ValueError(f"{path.name} has {size} bytes, not {count * dtype.itemsize}")
    if count == 0:
        return np.empty(0, dtype)
    return np.memmap(path, dtype, mode="r").view(np.ndarray)
