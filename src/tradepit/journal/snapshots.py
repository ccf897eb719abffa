"""Engine state after one sequence, as a file; also a witness that the journal reached that far."""

from __future__ import annotations

import os
import struct
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final, NamedTuple
from zlib import crc32

from tradepit.domain.wire import SCHEMA_VERSION
from tradepit.journal.disk import Disk
from tradepit.journal.layout import DataDirectory, Place
from tradepit.journal.port import JournalError
from tradepit.journal.scan import Witness

SNAPSHOTS_KEPT: Final = 3
"""The newest, and two to fall back on should it be damaged."""

PIECE_BYTES: Final = 4 << 20
"""Written and synced at a time: a few milliseconds of the disk."""

_MAGIC: Final = 0x31535054  # "TPS1"
_VERSION: Final = 1
_HEADER: Final = struct.Struct("<IHHIIQQQIIQ16sII")
"""magic, version, schema_version, generation, partition, segment, offset, sequence, crc of the
journal's frame, crc of the state, bytes of the state, state hash, reserved, crc of this header
with this field zero."""


class SnapshotDamaged(JournalError):
    """A snapshot file does not check."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(f"snapshot {path.name} is not usable: {reason}")
        self.path = path


class Snapshot(NamedTuple):
    """What a snapshot is of."""

    generation: int
    partition: int
    place: Place
    state_hash: str
    """32 hex digits."""


class StoredSnapshot(NamedTuple):
    """A snapshot whose header checks; the state is read by `read_state`."""

    about: Snapshot
    path: Path
    state_bytes: int
    state_crc: int

    @property
    def witness(self) -> Witness:
        return Witness(f"snapshot {self.path.name}", self.about.place)


def write_snapshot(
    directory: DataDirectory,
    about: Snapshot,
    state: bytes,
    disk: Disk | None = None,
    *,
    pause: Callable[[float], None] | None = None,
) -> Path:
    """Write a snapshot under its final name only when it is durable; returns the name.

    Args:
        pause: called between pieces with the seconds that the last one took. Pieces are synced one
            by one, so that the journal's syncs never wait behind hundreds of megabytes.
    Raises:
        OSError: nothing is left behind.
    """
    disk = disk or Disk()
    disk.make_directory(directory.snapshot_directory)
    disk.sync_directory(directory.root)
    path = directory.snapshot(about.place.sequence)
    temporary = path.with_suffix(".tmp")
    temporary.unlink(missing_ok=True)
    descriptor = disk.create(temporary)
    try:
        data = memoryview(_pack(about, state) + state)
        for at in range(0, len(data), PIECE_BYTES):
            started = time.perf_counter()
            disk.write(descriptor, data[at : at + PIECE_BYTES], at)
            disk.sync_data(descriptor)
            if pause is not None:
                pause(time.perf_counter() - started)
        disk.sync(descriptor)
        disk.rename(temporary, path)
        disk.sync_directory(directory.snapshot_directory)
    finally:
        disk.close(descriptor)
        temporary.unlink(missing_ok=True)
    return path


def remove_unfinished(directory: DataDirectory, disk: Disk | None = None) -> None:
    """Remove what a process that was killed while it wrote left behind."""
    disk = disk or Disk()
    for path in directory.snapshot_directory.glob("*.tmp"):
        disk.remove(path)


def find_snapshots(directory: DataDirectory) -> tuple[list[StoredSnapshot], list[SnapshotDamaged]]:
    """Return the snapshots whose headers check, newest first, and the others."""
    good, bad = [], []
    for sequence in reversed(directory.snapshots()):
        try:
            good.append(_read_header(directory.snapshot(sequence), sequence))
        except SnapshotDamaged as error:
            bad.append(error)
    return good, bad


def read_state(stored: StoredSnapshot, *, check: bool = True) -> bytes:
    """Return the engine state of a snapshot.

    Args:
        check: False leaves the checksum to the engine, whose state carries one of its own.
    Raises:
        SnapshotDamaged: its bytes do not check.
    """
    with stored.path.open("rb") as file:
        file.seek(_HEADER.size)
        state = file.read()
    if len(state) != stored.state_bytes or (check and crc32(state) != stored.state_crc):
        raise SnapshotDamaged(stored.path, "the state's checksum is wrong")
    return state


def remove_old_snapshots(
    directory: DataDirectory, *, kept: int = SNAPSHOTS_KEPT, disk: Disk | None = None
) -> None:
    """Keep the newest ones. Only called when the newest is durable."""
    disk = disk or Disk()
    for sequence in directory.snapshots()[:-kept]:
        disk.remove(directory.snapshot(sequence))


def _pack(about: Snapshot, state: bytes) -> bytes:
    place = about.place
    fields = (
        _MAGIC,
        _VERSION,
        SCHEMA_VERSION,
        about.generation,
        about.partition,
        place.segment,
        place.offset,
        place.sequence,
        place.crc,
        crc32(state),
        len(state),
        bytes.fromhex(about.state_hash),
        0,
    )
    return _HEADER.pack(*fields, crc32(_HEADER.pack(*fields, 0)))


def _read_header(path: Path, sequence: int) -> StoredSnapshot:
    with path.open("rb") as file:
        data = file.read(_HEADER.size)
        size = os.fstat(file.fileno()).st_size
    if len(data) < _HEADER.size:
        raise SnapshotDamaged(path, "it is too short")
    *fields, crc = _HEADER.unpack(data)
    if fields[0] != _MAGIC or crc32(_HEADER.pack(*fields, 0)) != crc:
        raise SnapshotDamaged(path, "its header's checksum is wrong")
    if fields[1] != _VERSION or fields[2] != SCHEMA_VERSION:
        raise SnapshotDamaged(path, f"it is of version {fields[1]}, schema {fields[2]}")
    _, _, _, generation, partition, segment, offset, at, frame_crc, state_crc, length, digest, _ = (
        fields
    )
    if at != sequence or size != _HEADER.size + length:
        raise SnapshotDamaged(path, "its name or its length is wrong")
    place = Place(segment, offset, at, frame_crc)
    about = Snapshot(generation, partition, place, digest.hex())
    return StoredSnapshot(about, path, length, state_crc)
