"""Depth rows (MBP-1, MBP-10) of the same session: each must be the rebuilt book's.

A row belongs to the event that ends with a record of the same instrument, publisher, time of
receipt and sequence. Rows of trades say nothing new about the book and are left out.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
from databento_dbn import Compression, DBNDecoder, DBNError, MBP1Msg, MBP10Msg

from tradepit.marketdata.books import Books, Level
from tradepit.marketdata.records import FLAG_LAST, PRICE_NONE, SIDE_ASK, SIDE_BID
from tradepit.marketdata.sources.source import MboRecords, RecordingError

READ_BYTES: Final = 1 << 18
ZSTD_MAGIC: Final = b"\x28\xb5\x2f\xfd"

SHOWN_MAX: Final = 20
"""Wrong rows that a report names."""

_BOOK_ACTIONS: Final = frozenset("ACMR")

Side = list[Level]


class EventKey(NamedTuple):
    """What an event and its rows have in common."""

    publisher_id: int
    instrument_id: int
    received_ns: int
    sequence: int


class DepthRow(NamedTuple):
    """The book of one row, best first; at most `depth` levels of each side."""

    number: int
    depth: int
    bids: Side
    asks: Side


@dataclass(slots=True)
class DepthReport:
    """What comparing found. Rows are numbered from 1."""

    rows: int = 0
    """Rows that change a book."""
    compared: int = 0
    mismatches: int = 0
    wrong_rows: list[int] = field(default_factory=list)
    """The first ones."""

    @property
    def without_event(self) -> int:
        """Rows for which the recording has no event."""
        return self.rows - self.compared


class DepthRows:
    """Applies records and compares the books with the rows of a file at the ends of events."""

    def __init__(self, path: Path) -> None:
        """
        Raises: RecordingError when the file holds no depth rows of a DBN schema.
        """
        self._rows = read_depth_rows(path)
        self.report = DepthReport(rows=len(self._rows))
        """So far."""

    def apply(self, books: Books, records: MboRecords) -> None:
        """Apply records, and compare wherever there is a row."""
        ends = np.flatnonzero(records["flags"] & FLAG_LAST)
        last = records[ends]
        names = ("publisher_id", "instrument_id", "ts_recv", "sequence")
        start = 0
        for end, *key in zip(
            (ends + 1).tolist(), *(last[name].tolist() for name in names), strict=True
        ):
            row = self._rows.get(EventKey(*key))
            if row is not None:
                books.apply(records[start:end])
                start = end
                self._compare(books, EventKey(*key), row)
        books.apply(records[start:])

    def _compare(self, books: Books, key: EventKey, row: DepthRow) -> None:
        found = [
            books.levels(key.instrument_id, key.publisher_id, side=side, count=row.depth)
            for side in (SIDE_BID, SIDE_ASK)
        ]
        self.report.compared += 1
        if found != [row.bids, row.asks]:
            self.report.mismatches += 1
            if len(self.report.wrong_rows) < SHOWN_MAX:
                self.report.wrong_rows.append(row.number)


def read_depth_rows(path: Path) -> dict[EventKey, DepthRow]:
    """Return the last row of each event of a file that changes a book.

    Raises: RecordingError.
    """
    rows: dict[EventKey, DepthRow] = {}
    number = 0
    with path.open("rb") as file:
        start = file.read(READ_BYTES)
        kind = "zstd" if start.startswith(ZSTD_MAGIC) else "none"
        decoder = DBNDecoder(compression=Compression.from_str(kind))
        while start:
            try:
                messages = decoder.write_and_decode(start)
            except DBNError as error:
                raise RecordingError(path, str(error)) from error
            for message in messages:
                if isinstance(message, MBP1Msg | MBP10Msg):
                    number += 1
                    if str(message.action) in _BOOK_ACTIONS:
                        rows[_key(message)] = _row(number, message)
            start = file.read(READ_BYTES)
    if not number:
        raise RecordingError(path, "holds no MBP-1 or MBP-10 rows")
    return rows


def _key(message: MBP1Msg | MBP10Msg) -> EventKey:
    return EventKey(message.publisher_id, message.instrument_id, message.ts_recv, message.sequence)


def _row(number: int, message: MBP1Msg | MBP10Msg) -> DepthRow:
    pairs = message.levels
    bids = [Level(each.bid_px, each.bid_sz, each.bid_ct) for each in pairs]
    asks = [Level(each.ask_px, each.ask_sz, each.ask_ct) for each in pairs]
    return DepthRow(number, len(pairs), *(_present(side) for side in (bids, asks)))


def _present(levels: Side) -> Side:
    return [level for level in levels if level.price != PRICE_NONE]
