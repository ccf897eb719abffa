"""An independent reading of a journal, straight from schema/records.toml, and ways to write one.

The scanner shares nothing with the code that it checks: not the generated layouts, not the native
module.
"""

from __future__ import annotations

import asyncio
import struct
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from tradepit.domain import commands
from tradepit.journal.disk import Disk
from tradepit.journal.file import FileJournal, open_journal
from tradepit.journal.frame import frame_bytes
from tradepit.journal.layout import DataDirectory
from tradepit.journal.mark import Mark, MarkFile
from tradepit.journal.port import DurableFrame, Group, JournalFailed
from tradepit.journal.scan import scan_journal
from tradepit.journal.segments import JournalOptions

HEADER = struct.Struct("<IHHIIQQQqIIII")
MAGIC = (0x314A5054).to_bytes(4, "little")
SMALL = JournalOptions(segment_bytes=4096, reserve_bytes=512)
"""Segments of 4 KiB, frames of at most 1 KiB."""


class PlainFrame(NamedTuple):
    """One frame as the reference scanner sees it."""

    segment: str
    offset: int
    size: int
    first_sequence: int
    records: list[bytes]
    crc: int


def reference_scan(directory: Path) -> list[PlainFrame]:
    """Return all frames of all segments; raises AssertionError where the journal is not whole."""
    frames: list[PlainFrame] = []
    sequence, previous = 0, 0
    for path in sorted((directory / "journal").glob("*.journal")):
        data, at = path.read_bytes(), 0
        assert int(path.name.removesuffix(".journal")) == sequence + 1
        while at + 64 <= len(data) and data[at : at + 4] == MAGIC:
            (_, version, reserved, count, text, first, _, _, _, _, _, chained, crc) = (
                HEADER.unpack_from(data, at)
            )
            size = 64 + 96 * count + (text + 7) // 8 * 8
            frame = data[at : at + size]
            assert version == 1
            assert reserved == 0
            assert zlib.crc32(frame[:60] + bytes(4) + frame[64:]) == crc
            assert chained == previous
            assert first == sequence + 1
            records = [frame[64 + 96 * i : 160 + 96 * i] for i in range(count)]
            frames.append(PlainFrame(path.name, at, size, first, records, crc))
            sequence, previous, at = sequence + count, crc, at + size
        assert not data[at:].strip(b"\0")
    return frames


def group_of(number: int, *, size: int = 1) -> Group:
    """A group of commands that can be told from others by its number."""
    records = b"".join(
        commands.cancel_order(account=number % 1000 + 1, order_id=number * 100 + index)
        for index in range(size)
    )
    return Group(records, b"", size, 1_000_000_000 + number)


def named_group(number: int, name: str) -> Group:
    """A group with a text."""
    return Group(commands.open_account(), commands.account_text(name), 1, 1_000_000_000 + number)


class Driver:
    """Submits groups one after the other, waiting for space as the node does."""

    def __init__(self, journal: FileJournal) -> None:
        self.journal = journal
        self.frames: list[DurableFrame] = []
        self.failures: list[JournalFailed] = []
        self._woken = asyncio.Event()

    def start(self) -> None:
        self.journal.start(self._deliver, self._fail, self._woken.set)

    def _deliver(self, frame: DurableFrame) -> None:
        self.frames.append(frame)
        self._woken.set()

    def _fail(self, error: JournalFailed) -> None:
        self.failures.append(error)
        self._woken.set()

    async def submit(self, group: Group, *, urgent: bool = False) -> bool:
        """Whether the group became durable; False when the journal failed or is full."""
        size = frame_bytes(group.commands, len(group.texts))
        while self.journal.space(urgent=urgent) < size:
            if self.journal.is_full or self.failures:
                return False
            await self.wait()
        delivered = len(self.frames)
        self.journal.submit(group)
        while len(self.frames) == delivered and not self.failures:
            await self.wait()
        return not self.failures

    async def wait(self) -> None:
        self._woken.clear()
        await asyncio.wait_for(self._woken.wait(), 10)


def write_journal(
    root: Path,
    groups: Sequence[Group],
    *,
    options: JournalOptions = SMALL,
    disk: Disk | None = None,
) -> DataDirectory:
    """Append groups to the journal of a directory, as a node that starts and stops cleanly."""
    directory = DataDirectory(root)
    directory.make()

    async def run() -> None:
        journal = open_journal(directory, scan_journal(directory), options=options, disk=disk)
        driver = Driver(journal)
        driver.start()
        for group in groups:
            assert await driver.submit(group)
        journal.close()

    asyncio.run(run())
    return directory


def move_mark_back(directory: DataDirectory, frames: int) -> None:
    """Rewrite the mark so that it knows all but the last frames."""
    whole = reference_scan(directory.root)
    known = whole[: len(whole) - frames]
    mark = MarkFile.open(directory.mark, Disk())
    place = mark.mark.place._replace(
        segment=int(known[-1].segment.removesuffix(".journal")),
        offset=known[-1].offset + known[-1].size,
        sequence=known[-1].first_sequence + len(known[-1].records) - 1,
        crc=known[-1].crc,
    )
    mark.close()
    directory.mark.unlink()
    MarkFile.create(directory.mark, Mark(mark.mark.generation, 0, place), Disk()).close()
