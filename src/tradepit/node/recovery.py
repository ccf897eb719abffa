"""Snapshot and journal to a replica.

Restoring the newest usable snapshot and replaying what follows is the only way to a state, also
for a journal with a command that panics the engine: then the state right before that command.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import structlog

from tradepit._native import EnginePanicked, Replica
from tradepit.domain.wire import FRAME_HEADER, FRAME_HEADER_BYTES, RECORD_BYTES, FrameHeader
from tradepit.journal.frame import build_frame, frame_bytes, texts_of
from tradepit.journal.layout import START, DataDirectory, Place
from tradepit.journal.port import Group
from tradepit.journal.scan import Progress, Tail, read_run, scan_journal
from tradepit.journal.snapshots import SnapshotDamaged, StoredSnapshot, find_snapshots, read_state

log = structlog.get_logger(__name__)

Prepare = Callable[[Replica], None]
"""Called with every replica before replay. For tests, which inject panics here."""


class History(NamedTuple):
    """How much of the past a replica keeps beside the engine's state."""

    orders: int = 200_000
    """Finished orders: about a minute at full load."""
    trades: int = 500_000


class Recovered(NamedTuple):
    """A replica, and how far the journal goes."""

    replica: Replica
    tail: Tail
    snapshot_sequence: int
    """Sequence of the snapshot that was used; 0 = none."""
    panicked: int | None
    """The command that the engine cannot run; the replica stands right before it."""


class Beginning(NamedTuple):
    """A replica as a snapshot left it (or empty), and what has to be replayed."""

    replica: Replica
    place: Place
    """Where the replica stands in the journal."""
    tail: Tail


class Recovery(NamedTuple):
    """How to bring a replica of a data directory up."""

    directory: DataDirectory
    history: History = History()
    until_mark: bool = False
    """Stop at the commit mark, for readers beside a running node."""
    use_snapshots: bool = True
    """False replays from the genesis."""
    progress: Progress | None = None
    prepare: Prepare | None = None

    def run(self) -> Recovered:
        """Bring a replica to the end of the journal.

        Raises:
            JournalError: the journal is not whole; nothing was changed.
        """
        replica, place, tail = self.begin()
        snapshot_sequence = place.sequence
        done, total = 0, sum(run.size_bytes for run in tail.runs)
        try:
            for run in tail.runs:
                replica.replay(read_run(self.directory, run))
                done += run.size_bytes
                if self.progress is not None:
                    self.progress(done, total)
        except EnginePanicked as error:
            panicked = int(error.args[1])
            log.error("the engine panicked on a journaled command", sequence=panicked)
            replica = self.rebuild(panicked - 1)
            return Recovered(replica, tail, snapshot_sequence, panicked)
        return Recovered(replica, tail, snapshot_sequence, None)

    def rebuild(self, sequence: int) -> Replica:
        """Return a replica as it stood right after a sequence, which may lie inside a frame."""
        replica, _, tail = self.begin(sequence)
        for run in tail.runs:
            if run.first_sequence <= sequence:
                replica.replay(frames_until(read_run(self.directory, run), sequence))
        return replica

    def begin(self, sequence: int | None = None) -> Beginning:
        """Return the newest usable snapshot (not beyond the sequence), and what follows it.

        Commands that an operator decided to skip are known to the replica.

        Raises:
            JournalError: the journal is not whole.
        """
        snapshots, bad = find_snapshots(self.directory) if self.use_snapshots else ([], [])
        for error in bad:
            log.warning("a snapshot is passed over", reason=str(error))
        for stored in snapshots:
            if sequence is not None and stored.about.place.sequence > sequence:
                continue
            try:
                replica = self._restore(stored)
            except (SnapshotDamaged, ValueError) as error:
                log.warning("a snapshot is passed over", reason=str(error))
                continue
            tail = self._scan(replica, stored, snapshots)
            return Beginning(replica, stored.about.place, tail)
        replica = Replica(history_orders=self.history.orders, history_trades=self.history.trades)
        return Beginning(replica, START, self._scan(replica, None, snapshots))

    def _scan(
        self, replica: Replica, stored: StoredSnapshot | None, snapshots: list[StoredSnapshot]
    ) -> Tail:
        tail = scan_journal(
            self.directory,
            None if stored is None else stored.witness,
            witnesses=[other.witness for other in snapshots if other is not stored],
            until_mark=self.until_mark,
            progress=self.progress,
        )
        for sequence in tail.quarantined:
            replica.quarantine(sequence)
        if self.prepare is not None:
            self.prepare(replica)
        return tail

    def _restore(self, stored: StoredSnapshot) -> Replica:
        replica = Replica.restore(
            read_state(stored, check=False),
            history_orders=self.history.orders,
            history_trades=self.history.trades,
        )
        if replica.sequence != stored.about.place.sequence:
            raise SnapshotDamaged(stored.path, f"its state is of sequence {replica.sequence}")
        return replica


def frames_until(frames: bytes, sequence: int) -> bytes:
    """Return the frames of a run up to a sequence; the last one is cut short and sealed anew."""
    at = 0
    while at < len(frames):
        header = FrameHeader(*FRAME_HEADER.unpack_from(frames, at))
        last = header.first_sequence + header.record_count - 1
        if last > sequence:
            return frames[:at] + _shortened(frames[at:], header, sequence)
        at += frame_bytes(header.record_count, header.text_bytes)
    return frames


def _shortened(frame: bytes, header: FrameHeader, sequence: int) -> bytes:
    kept = sequence + 1 - header.first_sequence
    if kept <= 0:
        return b""
    records = frame[FRAME_HEADER_BYTES : FRAME_HEADER_BYTES + kept * RECORD_BYTES]
    text_start = FRAME_HEADER_BYTES + header.record_count * RECORD_BYTES
    texts = texts_of(records, frame[text_start : text_start + header.text_bytes])
    return build_frame(
        Group(records, texts, kept, header.time_ns),
        first_sequence=header.first_sequence,
        incarnation=header.incarnation,
        frame_number=header.frame_number,
        generation=header.generation,
        partition=header.partition,
        previous_crc=header.previous_crc,
    ).data
