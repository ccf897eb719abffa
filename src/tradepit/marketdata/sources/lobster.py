"""LOBSTER files: a NASDAQ instrument's messages, beside the book after each of them.

One row is one event. A visible execution becomes a trade, a fill of the resting order and the
cancel of what was filled, as NASDAQ's own feed does it; a partial deletion is a partial cancel; a
hidden execution is a trade alone; a halt is a record without action.
"""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import IO, Any, Final, NamedTuple
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from tradepit.marketdata.records import (
    ACTION_ADD,
    ACTION_CANCEL,
    ACTION_FILL,
    ACTION_NONE,
    ACTION_TRADE,
    FLAG_LAST,
    PRICE_NONE,
    SIDE_ASK,
    SIDE_BID,
    SIDE_NONE,
)
from tradepit.marketdata.sources.source import (
    CHUNK_RECORDS,
    Mapping,
    MboRecords,
    Progress,
    RecordingError,
    SourceInfo,
    new_records,
)

EXCHANGE_ZONE: Final = ZoneInfo("America/New_York")
PRICE_UNITS: Final = 100_000
"""Prices are given in 1e-4 dollars; a record's unit is 1e-9."""
PUBLISHER_ID: Final = 2
"""NASDAQ TotalView-ITCH in the format's list of publishers."""
INSTRUMENT_ID: Final = 1
"""The files hold one instrument and no number for it."""

SUBMISSION, PARTIAL_CANCEL, DELETION, EXECUTION, HIDDEN, CROSS, HALT = range(1, 8)

ROWS_MAX: Final = CHUNK_RECORDS // 2
"""Rows of a step; a row makes at most three records, mostly one."""

_NAME: Final = re.compile(r"(.+)_(\d{4}-\d{2}-\d{2})_(\d+)_(\d+)_message_(\d+)\.csv")
_ROW: Final = np.dtype(
    [("time", "f8"), ("type", "i8"), ("order_id", "u8"), ("size", "u4"), ("price", "i8"),
     ("direction", "i8")]
)  # fmt: skip

Rows = NDArray[Any]


class FileName(NamedTuple):
    """What the name of a message file says; times in ms after midnight."""

    symbol: str
    day: date
    start_ms: int
    end_ms: int
    levels: int


class BookRows(NamedTuple):
    """Rows of the book file, best level first; size 0 marks a level that is not there.

    Units: price in 1e-9 dollars, size in shares. Each array is rows times levels.
    """

    ask_prices: NDArray[np.int64]
    ask_sizes: NDArray[np.int64]
    bid_prices: NDArray[np.int64]
    bid_sizes: NDArray[np.int64]


