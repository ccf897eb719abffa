"""Named queries agree with counts made without SQL; SQL is exact, and only reads."""

from __future__ import annotations

import csv
import io
import json
from collections import defaultdict
from collections.abc import Iterator
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.unit.marketdata.sources.recordings import ESH4, recording
from tests.unit.marketdata.timeseries.recount import (
    NaiveRows,
    candles_of,
    rows_of,
    write_session,
)
from typer.testing import CliRunner

from tradepit.marketdata.cli import app
from tradepit.marketdata.records import PRICE_SCALE
from tradepit.marketdata.sources.opening import open_source
from tradepit.marketdata.sources.source import MboRecords
from tradepit.marketdata.timeseries.catalog import StoreError
from tradepit.marketdata.timeseries.loading import load_path
from tradepit.marketdata.timeseries.queries import (
    Query,
    Question,
    depth,
    open_store,
    parse_length,
    parse_time,
    spread,
    trades,
)

duckdb = pytest.importorskip("duckdb")
runner = CliRunner()
MINUTE = 60 * 10**9


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("session")
    return write_session(folder / "session.dbn", seed=5, rate=0.5)


@pytest.fixture(scope="module")
def store(session: Path) -> Path:
    load_path(session.parent / "store", session)
    return session.parent / "store"


def of_instrument(path: Path, number: int) -> MboRecords:
    records = np.concatenate(list(open_source(path).chunks()))
    return records[records["instrument_id"] == number]


def printed(store: Path, *arguments: str) -> list[dict[str, Any]]:
    command = ["query", *arguments, "--store", str(store), "--format", "json"]
    result = runner.invoke(app, command)
    assert result.exit_code == 0, result.output
    found: list[dict[str, Any]] = json.loads(result.stdout)
    return found


def check_candles(found: list[dict[str, Any]], records: MboRecords, interval_ns: int) -> None:
    rows = {}
    for row in found:
        prices = (Decimal(row[name]) * PRICE_SCALE for name in ("open", "high", "low", "close"))
        rows[parse_time(row["start"])] = (*map(int, prices), row["volume"], row["trades"])
    assert rows == candles_of(records, interval_ns)
    assert rows


def test_candles_are_those_counted_from_the_records(session: Path, store: Path) -> None:
    for number in (1, 2, 3):
        records = of_instrument(session, number)
        found = printed(store, "candles", "--symbol", f"GEN{number}", "--interval", "5m")
        check_candles(found, records, 5 * MINUTE)
        traded = records[records["action"] == ord("T")]
        value = sum(int(p) * int(s) for p, s in zip(traded["price"], traded["size"], strict=True))
        (day,) = printed(store, "candles", "--symbol", f"GEN{number}", "--interval", "1d")
        assert int(Decimal(day["vwap"]) * PRICE_SCALE) == value // int(traded["size"].sum())


def test_candles_of_the_main_recording(tmp_path: Path) -> None:
    file = recording(ESH4)
    load_path(tmp_path, file)
    found = printed(tmp_path, "candles", "--symbol", "ESH4", "--interval", "1m")
    check_candles(found, of_instrument(file, 17077), MINUTE)
    assert sum(row["trades"] for row in found) == 2_973


def test_period_begins_with_its_first_moment_and_ends_before_its_last(
    session: Path, store: Path
) -> None:
    times = of_instrument(session, 1)
    times = times["ts_event"][times["action"] == ord("T")]
    first, last = int(times[3]), int(times[-3])
    with open_store(store) as opened:
        question = Question(symbol="GEN1", begin_ns=first, end_ns=last)
        found = [parse_time(row[3]) for row in opened.ask(trades(question))]
    assert found == [each for each in times.tolist() if first <= each < last]


