"""Disks for tests: one that remembers every call, one that makes chosen calls fail."""

from __future__ import annotations

import errno
import os
import threading
from collections import Counter
from contextlib import suppress
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import NamedTuple

from tradepit.journal.disk import Disk, Writer


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


class ThreadWriter:
    """A writer whose calls a disk of tests can see, and make fail."""

    def __init__(self, disk: Disk) -> None:
        self._disk = disk
        self._jobs: SimpleQueue[tuple[int, int, bytes, int] | None] = SimpleQueue()
        self._results: SimpleQueue[tuple[float, int]] = SimpleQueue()
        self._event = os.eventfd(0, os.EFD_NONBLOCK)
        self._thread = threading.Thread(target=self._work, daemon=True)
        self._thread.start()

    def __del__(self) -> None:
        os.close(self._event)

    def fileno(self) -> int:
        return self._event

    def submit(self, sync_first: int, descriptor: int, data: bytes, offset: int) -> None:
        self._jobs.put((sync_first, descriptor, data, offset))

    def results(self) -> list[tuple[float, int]]:
        with suppress(BlockingIOError):
            os.eventfd_read(self._event)
        found = []
        with suppress(Empty):
            while True:
                found.append(self._results.get_nowait())
        return found

    def close(self) -> None:
        self._jobs.put(None)
        self._thread.join()

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            error_number = self._run(*job)
            self._results.put((0.0, error_number))
            os.eventfd_write(self._event, 1)
            if error_number:
                return

    def _run(self, sync_first: int, descriptor: int, data: bytes, offset: int) -> int:
        try:
            if sync_first >= 0:
                self._disk.sync_data(sync_first)
            if data:
                self._disk.write(descriptor, data, offset)
                self._disk.sync_data(descriptor)
        except OSError as error:
            return error.errno or errno.EIO
        return 0


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

    def writer(self) -> Writer:
        return ThreadWriter(self)

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
