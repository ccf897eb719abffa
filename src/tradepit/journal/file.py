"""The file adapter of the journal: one frame at a time, synced before it is delivered.

The event loop decides everything: what goes into a frame, where it lies, when to rotate, when to
sync the mark. A thread of the disk (`Disk.writer`) does the blocking calls in the order they were
queued, and tells the loop; rotation, which is rare, has a thread of its own before its frame is
queued. Since one frame is in flight at most, and the mark is written by the loop between two
frames, nothing is ever written on two threads at once.

Order of one frame, which is the whole durability argument:

1. (rotation) rename the prepared segment, sync the directory;
2. write the frame; fdatasync;
3. write the mark (it never names what is not durable);
4. deliver: apply, answer, publish.
"""

from __future__ import annotations

import asyncio
import os
import threading
from collections import deque
from collections.abc import Callable
from typing import Final, NamedTuple

from tradepit.journal.disk import Disk, Writer
from tradepit.journal.frame import build_frame, frame_bytes
from tradepit.journal.layout import START, DataDirectory
from tradepit.journal.mark import Mark, MarkFile, new_mark
from tradepit.journal.port import DurableFrame, Group, JournalFailed
from tradepit.journal.scan import Tail
from tradepit.journal.segments import (
    FRAME_BYTES_MAX,
    DiskFull,
    JournalOptions,
    Segment,
    activate,
    adopt_prepared,
    prepare,
)

MARK_IDLE_SECONDS: Final = 0.05
"""An idle journal syncs its mark after this long."""

INCARNATION_BYTES: Final = 8

RETRY_SECONDS: Final = 1.0
"""How often a full disk is asked for space again."""


OnSynced = Callable[[float], None]


class _Job(NamedTuple):
    """Work for the writer."""

    frame: DurableFrame | None
    syncs_mark: bool
    """Before the frame."""


