"""Playing a recording: which messages are due by now, and every control over it.

Pure logic on the clock that the caller injects: no thread, no waiting, no input or output but the
mapped memory of the index. One call at a time. By event time, never per message: message k is due
at `anchor_wall + (clock[k] - anchor_clock) / speed`. A change of speed, a pause or a jump moves the
anchor to the moment of the change, so that nothing is skipped, repeated or hurried.

Arithmetic is in whole nanoseconds and thousandths of speed, so a message is due exactly at the time
that `next_due_ns` names.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from tradepit.marketdata.records import FLAG_LAST
from tradepit.marketdata.replays.index import TIME_NS_MAX, RecordingIndex
from tradepit.marketdata.sources.source import MboRecords

SPEED_MIN: Final = 0.1
SPEED_MAX: Final = 1_000.0
SPEED_UNITS: Final = 1_000
"""Speeds are kept in thousandths."""

STEP_MESSAGES_MAX: Final = 100_000
"""Of one call: with effects and times about 11 MB."""

LAP_NS_MIN: Final = 100_000_000
"""A looped recording begins anew no sooner than so long after it last did: one whose messages all
have the same time would be due without an end."""


class ReplayState(StrEnum):
    """What a session does."""

    PLAYING = "playing"
    PAUSED = "paused"
    ENDED = "ended"
    """All messages are applied."""


@dataclass(frozen=True, slots=True)
class Steps:
    """Messages that were applied, one after the other; all arrays have the same length."""

    records: MboRecords
    """`MBO_DTYPE`, a view of the index."""
    effects: NDArray[np.void]
    """`EFFECT_DTYPE`: what each did to its book."""
    first_number: int
    """Of the first message, counted from 1."""
    left_ns: NDArray[np.uint64]
    """When each left the clock by the wall: its due time; of steps and without a speed the time of
    the call."""

    @property
    def count(self) -> int:
        return len(self.records)


@dataclass(frozen=True, slots=True)
class Jump:
    """The books were replaced: they stand at another position now."""

    position: int
    """Messages applied."""
    clock_ns: int | None
    """The recording's time there; None without messages."""


