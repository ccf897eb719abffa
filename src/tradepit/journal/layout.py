"""Names and places inside a data directory.

```
D/lock                                  held by the running node
D/journal/00000000000000000001.journal  segments, named by their first sequence
D/journal/prepared                      the next segment, preallocated
D/journal/mark                          the commit mark
D/snapshots/00000000000001000000.snap   engine state after that sequence
```
"""

from __future__ import annotations

from pathlib import Path
from typing import Final, NamedTuple

SEGMENT_SUFFIX: Final = ".journal"
SNAPSHOT_SUFFIX: Final = ".snap"
SEQUENCE_DIGITS: Final = 20
"""Enough for 64 bits, so that names sort by sequence."""


class Place(NamedTuple):
    """A frame boundary: the end of one frame, where the next one begins."""

    segment: int
    """First sequence of the segment, which names its file."""
    offset: int
    """Bytes from the start of the segment."""
    sequence: int
    """Last sequence before this place; 0 at the start of a journal."""
    crc: int
    """Checksum of the frame before; 0 at the start of a journal."""


START: Final = Place(segment=1, offset=0, sequence=0, crc=0)


class DataDirectory(NamedTuple):
    """A node's files."""

    root: Path

    @property
    def lock(self) -> Path:
        return self.root / "lock"

    @property
    def journal(self) -> Path:
        return self.root / "journal"

    @property
    def mark(self) -> Path:
        return self.journal / "mark"

    @property
    def prepared(self) -> Path:
        return self.journal / "prepared"

    @property
    def snapshot_directory(self) -> Path:
        return self.root / "snapshots"

    def make(self) -> None:
        """Create the directory on first use."""
        self.root.mkdir(parents=True, exist_ok=True)

    def segment(self, first_sequence: int) -> Path:
        return self.journal / f"{first_sequence:0{SEQUENCE_DIGITS}}{SEGMENT_SUFFIX}"

    def snapshot(self, sequence: int) -> Path:
        return self.snapshot_directory / f"{sequence:0{SEQUENCE_DIGITS}}{SNAPSHOT_SUFFIX}"

    def segments(self) -> list[int]:
        """First sequences of the segments there are, ascending."""
        return _sequences(self.journal, SEGMENT_SUFFIX)

    def snapshots(self) -> list[int]:
        """Sequences of the snapshots there are, ascending."""
        return _sequences(self.snapshot_directory, SNAPSHOT_SUFFIX)


def _sequences(directory: Path, suffix: str) -> list[int]:
    if not directory.is_dir():
        return []
    names = (path.name.removesuffix(suffix) for path in directory.glob(f"*{suffix}"))
    return sorted(int(name) for name in names if len(name) == SEQUENCE_DIGITS and name.isdigit())
