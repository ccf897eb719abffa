"""LOBSTER order by order: the native books are led along the file and compared after every row.

Orders that rested before the file starts, and levels that come into view, stand as one anonymous
lot at the front of their level; what a message takes from an order that nobody knows is taken from
that lot. A level that leaves the window is taken off, because its messages are no longer told.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from struct import Struct
from typing import Any, Final, NamedTuple

import numpy as np

from tradepit.marketdata.books import Books, QueuedOrder
from tradepit.marketdata.records import (
    ACTION_ADD,
    ACTION_CANCEL,
    FLAG_LAST,
    MBO_BYTES,
    MBO_LENGTH_WORDS,
    MBO_RTYPE,
    SIDE_ASK,
    SIDE_BID,
)
from tradepit.marketdata.sources.lobster import (
    EXECUTION,
    INSTRUMENT_ID,
    PUBLISHER_ID,
    BookRows,
    LobsterSource,
)
from tradepit.marketdata.sources.source import Progress
from tradepit.marketdata.verification.price_levels import SHOWN_MAX, paired_steps

ANONYMOUS: Final = 1 << 63
"""Order ids of anonymous lots: this bit, the next for the side, and the price."""
ASK_BIT: Final = 1 << 62

ORDER_ID_AT: Final = 16
"""Where a record has it, in bytes."""
_MBO: Final = Struct("<BBHIQQqIBBBBQiI")

Shown = list[tuple[int, int]]
"""Price and size of the levels of a side, best first."""


@dataclass(slots=True)
class QueueReport:
    """What leading the books along found. Rows are numbered from 1."""

    rows: int = 0
    mismatches: int = 0
    """Rows after which a visible level was not as the file shows it."""
    wrong_rows: list[int] = field(default_factory=list)
    """The first ones."""
    errors: dict[str, int] = field(default_factory=dict)
    """Mistakes that the books counted, by kind; there should be none."""
    from_known: int = 0
    """Executions of orders whose entry is in the file."""
    first_in_queue: int = 0
    """Those of them that found their order at the front. Hidden priority, and lots that came into
    view with orders behind them, keep this below all."""
    from_lots: int = 0
    """Executions out of anonymous lots."""


def check_queues(source: LobsterSource, progress: Progress | None = None) -> QueueReport:
    """Compare the levels of the native books with the book file after every row.

    Raises:
        RecordingError: a file is damaged, or the two have not the same number of rows.
    """
    follower = _Follower()
    for messages, records, books in paired_steps(source, progress):
        ends = np.flatnonzero(records["flags"] & FLAG_LAST) + 1
        last = records[ends - 1]
        columns = (last["action"] == ACTION_CANCEL, messages["type"] == EXECUTION)
        fields = (last[name] for name in ("order_id", "side", "price"))
        data = records.tobytes()
        start = 0
        for end, *row, bids, asks in zip(
            (ends * MBO_BYTES).tolist(),
            *(column.tolist() for column in (*columns, *fields)),
            *_shown(books),
            strict=True,
        ):
            follower.follow(_Event(data[start:end], *row), bids, asks)
            start = end
    report = follower.report
    report.errors = {kind: count for kind, count in follower.books.counts().errors.items() if count}
    return report


def _shown(books: BookRows) -> tuple[list[Shown], list[Shown]]:
    """Bids and asks of every row, without the places that hold no level."""

    def side(prices: Any, sizes: Any) -> list[Shown]:
        return [
            [(price, size) for price, size in zip(*row, strict=True) if size]
            for row in zip(prices.tolist(), sizes.tolist(), strict=True)
        ]

    return side(books.bid_prices, books.bid_sizes), side(books.ask_prices, books.ask_sizes)


class _Event(NamedTuple):
    """The records of one row, and what the last of them says."""

    data: bytes
    is_cancel: bool
    is_execution: bool
    order_id: int
    side: int
    price: int


class _Follower:
    """Books that are led along, and what was found on the way."""

    def __init__(self) -> None:
        self.books = Books()
        self.report = QueueReport()
        self._levels = 0
        """Most levels that a side of the file has shown."""

    def follow(self, event: _Event, bids: Shown, asks: Shown) -> None:
        """Apply one row's records; then make the window the file's and compare."""
        self.report.rows += 1
        self._levels = max(self._levels, len(bids), len(asks))
        if not event.is_cancel:
            self.books.apply(event.data)
        elif self.report.rows > 1:  # the first row is taken as it is; nothing rests before it
            self.books.apply(self._attributed(event))
        is_right = [self._side(side, shown) for side, shown in ((SIDE_BID, bids), (SIDE_ASK, asks))]
        if not all(is_right) and self.report.rows > 1:
            self.report.mismatches += 1
            if len(self.report.wrong_rows) < SHOWN_MAX:
                self.report.wrong_rows.append(self.report.rows)

    def _attributed(self, event: _Event) -> bytes:
        """The records, taken from the anonymous lot where their order is not known."""
        known = self.books.order(INSTRUMENT_ID, PUBLISHER_ID, order_id=event.order_id)
        if event.is_execution:
            self.report.from_known += known is not None
            self.report.from_lots += known is None
            self.report.first_in_queue += known is not None and known.orders_ahead == 0
        if known is not None:
            return event.data
        at = len(event.data) - MBO_BYTES + ORDER_ID_AT
        lot = _lot(event.side, event.price).to_bytes(8, "little")
        return event.data[:at] + lot + event.data[at + 8 :]

    def _side(self, side: int, shown: Shown) -> bool:
        """Let levels enter and leave the window; whether the rest is as the file shows it."""
        found = self._found(side)
        if found == shown:
            return True
        is_right = self._agree(found, shown, side)
        self._replace(side, found, shown)
        return is_right and self._found(side) == shown

    def _found(self, side: int) -> Shown:
        levels = self.books.levels(INSTRUMENT_ID, PUBLISHER_ID, side=side, count=self._levels + 2)
        return [(level.price, level.size) for level in levels]

    def _agree(self, found: Shown, shown: Shown, side: int) -> bool:
        """Whether the two differ only by what entered or left at the far end of the window."""
        sizes, expected = dict(found), dict(shown)
        if any(sizes.get(price, size) != size for price, size in shown):
            return False
        sign = -1 if side == SIDE_BID else 1
        end_found = max((sign * price for price in sizes), default=None)
        end_shown = max((sign * price for price in expected), default=None)
        entered = (sign * price for price in expected.keys() - sizes.keys())
        left = (sign * price for price in sizes.keys() - expected.keys())
        return all(end_found is None or rank > end_found for rank in entered) and all(
            len(shown) == self._levels and end_shown is not None and rank > end_shown
            for rank in left
        )

    def _replace(self, side: int, found: Shown, shown: Shown) -> None:
        """Take off what is not shown, and put what is shown and not there as anonymous lots."""
        sizes, expected = dict(found), dict(shown)
        records = [
            _record(ACTION_CANCEL, order.order_id, side, price, order.size)
            for price, size in found
            if expected.get(price) != size
            for order in self._queue(side, price)
        ]
        records += [
            _record(ACTION_ADD, _lot(side, price), side, price, size)
            for price, size in shown
            if sizes.get(price) != size
        ]
        if records:
            self.books.apply(b"".join(records))

    def _queue(self, side: int, price: int) -> tuple[QueuedOrder, ...]:
        level = self.books.level(INSTRUMENT_ID, PUBLISHER_ID, side=side, price=price)
        assert level is not None, "a level that was just listed"
        return level.orders


def _lot(side: int, price: int) -> int:
    """The order id of a level's anonymous lot."""
    return ANONYMOUS | (ASK_BIT if side == SIDE_ASK else 0) | price


def _record(action: int, order_id: int, side: int, price: int, size: int) -> bytes:
    return _MBO.pack(
        MBO_LENGTH_WORDS, MBO_RTYPE, PUBLISHER_ID, INSTRUMENT_ID, 0, order_id, price, size,
        FLAG_LAST, 0, action, side, 0, 0, 0,
    )  # fmt: skip
