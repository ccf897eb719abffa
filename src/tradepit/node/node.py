"""The node: gathers commands, has them journaled in groups, applies them, answers.

Everything here runs on one event loop; the journal's blocking calls run beside it. While one group
is being synced the next one gathers. When a group is durable the next one is handed over first, so
that the disk works while the engine and the answers do.

Nothing is visible before it is durable: the replica, which all reads ask, only ever sees frames
that the journal delivered.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from enum import Enum
from typing import Any, Final

import structlog

from tradepit._native import Applied, EnginePanicked, Replica
from tradepit.domain import commands
from tradepit.domain.wire import FRAME_HEADER_BYTES, RECORD_BYTES, CommandKind
from tradepit.journal.port import DurableFrame, Group, Journal, JournalFailed
from tradepit.node.outcome import (
    REJECTED,
    UNKNOWN,
    Done,
    GatheredDone,
    NoSpace,
    Outcome,
    ReadOnly,
    Stopped,
)
from tradepit.node.queue import OPERATOR, AccountName, CommandQueue, Limits, Submission

log = structlog.get_logger(__name__)

TICK_SECONDS: Final = 0.1
"""How late, at most, what is due in an idle market happens: an order expires, a phase begins."""

SESSION_TICK_NS: Final = 1_000_000_000
"""A node that holds sessions shows that it lives this often; their lease is five times as long."""

JUMP_BOUND_NS: Final = 2_000_000_000
"""Market time follows a frame's stamp no further than this (docs/rules.md, section 1)."""

_FRAME_OVERHEAD_BYTES: Final = FRAME_HEADER_BYTES + RECORD_BYTES + 8
"""What a frame needs beside its submissions: header, a TIME_JUMP of the node's own, padding."""

_FRAME_EVENTS: Final = 1
"""Events that belong to the frame, not to a command: FRAME_APPLIED."""

_TIME_JUMP: Final = int(CommandKind.TIME_JUMP)

Listener = Callable[[int, bytes, bytes, bytes], None]
"""Called after each applied frame with first sequence, events, texts and ends (`Applied`)."""


class NodeState(Enum):
    """What the node does."""

    STARTING = "starting"
    RUNNING = "running"
    READ_ONLY = "read_only"
    """The engine panicked on a journaled command: reads only."""
    FAILED = "failed"
    """The journal failed: the node stops."""
    STOPPING = "stopping"
    STOPPED = "stopped"


_PUMPING: Final = (NodeState.RUNNING, NodeState.STOPPING)


