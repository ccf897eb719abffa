"""Preallocated segments: space is reserved before it is needed, so that a full disk shows early.

The active segment and the prepared one behind it own their blocks. When no next segment can be
prepared, the last `reserve_bytes` of the active one are for urgent commands only.
"""

from __future__ import annotations

import errno
from typing import Final, NamedTuple

from tradepit.journal.disk import Disk
from tradepit.journal.layout import DataDirectory
from tradepit.journal.port import JournalError

SEGMENT_BYTES: Final = 64 << 20
"""About 600,000 commands: rotation is rare, and a segment is still read in one go."""

SEGMENT_BYTES_MIN: Final = 1 << 20
"""A frame must hold a full batch of 1,000 operations."""

RESERVE_BYTES: Final = 4 << 20
"""Room for at least 25,000 cancels, each in a frame of its own, when the disk is full."""

RESERVE_SHARE_MAX: Final = 4
"""At most one part in four of a segment is reserve."""

FRAME_SHARE_MAX: Final = 4
"""A frame takes at most one part in four of a segment, so that rotation wastes little."""

FRAME_BYTES_MAX: Final = 1 << 20
"""Longest frame: over 4,096 commands with texts."""

NO_SPACE: Final = frozenset({errno.ENOSPC, errno.EDQUOT})


class JournalOptions(NamedTuple):
    """Sizes of a file journal."""

    segment_bytes: int = SEGMENT_BYTES
    reserve_bytes: int = RESERVE_BYTES
    partition: int = 0

    @property
    def reserve(self) -> int:
        """The reserve that fits the segment."""
        return min(self.reserve_bytes, self.segment_bytes // RESERVE_SHARE_MAX)

    @property
    def frame_bytes_max(self) -> int:
        """Largest frame that may be submitted."""
        return min(FRAME_BYTES_MAX, self.segment_bytes // FRAME_SHARE_MAX)


class DiskFull(JournalError):
    """No space for another segment."""


class Segment(NamedTuple):
    """An open segment file."""

    descriptor: int
    size_bytes: int
    """Bytes that are allocated."""


def prepare(directory: DataDirectory, size_bytes: int, disk: Disk) -> Segment:
    """Make the next segment under its waiting name: allocated, zero, durable.

    Raises:
        DiskFull: nothing is left behind.
        OSError: anything else.
    """
    temporary = directory.prepared.with_suffix(".tmp")
    temporary.unlink(missing_ok=True)
    descriptor = disk.create(temporary)
    try:
        disk.allocate(descriptor, size_bytes)
        disk.sync(descriptor)
        disk.rename(temporary, directory.prepared)
        disk.sync_directory(directory.journal)
    except OSError as error:
        disk.close(descriptor)
        temporary.unlink(missing_ok=True)
        if error.errno in NO_SPACE:
            raise DiskFull(f"no space for a segment of {size_bytes} bytes") from error
        raise
    return Segment(descriptor, size_bytes)


def adopt_prepared(directory: DataDirectory, size_bytes: int, disk: Disk) -> Segment | None:
    """Open a segment that an earlier run prepared; None (and no file) when it is of no use."""
    path = directory.prepared
    if not path.exists():
        return None
    if path.stat().st_size == size_bytes and not path.read_bytes().strip(b"\0"):
        descriptor = disk.open(path)
        try:
            # A copied file may be sparse; allocating what is allocated changes nothing.
            disk.allocate(descriptor, size_bytes)
        except OSError as error:
            disk.close(descriptor)
            disk.remove(path)
            if error.errno in NO_SPACE:
                return None
            raise
        return Segment(descriptor, size_bytes)
    disk.remove(path)
    return None


def activate(directory: DataDirectory, first_sequence: int, disk: Disk) -> None:
    """Give the prepared segment its place in the journal, durably."""
    disk.rename(directory.prepared, directory.segment(first_sequence))
    disk.sync_directory(directory.journal)
