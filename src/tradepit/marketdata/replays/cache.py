"""The folder of indexes: each is built once, kept, and opened again in milliseconds.

An index lies in a folder named after the fingerprint of its recording. It is built under another
name, synced, then renamed: what has the right name is whole. What a process that died left behind
is thrown away. When the folder would outgrow its bound, the indexes that were opened the longest
ago go, but never one that is open here or in another process.
"""

from __future__ import annotations

import os
import re
import secrets
import shutil
from collections.abc import Callable
from pathlib import Path
from time import time
from typing import Final

from tradepit.marketdata.replays.building import KEYFRAME_MESSAGES, IndexBuilder
from tradepit.marketdata.replays.fingerprint import fingerprint_of
from tradepit.marketdata.replays.in_use import LOCK_NAME, FolderLock, InUse
from tradepit.marketdata.replays.index import DamagedIndex, RecordingIndex
from tradepit.marketdata.sources.opening import open_source
from tradepit.marketdata.sources.source import Progress, RecordingError, Source

BYTES_MAX: Final = 20 * 10**9
"""Of all indexes: some 290 million messages."""

BLOCK_BYTES_MAX: Final = 64 << 20
"""Room is made for so much at a time; builds at one time may pass the bound by as much each."""

BLOCKS_MIN: Final = 16
"""A small bound is given out in at least so many blocks."""

LOCKLESS_SECONDS_MAX: Final = 60.0
"""A folder without a lock that is older has no owner that is about to lock it."""

# Names of folders: a fingerprint, or one that is not an index yet, or not any more.
_BUILDING: Final = ".building-"
_REMOVED: Final = ".removed-"
_OURS: Final = re.compile(
    rf"({re.escape(_BUILDING)}|{re.escape(_REMOVED)})?[0-9a-f]{{32}}[0-9a-f-]*"
)


