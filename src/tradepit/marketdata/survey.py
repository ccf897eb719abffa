"""What is in a recording: counts, instruments, times, how it begins."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

import numpy as np

from tradepit.marketdata.records import ACTION_CLEAR, FLAG_LAST, FLAG_SNAPSHOT
from tradepit.marketdata.sources.source import (
    UNKNOWN_TIME,
    MboRecords,
    Progress,
    RecordingError,
    Source,
    SourceInfo,
)

WITH_SNAPSHOT: Final = "with a snapshot"
EMPTY: Final = "with an empty book"
MID_SESSION: Final = "in mid-session, without a snapshot"


@dataclass(slots=True)
class BookSurvey:
    """The records of one instrument at one publisher."""

    publisher_id: int
    instrument_id: int
    begins: str
    """`WITH_SNAPSHOT`, `EMPTY` or `MID_SESSION`: what its first record says."""
    records: int = 0
    snapshot_records: int = 0


@dataclass(slots=True)
class Survey:
    """What a whole recording has. Times in ns since the Unix epoch."""

    info: SourceInfo
    records: int = 0
    events: int = 0
    """Records that end an event."""
    actions: dict[str, int] = field(default_factory=dict)
    first_ns: int | None = None
    last_ns: int | None = None
    books: dict[tuple[int, int], BookSurvey] = field(default_factory=dict)
    """By publisher and instrument number."""
    problem: str | None = None
    """Why the recording could not be read to its end; all before it is counted."""

    def add(self, records: MboRecords) -> None:
        """Count the records of a chunk."""
        self.records += len(records)
        self.events += int(np.count_nonzero(records["flags"] & FLAG_LAST))
        for action, count in enumerate(np.bincount(records["action"]).tolist()):
            if count:
                self.actions[chr(action)] = self.actions.get(chr(action), 0) + count
        times = records["ts_event"]
        times = times[times != UNKNOWN_TIME]
        if len(times):
            first, last = int(times.min()), int(times.max())
            self.first_ns = first if self.first_ns is None else min(first, self.first_ns)
            self.last_ns = last if self.last_ns is None else max(last, self.last_ns)
        self._add_books(records)

    def _add_books(self, records: MboRecords) -> None:
        keys = records["publisher_id"].astype(np.uint64) << 32 | records["instrument_id"]
        if (keys == keys[0]).all():
            self._add_book(int(keys[0]), records)
            return
        for key in np.unique(keys).tolist():
            self._add_book(key, records[keys == key])

    def _add_book(self, key: int, records: MboRecords) -> None:
        publisher_id, instrument_id = key >> 32, key & 0xFFFFFFFF
        book = self.books.get((publisher_id, instrument_id))
        if book is None:
            book = BookSurvey(publisher_id, instrument_id, _begins(records))
            self.books[publisher_id, instrument_id] = book
        book.records += len(records)
        book.snapshot_records += int(np.count_nonzero(records["flags"] & FLAG_SNAPSHOT))


def survey(source: Source, progress: Progress | None = None) -> Survey:
    """Read a source to its end, or to where it is damaged, and count what is there."""
    found = Survey(source.info)
    try:
        for chunk in source.chunks(progress):
            found.add(chunk)
    except RecordingError as error:
        found.problem = error.reason
    found.info = source.info
    return found


def _begins(records: MboRecords) -> str:
    if records["flags"][0] & FLAG_SNAPSHOT:
        return WITH_SNAPSHOT
    return EMPTY if records["action"][0] == ACTION_CLEAR else MID_SESSION
