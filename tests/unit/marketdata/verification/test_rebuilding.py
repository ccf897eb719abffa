"""Recordings end in the states that independent implementations found, and depth rows agree."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.unit.marketdata.sources.recordings import (
    CLX5,
    CONFORMANCE,
    ESH4,
    ESH4_SNAPSHOT,
    ESM4,
    recording,
)

from tradepit.marketdata.books import Books, Level
from tradepit.marketdata.dbn_writer import DbnWriter, metadata_kept
from tradepit.marketdata.generated import GeneratedSource, SessionSettings
from tradepit.marketdata.records import FLAG_LAST
from tradepit.marketdata.sources.dbn import DbnSource
from tradepit.marketdata.sources.source import RecordingError
from tradepit.marketdata.verification.depth_rows import DepthRows
from tradepit.marketdata.verification.naive_twin import NaiveTwin
from tradepit.marketdata.verification.rebuilding import EndState, RebuildReport, rebuild


def rebuilt(name: str) -> tuple[RebuildReport, EndState]:
    report = rebuild(DbnSource(recording(name)))
    (end,) = report.ends
    return report, end


@pytest.mark.parametrize(
    ("name", "orders", "levels", "bid", "ask"),
    [
        (ESH4, 11_217, (922, 565), (481_000, 22, 22), (481_025, 28, 18)),
        (ESM4, 13_598, (976, 571), (521_400, 28, 22), (521_425, 17, 11)),
        (ESH4_SNAPSHOT, 8_725, (892, 559), (479_900, 16, 4), (479_950, 23, 4)),
    ],
)
def test_recordings_with_a_snapshot_end_in_the_known_state_without_a_mistake(
    name: str,
    orders: int,
    levels: tuple[int, int],
    bid: tuple[int, int, int],
    ask: tuple[int, int, int],
) -> None:
    report, end = rebuilt(name)
    assert report.errors == {}
    assert end.bids.orders + end.asks.orders == orders
    assert (end.bids.levels, end.asks.levels) == levels
    for found, (cents, size, count) in ((end.best.bid, bid), (end.best.ask, ask)):
        assert found == Level(cents * 10_000_000, size, count)


def test_main_recording_is_crossed_before_its_open_and_never_after() -> None:
    report, end = rebuilt(ESH4)
    assert report.events == 47_022
    assert end.crossed.before_first_trade.events == 891
    assert end.crossed.after_first_trade.events == 0


def test_recording_from_mid_session_has_the_known_unknown_orders_and_crossed_end() -> None:
    report, end = rebuilt(CLX5)
    assert report.errors == {"unknown_cancel": 1_224, "unknown_modify": 216}
    assert end.crossed.before_first_trade.events + end.crossed.after_first_trade.events == 172


def test_depth_rows_of_the_same_session_are_the_rebuilt_books() -> None:
    rows = DepthRows(recording(f"{CONFORMANCE}/XNAS.ITCH__test_data.mbp-10.dbn.zst"))
    rebuild(DbnSource(recording(f"{CONFORMANCE}/XNAS.ITCH__test_data.mbo.dbn.zst")), None, rows)
    assert (rows.report.rows, rows.report.compared, rows.report.mismatches) == (4, 4, 0)


def test_depth_rows_that_differ_are_named(tmp_path: Path) -> None:
    rows = DepthRows(recording(f"{CONFORMANCE}/XNAS.ITCH__test_data.mbp-10.dbn.zst"))
    source = DbnSource(recording(f"{CONFORMANCE}/XNAS.ITCH__test_data.mbo.dbn.zst"))
    (chunk,) = source.chunks()
    records = chunk.copy()
    records["size"][2] += 1
    assert source.header is not None
    with DbnWriter(
        tmp_path / "wrong.dbn", metadata_kept(source.header), is_compressed=False
    ) as writer:
        writer.write(records)
        writer.close()
    rebuild(DbnSource(tmp_path / "wrong.dbn"), None, rows)
    assert rows.report.wrong_rows == [3, 4]


def test_file_without_depth_rows_cannot_be_compared_with() -> None:
    with pytest.raises(RecordingError, match="no MBP"):
        DepthRows(recording(f"{CONFORMANCE}/test_data.mbo.v3.dbn"))


def test_books_that_differ_from_the_naive_ones_are_told() -> None:
    (records,) = GeneratedSource(SessionSettings(seed=1, records=700, orders=300)).chunks()
    twin, books = NaiveTwin(), Books()
    twin.apply(books, records)
    assert (twin.report.comparisons, twin.report.mismatches) == (2, 0)
    extra = records[1:2].copy()
    extra["order_id"], extra["flags"] = 1, FLAG_LAST
    books.apply(extra)  # the naive ones do not see it
    twin.apply(books, records[-1:])
    assert twin.report.mismatches >= 1
    assert twin.report.first_wrong is not None