class IndexCache:
    """Indexes of recordings in one folder; any number of processes may share it."""

    def __init__(
        self,
        folder: Path,
        *,
        bytes_max: int = BYTES_MAX,
        keyframe_messages: int = KEYFRAME_MESSAGES,
    ) -> None:
        """
        Args:
            folder: made when it is missing.
            keyframe_messages: between two saved books of what is built from now on.
        """
        self.folder = folder
        self.bytes_max = bytes_max
        self.keyframe_messages = keyframe_messages

    def open(self, path: Path) -> RecordingIndex | None:
        """The kept index of a recording; None when it has to be built.

        Raises: RecordingError when there is no such recording.
        """
        return self._open(self.folder / fingerprint_of(path))

    def build(
        self,
        path: Path,
        *,
        progress: Progress | None = None,
        is_cancelled: Callable[[], bool] = lambda: False,
    ) -> RecordingIndex:
        """Open the index of a recording, building it first when there is none.

        May run in any thread; when it fails, nothing is left of it.
        Args:
            progress: called with bytes read and bytes in all.
            is_cancelled: asked after every chunk.
        Raises:
            RecordingError: no recording, nothing of it readable, changed meanwhile, or no room.
            IndexingCancelled.
        """
        fingerprint = fingerprint_of(path)
        kept = self._open(self.folder / fingerprint)
        if kept is not None:
            return kept
        try:
            return self._build(open_source(path), fingerprint, progress, is_cancelled)
        except OSError as error:
            reason = f"cannot be indexed: {error.strerror or error}"
            raise RecordingError(path, reason) from error

    def size_bytes(self) -> int:
        """Of everything in the folder."""
        return sum(map(_size, self._folders()))

    def _open(self, folder: Path) -> RecordingIndex | None:
        try:
            return RecordingIndex(folder)
        except InUse:
            return None
        except DamagedIndex:
            self._remove(folder)
            return None

    def _build(
        self,
        source: Source,
        fingerprint: str,
        progress: Progress | None,
        is_cancelled: Callable[[], bool],
    ) -> RecordingIndex:
        self.folder.mkdir(parents=True, exist_ok=True)
        self._remove_abandoned()
        folder = self.folder / f"{_BUILDING}{fingerprint}-{secrets.token_hex(4)}"
        folder.mkdir()
        lock = None
        try:
            lock = FolderLock(folder, alone=True)
            room = _Room(self, source.path)
            builder = IndexBuilder(
                folder, keyframe_messages=self.keyframe_messages, reserve=room.reserve
            )
            builder.build(source, fingerprint, progress=progress, is_cancelled=is_cancelled)
            if source.path.is_file() and fingerprint_of(source.path) != fingerprint:
                raise RecordingError(source.path, "changed while it was indexed")
            return self._keep(folder, self.folder / fingerprint, lock)
        except BaseException:
            if lock is not None:
                lock.release()
            shutil.rmtree(folder, ignore_errors=True)
            raise

    def _keep(self, built: Path, folder: Path, lock: FolderLock) -> RecordingIndex:
        """Give a whole index its name; or, when another process was faster, open that one's."""
        _sync_directory(built)
        try:
            built.rename(folder)
        except OSError:
            kept = self._open(folder)
            if kept is None:
                raise
            lock.release()
            shutil.rmtree(built, ignore_errors=True)
            return kept
        _sync_directory(self.folder)
        lock.share()
        return RecordingIndex(folder, lock)

    def make_room(self, bytes_wanted: int) -> bool:
        """Evict until so much more fits; whether it does."""
        sizes = {folder: _size(folder) for folder in self._folders()}
        excess = sum(sizes.values()) + bytes_wanted - self.bytes_max
        for folder in sorted(filter(_is_kept, sizes), key=_used_at):
            if excess <= 0:
                break
            if self._remove(folder):
                excess -= sizes[folder]
        return excess <= 0

    def _folders(self) -> list[Path]:
        """What is ours; nothing else is ever touched."""
        try:
            return [entry for entry in self.folder.iterdir() if _OURS.fullmatch(entry.name)]
        except FileNotFoundError:
            return []

    def _remove(self, folder: Path) -> bool:
        """Remove a folder unless somebody uses it; whether it is gone."""
        try:
            lock = FolderLock(folder, alone=True)
        except InUse:
            return not folder.exists()
        try:
            removed = self.folder / f"{_REMOVED}{secrets.token_hex(16)}"
            folder.rename(removed)
            shutil.rmtree(removed, ignore_errors=True)
        finally:
            lock.release()
        return True

    def _remove_abandoned(self) -> None:
        """Throw away what a process that is gone was making or removing."""
        for folder in self._folders():
            if folder.name.startswith(_REMOVED):
                shutil.rmtree(folder, ignore_errors=True)
            elif folder.name.startswith(_BUILDING):
                has_lock = (folder / LOCK_NAME).exists()
                if has_lock or _age(folder) > LOCKLESS_SECONDS_MAX:
                    self._remove(folder)


class _Room:
    """What one build may still write."""

    def __init__(self, cache: IndexCache, path: Path) -> None:
        self._cache = cache
        self._path = path
        self._block = min(BLOCK_BYTES_MAX, cache.bytes_max // BLOCKS_MIN)
        self._left = 0

    def reserve(self, size_bytes: int) -> None:
        if self._left < size_bytes:
            for wanted in (size_bytes + self._block, size_bytes):
                if self._cache.make_room(wanted):
                    self._left = wanted
                    break
            else:
                bound = f"{self._cache.bytes_max:,} bytes"
                raise RecordingError(self._path, f"its index has no room: all may have {bound}")
        self._left -= size_bytes


def _is_kept(folder: Path) -> bool:
    return not folder.name.startswith((_BUILDING, _REMOVED))


def _size(folder: Path) -> int:
    total = 0
    try:
        for entry in os.scandir(folder):
            total += entry.stat(follow_symlinks=False).st_size
    except FileNotFoundError:
        pass  # evicted meanwhile
    return total


def _used_at(folder: Path) -> float:
    try:
        return (folder / LOCK_NAME).stat().st_mtime
    except FileNotFoundError:
        return 0.0


def _age(folder: Path) -> float:
    try:
        return time() - folder.stat().st_mtime
    except FileNotFoundError:
        return 0.0


def _sync_directory(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
