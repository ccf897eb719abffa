"""Journals of random commands in a data directory, and the market that they make."""

from __future__ import annotations

from pathlib import Path

from tests.unit.journal.reference import write_journal

from tradepit.domain.wire import CommandKind
from tradepit.journal.layout import DataDirectory
from tradepit.journal.port import Group
from tradepit.journal.scan import read_run, scan_journal
from tradepit.journal.segments import JournalOptions
from tradepit.testing.fold import Fold
from tradepit.testing.frames import Frame, build_frame, pack_texts, read_frames
from tradepit.testing.generator import Generator
from tradepit.testing.oracle import Oracle

SEGMENTS = JournalOptions(segment_bytes=1 << 18, reserve_bytes=1 << 12)
"""Small enough that a test's journal has several."""


class World:
    """A journal that grows, and what the oracle and the fold of its events make of it."""

    def __init__(self, root: Path, *, seed: int, commands: int) -> None:
        self.directory = DataDirectory(root)
        steps = Generator(seed).steps(commands)
        applied = (step.frame for step in steps if step.applied.events)
        frames = (frame for each in applied for frame in read_frames(each))
        # A node lets an operator skip only what no replica could run; random skips mean nothing.
        self._groups = [group_of(frame) for frame in frames if not skips(frame)]
        self._oracle = Oracle()
        self.market = self._oracle.market
        self.fold = Fold()

    def grow(self, share: float = 1.0) -> None:
        """Append the next frames: a share of those that are left."""
        count = max(1, int(len(self._groups) * share))
        write_journal(self.directory.root, self._groups[:count], options=SEGMENTS)
        del self._groups[:count]
        for run in scan_journal(self.directory).runs:
            for frame in read_frames(read_run(self.directory, run)):
                if frame.header.first_sequence > self.market.sequence:
                    applied = self._oracle.apply(build_frame(frame.header, frame.commands))
                    self.fold.add(applied.values)


def skips(frame: Frame) -> bool:
    return any(each.kind == CommandKind.QUARANTINE for each in frame.commands)


def group_of(frame: Frame) -> Group:
    """The commands of a frame as a node submits them."""
    records = b"".join(each.record for each in frame.commands)
    texts = pack_texts([each.text for each in frame.commands if each.text is not None])
    return Group(records, texts, len(frame.commands), frame.header.time_ns)
