"""ITCH 5.0 files as order-by-order records."""

from __future__ import annotations

import struct
from datetime import UTC, date, datetime
from pathlib import Path

import numpy as np
import pytest
from tests.unit.marketdata.sources.plain_book import PlainBook
from tests.unit.marketdata.sources.recordings import ITCH, recording

from tradepit.marketdata.records import FLAG_LAST, MBO_DTYPE
from tradepit.marketdata.sources.itch import ItchSource
from tradepit.marketdata.sources.source import MboRecords, RecordingError

SECOND = 10**9


def message(kind: str, body: bytes = b"", *, second: int = 1) -> bytes:
    """A message about stock 7."""
    return kind.encode() + struct.pack(">HHHI", 7, 0, *divmod(second * SECOND, 1 << 32)) + body


def added(order: int, side: str, shares: int, price: int) -> bytes:
    return message("A", struct.pack(">Qc I8sI", order, side.encode(), shares, b"TEST    ", price))


MESSAGES = [
    message("S", b"O"),
    message("R", b"TEST    " + bytes(20)),
    added(1, "B", 100, 10_000),
    added(2, "S", 80, 10_100),
    message("E", struct.pack(">QIQ", 1, 30, 900)),
    message("C", struct.pack(">QIQcI", 2, 20, 901, b"Y", 10_050)),
    message("C", struct.pack(">QIQcI", 2, 10, 902, b"N", 10_050)),
    message("X", struct.pack(">QI", 1, 10)),
    message("U", struct.pack(">QQII", 1, 3, 70, 10_010)),
    message("D", struct.pack(">Q", 2)),
    message("P", struct.pack(">QcI8sIQ", 0, b"B", 5, b"TEST    ", 10_020, 903)),
    message("Q", struct.pack(">Q8sIQc", 500, b"TEST    ", 10_000, 904, b"O")),
    message("H", b"TEST    " + b"H" + bytes(5)),
]
EXPECTED = [
    "A B 100 10000 1 last", "A A 80 10100 2 last",
    "T A 30 10000 0", "F B 30 10000 1", "C B 30 10000 1 last",
    "T B 20 10050 0", "F A 20 10050 2", "C A 20 10100 2 last",
    "F A 10 10050 2", "C A 10 10100 2 last",
    "C B 10 10000 1 last",
    "C B 60 10000 1", "A B 70 10010 3 last",
    "C A 50 10100 2 last",
    "T A 5 10020 0 last", "T N 500 10000 0 last", "N N 0 - 0 last",
]  # fmt: skip


def framed(prefix: str) -> bytes:
    sizes = {"zeros": lambda m: bytes(2), "lengths": lambda m: struct.pack(">H", len(m))}
    return b"".join((sizes[prefix](m) if prefix in sizes else b"") + m for m in MESSAGES)


def write(folder: Path, data: bytes) -> ItchSource:
    path = folder / "20240131.TEST_ITCH50"
    path.write_bytes(data)
    return ItchSource(path)


def described(records: MboRecords) -> list[str]:
    texts = []
    for r in records:
        price = "-" if r["price"] == 2**63 - 1 else str(r["price"] // 100_000)
        last = ["last"] if r["flags"] & FLAG_LAST else []
        parts = [chr(r["action"]), chr(r["side"]), str(r["size"]), price, str(r["order_id"]), *last]
        texts.append(" ".join(parts))
    return texts


@pytest.mark.parametrize("prefix", ["zeros", "lengths", "none"])
def test_every_message_becomes_the_records_of_its_event(tmp_path: Path, prefix: str) -> None:
    source = write(tmp_path, framed(prefix))
    records = np.concatenate(list(source.chunks()))
    assert described(records) == EXPECTED
    assert set(records["instrument_id"].tolist()) == {7}
    assert [(each.symbol, each.instrument_id) for each in source.info.mappings] == [("TEST", 7)]
    assert source.info.skipped == {"message S": 1}
    midnight = datetime(2024, 1, 31, 5, tzinfo=UTC)  # of New York in winter
    assert int(records["ts_event"][0]) == (int(midnight.timestamp()) + 1) * SECOND


def test_order_that_was_taken_whole_is_known_no_more(tmp_path: Path) -> None:
    messages = [
        added(1, "B", 100, 10_000),
        message("E", struct.pack(">QIQ", 1, 100, 900)),
        message("D", struct.pack(">Q", 1)),
        message("U", struct.pack(">QQII", 1, 2, 70, 10_010)),
    ]
    records = np.concatenate(list(write(tmp_path, b"".join(messages)).chunks()))
    assert described(records)[-2:] == ["C N 0 - 1 last", "C N 0 - 1 last"]


def test_cut_file_gives_everything_before_and_then_says_where(tmp_path: Path) -> None:
    data = framed("zeros")
    whole = np.concatenate(list(write(tmp_path, data).chunks()))
    for size in range(len(data) - 1, len(data) // 2, -7):
        records, error = read_until_error(write(tmp_path, data[:size]))
        assert (records == whole[: len(records)]).all()
        assert len(whole) - len(records) < len(EXPECTED)
        assert error is None or "ends inside the message at byte" in error
    assert read_until_error(write(tmp_path, data[:-1]))[1] is not None


def test_damage_is_told_with_its_place_after_everything_before_it(tmp_path: Path) -> None:
    data = bytearray(framed("lengths"))
    at = len(framed("lengths")) - len(MESSAGES[-1]) - 2
    data[at + 1] += 1
    records, error = read_until_error(write(tmp_path, bytes(data)))
    assert described(records) == EXPECTED[:-1]
    assert error is not None
    assert f"at byte {at:,}: a message H has 25 bytes, not 26" in error


def test_day_comes_from_the_name_or_the_caller(tmp_path: Path) -> None:
    days = {
        "20240131.TEST_ITCH50": date(2024, 1, 31),
        "01302019.NASDAQ_ITCH50": date(2019, 1, 30),
        "S013019-v50.txt": date(2019, 1, 30),
    }
    assert {name: ItchSource(tmp_path / name).day for name in days} == days
    assert ItchSource(tmp_path / "itch", day=date(2020, 2, 3)).day == date(2020, 2, 3)
    with pytest.raises(RecordingError, match="the day"):
        ItchSource(tmp_path / "itch")


def test_sample_has_unknown_orders_only_where_it_deletes_them_before_it_adds_them() -> None:
    source = ItchSource(recording(ITCH))
    records = np.concatenate(list(source.chunks()))
    assert records["sequence"][-1] == 12_012 - 3, "the last three are system events"
    assert source.info.symbols == ["ALC", "BOB", "CHAR"]
    errors = []
    for instrument in (1, 2, 3):
        book = PlainBook()
        for record in records[records["instrument_id"] == instrument]:
            book.apply(record)
        errors += book.errors
    assert len(errors) == 117
    assert all(error.startswith("C of unknown order") for error in errors)


def read_until_error(source: ItchSource) -> tuple[MboRecords, str | None]:
    chunks = []
    try:
        for chunk in source.chunks():
            chunks.append(chunk)
    except RecordingError as error:
        return np.concatenate([np.empty(0, MBO_DTYPE), *chunks]), str(error)
    return np.concatenate([np.empty(0, MBO_DTYPE), *chunks]), None