def spreads(records: MboRecords, interval_ns: int) -> dict[int, list[tuple[int, int]]]:
    """Spread and ns that it lasted, by interval."""
    found = defaultdict(list)
    best = NaiveRows(records, 1).best
    times = records["ts_event"].tolist()
    for (_, _, number, bid, ask), (_, _, until, _, _) in pairwise(best):
        time = times[number]
        while bid and ask and time < times[until]:
            end = min(times[until], (time // interval_ns + 1) * interval_ns)
            found[time // interval_ns * interval_ns].append((ask[0] - bid[0], end - time))
            time = end
    return found


def test_spreads_are_those_counted_from_naive_books(session: Path, store: Path) -> None:
    wanted = spreads(of_instrument(session, 2), MINUTE)
    with open_store(store) as opened:
        rows = list(opened.ask(spread(Question(symbol="GEN2", interval_ns=MINUTE))))
    assert [parse_time(row[3]) for row in rows] == sorted(wanted)
    for *_, start, lowest, highest, mean, crossed_ppm, counted_ns in rows:
        parts = wanted[parse_time(start)]
        lengths = sum(ns for _, ns in parts)
        total = sum(units * ns for units, ns in parts)
        assert counted_ns == lengths
        assert int(lowest * PRICE_SCALE) == min(units for units, _ in parts)
        assert int(highest * PRICE_SCALE) == max(units for units, _ in parts)
        assert int(mean * PRICE_SCALE) == abs(total) // lengths * (1 if total >= 0 else -1)
        crossed = sum(ns for units, ns in parts if units <= 0)
        assert crossed_ppm == crossed * 1_000_000 // lengths
    assert any(row[7] for row in rows)


def sides_at(naive: NaiveRows, key: tuple[int, int], moment_ns: int) -> list[tuple[Any, ...]]:
    seconds = [each for *of, each in naive.depth if tuple(of) == key and each * 10**9 <= moment_ns]
    if not seconds:
        return []
    bids, asks = naive.depth[(*key, max(seconds))]
    return [
        (side, number, Decimal(price) / PRICE_SCALE, size, orders)
        for side, levels in (("bid", bids), ("ask", asks))
        for number, (price, size, orders) in enumerate(levels, 1)
    ]


def test_depth_is_the_book_at_the_last_second_before_the_moment(session: Path, store: Path) -> None:
    records = of_instrument(session, 3)
    naive = NaiveRows(records, 10)
    begin, end = int(records["ts_event"][500]), int(records["ts_event"][-1])
    with open_store(store) as opened:
        for moment in np.linspace(begin, end, 20).astype(int).tolist():
            rows = opened.ask(depth(Question(symbol="GEN3", at_ns=moment)))
            assert [row[5:] for row in rows] == sides_at(naive, (1, 3), moment)
        question = Question(symbol="GEN3", begin_ns=begin, interval_ns=10 * MINUTE)
        steps: dict[int, list[tuple[Any, ...]]] = defaultdict(list)
        for row in opened.ask(depth(question)):
            steps[parse_time(row[3])].append(row[5:])
    assert len(steps) > 3
    for moment, rows in steps.items():
        assert moment % (10 * MINUTE) == 0
        assert rows == sides_at(naive, (1, 3), moment)


def test_csv_and_json_and_parquet_have_the_same_exact_values(store: Path, tmp_path: Path) -> None:
    asked = ["trades", "--symbol", "GEN1"]
    as_json = printed(store, *asked)
    out = tmp_path / "trades.csv"
    command = ["query", *asked, "--store", str(store), "--format", "csv"]
    as_csv = list(csv.DictReader(io.StringIO(runner.invoke(app, command).stdout)))
    assert runner.invoke(app, [*command, "-o", str(out)]).exit_code == 0
    assert list(csv.DictReader(io.StringIO(out.read_text()))) == as_csv
    assert as_csv == [{name: str(value) for name, value in row.items()} for row in as_json]
    parquet = tmp_path / "trades.parquet"
    command = ["query", *asked, "--store", str(store), "--format", "parquet", "-o", str(parquet)]
    assert runner.invoke(app, command).exit_code == 0
    found = duckdb.sql(f"SELECT price, epoch_ns(time) FROM '{parquet}'").fetchall()
    assert found == [(Decimal(row["price"]), parse_time(row["time"])) for row in as_json]


@pytest.mark.parametrize(
    "sql",
    [
        "COPY trades TO '{out}'",
        "CREATE TABLE mine AS SELECT 1",
        "SELECT 1; SELECT 2",
        "SET memory_limit = '1TB'",
        "SELECT * FROM read_text('{outside}')",
        "SELECT * FROM read_csv('{outside}')",
        "ATTACH '{out}' AS mine",
        "INSTALL httpfs",
        "SELEC",
        "SELECT * FROM nowhere",
    ],
)
def test_sql_reads_the_store_and_nothing_else(store: Path, tmp_path: Path, sql: str) -> None:
    outside, out = tmp_path / "outside", tmp_path / "out"
    outside.write_text("secret")
    with open_store(store) as opened, pytest.raises(StoreError):
        list(opened.ask(Query(sql.format(out=out, outside=outside))))
    assert not out.exists()
    assert outside.read_text() == "secret"
    assert rows_of(store, "SELECT 7 -- a remark") == [(7,)]


def test_files_that_no_manifest_names_are_in_no_query(session: Path, tmp_path: Path) -> None:
    load_path(tmp_path, session)
    count = rows_of(tmp_path, "SELECT count(*) FROM trades")
    path = next((tmp_path / "trades").rglob("*.parquet"))
    path.with_name("stray.parquet").write_bytes(path.read_bytes())
    assert rows_of(tmp_path, "SELECT count(*) FROM trades") == count


def test_store_without_a_load_has_empty_views(tmp_path: Path) -> None:
    (tmp_path / "loads").mkdir()
    for table in ("messages", "trades", "bbo", "depth"):
        assert rows_of(tmp_path, f"SELECT * FROM {table}") == []
    for name in ("candles", "spread", "depth", "trades"):
        assert printed(tmp_path, name) == []


@pytest.mark.parametrize(
    ("text", "time_ns"),
    [
        ("1970-01-02", 86_400 * 10**9),
        ("1970-01-01T00:00:01.000000001Z", 10**9 + 1),
        ("1970-01-01 01:00:01+01:00", 10**9),
        ("1970-01-01T00:01", MINUTE),
    ],
)
def test_times_are_read_to_the_nanosecond(text: str, time_ns: int) -> None:
    assert parse_time(text) == time_ns


@pytest.mark.parametrize("text", ["", "1970", "1970-13-01", "1970-01-01T", "yesterday"])
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        parse_time(text)


def lengths() -> Iterator[tuple[str, int]]:
    yield from (("1s", 10**9), ("5m", 5 * MINUTE), ("2h", 120 * MINUTE), ("1d", 1440 * MINUTE))


def test_lengths_have_a_unit_and_are_not_nothing() -> None:
    for text, length_ns in lengths():
        assert parse_length(text) == length_ns
    for text in ("", "5", "0m", "m", "-1s", "1.5h"):
        with pytest.raises(ValueError):
            parse_length(text)


@pytest.mark.parametrize(
    "arguments",
    [[], ["candles", "--sql", "SELECT 1"], ["waves"], ["trades", "--from", "soon"],
     ["trades", "--format", "parquet"], ["candles", "--interval", "1x"]],
)  # fmt: skip
def test_command_refuses_what_it_cannot_answer(store: Path, arguments: list[str]) -> None:
    assert runner.invoke(app, ["query", *arguments, "--store", str(store)]).exit_code == 2


def test_commands_load_and_ask_and_tell_what_is_wrong(session: Path, tmp_path: Path) -> None:
    store = tmp_path / "store"
    absent = runner.invoke(app, ["query", "trades", "--store", str(store)])
    assert (absent.exit_code, "holds no time-series store" in absent.output) == (1, True)
    first = runner.invoke(app, ["load", str(session), "--store", str(store)])
    assert first.exit_code == 0
    assert ": 3,0" in first.output
    again = runner.invoke(app, ["load", str(session), "--store", str(store)])
    assert (again.exit_code, "nothing new" in again.output) == (0, True)
    missing = runner.invoke(app, ["load", str(tmp_path / "no.dbn"), "--store", str(store)])
    assert (missing.exit_code, "no.dbn" in missing.output) == (1, True)
    table = runner.invoke(app, ["query", "trades", "--limit", "2", "--store", str(store)])
    assert "only the first 2 rows" in table.output
