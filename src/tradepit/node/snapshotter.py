"""Snapshots by a process beside the node, so that order entry is not disturbed.

The process restores the newest snapshot, replays what became durable since, and writes the result.
It reads no further than the commit mark, so a snapshot never holds what could still be lost.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

import structlog

from tradepit._native import Replica
from tradepit.journal.layout import DataDirectory
from tradepit.journal.port import JournalError
from tradepit.journal.snapshots import (
    Snapshot,
    remove_old_snapshots,
    remove_unfinished,
    write_snapshot,
)
from tradepit.node.recovery import Prepare, Recovery

log = structlog.get_logger(__name__)

EVERY_COMMANDS: Final = 1_000_000
"""Replaying that many takes well under a second, which is what a restart waits for."""

LOWEST_PRIORITY: Final = 19
LENGTH_BYTES: Final = 4


class SnapshotFailed(JournalError):
    """No snapshot could be made; those that there are stay."""


def take_snapshot(
    root: Path,
    *,
    prepare: Prepare | None = None,
    pause: Callable[[float], None] | None = None,
) -> Path | None:
    """Write a snapshot of the journal up to its commit mark; None when there is nothing new.

    Safe beside a running node.

    Args:
        pause: see `write_snapshot`.
    Raises:
        JournalError: the journal is not whole, or another snapshot is being made.
        OSError: it cannot be written.
    """
    directory = DataDirectory(root)
    directory.snapshot_directory.mkdir(exist_ok=True)
    lock = os.open(directory.snapshot_directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        _lock(lock)
        remove_unfinished(directory)
        return _take(directory, prepare, pause)
    finally:
        os.close(lock)


def _lock(descriptor: int) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise SnapshotFailed("another snapshot is being made") from None


def _take(
    directory: DataDirectory, prepare: Prepare | None, pause: Callable[[float], None] | None
) -> Path | None:
    recovered = Recovery(directory, until_mark=True, prepare=prepare).run()
    if recovered.panicked is not None:
        raise SnapshotFailed(f"the engine panics at sequence {recovered.panicked}")
    replica, end = recovered.replica, recovered.tail.end
    if end.sequence == recovered.snapshot_sequence:
        return None
    state, state_hash = replica.snapshot(), replica.state_hash()
    if Replica.restore(state).state_hash() != state_hash:
        raise SnapshotFailed("the restored state has another hash")
    mark = recovered.tail.mark
    about = Snapshot(mark.generation, mark.partition, end, state_hash)
    path = write_snapshot(directory, about, state, pause=pause)
    remove_old_snapshots(directory)
    return path


class Snapshotter:
    """Starts the process when enough commands were applied. A listener of the node."""

    def __init__(self, root: Path, *, every_commands: int, last_sequence: int) -> None:
        """
        Args:
            last_sequence: of the newest snapshot; 0 = none.
        """
        self._root = root
        self._every_commands = every_commands
        self._last_sequence = last_sequence
        self._task: asyncio.Task[None] | None = None
        self.taken = 0
        self.failed = 0

    def on_frame(self, first_sequence: int, _events: bytes, _texts: bytes, ends: bytes) -> None:
        """See `Node.add_listener`."""
        sequence = first_sequence + len(ends) // LENGTH_BYTES - 1
        if sequence - self._last_sequence >= self._every_commands and self._task is None:
            self._last_sequence = sequence
            self._task = asyncio.get_running_loop().create_task(self._run())

    async def _run(self) -> None:
        try:
            process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", __name__, str(self._root), stderr=asyncio.subprocess.PIPE
            )
            try:
                _, errors = await process.communicate()
            except asyncio.CancelledError:
                process.kill()
                await process.wait()
                raise
            if process.returncode == 0:
                self.taken += 1
            else:
                self.failed += 1
                log.warning("no snapshot", reason=errors.decode(errors="replace").strip())
        finally:
            self._task = None

    async def stop(self) -> None:
        """End a snapshot that is being made; half of one leaves nothing behind."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)


def _take_gently(root: Path) -> Path | None:
    """As long a pause as each write took leaves the disk to the journal half of the time."""
    return take_snapshot(root, pause=time.sleep)


def main(arguments: Sequence[str], take: Callable[[Path], Path | None] = _take_gently) -> int:
    """The process: one snapshot at the lowest priority."""
    os.nice(LOWEST_PRIORITY)
    try:
        take(Path(arguments[0]))
    except (JournalError, OSError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
