"""The commit mark: a second witness of where the journal ends.

Checksums notice every damaged byte, but a journal cut exactly between two frames looks like a
shorter, healthy one. The mark says how far the journal was known to be durable, in a file of its
own, in two slots: the one with the higher number and a good checksum counts.

What it guarantees:

- It is written after the fdatasync of the frame it names and before anybody hears of that frame. So
  it never names what is not durable, and after the death of the process (the page cache lives on)
  it covers everything that was acknowledged.
- It is synced lazily: after at most `SYNC_FRAMES` frames, when the node is idle, at every rotation
  and at a clean stop. So after a power loss it covers all but the last `SYNC_FRAMES` frames. Those
  rest on the disk having kept its word about fdatasync, as the mark itself would.
"""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Final, NamedTuple
from zlib import crc32

from tradepit.journal.disk import Disk
from tradepit.journal.layout import START, Place
from tradepit.journal.port import JournalError

SYNC_FRAMES: Final = 64
"""Most frames between two syncs of the mark: one sync in 64 costs under 2 % of the frame syncs."""

SLOT_BYTES: Final = 4096
"""Each slot lies in its own page and disk sector: writing one never touches the other."""

_MAGIC: Final = 0x4B4D5054  # "TPMK"
_VERSION: Final = 1
_SLOT: Final = struct.Struct("<IHHIIQQQQII")
"""magic, version, reserved, generation, partition, number, segment, offset, sequence, crc of the
journal's frame, crc of this slot with this field zero."""


class MarkDamaged(JournalError):
    """The commit mark is missing or unreadable although a journal is there."""


class Mark(NamedTuple):
    """How far the journal is known to be durable."""

    generation: int
    partition: int
    place: Place


class _Slot(NamedTuple):
    mark: Mark
    number: int
    """Marks ever written; the higher one is newer."""
    at: int
    """Byte offset of the slot: 0 or SLOT_BYTES."""


class MarkFile:
    """Writes marks. Made by `create` or `open`; one caller at a time."""

    def __init__(self, descriptor: int, newest: _Slot, disk: Disk) -> None:
        self.descriptor = descriptor
        self._disk = disk
        self._number = newest.number
        self._synced_at = newest.at
        self._written_at = newest.at
        self._unsynced = 0
        self.mark = newest.mark

    @staticmethod
    def create(path: Path, mark: Mark, disk: Disk) -> MarkFile:
        """Make the file of a new journal, durable but for its name (the caller syncs that)."""
        temporary = path.with_suffix(".tmp")
        temporary.unlink(missing_ok=True)
        descriptor = disk.create(temporary)
        slot = _pack(mark, number=1)
        disk.write(descriptor, slot + bytes(2 * SLOT_BYTES - len(slot)), 0)
        disk.sync(descriptor)
        disk.rename(temporary, path)
        return MarkFile(descriptor, _Slot(mark, number=1, at=0), disk)

    @staticmethod
    def open(path: Path, disk: Disk) -> MarkFile:
        """Open an existing file.

        Raises:
            MarkDamaged: neither slot is readable.
        """
        return MarkFile(disk.open(path), _newest(path), disk)

    @property
    def wants_sync(self) -> bool:
        """Enough marks were written since the last sync."""
        return self._unsynced >= SYNC_FRAMES

    @property
    def is_dirty(self) -> bool:
        return self._unsynced > 0

    def write(self, mark: Mark) -> None:
        """Write a mark, unsynced, into the slot that does not hold the last synced one: whatever
        a power loss does to unsynced bytes, one good slot is left."""
        at = SLOT_BYTES - self._synced_at
        self._number += 1
        self._disk.write(self.descriptor, _pack(mark, self._number), at)
        self._written_at = at
        self._unsynced += 1
        self.mark = mark

    def sync(self) -> None:
        """Make the last mark durable."""
        self._disk.sync_data(self.descriptor)
        self.on_synced()

    def on_synced(self) -> None:
        """The last mark is durable: what was last written is synced."""
        self._synced_at = self._written_at
        self._unsynced = 0

    def close(self) -> None:
        self._disk.close(self.descriptor)


def read_mark(path: Path) -> Mark | None:
    """Return the newest readable mark; None when there is no such file.

    Raises:
        MarkDamaged: neither slot is readable.
    """
    if not path.exists():
        return None
    return _newest(path).mark


def new_mark(generation: int, partition: int) -> Mark:
    """The mark of a journal without frames."""
    return Mark(generation, partition, START)


def _pack(mark: Mark, number: int) -> bytes:
    place = mark.place
    fields = (
        _MAGIC,
        _VERSION,
        0,
        mark.generation,
        mark.partition,
        number,
        place.segment,
        place.offset,
        place.sequence,
        place.crc,
    )
    return _SLOT.pack(*fields, crc32(_SLOT.pack(*fields, 0)))


def _newest(path: Path) -> _Slot:
    data = path.read_bytes() if path.exists() else b""
    slots = [_parse(data, at) for at in (0, SLOT_BYTES)]
    readable = [slot for slot in slots if slot is not None]
    if not readable:
        raise MarkDamaged(f"{path}: the commit mark is missing or unreadable")
    return max(readable, key=lambda slot: slot.number)


def _parse(data: bytes, at: int) -> _Slot | None:
    packed = data[at : at + _SLOT.size]
    if len(packed) < _SLOT.size:
        return None
    *fields, crc = _SLOT.unpack(packed)
    if fields[0] != _MAGIC or fields[1] != _VERSION or crc32(_SLOT.pack(*fields, 0)) != crc:
        return None
    _, _, _, generation, partition, number, segment, offset, sequence, frame_crc = fields
    return _Slot(
        Mark(generation, partition, Place(segment, offset, sequence, frame_crc)), number, at
    )
