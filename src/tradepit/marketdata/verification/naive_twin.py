"""The naive books beside the native ones: slow, and written without a look at the other."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from tradepit.marketdata.books import BookKey, Books
from tradepit.marketdata.records import SIDE_ASK, SIDE_BID
from tradepit.marketdata.sources.source import MboRecords
from tradepit.testing.naive_books import NaiveBooks, messages

COMPARE_RECORDS: Final = 5_000
"""Records between two comparisons of everything that rests."""

EVERY_LEVEL: Final = 2**31 - 1

Queues = list[tuple[int, list[tuple[int, int]]]]


@dataclass(slots=True)
class TwinReport:
    """What comparing found."""

    records: int = 0
    comparisons: int = 0
    """Sides of books that were compared, every order in its place."""
    mismatches: int = 0
    first_wrong: int | None = None
    """Number of records applied when a side differed first."""
    equal_mistakes: bool = True
    """Both counted the same mistakes."""


class NaiveTwin:
    """Applies records to both, and compares them from time to time and at each chunk's end."""

    def __init__(self) -> None:
        self._naive = NaiveBooks()
        self.report = TwinReport()
        """So far."""

    def apply(self, books: Books, records: MboRecords) -> None:
        """Apply records to both kinds of books."""
        for start in range(0, len(records), COMPARE_RECORDS):
            part = records[start : start + COMPARE_RECORDS]
            books.apply(part)
            for message in messages(part):
                self._naive.apply(message)
            self.report.records += len(part)
            self._compare(books)

    def _compare(self, books: Books) -> None:
        report = self.report
        for key in books.keys():  # noqa: SIM118
            naive = self._naive.books[key.publisher_id, key.instrument_id]
            for side, letter in ((SIDE_BID, "B"), (SIDE_ASK, "A")):
                report.comparisons += 1
                if _queues(books, key, side) != naive.levels(letter):
                    report.mismatches += 1
                    report.first_wrong = report.first_wrong or report.records
        errors = books.counts().errors
        report.equal_mistakes = {k: n for k, n in errors.items() if n} == dict(self._naive.errors)


def _queues(books: Books, key: BookKey, side: int) -> Queues:
    publisher_id, instrument_id = key
    found: Queues = []
    for top in books.levels(instrument_id, publisher_id, side=side, count=EVERY_LEVEL):
        level = books.level(instrument_id, publisher_id, side=side, price=top.price)
        assert level is not None, "a level that was just listed"
        found.append((top.price, [(order.order_id, order.size) for order in level.orders]))
    return found
