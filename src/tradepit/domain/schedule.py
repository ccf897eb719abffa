"""Schedules of instruments as people write them, and as entries of SET_SCHEDULE."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Final, NamedTuple

from tradepit.domain.safety_commands import (
    ENTRY_PHASE_BIT,
    ENTRY_WEEKDAYS_BIT,
    SCHEDULE_ENTRIES,
    schedule_entry,
)
from tradepit.domain.wire import Phase

PHASES: Final = {phase.name.lower(): int(phase) for phase in Phase if phase is not Phase.REMOVED}
"""Phases that can be set, by name."""

WEEKDAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")

_TIME: Final = re.compile(
    r"([01][0-9]|2[0-3]):([0-5][0-9])(?::([0-5][0-9])(?:\.([0-9]{1,3}))?)?", re.ASCII
)
_EVERY_DAY: Final = (1 << len(WEEKDAYS)) - 1
_DAY_NS: Final = 86_400_000_000_000
_MS_NS: Final = 1_000_000
_WEEKDAY_OF_EPOCH: Final = 3
"""1970-01-01 was a Thursday."""


class ScheduleError(ValueError):
    """No schedule: `field` of an entry is wrong, the text says how."""

    def __init__(self, field: str, detail: str) -> None:
        super().__init__(detail)
        self.field = field


class Entry(NamedTuple):
    """One entry: time of day in ms (UTC), phase, weekdays as bits from Monday (0 = every day)."""

    at_ms: int
    phase: int
    weekdays: int = 0

    @property
    def at(self) -> str:
        """The time of day as text: `08:00`, with seconds when there are some."""
        seconds, ms = divmod(self.at_ms, 1000)
        text = f"{seconds // 3600:02}:{seconds // 60 % 60:02}"
        if seconds % 60 or ms:
            text += f":{seconds % 60:02}"
        return f"{text}.{ms:03}" if ms else text

    @property
    def days(self) -> list[str]:
        """Names of its weekdays; none for every day."""
        return [name for bit, name in enumerate(WEEKDAYS) if self.weekdays >> bit & 1]

    @property
    def word(self) -> int:
        """The entry as the record has it."""
        return schedule_entry(at_ms=self.at_ms, phase=self.phase, weekdays=self.weekdays)


def entry_of(at: str, phase: str, days: Sequence[str] | None) -> Entry:
    """Return an entry of its texts; raises `ScheduleError`."""
    number = PHASES.get(phase.lower())
    if number is None:
        raise ScheduleError("phase", f"phase must be one of {', '.join(PHASES)}")
    return Entry(_milliseconds(at), number, 0 if days is None else _bits(days))


def ordered(entries: Iterable[Entry]) -> list[Entry]:
    """Return entries by time of day; raises `ScheduleError` when they are no schedule."""
    found = sorted(entries)
    if len(found) > SCHEDULE_ENTRIES:
        raise ScheduleError("entries", f"a schedule has at most {SCHEDULE_ENTRIES} entries")
    for before, after in pairwise(found):
        if before.at_ms == after.at_ms:
            raise ScheduleError("at", f"there are two entries at {after.at}")
    return found


def read_entries(words: Iterable[int]) -> list[Entry]:
    """Return the used ones of a record's entries."""
    low = (1 << ENTRY_PHASE_BIT) - 1
    return [
        Entry(word & low, word >> ENTRY_PHASE_BIT & 0xFF, word >> ENTRY_WEEKDAYS_BIT)
        for word in words
        if word
    ]


def phase_at(entries: Iterable[Entry], time_ns: int) -> int:
    """Return the phase that the schedule sets at one of its transitions; 0 = at none."""
    day, ns = divmod(time_ns, _DAY_NS)
    weekday = (day + _WEEKDAY_OF_EPOCH) % len(WEEKDAYS)
    for entry in entries:
        is_on = not entry.weekdays or entry.weekdays >> weekday & 1
        if is_on and entry.at_ms * _MS_NS == ns:
            return entry.phase
    return 0


def _milliseconds(text: str) -> int:
    match = _TIME.fullmatch(text)
    if match is None:
        raise ScheduleError("at", f"at must be a time of day such as 08:00, not {text!r}")
    hours, minutes, seconds, fraction = match.groups()
    whole = int(hours) * 3600 + int(minutes) * 60 + int(seconds or 0)
    return whole * 1000 + int((fraction or "").ljust(3, "0"))


def _bits(days: Sequence[str]) -> int:
    bits = 0
    for day in days:
        if day.lower() not in WEEKDAYS:
            raise ScheduleError("days", f"days must be among {', '.join(WEEKDAYS)}")
        bits |= 1 << WEEKDAYS.index(day.lower())
    if not bits:
        raise ScheduleError("days", "days names no weekday; leave it out for every day")
    return 0 if bits == _EVERY_DAY else bits
