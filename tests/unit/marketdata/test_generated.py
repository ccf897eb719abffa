"""Generated sessions are real enough, never wrong, and the same for the same seed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from tests.unit.marketdata.sources.plain_book import PlainBook
from typer.testing import CliRunner

from tradepit.marketdata.cli import app
from tradepit.marketdata.generated import START_NS, GeneratedSource, SessionSettings
from tradepit.marketdata.recorded_events import group_events, plain_records
from tradepit.marketdata.records import FLAG_LAST, FLAG_SNAPSHOT
from tradepit.marketdata.sources.dbn import DbnSource
from tradepit.marketdata.verification.rebuilding import rebuild

SEEDS = range(4)
runner = CliRunner()


def settings(
    seed: int, *, records: int | None = 6_000, minutes: float | None = None
) -> SessionSettings:
    return SessionSettings(
        seed=seed, records=records, minutes=minutes, orders=400, pre_open_orders=30, instruments=2,
        icebergs=0.1,
    )  # fmt: skip


@pytest.mark.parametrize("seed", SEEDS)
def test_no_record_is_wrong_and_the_book_is_crossed_only_before_its_first_trade(seed: int) -> None:
    print(f"seed {seed}")
    books = {number: PlainBook() for number in (1, 2)}
    traded = dict.fromkeys(books, False)
    crossed = dict.fromkeys(books, 0)
    for chunk in GeneratedSource(settings(seed)).chunks():
        for record in chunk:
            number = int(record["instrument_id"])
            books[number].apply(record)
            traded[number] |= record["action"] == ord("T")
            if record["flags"] & FLAG_LAST and books[number].is_crossed:
                assert not traded[number]
                crossed[number] += 1
    assert [book.errors for book in books.values()] == [[], []]
    assert all(crossed.values())


@pytest.mark.parametrize("seed", SEEDS)
def test_fills_of_an_event_come_from_the_front_of_the_queue(seed: int) -> None:
    """In continuous trading; an iceberg that was refreshed in the event stands behind."""
    print(f"seed {seed}")
    book = PlainBook()
    only = SessionSettings(seed=seed, records=5_000, orders=400, pre_open_orders=0, icebergs=0)
    fills = 0
    pending = []
    for chunk in GeneratedSource(only).chunks():
        for record in chunk:
            pending.append(record)
            if not record["flags"] & FLAG_LAST:
                continue
            filled = [each for each in pending if each["action"] == ord("F")]
            if filled:
                front = book.orders(chr(filled[0]["side"]))[: len(filled)]
                assert [order[0] for order in front] == [int(each["order_id"]) for each in filled]
                assert [order[1] for order in front] == [int(each["price"]) for each in filled]
                fills += len(filled)
            for each in pending:
                book.apply(each)
            pending.clear()
    assert fills > 200


def test_same_seed_gives_the_same_file_and_another_seed_another(tmp_path: Path) -> None:
    files = []
    for name, seed in (("a.dbn.zst", 5), ("b.dbn.zst", 5), ("c.dbn.zst", 6)):
        path = tmp_path / name
        arguments = ["generate", str(path), "--records", "30000", "--seed", str(seed)]
        result = runner.invoke(app, arguments)
        assert result.exit_code == 0, result.output
        files.append(path.read_bytes())
    assert files[0] == files[1] != files[2]
    source = DbnSource(tmp_path / "a.dbn.zst")
    assert [(each.symbol, each.instrument_id) for each in source.info.mappings] == [("GEN1", 1)]
    report = rebuild(source)
    assert report.errors == {}
    assert report.records >= 30_000
    assert report.ends[0].crossed.before_first_trade.events > 100
    assert report.ends[0].crossed.after_first_trade.events == 0


def test_session_of_minutes_ends_with_them() -> None:
    source = GeneratedSource(settings(1, records=None, minutes=2.0))
    records = np.concatenate(list(source.chunks()))
    last = int(records["ts_event"][-1])
    assert 0 < START_NS + 2 * 60 * 10**9 - last < 10**9
    assert records["flags"][-1] & FLAG_LAST
    events = np.count_nonzero(records["flags"] & FLAG_LAST)
    assert 0.8 < events / (2 * 60 * 200) < 1.2, "200 events a second"


def test_session_begins_with_a_snapshot_of_each_book() -> None:
    (chunk,) = GeneratedSource(settings(1, records=2_000)).chunks()
    events = list(group_events(plain_records(chunk)))
    assert [event.is_snapshot for event in events[:3]] == [True, True, False]
    assert chunk["action"][0] == ord("R")
    assert np.count_nonzero(chunk["flags"] & FLAG_SNAPSHOT) == 802


def test_session_without_an_end_is_refused() -> None:
    with pytest.raises(ValueError, match="ends after"):
        GeneratedSource(settings(1, records=None))
    assert runner.invoke(app, ["generate", "x.dbn"]).exit_code == 2
