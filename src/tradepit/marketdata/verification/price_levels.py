"""LOBSTER by level: every row of the book file follows from the row before and the message.

The book after message k-1 with message k applied is compared with the book after message k, over
the prices that were visible in row k-1. A level that comes into view from beyond the last visible
one is taken as it is, because messages outside the window are not in the file.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tradepit.marketdata.sources.lobster import (
    DELETION,
    EXECUTION,
    PARTIAL_CANCEL,
    PRICE_UNITS,
    SUBMISSION,
    BookRows,
    LobsterSource,
    Rows,
)
from tradepit.marketdata.sources.source import MboRecords, Progress, RecordingError

SHOWN_MAX: Final = 20
"""Wrong rows that a report names."""

Array = NDArray[Any]


@dataclass(slots=True)
class LevelReport:
    """What comparing row by row found. Rows are numbered from 1."""

    rows: int = 0
    compared: int = 0
    """Rows that follow from a row before them: all but the first."""
    prices_compared: int = 0
    prices_adopted: int = 0
    """Levels that came into view."""
    mismatches: int = 0
    wrong_rows: list[int] = field(default_factory=list)
    """The first ones."""
    executions: int = 0
    """Visible ones."""
    executions_not_at_best: int = 0


class _Side(NamedTuple):
    """One side of consecutive rows. Worse prices have larger ranks on both sides."""

    ranks: Array
    sizes: Array


def check_levels(source: LobsterSource, progress: Progress | None = None) -> LevelReport:
    """Compare every row of the book file with what its message makes of the row before.

    Raises:
        RecordingError: a file is damaged, or the two have not the same number of rows.
    """
    report = LevelReport()
    before: BookRows | None = None
    for messages, _, books in paired_steps(source, progress):
        if before is not None:
            books = BookRows(*(np.concatenate(each) for each in zip(before, books, strict=True)))
        else:
            messages = messages[1:]
            report.rows += 1
        _compare(report, messages, books)
        report.rows += len(messages)
        before = BookRows(*(column[-1:] for column in books))
    return report


def paired_steps(
    source: LobsterSource, progress: Progress | None
) -> Iterator[tuple[Rows, MboRecords, BookRows]]:
    """Yield rows of both files side by side, with the records made of the messages.

    Raises: RecordingError when one file has more rows than the other.
    """
    books = source.book_rows()
    for messages, records in source.messages(progress):
        rows = next(books, None)
        if rows is None or len(rows.ask_prices) != len(messages):
            raise RecordingError(source.path, "the two files have not the same number of rows")
        yield messages, records, rows
    if next(books, None) is not None:
        raise RecordingError(source.path, "the book file has more rows than the message file")


def _compare(report: LevelReport, messages: Rows, books: BookRows) -> None:
    """Compare rows 1.. of the books with rows 0.. and the messages between them."""
    first_row = report.rows + 1
    kinds, is_bid = messages["type"], messages["direction"] == 1
    change = np.where(kinds == SUBMISSION, 1, 0) - np.isin(
        kinds, (PARTIAL_CANCEL, DELETION, EXECUTION)
    )
    change = change * messages["size"].astype(np.int64)
    wrong = np.zeros(len(messages), bool)
    for ranks, sizes, concerned, sign in (
        (books.bid_prices, books.bid_sizes, is_bid, -1),
        (books.ask_prices, books.ask_sizes, ~is_bid, 1),
    ):
        here = _Side(sign * ranks, sizes)
        rank = sign * messages["price"] * PRICE_UNITS
        wrong |= _compare_side(report, here, rank, np.where(concerned, change, 0))
        executed = concerned & (kinds == EXECUTION)
        report.executions += int(executed.sum())
        report.executions_not_at_best += int((here.ranks[:-1, 0] != rank)[executed].sum())
    report.compared += len(messages)
    report.mismatches += int(wrong.sum())
    room = SHOWN_MAX - len(report.wrong_rows)
    report.wrong_rows += (first_row + np.flatnonzero(wrong)[:room]).tolist()


def _compare_side(report: LevelReport, side: _Side, rank: Array, change: Array) -> Array:
    """Which rows of one side are not what they should be."""
    old, old_sizes = side.ranks[:-1], side.sizes[:-1]
    new, new_sizes = side.ranks[1:], side.sizes[1:]
    was, is_now = old_sizes > 0, new_sizes > 0
    same = (old[:, :, None] == new[:, None, :]) & is_now[:, None, :] & was[:, :, None]
    found = np.where(same, new_sizes[:, None, :], 0).sum(axis=2)
    expected = old_sizes + np.where(old == rank[:, None], change[:, None], 0)
    # A full window ends at its last level: what was visible beyond it has been pushed out.
    last_new = np.where(is_now[:, -1], new[:, -1], np.iinfo(np.int64).max)
    last_old = np.where(was[:, -1], old[:, -1], np.iinfo(np.int64).max)
    visible = was & (old <= last_new[:, None])
    bad = visible & (found != expected)
    appeared = is_now & ~same.any(axis=1)
    adopted = appeared & (new > last_old[:, None])
    made = (new == rank[:, None]) & (new_sizes == change[:, None])
    bad_new = appeared & ~adopted & ~made
    lost = (change > 0) & (rank <= np.minimum(last_old, last_new))
    lost &= ~((new == rank[:, None]) & is_now).any(axis=1)
    report.prices_compared += int(visible.sum())
    report.prices_adopted += int(adopted.sum())
    return np.asarray(bad.any(axis=1) | bad_new.any(axis=1) | lost)
