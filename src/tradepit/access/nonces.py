"""Which signed requests were used: a nonce is good once, also after a crash.

A ring of records in one preallocated file. A record is written (to the page cache) before the
request goes on, so it survives the process. It survives the machine only by luck; therefore the
file's header holds a **horizon**, synced before any timestamp beyond it is accepted: after a start
that cannot trust the ring (another boot, a damaged header, no file), every timestamp up to the
horizon is refused. `docs/adr/0005-a-nonce-is-good-once.md` holds the whole argument.

`floor` is the heart of it: timestamps at or below it are refused for ever. It only rises, and a
record may be forgotten exactly when its timestamp is at or below the floor.
"""

from __future__ import annotations

import hashlib
import os
import struct
import zlib
from array import array
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np

from tradepit.access.sealing import PRIVATE, sync_directory

FILE_NAME: Final = "nonces"
SLOTS: Final = 1 << 20
"""32 MiB; with a window of 5 s (10 s are remembered) good for 100,000 requests a second."""

LEASE_MS: Final = 10_000
"""How far ahead the horizon is put: one sync per so much time, and the longest refusal that a
power loss can cost."""

BOOT_ID: Final = Path("/proc/sys/kernel/random/boot_id")

_MAGIC: Final = b"TPNONCE1"
_HEADER: Final = struct.Struct("<8sQQQ36sI")
"""Magic, horizon, floor when it was written, 1 after a clean stop, boot, checksum."""
_HEADER_BYTES: Final = 4096
_RECORD: Final = struct.Struct("<QQ12sI")
"""Timestamp, floor when it was written, digest, checksum of those."""
_RECORD_BYTES: Final = 32
_DTYPE: Final = np.dtype([("timestamp", "<u8"), ("floor", "<u8"), ("rest", "V16")])


class NonceUsed(Exception):
    """This key has used this nonce, or its time is so long ago that nobody remembers."""


class NotYet(Exception):
    """After a power loss the node waits until replays are out of the question."""

    def __init__(self, wait_ms: int) -> None:
        super().__init__(f"{wait_ms} ms")
        self.wait_ms = wait_ms


class NonceLogUnusable(Exception):
    """No nonce can be recorded now: the ring is full of live ones, or the disk failed."""


class _Header(NamedTuple):
    horizon_ms: int
    floor_ms: int
    is_clean: bool
    boot: bytes