class FileJournal:
    """A journal in a directory. Made by `open_journal`."""

    def __init__(
        self,
        directory: DataDirectory,
        mark: MarkFile,
        active: Segment,
        prepared: Segment | None,
        *,
        options: JournalOptions,
        disk: Disk,
        on_synced: OnSynced | None,
    ) -> None:
        self._on_synced = on_synced
        self._directory = directory
        self._mark = mark
        self._active = active
        self._prepared = prepared
        self._options = options
        self._disk = disk
        self._place = mark.mark.place
        self._durable = self._place.sequence
        self._frame_number = 0
        self._incarnation = int.from_bytes(os.urandom(INCARNATION_BYTES), "little")
        self._is_busy = False
        self._is_disk_full = False
        self._is_preparing = False
        self._is_closed = False
        self._failure: JournalFailed | None = None
        self._jobs: deque[_Job] = deque()
        """What the writer has not finished, or the loop has not heard of."""
        self._writer: Writer | None = None
        self._rotation: threading.Thread | None = None
        self._mark_timer: asyncio.TimerHandle | None = None

    # What the node asks.

    @property
    def is_busy(self) -> bool:
        return self._is_busy

    @property
    def sequence(self) -> int:
        return self._place.sequence

    @property
    def durable_sequence(self) -> int:
        return self._durable

    @property
    def incarnation(self) -> int:
        return self._incarnation

    @property
    def generation(self) -> int:
        """Which history this is; raised when an operator accepts a lost tail."""
        return self._mark.mark.generation

    @property
    def frame_bytes_max(self) -> int:
        return self._options.frame_bytes_max

    @property
    def is_full(self) -> bool:
        if not self._is_disk_full:
            return False
        return self._left < self._options.reserve + self._options.frame_bytes_max

    @property
    def _left(self) -> int:
        """Bytes left in the active segment."""
        return self._active.size_bytes - self._place.offset

    def space(self, *, urgent: bool) -> int:
        if self._prepared is not None:
            return self._options.frame_bytes_max
        kept_back = self._options.reserve if self._is_disk_full and not urgent else 0
        return max(0, min(self._left - kept_back, self._options.frame_bytes_max))

    # Life.

    def start(
        self,
        deliver: Callable[[DurableFrame], None],
        fail: Callable[[JournalFailed], None],
        more_room: Callable[[], None],
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._deliver = deliver
        self._fail = fail
        self._more_room = more_room
        self._writer = self._disk.writer()
        self._loop.add_reader(self._writer.fileno(), self._on_results)
        self._prepare_next()

    def close(self) -> None:
        self._is_closed = True
        if self._mark_timer is not None:
            self._mark_timer.cancel()
        if self._rotation is not None:
            self._rotation.join()
        if self._writer is not None:
            self._loop.remove_reader(self._writer.fileno())
            self._writer.close()
            self._on_results()
        try:
            if self._failure is None and self._mark.is_dirty:
                self._mark.sync()
        except OSError as error:
            raise JournalFailed(f"the commit mark cannot be synced: {error}") from error
        finally:
            self._mark.close()
            self._disk.close(self._active.descriptor)
            if self._prepared is not None:
                self._disk.close(self._prepared.descriptor)

    # One frame.

    def submit(self, group: Group) -> None:
        if self._failure is not None:
            raise self._failure
        if self._is_busy or self._is_closed:
            raise AssertionError("one frame at a time, and none after close")
        size = frame_bytes(group.commands, len(group.texts))
        if size > self.space(urgent=True):
            raise AssertionError(f"frame of {size} bytes, room for {self.space(urgent=True)}")
        last_segment = self._active
        is_rotation = size > self._left
        if is_rotation:
            self._rotate()
        first_sequence = self._place.sequence + 1
        self._frame_number += 1
        data, crc = build_frame(
            group,
            first_sequence=first_sequence,
            incarnation=self._incarnation,
            frame_number=self._frame_number,
            generation=self.generation,
            partition=self._mark.mark.partition,
            previous_crc=self._place.crc,
        )
        frame = DurableFrame(data, first_sequence, group.commands, is_own=True)
        offset = self._place.offset
        self._place = self._place._replace(
            offset=self._place.offset + size,
            sequence=self._place.sequence + group.commands,
            crc=crc,
        )
        self._is_busy = True
        if is_rotation:
            self._rotation = threading.Thread(target=self._activate, args=[frame, last_segment])
            self._rotation.start()
        else:
            self._write(frame, offset)

    def _write(self, frame: DurableFrame | None, offset: int) -> None:
        """Queue a frame; without one, the sync of the mark alone."""
        if self._writer is None:
            raise AssertionError("not started")
        syncs_mark = frame is None or self._mark.wants_sync
        self._jobs.append(_Job(frame, syncs_mark))
        data = b"" if frame is None else frame.data
        sync_first = self._mark.descriptor if syncs_mark else -1
        self._writer.submit(sync_first, self._active.descriptor, data, offset)

    # Rotation.

    def _rotate(self) -> None:
        """Move on to the prepared segment."""
        if self._prepared is None:
            raise AssertionError("rotation without a prepared segment")
        self._active, self._prepared = self._prepared, None
        self._place = self._place._replace(segment=self._place.sequence + 1, offset=0)

    def _activate(self, frame: DurableFrame, last_segment: Segment) -> None:
        """On a thread: name the new segment, durably, before anything is written to it."""
        failure: OSError | None = None
        try:
            activate(self._directory, frame.first_sequence, self._disk)
            self._disk.close(last_segment.descriptor)
        except OSError as error:
            failure = error
        self._loop.call_soon_threadsafe(self._on_activated, frame, failure)

    def _on_activated(self, frame: DurableFrame, failure: OSError | None) -> None:
        self._rotation = None
        if failure is not None:
            self._on_failure(failure)
        elif not self._is_closed and self._failure is None:
            self._write(frame, 0)

    # What the writer tells.

    def _on_results(self) -> None:
        if self._writer is None:
            return
        for seconds, error_number in self._writer.results():
            job = self._jobs.popleft()
            if error_number:
                self._on_failure(OSError(error_number, os.strerror(error_number)))
                return
            if job.syncs_mark:
                self._mark.on_synced()
            if job.frame is not None:
                self._on_durable(job.frame, seconds)

    def _on_durable(self, frame: DurableFrame, seconds: float) -> None:
        """On the loop: the frame is on the disk."""
        if self._is_closed:
            return
        if self._on_synced is not None:
            self._on_synced(seconds)
        self._is_busy = False
        self._durable = self._place.sequence
        try:
            self._mark.write(Mark(self.generation, self._mark.mark.partition, self._place))
        except OSError as error:
            self._on_failure(error)
            return
        if self._mark_timer is None:
            self._mark_timer = self._loop.call_later(MARK_IDLE_SECONDS, self._sync_idle_mark)
        if frame.first_sequence == self._place.segment:
            self._prepare_next()
        self._deliver(frame)

    def _sync_idle_mark(self) -> None:
        self._mark_timer = None
        if self._is_closed or self._failure is not None or not self._mark.is_dirty:
            return
        if self._is_busy:
            self._mark_timer = self._loop.call_later(MARK_IDLE_SECONDS, self._sync_idle_mark)
        else:
            self._write(None, 0)

    def _on_failure(self, error: OSError) -> None:
        """On the loop: a call failed. Nothing is tried again."""
        if self._failure is None:
            self._failure = JournalFailed(f"the journal cannot be written: {error}")
            self._fail(self._failure)

    # Space.

    def _prepare_next(self) -> None:
        """Make the next segment beside the running ones."""
        if self._prepared is None and not self._is_preparing and not self._is_closed:
            self._is_preparing = True
            size = self._options.segment_bytes
            work = self._loop.run_in_executor(None, prepare, self._directory, size, self._disk)
            work.add_done_callback(self._on_prepared)

    def _on_prepared(self, work: asyncio.Future[Segment]) -> None:
        self._is_preparing = False
        error = work.exception()
        if error is None:
            self._prepared = work.result()
            self._is_disk_full = False
            self._more_room()
        elif isinstance(error, DiskFull):
            self._is_disk_full = True
            self._more_room()
            self._loop.call_later(RETRY_SECONDS, self._prepare_next)
        elif isinstance(error, OSError):
            self._on_failure(error)
        else:
            raise error


def open_journal(
    directory: DataDirectory,
    tail: Tail,
    *,
    options: JournalOptions | None = None,
    disk: Disk | None = None,
    on_synced: OnSynced | None = None,
) -> FileJournal:
    """Open a checked journal for writing. First the tail that was found is made durable again.

    Bytes beyond the mark may lie in the page cache only (the process died between write and sync),
    or may never reach the disk although a sync would now succeed (an earlier one failed and the
    kernel forgot the dirty pages). Only writing them anew tells.

    Args:
        on_synced: told of each frame how many seconds write and sync took, on the event loop.
    Raises:
        DiskFull: a new journal needs its first segment.
        JournalFailed: the disk refuses.
    """
    options = options or JournalOptions()
    disk = disk or Disk()
    try:
        if tail.end == START and not directory.segments():
            mark, active = _create(directory, options, disk)
        else:
            mark, active = _repair(directory, tail, disk)
        prepared = adopt_prepared(directory, options.segment_bytes, disk)
    except OSError as error:
        raise JournalFailed(f"the journal cannot be made durable: {error}") from error
    return FileJournal(
        directory, mark, active, prepared, options=options, disk=disk, on_synced=on_synced
    )


def _create(
    directory: DataDirectory, options: JournalOptions, disk: Disk
) -> tuple[MarkFile, Segment]:
    """Lay out a new journal: directory, mark, first segment, each durable before the next."""
    disk.make_directory(directory.journal)
    disk.sync_directory(directory.root)
    disk.sync_directory(directory.root.parent)
    mark = MarkFile.create(directory.mark, new_mark(0, options.partition), disk)
    disk.sync_directory(directory.journal)
    active = prepare(directory, options.segment_bytes, disk)
    activate(directory, START.segment, disk)
    return mark, active


def _repair(directory: DataDirectory, tail: Tail, disk: Disk) -> tuple[MarkFile, Segment]:
    """Write the tail beyond the mark anew, zero what a torn write may have left, sync, move the
    mark.

    Zeros are written even where zeros are read: an earlier recovery may have written them to the
    cache and failed to sync, and then a torn frame still lies on the disk.
    """
    mark = MarkFile.open(directory.mark, disk)
    known = tail.mark.place
    active = -1
    for segment, end in tail.segment_ends.items():
        if segment < known.segment:
            continue
        start = known.offset if segment == known.segment else 0
        active = disk.open(directory.segment(segment))
        disk.write(active, os.pread(active, end - start, start), start)
        if segment == tail.end.segment:
            disk.write(active, bytes(_torn_bytes_max(active, tail)), end)
        disk.sync_data(active)
        if segment != tail.end.segment:
            disk.close(active)
    disk.sync_directory(directory.journal)
    mark.write(Mark(mark.mark.generation, mark.mark.partition, tail.end))
    mark.sync()
    return mark, Segment(active, os.fstat(active).st_size)


def _torn_bytes_max(descriptor: int, tail: Tail) -> int:
    """How far behind the end the junk of one torn frame can reach."""
    left = os.fstat(descriptor).st_size - tail.end.offset
    return min(left, max(FRAME_BYTES_MAX, tail.junk_bytes))
