"""Rebuilding the books of a recording: where they end, and what was wrong on the way."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from tradepit.marketdata.books import Best, BookKey, Books, Crossed, SideTotals
from tradepit.marketdata.records import SIDE_ASK, SIDE_BID
from tradepit.marketdata.sources.source import MboRecords, Progress, Source


class EndState(NamedTuple):
    """One book at the end of a recording."""

    key: BookKey
    best: Best
    bids: SideTotals
    asks: SideTotals
    crossed: Crossed


@dataclass(slots=True)
class RebuildReport:
    """What rebuilding found."""

    records: int = 0
    events: int = 0
    errors: dict[str, int] = field(default_factory=dict)
    """Records that did not fit the book, by kind; those that there were."""
    ends: list[EndState] = field(default_factory=list)
    digest: str = ""
    """Fingerprint of everything that rests at the end."""


class Observer(Protocol):
    """Looks at the records while they are applied."""

    def apply(self, books: Books, records: MboRecords) -> None:
        """Apply the records to the books, all of them and in order."""


def rebuild(
    source: Source, progress: Progress | None = None, observer: Observer | None = None
) -> RebuildReport:
    """Apply a whole recording to native books.

    Args:
        observer: applies the records in place of this function, to look in between.
    Raises:
        RecordingError: the recording is damaged.
    """
    books = Books()
    for chunk in source.chunks(progress):
        if observer is None:
            books.apply(chunk)
        else:
            observer.apply(books, chunk)
    counts = books.counts()
    return RebuildReport(
        records=counts.records,
        events=counts.events,
        errors={kind: count for kind, count in counts.errors.items() if count},
        ends=[_end_state(books, key) for key in books.keys()],  # noqa: SIM118
        digest=books.digest(),
    )


def _end_state(books: Books, key: BookKey) -> EndState:
    publisher_id, instrument_id = key
    bids, asks = (
        books.side_totals(instrument_id, publisher_id, side=side) for side in (SIDE_BID, SIDE_ASK)
    )
    return EndState(
        key,
        books.best(instrument_id, publisher_id),
        bids,
        asks,
        books.crossed(instrument_id, publisher_id),
    )
