"""A node that only looks: a replica kept up with the journal of a node beside it.

It answers reads and feeds, and takes no commands. It sees what is durable, as the node itself does,
because the journal's follower never passes the commit mark.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Final

import structlog

from tradepit._native import EnginePanicked, FrameError, Replica
from tradepit.domain.wire import FRAME_HEADER, FrameHeader
from tradepit.journal.follow import JournalFollower
from tradepit.journal.frame import frame_bytes
from tradepit.journal.layout import DataDirectory
from tradepit.journal.port import JournalError
from tradepit.node.node import Listener
from tradepit.node.outcome import Done, GatheredDone, Stopped
from tradepit.node.recovery import History, Recovery

log = structlog.get_logger(__name__)

LOOK_SECONDS: Final = 0.02
"""Between two looks at the commit mark when nobody says that there is something new."""

UNWATCHED_LOOK_SECONDS: Final = 0.25
"""The same while nobody watches: what is read at once costs far less than frame by frame."""

TURN_BYTES: Final = 256 << 10
"""Most bytes of frames in one turn of the loop, so that catching up delays nobody for long."""

CATCH_UP_BYTES: Final = 8 << 20


class CannotFollow(JournalError):
    """The journal cannot be read on; what is there is from before, and stays so."""


class FollowingNode:
    """The journal of a node as it grows. Everything runs on one event loop, after `start`.

    A journal that cannot be read on is not tried again: `failure` says why, and `on_failed` is
    called, once. Whoever serves from this replica has to end.
    """

    def __init__(self, directory: DataDirectory, history: History) -> None:
        """Bring a replica up to the journal's present end. Takes as long as a restart.

        Raises:
            JournalError: the journal is not whole.
        """
        recovery = Recovery(directory, history, until_mark=True)
        beginning = recovery.begin()
        self.replica: Replica = beginning.replica
        self._rebuild = recovery.rebuild
        self._follower = JournalFollower(directory, beginning.place)
        self._listeners: list[Listener] = []
        self._on_end: Callable[[], None] = _ignore
        self._is_due = False
        self._is_stopped = False
        self.is_watched: Callable[[], bool] = lambda: True
        """Whether listeners have to hear of each frame."""
        self.on_skipped: Callable[[], None] = _ignore
        """Called when frames were applied of which listeners did not hear."""
        self.failure: CannotFollow | None = None
        self.on_failed: Callable[[], None] = _ignore
        try:
            while frames := self._follower.step(CATCH_UP_BYTES):
                self.replica.replay(frames)
        except EnginePanicked as error:
            self._panic(error)

    def start(self, on_end: Callable[[], None]) -> None:
        """Follow from now on.

        Args:
            on_end: called whenever everything durable has been applied.
        """
        self._loop = asyncio.get_running_loop()
        self._on_end = on_end
        self._tick()

    def stop(self) -> None:
        """Follow no further."""
        self._is_stopped = True

    def look(self) -> None:
        """Read on in this turn of the loop: somebody said that there is more."""
        if not self._is_due and not self._is_stopped:
            self._is_due = True
            self._loop.call_soon(self._step)

    def measure_lag(self) -> int:
        """Return how many commands are durable and not applied, at this moment."""
        if self.failure is None:
            try:
                self._follower.look()
            except (JournalError, OSError) as error:
                self._fail(error)
        return max(0, self._follower.durable_sequence - int(self.replica.sequence))

    def _tick(self) -> None:
        if not self._is_stopped:
            self.look()
            wait = LOOK_SECONDS if self.is_watched() else UNWATCHED_LOOK_SECONDS
            self._loop.call_later(wait, self._tick)

    def catch_up(self) -> None:
        """Apply everything that is durable now, before anything else happens. A node answers when
        the mark has moved, so whoever was answered finds here what it was told."""
        while not self._is_stopped and self._take_frames():
            pass

    def _step(self) -> None:
        self._is_due = False
        if self._is_stopped:
            return
        if self._take_frames():
            self.look()
        elif not self._is_stopped:
            self._on_end()

    def _take_frames(self) -> bool:
        """Apply the next frames; False when there are none, or no more can be applied."""
        try:
            try:
                return self._apply_next()
            except EnginePanicked as error:
                self._panic(error)
                self.on_skipped()
        except (JournalError, FrameError, OSError) as error:
            self._fail(error)
        return False

    def _apply_next(self) -> bool:
        frames = self._follower.step(TURN_BYTES)
        if frames and not self.is_watched():
            self.replica.replay(frames)
            self.on_skipped()
            return True
        at = 0
        while at < len(frames):
            header = FrameHeader(*FRAME_HEADER.unpack_from(frames, at))
            end = at + frame_bytes(header.record_count, header.text_bytes)
            self._apply(frames[at:end])
            at = end
        return bool(frames)

    def _apply(self, frame: bytes) -> None:
        applied = self.replica.apply(frame)
        for listener in self._listeners:
            try:
                listener(applied.first_sequence, applied.events, applied.texts, applied.ends)
            except Exception:
                log.exception("a listener failed", sequence=applied.first_sequence)

    def _panic(self, error: EnginePanicked) -> None:
        """Stay where the node stays: right before the command that no engine can run."""
        sequence = int(error.args[1])
        log.error("the engine panicked; nothing is followed any more", sequence=sequence)
        self._is_stopped = True
        self.replica = self._rebuild(sequence - 1)

    def _fail(self, error: Exception) -> None:
        """Stay here for good: what cannot be read now must not be passed over later."""
        self._is_stopped = True
        self.failure = CannotFollow(f"after sequence {self.replica.sequence}: {error}")
        self.failure.__cause__ = error
        self.on_failed()

    # What a gateway asks of a node.

    def add_listener(self, listener: Listener) -> None:
        """Call this after each applied frame."""
        self._listeners.append(listener)

    @property
    def is_ready(self) -> bool:
        """It takes no orders, ever."""
        return False

    @property
    def incarnation(self) -> int:
        """It writes nothing, and so has no name in the journal."""
        return 0

    @property
    def in_flight(self) -> int:
        return 0

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
        """Raises: Stopped, always."""
        raise Stopped("this process only looks")

    def gather(self, record: bytes, item: Any, done: GatheredDone, account: int | str) -> None:
        """Raises: Stopped, always."""
        raise Stopped("this process only looks")


def _ignore() -> None:
    """Nobody waits for the end."""
