"""LOBSTER files as order-by-order records."""

from __future__ import annotations

import zipfile
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from tests.unit.marketdata.sources.recordings import AAPL, AMZN, recording

from tradepit.marketdata.records import FLAG_LAST, PRICE_NONE
from tradepit.marketdata.sources.lobster import LobsterSource, is_lobster
from tradepit.marketdata.sources.source import MboRecords, RecordingError

NAME = "TEST_2024-01-31_34200000_57600000_message_1.csv"
BOOK_NAME = NAME.replace("message", "orderbook")
ROWS = """\
34200.000000001,1,11,100,1000100,1
34200.5,1,12,50,1000200,-1
34201,2,11,30,1000100,1
34202,4,11,20,1000100,1
34203,5,0,7,1000150,-1
34204,7,0,0,-1,-1
34205,3,12,50,1000200,-1
"""
BOOK = "1000200,50,1000100,100\n" * 7


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / NAME).write_text(ROWS)
    (tmp_path / BOOK_NAME).write_text(BOOK)
    return tmp_path


def records_of(path: Path) -> MboRecords:
    return np.concatenate(list(LobsterSource(path).chunks()))


def described(records: MboRecords) -> list[tuple[str, str, int, int, int, bool]]:
    return [
        (
            chr(r["action"]),
            chr(r["side"]),
            -1 if r["price"] == PRICE_NONE else int(r["price"]),
            int(r["size"]),
            int(r["order_id"]),
            bool(r["flags"] & FLAG_LAST),
        )
        for r in records
    ]


def test_each_row_becomes_one_event_as_the_exchange_would_send_it(folder: Path) -> None:
    price, other = 100_010_000_000, 100_020_000_000
    assert described(records_of(folder)) == [
        ("A", "B", price, 100, 11, True),
        ("A", "A", other, 50, 12, True),
        ("C", "B", price, 30, 11, True),
        ("T", "A", price, 20, 0, False),
        ("F", "B", price, 20, 11, False),
        ("C", "B", price, 20, 11, True),
        ("T", "B", 100_015_000_000, 7, 0, True),
        ("N", "N", -1, 0, 0, True),
        ("C", "A", other, 50, 12, True),
    ]


def test_times_are_those_of_new_york_on_the_day_of_the_name(folder: Path) -> None:
    records = records_of(folder)
    opening = datetime(2024, 1, 31, 14, 30, tzinfo=UTC)  # 09:30 in winter
    assert int(records["ts_event"][0]) == int(opening.timestamp()) * 10**9 + 1
    assert "America/New_York" in " ".join(LobsterSource(folder).info.notes)


def test_folder_zip_and_either_file_of_the_pair_give_the_same_records(folder: Path) -> None:
    packed = folder / "pair.zip"
    with zipfile.ZipFile(packed, "w") as archive:
        for name in (NAME, BOOK_NAME):
            archive.write(folder / name, name)
    expected = records_of(folder)
    for path in (packed, folder / NAME, folder / BOOK_NAME):
        assert is_lobster(path)
        assert (records_of(path) == expected).all()
        assert sum(len(rows.ask_prices) for rows in LobsterSource(path).book_rows()) == 7


@pytest.mark.parametrize("row", ["34200,9,1,1,1,1", "34200,x,1,1,1,1", "34200,1,1"])
def test_row_that_cannot_be_is_refused_with_its_place(folder: Path, row: str) -> None:
    (folder / NAME).write_text(ROWS + row + "\n")
    with pytest.raises(RecordingError, match="row"):
        records_of(folder)


def test_missing_book_file_is_told_when_it_is_asked_for(folder: Path) -> None:
    (folder / BOOK_NAME).unlink()
    assert len(records_of(folder)) == 9
    with pytest.raises(RecordingError, match="orderbook"):
        list(LobsterSource(folder).book_rows())


def test_real_days_have_the_records_that_their_rows_make() -> None:
    records = records_of(recording(AMZN))
    rows = sum(len(rows) for rows, _ in LobsterSource(recording(AMZN)).messages())
    assert rows == 155_935 == np.count_nonzero(records["flags"] & FLAG_LAST)
    assert (np.diff(records["ts_event"].astype(np.int64)) >= 0).all()
    assert Counter(map(chr, records["action"])) == {
        "A": 77_381,
        "C": 76_109,
        "T": 11_419,
        "F": 8_974,
    }
    assert len(next(iter(LobsterSource(recording(AAPL)).messages()))[0]) == 999
