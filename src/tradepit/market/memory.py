"""A node in memory: every command is a frame of its own, applied before the call returns."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, TypeVar, cast

from tradepit._native import Applied, EnginePanicked, Replica
from tradepit.domain import commands
from tradepit.domain.wire import RECORD_BYTES, CommandKind
from tradepit.gateway.config import GatewayConfig
from tradepit.gateway.desk import Desk, Reply
from tradepit.gateway.ports import Listener, MarketNode
from tradepit.gateway.replies import Answer
from tradepit.journal.frame import build_frame
from tradepit.journal.port import Group
from tradepit.market.clock import Clock
from tradepit.market.event_log import EventLog
from tradepit.market.image import Image, Writer
from tradepit.node.node import JUMP_BOUND_NS
from tradepit.node.outcome import Done, GatheredDone, Outcome, Stopped
from tradepit.node.recovery import History

T = TypeVar("T")

FRAME_EVENTS: Final = 1
"""Events that belong to the frame: FRAME_APPLIED."""

TIME_JUMP: Final = int(CommandKind.TIME_JUMP)
NO_QUEUE: Final = 0
"""Commands in flight: each is done when its call returns."""


class MemoryNode:
    """The node's place behind the desk."""

    in_flight = NO_QUEUE

    def __init__(
        self,
        replica: Replica,
        clock: Clock,
        *,
        writer: Writer,
        events: EventLog | None = None,
        journal: list[bytes] | None = None,
    ) -> None:
        """
        Args:
            journal: all frames from the first command on; None keeps none.
        """
        self.replica = replica
        self.clock = clock
        self.writer = writer
        self.events = events or EventLog()
        self.journal = journal
        self._listeners: list[Listener] = []
        self._panic: EnginePanicked | None = None

    @property
    def is_ready(self) -> bool:
        """Takes commands."""
        return self._panic is None

    @property
    def incarnation(self) -> int:
        """The name that it writes into its journal."""
        return self.writer.incarnation

    def add_listener(self, listener: Listener) -> None:
        """Call this after each applied frame."""
        self._listeners.append(listener)

    def submit(
        self,
        records: bytes,
        texts: bytes,
        count: int,
        done: Done,
        *,
        urgent: bool = False,
        account: int | str = 0,
    ) -> None:
        """Apply commands, and tell before returning: nobody else waits here."""
        done(self.execute(records, texts, count))

    def gather(self, record: bytes, item: Any, done: GatheredDone, account: str) -> None:
        """Apply one command."""
        done([item], self.execute(record, b"", 1))

    def execute(self, records: bytes, texts: bytes, count: int) -> Outcome:
        """Apply commands; their events, without the frame's own.

        Raises:
            Stopped: the engine has panicked before.
            EnginePanicked: on one of these commands; this market is at its end.
        """
        if self._panic is not None:
            raise Stopped(f"the engine panicked: {self._panic.args[0]}")
        now = self.clock()
        is_behind = now > self.replica.market_time_ns + JUMP_BOUND_NS
        jumps = 1 if is_behind and self.replica.rules_version and records[0] != TIME_JUMP else 0
        if jumps:
            records = commands.time_jump(to_ns=now) + records
        applied = self._apply(Group(records, texts, count + jumps, now))
        start = memoryview(applied.ends).cast("I")[0] if jumps else FRAME_EVENTS
        first_sequence = applied.first_sequence + jumps
        events = applied.events[start * RECORD_BYTES :]
        return Outcome(None, first_sequence, events, self.replica.market_time_ns)

    def take_over(self, frames: bytes, writer: Writer) -> None:
        """Apply frames that somebody else wrote, and go on after their last."""
        self.events.append(self.replica.apply(frames).events)
        self.writer = writer
        if self.journal is not None:
            self.journal.append(frames)

    def _apply(self, group: Group) -> Applied:
        first_sequence = self.replica.sequence + 1
        number = self.writer.frame_number + 1
        data, crc = build_frame(
            group,
            first_sequence=first_sequence,
            incarnation=self.writer.incarnation,
            frame_number=number,
            generation=0,
            partition=0,
            previous_crc=self.writer.crc,
        )
        try:
            applied = self.replica.apply(data)
        except EnginePanicked as error:
            self._panic = error
            raise
        self.writer = Writer(self.writer.incarnation, number, crc)
        if self.journal is not None:
            self.journal.append(data)
        self.events.append(applied.events)
        for listener in self._listeners:
            listener(first_sequence, applied.events, applied.texts, applied.ends)
        return applied


class MemoryMarket:
    """A market in memory: nothing outlives it but what is asked of it."""

    def __init__(self, node: MemoryNode, history: History) -> None:
        self.node = node
        self.history = history
        self.desk = Desk(cast(MarketNode, node), GatewayConfig())
        node.add_listener(lambda first, events, texts, ends: self.listen(events))

    def listen(self, events: bytes) -> None:
        """Follow definitions."""
        self.desk.market.listing.on_events(events)

    @property
    def events(self) -> EventLog:
        return self.node.events

    def run(self, function: Callable[[], T]) -> T:
        """Ask something."""
        return function()

    def answer(self, start: Callable[[Reply], None]) -> Answer:
        """Do something."""
        answers: list[Answer] = []
        start(answers.append)
        return answers[0]

    def execute(self, records: bytes, texts: bytes, count: int) -> Outcome:
        """Apply command records."""
        return self.node.execute(records, texts, count)

    def image(self) -> Image:
        """The state now."""
        return Image(self.node.writer, self.node.clock(), self.node.replica.snapshot())

    def journal(self) -> bytes:
        """All frames, from the first command on."""
        if self.node.journal is None:
            raise ValueError("this market keeps no journal from its first command on")
        return b"".join(self.node.journal)

    def frames(self) -> list[bytes] | None:
        """The journal for a copy to go on with."""
        return None if self.node.journal is None else list(self.node.journal)

    def close(self) -> None:
        """Nothing to let go of."""