class ReplaySession:
    """One reading of a recording; its books are those at the position, for reading only."""

    def __init__(
        self,
        index: RecordingIndex,
        now_ns: Callable[[], int],
        *,
        speed: float | None = 1.0,
        loop: bool = False,
    ) -> None:
        """Begin at the start, paused (ended when there are no messages).

        Args:
            index: stays the caller's to close, after the session.
            now_ns: the wall clock, ns since the Unix epoch; must not go back, as the system's may
                (add what a monotonic clock says to one reading of it).
            speed: see `set_speed`.
        Raises: ValueError for a speed out of range.
        """
        self.index = index
        self.books = index.books_at(0)
        self._now_ns = now_ns
        self._position = 0
        self._loop = loop
        self._speed_units = _units(speed)
        self._state = ReplayState.PAUSED if index.count else ReplayState.ENDED
        self._lap_wall = now_ns()
        self._anchor(self._lap_wall, index.time_at(0) or 0)

    @property
    def state(self) -> ReplayState:
        return self._state

    @property
    def position(self) -> int:
        """Messages applied."""
        return self._position

    @property
    def count(self) -> int:
        """Messages of the recording."""
        return self.index.count

    @property
    def speed(self) -> float | None:
        """Times the recording's own; None = as fast as asked."""
        return None if self._speed_units is None else self._speed_units / SPEED_UNITS

    @property
    def loop(self) -> bool:
        return self._loop

    @property
    def clock_ns(self) -> int | None:
        """The recording's time at the position: that of the last message applied."""
        return self.index.time_at(self._position)

    def take_due(self, limit: int) -> Steps | Jump | None:
        """Apply and return what is due now, at most `limit` messages; None when nothing is.

        What the limit cuts ends with an event where it can. With a loop the end is followed by a
        Jump to the start. Call again until None, then at `next_due_ns`.
        Raises: ValueError unless 1 <= limit <= STEP_MESSAGES_MAX.
        """
        _check_count(limit)
        if self._state is not ReplayState.PLAYING:
            return None
        now = self._now_ns()
        if self._position == self.count:
            return self._turn(now)
        end = self._due_end(now)
        if end > self._position + limit:
            end = self._event_end(self._position + limit)
        if end == self._position:
            return None
        left_ns = self._left_ns(end, now)
        steps = self._apply(end, left_ns)
        if self._speed_units is None:
            self._anchor(now, self.index.time_at(end) or 0)
        return steps

    def next_due_ns(self) -> int | None:
        """When `take_due` has something, in ns by the wall clock, maybe past; None while nothing
        will be due by itself."""
        if self._state is not ReplayState.PLAYING:
            return None
        if self._position == self.count:
            return self._turn_wall(self._now_ns())
        if self._speed_units is None:
            return self._now_ns()
        return self._due_ns(self._position)

    def step(self, count: int) -> Steps | Jump:
        """Go so many messages forward, or back when it is negative; short at either end.

        Playing goes on from there. Back takes as long as a seek.
        Returns: what was applied, maybe nothing; back, a Jump.
        Raises: ValueError unless 1 <= |count| <= STEP_MESSAGES_MAX; DamagedIndex.
        """
        _check_count(abs(count))
        now = self._now_ns()
        if count < 0:
            return self._jump(max(0, self._position + count), now)
        end = min(self.count, self._position + count)
        left_ns = np.full(end - self._position, now, np.uint64)
        steps = self._apply(end, left_ns)
        self._anchor(now, self.index.time_at(end) or 0)
        return steps

    def seek(self, position: int) -> Jump:
        """Go to where so many messages are applied, 0 to `count`.

        Bounded work, as of every jump: restore one keyframe and apply at most what lies between
        two, see `building.KEYFRAME_MESSAGES`.
        Raises: ValueError out of this range; DamagedIndex, and nothing has changed.
        """
        if not 0 <= position <= self.count:
            raise ValueError(f"a position lies from 0 to {self.count}, not at {position}")
        return self._jump(position, self._now_ns())

    def seek_start(self) -> Jump:
        return self.seek(0)

    def seek_end(self) -> Jump:
        return self.seek(self.count)

    def seek_time(self, time_ns: int) -> Jump:
        """Go to right before the first message due at this time of the recording or later.

        Played from there, that message waits for its time.
        """
        position = self.index.position_of_time(time_ns)
        jump = self._jump(position, self._now_ns())
        if 0 < position < self.count:
            self._anchor(self._now_ns(), time_ns)
        return jump

    def seek_fraction(self, fraction: float) -> Jump:
        """Go to this share of the messages, 0 to 1.

        Raises: ValueError out of this range.
        """
        return self.seek(self.index.position_of_fraction(fraction))

    def seek_sequence(self, sequence: int) -> Jump:
        """Go to right before the first message with this sequence of the venue, or a higher one.

        Raises: NoSuchPlace.
        """
        return self.seek(self.index.position_of_sequence(sequence))

    def play(self) -> Jump | None:
        """Go on; from the end, begin anew."""
        if self._state is ReplayState.PLAYING or not self.count:
            return None
        now = self._now_ns()
        jump = self._jump(0, now) if self._position == self.count else None
        self._state = ReplayState.PLAYING
        self._anchor(now, self._anchor_clock)
        return jump

    def pause(self) -> None:
        """Stop the clock; what is left of the wait for the next message is kept."""
        if self._state is ReplayState.PLAYING:
            now = self._now_ns()
            self._anchor(now, self._clock_at(now))
            is_at_end = self._position == self.count
            self._state = ReplayState.ENDED if is_at_end else ReplayState.PAUSED

    def set_speed(self, speed: float | None) -> None:
        """Times the recording's own, kept in thousandths; None = as fast as asked.

        Raises: ValueError out of SPEED_MIN to SPEED_MAX.
        """
        units = _units(speed)
        now = self._now_ns()
        self._anchor(now, self._clock_at(now))
        self._speed_units = units

    def set_loop(self, loop: bool) -> None:
        """Whether the end is followed by the start. One that has ended stays so until played."""
        self._loop = loop
        if not loop and self._position == self.count:
            self._state = ReplayState.ENDED

    def _anchor(self, wall_ns: int, clock_ns: int) -> None:
        self._anchor_wall = wall_ns
        self._anchor_clock = clock_ns

    def _clock_at(self, now: int) -> int:
        """The recording's clock at a moment, between messages too."""
        if self._state is not ReplayState.PLAYING or self._speed_units is None:
            return self._anchor_clock
        passed = (now - self._anchor_wall) * self._speed_units // SPEED_UNITS
        return min(self._anchor_clock + passed, TIME_NS_MAX)

    def _due_end(self, now: int) -> int:
        """The position after the last message that is due."""
        if self._speed_units is None:
            return self.count
        clock = self.index.clock[self._position :]
        due = np.searchsorted(clock, np.int64(self._clock_at(now)), side="right")
        return self._position + int(due)

    def _due_ns(self, position: int) -> int:
        """When the message after a position is due, rounded up."""
        assert self._speed_units is not None
        ahead = max(0, int(self.index.clock[position]) - self._anchor_clock)
        return self._anchor_wall - (-ahead * SPEED_UNITS // self._speed_units)

    def _left_ns(self, end: int, now: int) -> NDArray[np.uint64]:
        """The due times of the messages up to a position; `_due_ns` of arrays."""
        units = self._speed_units
        if units is None:
            return np.full(end - self._position, now, np.uint64)
        ahead = np.maximum(self.index.clock[self._position : end] - self._anchor_clock, 0)
        # In two parts: the product of both would not fit for a recording of months.
        whole, rest = np.divmod(ahead, units)
        due: NDArray[np.int64] = whole * SPEED_UNITS - (-rest * SPEED_UNITS // units)
        due += self._anchor_wall
        return due.astype(np.uint64)

    def _event_end(self, end: int) -> int:
        """The last position up to this one where an event has just ended; this one without any."""
        flags = self.index.records["flags"][self._position : end]
        [last] = np.nonzero(flags & FLAG_LAST)
        return self._position + int(last[-1]) + 1 if len(last) else end

    def _apply(self, end: int, left_ns: NDArray[np.uint64]) -> Steps:
        records: NDArray[Any] = self.index.records[self._position : end]
        effects = self.books.apply_with_effects(records).effects
        steps = Steps(records, effects, self._position + 1, left_ns)
        self._stand(end)
        return steps

    def _jump(self, target: int, now: int) -> Jump:
        self.index.move(self.books, position=self._position, target=target)
        self._stand(target)
        self._lap_wall = now
        clock_ns = self.index.time_at(target)
        self._anchor(now, clock_ns or 0)
        return Jump(target, clock_ns)

    def _stand(self, position: int) -> None:
        """Be at a position."""
        self._position = position
        is_turning = self._loop and self._state is ReplayState.PLAYING
        if position == self.count and not (is_turning and self.count):
            self._state = ReplayState.ENDED
        elif self._state is ReplayState.ENDED:
            self._state = ReplayState.PAUSED

    def _turn_wall(self, now: int) -> int:
        """When the next lap begins: with the end of the last, but not at once after its start."""
        end = now if self._speed_units is None else self._due_ns(self.count - 1)
        return max(end, self._lap_wall + LAP_NS_MIN)

    def _turn(self, now: int) -> Jump | None:
        wall = self._turn_wall(now)
        if wall > now:
            return None
        return self._jump(0, wall)


def _units(speed: float | None) -> int | None:
    if speed is None:
        return None
    if not SPEED_MIN <= speed <= SPEED_MAX:
        raise ValueError(f"a speed lies from {SPEED_MIN:g} to {SPEED_MAX:g}, not at {speed}")
    return round(speed * SPEED_UNITS)


def _check_count(count: int) -> None:
    if not 1 <= count <= STEP_MESSAGES_MAX:
        raise ValueError(f"messages from 1 to {STEP_MESSAGES_MAX:,} at a time, not {count}")