class LobsterSource:
    """A pair of message and book file: beside each other, or in a zip."""

    def __init__(self, path: Path) -> None:
        """
        Args:
            path: a message file, a zip with one pair, or a folder with one pair.
        Raises:
            RecordingError: there is no pair, or its name is not as LOBSTER makes it.
        """
        self.path = path
        names = _message_files(path)
        if len(names) != 1:
            raise RecordingError(path, f"holds {len(names)} LOBSTER message files, not one")
        self._archive = path if zipfile.is_zipfile(path) else None
        self._folder = path if path.is_dir() else path.parent
        self._messages = names[0]
        self.name = _parse(path, self._messages)
        day = self.name.day
        midnight = datetime(day.year, day.month, day.day, tzinfo=EXCHANGE_ZONE)
        self._midnight_ns = int(midnight.timestamp()) * 1_000_000_000
        self.info = SourceInfo(
            format="lobster",
            version="",
            dataset="XNAS.ITCH",
            schema="mbo",
            start_ns=self._midnight_ns + self.name.start_ms * 1_000_000,
            end_ns=self._midnight_ns + self.name.end_ms * 1_000_000 + 1,
            symbols=[self.name.symbol],
            mappings=[Mapping(self.name.symbol, INSTRUMENT_ID, day, day + timedelta(days=1))],
            publishers={PUBLISHER_ID: "XNAS.ITCH"},
            notes=[
                f"times are after midnight in {EXCHANGE_ZONE.key}, the exchange's zone; "
                f"that midnight is {midnight.isoformat()}",
                "orders that rested before the first row are not in the file",
                f"only messages within the first {self.name.levels} levels are in the file",
            ],
        )

    def chunks(self, progress: Progress | None = None) -> Iterator[MboRecords]:
        """Yield the records of the message file; see `Source.chunks`."""
        for _, records in self.messages(progress):
            yield records

    def messages(self, progress: Progress | None = None) -> Iterator[tuple[Rows, MboRecords]]:
        """Yield rows of the message file, each step with the records made of them."""
        count = done = 0
        with self._open(self._messages) as (file, size):
            while lines := list(islice(file, ROWS_MAX)):
                rows = self._parse_lines(lines, _ROW, first_row=count)
                yield rows, self._records(rows, first_row=count)
                count += len(rows)
                done += sum(map(len, lines))
                if progress is not None:
                    progress(done, size)

    def book_rows(self) -> Iterator[BookRows]:
        """Yield the book file, in the steps of `messages`.

        Raises: RecordingError when the book file is missing or damaged.
        """
        count = 0
        columns = 4 * self.name.levels
        with self._open(self._messages.replace("_message_", "_orderbook_")) as (file, _):
            while lines := list(islice(file, ROWS_MAX)):
                rows = self._parse_lines(lines, np.dtype("i8"), first_row=count)
                if rows.ndim != 2 or rows.shape[1] != columns:
                    raise RecordingError(self.path, f"the book file has not {columns} columns")
                count += len(rows)
                asks, bids = rows[:, 0::4] * PRICE_UNITS, rows[:, 2::4] * PRICE_UNITS
                yield BookRows(asks, rows[:, 1::4], bids, rows[:, 3::4])

    @contextmanager
    def _open(self, name: str) -> Iterator[tuple[IO[str], int]]:
        """One of the two files, and its size in bytes."""
        try:
            if self._archive is None:
                path = self._folder / name
                with path.open(encoding="ascii") as file:
                    yield file, path.stat().st_size
            else:
                with (
                    zipfile.ZipFile(self._archive) as archive,
                    archive.open(name) as packed,
                    io.TextIOWrapper(packed, encoding="ascii") as file,
                ):
                    yield file, archive.getinfo(name).file_size
        except (OSError, KeyError, UnicodeDecodeError, zipfile.BadZipFile) as error:
            raise RecordingError(self.path, f"{name} cannot be read: {error}") from error

    def _parse_lines(self, lines: list[str], dtype: np.dtype[Any], *, first_row: int) -> Rows:
        ndmin: Any = 1 if dtype.names else 2
        try:
            return np.loadtxt(lines, dtype, delimiter=",", comments=None, ndmin=ndmin)
        except (ValueError, OverflowError) as error:
            raise RecordingError(
                self.path, f"after row {first_row:,} a row cannot be read: {error}"
            ) from error

    def _records(self, rows: Rows, *, first_row: int) -> MboRecords:
        kinds = rows["type"]
        strange = np.flatnonzero((kinds < SUBMISSION) | (kinds > HALT))
        if len(strange):
            row = int(strange[0])
            raise RecordingError(self.path, f"row {first_row + row + 1} has type {kinds[row]}")
        executed = kinds == EXECUTION
        of_row = np.repeat(np.arange(len(rows)), np.where(executed, 3, 1))
        records = new_records(len(of_row), publisher_id=PUBLISHER_ID, instrument_id=INSTRUMENT_ID)
        rows, kinds = rows[of_row], kinds[of_row]
        last = np.append(of_row[1:] != of_row[:-1], True)
        first = np.insert(last[:-1], 0, True)
        is_trade = first & np.isin(kinds, (EXECUTION, HIDDEN, CROSS))
        bids = rows["direction"] == 1
        records["action"] = _ACTIONS[kinds]
        records["action"][(kinds == EXECUTION) & ~first & ~last] = ACTION_FILL
        records["action"][is_trade] = ACTION_TRADE
        # Given is the side of the resting order; a trade carries that of the aggressor.
        records["side"] = np.where(bids != is_trade, SIDE_BID, SIDE_ASK)
        records["side"][(kinds == CROSS) | (kinds == HALT)] = SIDE_NONE
        records["price"] = np.where(kinds == HALT, PRICE_NONE, rows["price"] * PRICE_UNITS)
        records["size"] = np.where(kinds == HALT, 0, rows["size"])
        records["order_id"] = np.where(is_trade | (kinds == HALT), 0, rows["order_id"])
        times_ns = self._midnight_ns + np.rint(rows["time"] * 1e9).astype(np.uint64)
        records["ts_event"] = records["ts_recv"] = times_ns
        records["sequence"] = first_row + of_row + 1
        records["flags"] = np.where(last, FLAG_LAST, 0)
        return records


_ACTIONS: Final = np.array(
    [
        0,
        ACTION_ADD,
        ACTION_CANCEL,
        ACTION_CANCEL,
        ACTION_CANCEL,
        ACTION_TRADE,
        ACTION_TRADE,
        ACTION_NONE,
    ],
    np.uint8,
)


def is_lobster(path: Path) -> bool:
    """Whether a path looks like LOBSTER's: a zip or folder with a message file, or the file."""
    try:
        return bool(_message_files(path))
    except (OSError, zipfile.BadZipFile):
        return False


def _message_files(path: Path) -> list[str]:
    if path.is_dir():
        names = [each.name for each in path.iterdir()]
    elif zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    else:
        names = [path.name.replace("_orderbook_", "_message_")]
    return sorted(name for name in names if _NAME.fullmatch(Path(name).name))


def _parse(path: Path, name: str) -> FileName:
    found = _NAME.fullmatch(Path(name).name)
    assert found is not None, "names are chosen by this pattern"
    symbol, day, start, end, levels = found.groups()
    try:
        return FileName(symbol, date.fromisoformat(day), int(start), int(end), int(levels))
    except ValueError as error:
        raise RecordingError(path, f"{name}: {error}") from error
