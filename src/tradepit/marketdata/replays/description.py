"""What an index says of the recording that it was made from: a small JSON file."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path
from typing import Final

import msgspec

FORMAT_VERSION: Final = 1
"""Of the files of an index, raised when they change; others are built anew."""

RECORDS_NAME: Final = "records"
"""`MBO_DTYPE`, all messages."""
CLOCK_NAME: Final = "clock"
"""Signed 64 bits per message: when it is due, see `event_clock`."""
SEQUENCES_NAME: Final = "sequences"
"""32 bits per message: the venue's sequence; 0 for records of a snapshot."""
KEYFRAMES_NAME: Final = "keyframes"
"""Saved books one after the other."""
DESCRIPTION_NAME: Final = "description.json"


NS_PER_SECOND: Final = 1_000_000_000
TIME_NS_MAX: Final = 2**64 - 1


def midnight_ns(day: date) -> int:
    """When a day begins in UTC, in ns since the Unix epoch, as far as 64 bits go."""
    midnight = datetime(day.year, day.month, day.day, tzinfo=UTC)
    return min(max(0, int(midnight.timestamp()) * NS_PER_SECOND), TIME_NS_MAX)


class SymbolDays(msgspec.Struct, frozen=True):
    """The symbol of an instrument number on the days from `start` up to, not including, `end`."""

    symbol: str
    instrument_id: int
    start: date
    end: date


class BookName(msgspec.Struct, frozen=True):
    """One book that a message named."""

    publisher_id: int
    instrument_id: int


class Keyframe(msgspec.Struct, frozen=True, array_like=True):
    """The books after the first `number` messages: where they are saved."""

    number: int
    offset: int
    length: int


class IndexDescription(msgspec.Struct, frozen=True, kw_only=True):
    """A recording and its index. Times in ns since the Unix epoch, None where not known."""

    version: int
    fingerprint: str
    name: str
    """Of the recording's file or folder, without the way to it."""
    format: str
    format_version: str
    dataset: str
    messages: int
    first_ns: int | None
    """Of the clock."""
    last_ns: int | None
    start_ns: int | None
    """What the recording says it covers."""
    end_ns: int | None
    symbols: list[SymbolDays]
    publishers: dict[int, str]
    books: list[BookName]
    notes: list[str]
    problem: str | None
    """Why the recording could not be read to its end; all before that is indexed."""
    keyframes: list[Keyframe]

    def symbols_of(self, instrument_id: int) -> list[str]:
        """The symbols that an instrument number stands for, in the order of their days."""
        found = [each.symbol for each in self.symbols if each.instrument_id == instrument_id]
        return list(dict.fromkeys(found))

    def symbol_at(self, instrument_id: int, time_ns: int) -> str | None:
        """The symbol of an instrument at a time; out of all its days the last one, None without
        any."""
        days = [each for each in self.symbols if each.instrument_id == instrument_id]
        days.sort(key=lambda each: each.start)
        for each in days:
            if midnight_ns(each.start) <= time_ns < midnight_ns(each.end):
                return each.symbol
        return days[-1].symbol if days else None


def read_description(folder: Path) -> IndexDescription:
    """The description in a folder.

    Raises: OSError; msgspec.DecodeError when it is damaged or of another version's form.
    """
    data = (folder / DESCRIPTION_NAME).read_bytes()
    return msgspec.json.decode(data, type=IndexDescription)
