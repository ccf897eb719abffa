"""Disks for tests: one that remembers every call, one that makes chosen calls fail."""

from __future__ import annotations

import errno
import os
from collections import Counter
from pathlib import Path
from typing import NamedTuple

from tradepit.journal.disk import Disk


class Call(NamedTuple):
    """One call of the journal on its disk, in order."""

    kind: str
    """create, write, allocate, sync, failed_sync, rename, remove, make_directory, sync_directory,
    or `note`."""
    path: str
    target: str = ""
    """rename: the new name."""
    data: bytes = b""
    offset: int = 0
    """write: where; allocate: how many bytes."""


class RecordingDisk(Disk):
    """The real disk, and a list of what was done to it. Calls of both threads are in real order."""

    def __init__(self) -> None:
        self.calls: list[Call] = []

    def note(self, text: str) -> None:
        """Remember that something else happened here, such as an answer."""
        self.calls.append(Call("note", text))

    def before(self, kind: str) -> None:
        """Hook for disks that fail."""

    def _record(self, call: Call) -> None:
        try:
            self.before(call.kind)
        except OSError:
            if call.kind == "sync":
                self.calls.append(call._replace(kind="failed_sync"))
            raise
        self.calls.append(call)

    def create(self, path: Path) -> int:
        self._record(Call("create", str(path)))
        return super().create(path)

    def path_of(self, descriptor: int) -> str:
        """Where the file is now, renames followed."""
        return os.readlink(f"/proc/self/fd/{descriptor}")

    def write(self, descriptor: int, data: bytes | memoryview, offset: int) -> None:
        self._record(Call("write", self.path_of(descriptor), data=bytes(data), offset=offset))
        super().write(descriptor, data, offset)

    def write_through(self, descriptor: int, data: bytes, offset: int) -> None:
        self.write(descriptor, data, offset)
        self.sync_data(descriptor)

    def allocate(self, descriptor: int, size_bytes: int) -> None:
        self._record(Call("allocate", self.path_of(descriptor), offset=size_bytes))
        super().allocate(descriptor, size_bytes)

    def sync_data(self, descriptor: int) -> None:
        self._record(Call("sync", self.path_of(descriptor)))
        super().sync_data(descriptor)

    def sync(self, descriptor: int) -> None:
        self._record(Call("sync", self.path_of(descriptor)))
        super().sync(descriptor)

    def rename(self, source: Path, target: Path) -> None:
        self._record(Call("rename", str(source), target=str(target)))
        super().rename(source, target)

    def remove(self, path: Path) -> None:
        self._record(Call("remove", str(path)))
        super().remove(path)

    def make_directory(self, path: Path) -> None:
        self._record(Call("make_directory", str(path)))
        super().make_directory(path)

    def sync_directory(self, path: Path) -> None:
        self._record(Call("sync_directory", str(path)))
        super().sync_directory(path)


class FaultyDisk(RecordingDisk):
    """Fails the k-th call of a kind, or every one while `broken` names the kind."""

    def __init__(self, kind: str = "", at: int = 0, error: int = errno.EIO) -> None:
        super().__init__()
        self.broken: set[str] = set()
        self.error = error
        self._kind, self._at = kind, at
        self.seen: Counter[str] = Counter()

    def before(self, kind: str) -> None:
        self.seen[kind] += 1
        if kind in self.broken or (kind == self._kind and self.seen[kind] == self._at):
            raise OSError(self.error, os.strerror(self.error))
