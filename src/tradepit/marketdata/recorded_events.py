"""Recorded order-by-order sessions as a stream of events.

An event is a run of records that change the book in one step. It ends with a record that carries
`FLAG_LAST`; looking at the book before that record shows states that never existed. Snapshot
records make one event of their own: older files give them neither a clear record before nor
`FLAG_LAST` after.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from tradepit.marketdata.records import FLAG_LAST, FLAG_SNAPSHOT, PRICE_NONE
from tradepit.marketdata.sources.dbn import DbnSource
from tradepit.marketdata.sources.source import MboRecords, RecordingError

EVENT_RECORDS_MAX: Final = 4_000_000
"""A file whose events never end is refused instead of filling the memory."""

_LETTERS: Final = [chr(code) for code in range(256)]


class MboRecord(NamedTuple):
    """One market-by-order record.

    Units: price in 1e-9 of the quote currency (None when the record has none), size in lots, times
    in ns since the Unix epoch (0 when not known). `action` is one of A, C, M, R, T, F, N; `side` is
    B, A or N.
    """

    action: str
    side: str
    price: int | None
    size: int
    order_id: int
    flags: int
    sequence: int
    time_event_ns: int
    time_received_ns: int


class RecordedEvent(NamedTuple):
    """Records that change the book in one step; `number` counts the file's events from 0."""

    number: int
    is_snapshot: bool
    records: tuple[MboRecord, ...]


def read_symbols(path: Path) -> list[str]:
    """Return the symbols in the header of a recording.

    Raises: RecordingError when the file is no DBN file of MBO records.
    """
    return DbnSource(path).info.symbols


def read_events(path: Path, *, instrument_id: int | None = None) -> Iterator[RecordedEvent]:
    """Yield the events of one instrument of a recording, in file order.

    Args:
        instrument_id: the instrument wanted; may be omitted when the file holds only one.
    Raises:
        RecordingError: not DBN, not MBO, damaged, or several instruments and none chosen.
    """
    return group_events(_records(path, instrument_id))


def group_events(records: Iterable[MboRecord]) -> Iterator[RecordedEvent]:
    """Cut a stream of records of one instrument into events."""
    grouper = EventGrouper()
    for record in records:
        yield from grouper.add(record)
    yield from grouper.end()


class EventGrouper:
    """Cuts records of one instrument into events as they come."""

    def __init__(self) -> None:
        self._pending: list[MboRecord] = []
        self._in_snapshot = False
        self._number = 0

    def add(self, record: MboRecord) -> Sequence[RecordedEvent]:
        """Take a record in; the events that end with it, or before it."""
        snapshot = bool(record.flags & FLAG_SNAPSHOT)
        ended = self.end() if snapshot != self._in_snapshot else ()
        self._in_snapshot = snapshot
        self._pending.append(record)
        if record.flags & FLAG_LAST:
            return (*ended, *self.end())
        if len(self._pending) > EVENT_RECORDS_MAX:
            raise ValueError(f"an event of more than {EVENT_RECORDS_MAX} records")
        return ended

    def end(self) -> Sequence[RecordedEvent]:
        """No record of the current event will come; the event, if there is one."""
        if not self._pending:
            return ()
        event = RecordedEvent(self._number, self._in_snapshot, tuple(self._pending))
        self._pending = []
        self._number += 1
        return (event,)

    def replace(self, records: Iterable[MboRecord]) -> RecordedEvent:
        """The book is another one now: an event of its own, in place of any that was begun."""
        self._pending, self._in_snapshot = list(records), True
        [event] = self.end()
        return event


def plain_records(records: MboRecords) -> Iterator[MboRecord]:
    """Yield the records of an array one by one, as values."""
    columns = (
        "action", "side", "price", "size", "order_id", "flags", "sequence", "ts_event", "ts_recv",
    )  # fmt: skip
    for action, side, price, *rest in zip(
        *(records[name].tolist() for name in columns), strict=True
    ):
        known_price = None if price == PRICE_NONE else price
        yield MboRecord(_LETTERS[action], _LETTERS[side], known_price, *rest)


def _records(path: Path, instrument_id: int | None) -> Iterator[MboRecord]:
    chosen = instrument_id
    for chunk in DbnSource(path).chunks():
        if chosen is None:
            chosen = int(chunk["instrument_id"][0])
        wanted = chunk["instrument_id"] == chosen
        if instrument_id is None and not wanted.all():
            raise RecordingError(path, "holds several instruments; choose one by its id")
        yield from plain_records(chunk[wanted])
