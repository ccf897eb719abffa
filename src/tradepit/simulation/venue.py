"""The market under virtual time: the native engine, frame after frame, without sockets or threads.

Frames are those of a node's journal, checksum chain included, so a simulated day can be written to
a data directory that `tradepit journal verify` and `replay` read.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from tradepit._native import Replica
from tradepit.domain import commands
from tradepit.domain.wire import RECORD_BYTES, EventKind
from tradepit.journal.frame import build_frame
from tradepit.journal.port import Group
from tradepit.node.definitions import MarketDefinition, opening_commands
from tradepit.simulation.journal_writer import JournalWriter

JUMP_BOUND_NS: Final = 2_000_000_000
"""A frame moves market time by at most so much; a longer way needs a TIME_JUMP."""

INCARNATION: Final = 1
HISTORY_ORDERS: Final = 1_000
HISTORY_TRADES: Final = 1_000
"""What the engine remembers of finished orders: nobody asks here."""


class CommandRefused(Exception):
    """A definition was refused; the text says which."""


class Venue:
    """The engine, and where the next frame goes.

    Args:
        journal: a data directory that gets the journal; none if left out.
    """

    def __init__(self, *, journal: Path | None = None) -> None:
        self.replica = Replica(history_orders=HISTORY_ORDERS, history_trades=HISTORY_TRADES)
        self.commands = 0
        self.frames = 0
        self._crc = 0
        self._writer = None if journal is None else JournalWriter(journal)

    @property
    def sequence(self) -> int:
        """Of the last command."""
        return self.replica.sequence

    def first_sequence(self, time_ns: int) -> int:
        """Sequence that the first command of a frame of that time will have."""
        return self.replica.sequence + 1 + self._is_far(time_ns)

    def _is_far(self, time_ns: int) -> bool:
        return time_ns > self.replica.market_time_ns + JUMP_BOUND_NS

    def apply(self, records: bytes, time_ns: int, texts: bytes = b"") -> bytes:
        """Apply commands as one frame of that time; the events, FRAME_APPLIED first.

        A TIME_JUMP goes before them, in a frame of its own, when the time is too far ahead.
        """
        if self._is_far(time_ns):
            self._frame(commands.time_jump(to_ns=time_ns), time_ns, b"")
        return self._frame(records, time_ns, texts)

    def _frame(self, records: bytes, time_ns: int, texts: bytes) -> bytes:
        count = len(records) // RECORD_BYTES
        self.frames += 1
        data, self._crc = build_frame(
            Group(records, texts, count, time_ns),
            first_sequence=self.replica.sequence + 1,
            incarnation=INCARNATION,
            frame_number=self.frames,
            generation=0,
            partition=0,
            previous_crc=self._crc,
        )
        if self._writer is not None:
            self._writer.write(data, count, self._crc)
        self.commands += count
        return self.replica.apply(data).events

    def open(self, market: MarketDefinition, time_ns: int) -> None:
        """Write the genesis and the definitions. Raises: DefinitionRefused."""
        for batch in opening_commands(self.replica, market, now_ns=time_ns, market_id=INCARNATION):
            self.define(batch.records, time_ns, batch.texts)

    def define(self, records: bytes, time_ns: int, texts: bytes = b"") -> None:
        """Apply commands that must be accepted. Raises: CommandRefused."""
        events = self._frame(records, time_ns, texts)
        for at in range(0, len(events), RECORD_BYTES):
            if events[at] == EventKind.COMMAND_REJECTED:
                reason = int.from_bytes(events[at + 24 : at + 28], "little")
                raise CommandRefused(f"command kind {events[at + 7]}: reject reason {reason}")

    def close(self) -> None:
        """Make the journal durable, if there is one."""
        if self._writer is not None:
            self._writer.close()