class Node:
    """One market on one journal.

    Reads go straight to `replica`. It is replaced when the engine panics, so ask for it each time.
    """

    def __init__(
        self,
        replica: Replica,
        journal: Journal,
        *,
        clock: Callable[[], int],
        rebuild: Callable[[int], Replica],
        panicked: int | None = None,
        limits: Limits | None = None,
    ) -> None:
        """
        Args:
            clock: ns since the epoch.
            rebuild: a replica as it stood right after a sequence, from snapshot and journal.
            panicked: the sequence at which recovery met a panic; the node is then read-only.
        """
        self.replica = replica
        self.state = NodeState.STARTING
        self.failure: Exception | None = None
        self.panicked_sequence = panicked
        self._journal = journal
        self._clock = clock
        self._rebuild = rebuild
        self._limits = limits or Limits()
        self._queue = CommandQueue(self._limits)
        self._submission_bytes_max = journal.frame_bytes_max - _FRAME_OVERHEAD_BYTES
        self._flight: list[Submission] = []
        self._is_pump_scheduled = False
        self._listeners: list[Listener] = []
        self._frames_applied = 0
        self._framed_ns = 0
        self.keeps_sessions = 0
        """Bound sessions whose connections this node holds."""

    # Life.

    async def start(self) -> None:
        """Begin to take commands. The caller's first ones are `definitions.opening_commands`."""
        self._loop = asyncio.get_running_loop()
        self._ended: asyncio.Future[None] = self._loop.create_future()
        self._idle = asyncio.Event()
        self._idle.set()
        self._journal.start(self._on_durable, self._on_journal_failed, self._on_more_room)
        if self.panicked_sequence is not None:
            self.state = NodeState.READ_ONLY
            return
        self.state = NodeState.RUNNING
        self._tick()

    async def stop(self) -> None:
        """Take no more commands, finish those that were taken, let go of the journal."""
        if self.state in (NodeState.STOPPING, NodeState.STOPPED):
            return
        was_failed = self.state is NodeState.FAILED
        self.state = NodeState.STOPPING
        if not was_failed:
            await self._idle.wait()
        try:
            self._journal.close()
        finally:
            self.state = NodeState.STOPPED
            if not self._ended.done():
                self._ended.set_result(None)

    async def wait_ended(self) -> None:
        """Return when the node has stopped, or has failed and should be stopped."""
        await asyncio.shield(self._ended)

    # Commands.

    def submit(
        self,
        records: bytes,
        texts: bytes,
        count: int,
        done: Done,
        *,
        urgent: bool = False,
        account: AccountName = OPERATOR,
    ) -> None:
        """Take commands for the next frame. They stay together and in order.

        Args:
            records: `count` command records of 96 bytes; at most `Limits.frame_max`.
            texts: text entries of the records with flag TEXT, in record order.
            done: called once, on the event loop, when the commands are durable and applied, or
                when it is known that they are not. Never called from inside `submit`.
            urgent: cancels, kill switches, heartbeats. They overtake other commands, though not
                earlier ones of their account, and still fit when the disk is full.
            account: the id of the account that speaks; 0 = operator.
        Raises:
            Overloaded, NoSpace, ReadOnly, Stopped: nothing was taken; `done` is never called.
        """
        if self.state is not NodeState.RUNNING:
            self._refuse()
        if not urgent and self._journal.is_full:
            raise NoSpace
        if len(records) != count * RECORD_BYTES or not 0 < count <= self._limits.frame_max:
            raise ValueError(f"{len(records)} bytes are not {count} commands, or too many")
        if len(records) + len(texts) > self._submission_bytes_max:
            raise ValueError(f"a submission of {len(records) + len(texts)} bytes fits no frame")
        self._queue.add(Submission(records, texts, count, done, account, urgent))
        self._pump_soon()

    def gather(self, record: bytes, item: Any, done: GatheredDone, account: AccountName) -> None:
        """Take one command that is not urgent and has no text. `done` is called as by `submit`,
        though once for many commands, with their items; it must be the same object for all.

        Raises:
            Overloaded, NoSpace, ReadOnly, Stopped: nothing was taken.
        """
        if self.state is not NodeState.RUNNING:
            self._refuse()
        if self._journal.is_full:
            raise NoSpace
        self._queue.gather(record, item, done, account)
        self._pump_soon()

    def _pump_soon(self) -> None:
        if not self._is_pump_scheduled:
            self._is_pump_scheduled = True
            self._idle.clear()
            self._loop.call_soon(self._scheduled_pump)

    async def execute(
        self,
        records: bytes,
        texts: bytes,
        count: int,
        *,
        urgent: bool = False,
        account: AccountName = OPERATOR,
    ) -> Outcome:
        """`submit`, and wait for the outcome. Being cancelled does not take the commands back."""
        result: asyncio.Future[Outcome] = self._loop.create_future()

        def done(outcome: Outcome) -> None:
            if not result.done():
                result.set_result(outcome)

        self.submit(records, texts, count, done, urgent=urgent, account=account)
        return await result

    def add_listener(self, listener: Listener) -> None:
        """Call this after each applied frame, after the answers. What it raises is logged."""
        self._listeners.append(listener)

    def _refuse(self) -> None:
        if self.state is NodeState.READ_ONLY and self.panicked_sequence is not None:
            raise ReadOnly(self.panicked_sequence)
        raise Stopped(f"the node is {self.state.value}")

    # Facts.

    @property
    def durable_sequence(self) -> int:
        """Last sequence that is durable; the replica is never ahead of it."""
        return self._journal.durable_sequence

    @property
    def generation(self) -> int:
        return self._journal.generation

    @property
    def is_ready(self) -> bool:
        """Takes new orders."""
        return self.state is NodeState.RUNNING and not self._journal.is_full

    @property
    def is_full(self) -> bool:
        """The disk is full: only urgent commands are taken."""
        return self._journal.is_full

    @property
    def incarnation(self) -> int:
        """Random name of this run."""
        return self._journal.incarnation

    @property
    def in_flight(self) -> int:
        """Commands taken and not answered."""
        return self._queue.in_flight

    @property
    def frames_applied(self) -> int:
        """Frames of this run."""
        return self._frames_applied

    # Groups.

    def _scheduled_pump(self) -> None:
        """Runs after the reads of this turn of the loop, so that all they brought goes together."""
        self._is_pump_scheduled = False
        self._pump()

    def _pump(self) -> None:
        """Hand the next group to the journal, if there is one and the journal is free."""
        if self._journal.is_busy or self.state not in _PUMPING:
            return
        is_full = self._journal.is_full
        if is_full:
            self._finish_all(self._queue.take_normal(), REJECTED)
        group = self._queue.take(self._journal.space(urgent=is_full) - _FRAME_OVERHEAD_BYTES)
        if group:
            self._hand_over(group)
        elif is_full:
            self._finish_all(self._queue.take_all(), REJECTED)
        if self._is_idle:
            self._idle.set()

    @property
    def _is_idle(self) -> bool:
        is_free = not self._is_pump_scheduled and not self._journal.is_busy
        return is_free and not self._queue.waiting

    def _hand_over(self, group: list[Submission]) -> None:
        now = self._clock()
        is_behind = now > self.replica.market_time_ns + JUMP_BOUND_NS
        if is_behind and self.replica.rules_version and group[0].parts[0][0] != _TIME_JUMP:
            jump = commands.time_jump(to_ns=now)
            group.insert(0, Submission(jump, b"", 1, None, OPERATOR, is_urgent=True))
        records = b"".join([part for submission in group for part in submission.parts])
        texts = b"".join([submission.texts for submission in group])
        self._framed_ns = now
        self._journal.submit(Group(records, texts, len(records) // RECORD_BYTES, now))
        self._flight = group

    def _answer(self, group: list[Submission], applied: Applied) -> None:
        events = applied.events
        ends = memoryview(applied.ends).cast("I")
        time_ns = self.replica.market_time_ns
        sequence = applied.first_sequence
        start, index = _FRAME_EVENTS, 0
        for submission in group:
            index += submission.commands
            end = ends[index - 1]
            if submission.done is not None:
                data = events[start * RECORD_BYTES : end * RECORD_BYTES]
                outcome = Outcome(None, sequence, data, time_ns, applied, start, end)
                self._finish(submission, outcome)
            sequence += submission.commands
            start = end

    def _finish(self, submission: Submission, outcome: Outcome) -> None:
        if submission.done is None:
            return
        self._queue.finish(submission)
        try:
            submission.tell(outcome)
        except Exception:
            log.exception("an answer failed", sequence=outcome.first_sequence)

    def _finish_all(self, group: list[Submission], outcome: Outcome) -> None:
        for submission in group:
            self._finish(submission, outcome)

    # The journal's calls.

    def _on_durable(self, frame: DurableFrame) -> None:
        group: list[Submission] = []
        if frame.is_own:
            group, self._flight = self._flight, []
        self._pump()
        try:
            applied = self.replica.apply(frame.data)
            if applied.first_sequence != frame.first_sequence:
                raise AssertionError(f"frame {frame.first_sequence} was not applied in its place")
        except EnginePanicked as error:
            self._on_panic(error, group)
            return
        except Exception as error:
            self._finish_all(group, UNKNOWN)
            self._fail(error)
            return
        self._frames_applied += 1
        self._answer(group, applied)
        for listener in self._listeners:
            try:
                listener(applied.first_sequence, applied.events, applied.texts, applied.ends)
            except Exception:
                log.exception("a listener failed", sequence=applied.first_sequence)

    def _on_panic(self, error: EnginePanicked, group: list[Submission]) -> None:
        """The command is durable and no engine can run it: serve what was before it, refuse more.

        The same on every restart, until an operator's decision is in the journal.
        """
        sequence = int(error.args[1])
        self.state = NodeState.READ_ONLY
        self.panicked_sequence = sequence
        log.error("the engine panicked; the node is read-only", sequence=sequence, error=str(error))
        self._finish_all(group, UNKNOWN)
        self._abandon()
        self.replica = self._rebuild(sequence - 1)

    def _on_journal_failed(self, error: JournalFailed) -> None:
        self._fail(error)

    def _on_more_room(self) -> None:
        self._pump()

    def _fail(self, error: Exception) -> None:
        """Stop for good: nothing is taken, applied or acknowledged any more."""
        log.error("the node stops", error=str(error))
        self.state = NodeState.FAILED
        self.failure = error
        self._abandon()
        if not self._ended.done():
            self._ended.set_result(None)

    def _abandon(self) -> None:
        flight, self._flight = self._flight, []
        self._finish_all(flight, UNKNOWN)
        self._finish_all(self._queue.take_all(), REJECTED)
        self._idle.set()

    # Time.

    def _tick(self) -> None:
        """Move market time when something is due and no other command does."""
        if self.state is not NodeState.RUNNING:
            return
        self._loop.call_later(TICK_SECONDS, self._tick)
        now = self._clock()
        due = self.replica.wakes_at_ns
        is_due = due is not None and due <= now
        must_show = self.keeps_sessions > 0 and now - self._framed_ns >= SESSION_TICK_NS
        if (is_due or must_show) and self._is_idle:
            self._queue.add(Submission(commands.tick(), b"", 1, _ignore, OPERATOR, is_urgent=True))
            self._pump()


def _ignore(_outcome: Outcome) -> None:
    """Nobody waits for the node's own commands."""
