"""The system calls that durability hangs on, in one place.

The journal touches the disk through `Disk` only, so that tests can record what was written and
synced in which order, make the k-th call fail, and rebuild what a power loss could leave behind.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Protocol

from tradepit import _native


class Writer(Protocol):
    """Writes and syncs beside the event loop, in the order in which it is asked."""

    def fileno(self) -> int:
        """Readable when there are results."""

    def submit(self, sync_first: int, descriptor: int, data: bytes, offset: int) -> None:
        """Sync a descriptor (-1 = none); then, unless there is no data, write it and sync. After a
        failure nothing more is done."""

    def results(self) -> list[tuple[float, int]]:
        """What has finished since the last call, in order: seconds, errno (0 = it succeeded)."""

    def close(self) -> None:
        """Return when what was submitted has finished, or failed."""


class Disk:
    """The real disk. Every method raises OSError as the call does."""

    def create(self, path: Path) -> int:
        """Create a file that must not exist yet; the descriptor."""
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)

    def open(self, path: Path) -> int:
        """Open an existing file for reading and writing."""
        return os.open(path, os.O_RDWR | os.O_CLOEXEC)

    def close(self, descriptor: int) -> None:
        os.close(descriptor)

    def write(self, descriptor: int, data: bytes | memoryview, offset: int) -> None:
        """Write all of the data at the offset. A short write is continued, so that the reason it
        was short (a full disk) comes back as the error of the next call."""
        written = os.pwrite(descriptor, data, offset)
        while written < len(data):
            more = os.pwrite(descriptor, memoryview(data)[written:], offset + written)
            if more == 0:
                raise OSError(f"write of {len(data)} bytes stopped after {written}")
            written += more

    def writer(self) -> Writer:
        """Return a thread that does `write` and `sync_data`. It is native: a Python thread and the
        event loop would take the interpreter from each other at every frame."""
        return _native.Writer()

    def allocate(self, descriptor: int, size_bytes: int) -> None:
        """Reserve blocks from the start of the file; they read as zeros."""
        os.posix_fallocate(descriptor, 0, size_bytes)

    def sync_data(self, descriptor: int) -> None:
        """Return when the file's bytes, and its size, are on the disk."""
        os.fdatasync(descriptor)

    def sync(self, descriptor: int) -> None:
        """Like `sync_data`, with all metadata."""
        os.fsync(descriptor)

    def rename(self, source: Path, target: Path) -> None:
        """Rename, replacing a target. Durable only after `sync_directory`."""
        os.rename(source, target)

    def remove(self, path: Path) -> None:
        os.unlink(path)

    def make_directory(self, path: Path) -> None:
        """Create a directory unless it exists."""
        path.mkdir(exist_ok=True)

    def sync_directory(self, path: Path) -> None:
        """Return when the names in the directory are on the disk."""
        descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
