"""An operator's decision about a command that panics the engine."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

from tradepit.domain import commands
from tradepit.journal.file import open_journal
from tradepit.journal.layout import DataDirectory
from tradepit.journal.lock import DirectoryLock
from tradepit.journal.port import DurableFrame, Group, JournalError, JournalFailed
from tradepit.journal.scan import Tail
from tradepit.node.recovery import Prepare, Recovery


class QuarantineRefused(JournalError):
    """The command does not stand in the way."""


def quarantine(root: Path, sequence: int, *, prepare: Prepare | None = None) -> int:
    """Record, in the journal of a stopped node, that a command is skipped from now on.

    Only the command that stops the engine can be skipped. Nobody was told of its outcome, nor of
    anything after it, so no answer that was given becomes untrue.

    Returns:
        The sequence of the recorded decision.
    Raises:
        QuarantineRefused: the engine does not panic there.
        JournalError: the node runs, or the journal is not whole.
    """
    directory = DataDirectory(root)
    with DirectoryLock(directory.lock):
        recovered = Recovery(directory, prepare=prepare).run()
        if recovered.panicked != sequence:
            where = "nowhere" if recovered.panicked is None else f"at {recovered.panicked}"
            raise QuarantineRefused(
                f"sequence {sequence} cannot be quarantined: the engine panics {where}"
            )
        record = commands.quarantine(target_sequence=sequence)
        asyncio.run(_append(directory, recovered.tail, record))
        return recovered.tail.end.sequence + 1


async def _append(directory: DataDirectory, tail: Tail, record: bytes) -> None:
    """Write one command into the journal of a node that does not run."""
    journal = open_journal(directory, tail)
    written: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    room = asyncio.Event()

    def deliver(_frame: DurableFrame) -> None:
        written.set_result(None)

    def fail(error: JournalFailed) -> None:
        written.set_exception(error)

    journal.start(deliver, fail, room.set)
    try:
        group = Group(record, b"", 1, time.time_ns())
        if journal.space(urgent=True) < len(record) * 2 and not journal.is_full:
            await room.wait()
        journal.submit(group)
        await written
    finally:
        journal.close()