class NonceLog:
    """The nonces of one data directory. One process at a time: the caller holds its lock."""

    def __init__(self, path: Path, *, window_ms: int, now_ms: int, slots: int = SLOTS) -> None:
        """Open the log. One that is missing is made anew, and nothing is believed about its past.

        Args:
            slots: size of a new ring; an existing one keeps its size.
        """
        self._window_ms = window_ms
        self._is_broken = False
        self._seen: set[bytes] = set()
        """Digests of the nonces that could come again."""
        self._by_second: dict[int, list[bytes]] = {}
        """The same, by the second of their timestamp."""
        self._swept_s = 0
        self._boot = _boot_id()
        is_lost = not path.exists()
        if is_lost:
            make_nonce_log(path, slots)
        self._file = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        self._slots = (os.fstat(self._file).st_size - _HEADER_BYTES) // _RECORD_BYTES
        self._timestamps = array("Q", bytes(8 * self._slots))
        """Of the records in the ring: a slot is free when its timestamp is below the floor."""
        self._next = 0
        self.floor_ms = now_ms - window_ms
        found = None if is_lost else self._read_header()
        if found is None:
            # Nobody knows what was accepted, but nothing beyond this could have been.
            self.floor_ms = self._horizon_ms = now_ms + window_ms + LEASE_MS
        else:
            self._horizon_ms = found.horizon_ms
            self.floor_ms = max(self.floor_ms, found.floor_ms)
            if found.is_clean or found.boot == self._boot:
                self._recover()
            else:
                self.floor_ms = max(self.floor_ms, found.horizon_ms)
        self._write_header(is_clean=False)

    def use(self, key_id: str, nonce: bytes, timestamp_ms: int, now_ms: int) -> None:
        """Use a nonce up. When this returns, no later call with it will, in this process or a next.

        Raises:
            NonceUsed: it was used.
            NotYet: nobody can know whether it was.
            NonceLogUnusable: it cannot be recorded; it is not used.
        """
        usual = now_ms - self._window_ms
        if usual > self.floor_ms:
            self.floor_ms = usual
            if usual // 1000 != self._swept_s:
                self._sweep(usual // 1000)
        if timestamp_ms <= self.floor_ms:
            if self.floor_ms > usual:
                raise NotYet(self.floor_ms + 1 - timestamp_ms)
            raise NonceUsed
        digest = hashlib.blake2b(b"%b\n%b" % (key_id.encode(), nonce), digest_size=12).digest()
        if digest in self._seen:
            raise NonceUsed
        self._record(digest, timestamp_ms, now_ms)
        self._remember(digest, timestamp_ms)

    def close(self) -> None:
        """Say that everything is on the disk, so that the next start trusts it."""
        try:
            if not self._is_broken:
                os.fsync(self._file)
                self._write_header(is_clean=True)
        finally:
            os.close(self._file)

    def _remember(self, digest: bytes, timestamp_ms: int) -> None:
        self._seen.add(digest)
        second = timestamp_ms // 1000
        found = self._by_second.get(second)
        if found is None:
            self._by_second[second] = [digest]
        else:
            found.append(digest)

    def _sweep(self, floor_s: int) -> None:
        self._swept_s = floor_s
        for second in [second for second in self._by_second if second < floor_s]:
            self._seen.difference_update(self._by_second.pop(second))

    def _record(self, digest: bytes, timestamp_ms: int, now_ms: int) -> None:
        if self._is_broken:
            raise NonceLogUnusable("the disk failed before")
        slot = self._next
        if self._timestamps[slot] > self.floor_ms:
            raise NonceLogUnusable("the ring is full")
        try:
            if timestamp_ms > self._horizon_ms:
                self._horizon_ms = now_ms + self._window_ms + LEASE_MS
                self._write_header(is_clean=False)
            head = _RECORD.pack(timestamp_ms, self.floor_ms, digest, 0)[:-4]
            data = head + zlib.crc32(head).to_bytes(4, "little")
            if os.pwrite(self._file, data, _HEADER_BYTES + slot * _RECORD_BYTES) != len(data):
                raise OSError("short write")
        except OSError as error:
            # Never tried again: after a failed sync the kernel may call lost bytes written.
            self._is_broken = True
            raise NonceLogUnusable(str(error)) from error
        self._timestamps[slot] = timestamp_ms
        self._next = (slot + 1) % self._slots

    def _write_header(self, *, is_clean: bool) -> None:
        head = _HEADER.pack(_MAGIC, self._horizon_ms, self.floor_ms, is_clean, self._boot, 0)[:-4]
        os.pwrite(self._file, head + zlib.crc32(head).to_bytes(4, "little"), 0)
        os.fdatasync(self._file)

    def _read_header(self) -> _Header | None:
        data = os.pread(self._file, _HEADER.size, 0)
        if len(data) < _HEADER.size:
            return None
        magic, horizon, floor, is_clean, boot, check = _HEADER.unpack(data)
        if magic != _MAGIC or check != zlib.crc32(data[:-4]):
            return None
        return _Header(horizon, floor, bool(is_clean), boot)

    def _recover(self) -> None:
        """Take over what the ring holds: the process ended, the kernel did not."""
        data = os.pread(self._file, self._slots * _RECORD_BYTES, _HEADER_BYTES)
        rows = np.frombuffer(data, _DTYPE)
        floors = rows["floor"].copy()
        while (highest := int(floors.max(initial=0))) > 0:
            # A record lives at most two windows above the floor that it was written at.
            near = np.flatnonzero(floors + np.uint64(2 * self._window_ms) >= highest)
            torn = [index for index in near.tolist() if not _is_sound(data, index)]
            floors[torn] = 0
            if floors.max(initial=0) == highest:
                break
        else:
            return
        self.floor_ms = max(self.floor_ms, highest)
        # The newest records lie together; the ring goes on behind the last of them.
        is_newest = floors == highest
        ends = np.flatnonzero(is_newest & ~np.roll(is_newest, -1))
        self._next = (int(ends[-1]) + 1) % self._slots if len(ends) else 0
        is_live = (floors > 0) & (rows["timestamp"] > self.floor_ms)
        for index in np.flatnonzero(is_live).tolist():
            timestamp, _, digest, _ = _RECORD.unpack_from(data, index * _RECORD_BYTES)
            self._timestamps[index] = timestamp
            self._remember(digest, timestamp)


def _is_sound(data: bytes, index: int) -> bool:
    start = index * _RECORD_BYTES
    record = data[start : start + _RECORD_BYTES]
    return zlib.crc32(record[:-4]) == int.from_bytes(record[-4:], "little")


def make_nonce_log(path: Path, slots: int = SLOTS) -> None:
    """Make the log of a directory in which no key was ever used, whole or not at all."""
    draft = path.with_name(f"{path.name}.new")
    descriptor = os.open(draft, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, PRIVATE)
    try:
        os.posix_fallocate(descriptor, 0, _HEADER_BYTES + slots * _RECORD_BYTES)
        head = _HEADER.pack(_MAGIC, 0, 0, True, _boot_id(), 0)[:-4]
        os.pwrite(descriptor, head + zlib.crc32(head).to_bytes(4, "little"), 0)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    os.rename(draft, path)
    sync_directory(path.parent)


def _boot_id() -> bytes:
    """Names the run of the kernel, whose page cache holds what was written and not synced."""
    try:
        text = BOOT_ID.read_bytes().strip()
    except OSError:
        return os.urandom(18).hex().encode()
    return text[:36].ljust(36)
