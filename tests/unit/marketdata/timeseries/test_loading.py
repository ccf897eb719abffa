"""Every record is in the store once, however and however often it was loaded."""

from __future__ import annotations

import signal
import subprocess
import sys
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest
from tests.unit.marketdata.sources.recordings import AAPL, CLX5, ESH4, ESM4, recording
from tests.unit.marketdata.timeseries.recount import (
    NaiveRows,
    everything,
    rows_of,
    trades_of,
    write_session,
)
from tests.unit.projections.journals import World

from tradepit.marketdata.dbn_writer import DbnWriter, metadata_of
from tradepit.marketdata.recorder import convert
from tradepit.marketdata.records import FLAG_LAST, PRICE_NONE, PRICE_SCALE
from tradepit.marketdata.sources.dbn import DbnSource
from tradepit.marketdata.sources.journal import JournalSource
from tradepit.marketdata.sources.opening import open_source
from tradepit.marketdata.sources.source import (
    Mapping,
    MboRecords,
    RecordingError,
    SourceInfo,
    new_records,
)
from tradepit.marketdata.timeseries.catalog import Catalog, StoreError
from tradepit.marketdata.timeseries.loading import Changed, load_path
from tradepit.marketdata.timeseries.staging import symbol_of

pytest.importorskip("duckdb")

LEVELS = 4
TIMES = "epoch_ns(time), epoch_ns(ts_recv)"
KILLED = """
import os, signal, sys
from pathlib import Path
from tradepit.journal.disk import Disk
from tradepit.marketdata.timeseries.loading import load_path

left = int(sys.argv[3])

def counted(call):
    def step(*arguments, **options):
        global left
        left -= 1
        if left < 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return call(*arguments, **options)
    return step

Disk.rename = counted(Disk.rename)
Path.unlink = counted(Path.unlink)
load_path(Path(sys.argv[1]), Path(sys.argv[2]), replace="replace" in sys.argv)
"""
"""Loads a file, and is killed at its n-th step: a file is renamed or removed."""


def records_of(path: Path) -> MboRecords:
    return np.concatenate(list(open_source(path).chunks()))


def price(units: int) -> Decimal | None:
    return None if units == PRICE_NONE else Decimal(units) / PRICE_SCALE


def check_messages(store: Path, records: MboRecords) -> None:
    columns = "record, publisher_id, instrument_id, epoch_ns(ts_event), epoch_ns(ts_recv), action, \
        side, price, size, order_id, flags, channel_id, ts_in_delta, sequence"
    found = rows_of(store, f"SELECT {columns} FROM messages ORDER BY record")
    wanted = [
        (number, publisher, instrument, event, received, chr(action), chr(side), price(units),
         size, order, flags, channel, delta, sequence)
        for number, (_, _, publisher, instrument, event, order, units, size, flags, channel,
                     action, side, received, delta, sequence) in enumerate(records.tolist())
    ]  # fmt: skip
    assert found == wanted
    found = rows_of(store, "SELECT record, size, price FROM trades ORDER BY record")
    numbers = np.flatnonzero(records["action"] == ord("T")).tolist()
    trades = trades_of(records)
    prices = map(price, trades["price"].tolist())
    assert found == list(zip(numbers, trades["size"].tolist(), prices, strict=True))
    assert found


def check_books(store: Path, records: MboRecords) -> None:
    naive = NaiveRows(records, LEVELS)
    side = "{0}_price, {0}_size, {0}_orders"
    columns = f"publisher_id, instrument_id, record, {side.format('bid')}, {side.format('ask')}"
    found = rows_of(store, f"SELECT {columns}, crossed FROM bbo ORDER BY record")
    wanted = []
    for *names, bid, ask in naive.best:
        values = [(None, 0, 0) if top is None else (price(top[0]), *top[1:]) for top in (bid, ask)]
        is_crossed = bid is not None and ask is not None and bid[0] >= ask[0]
        wanted.append((*names, *values[0], *values[1], is_crossed))
    assert found == wanted
    columns = "publisher_id, instrument_id, epoch_ns(time) // 1000000000, bids, asks"
    depth = {
        row[:3]: tuple([tuple(each.values()) for each in side] for side in row[3:])
        for row in rows_of(store, f"SELECT {columns} FROM depth")
    }
    assert depth == {
        key: tuple([(price(units), *rest) for units, *rest in side] for side in sides)
        for key, sides in naive.depth.items()
    }
    assert depth


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("rate", [20.0, 0.01])
def test_rows_are_those_of_an_independent_recount(tmp_path: Path, seed: int, rate: float) -> None:
    print(f"seed {seed}")
    file = write_session(tmp_path / "session.dbn", seed=seed, rate=rate)
    load_path(tmp_path / "store", file, levels=LEVELS)
    records = records_of(file)
    check_messages(tmp_path / "store", records)
    check_books(tmp_path / "store", records)
    days = rows_of(
        tmp_path / "store",
        "SELECT count(DISTINCT day), count(DISTINCT symbol), "
        "count(*) FILTER (day <> time::DATE) FROM messages",
    )
    assert days == [(len(np.unique(records["ts_event"] // (86_400 * 10**9))), 3, 0)]
    assert (days[0][0] > 1) == (rate < 1)


@pytest.mark.parametrize(
    "name", [CLX5, AAPL, *(pytest.param(name, marks=pytest.mark.full) for name in (ESH4, ESM4))]
)
def test_rows_of_real_recordings_are_those_of_an_independent_recount(
    tmp_path: Path, name: str
) -> None:
    file = recording(name)
    load_path(tmp_path / "store", file, levels=LEVELS)
    records = records_of(file)
    check_messages(tmp_path / "store", records)
    check_books(tmp_path / "store", records)


def test_same_content_changes_nothing_under_any_name_and_in_any_form(tmp_path: Path) -> None:
    store = tmp_path / "store"
    file = write_session(tmp_path / "session.dbn", seed=1)
    assert load_path(store, file).records == len(records_of(file))
    before = everything(store)
    files = {path: path.stat().st_mtime_ns for path in store.rglob("*.parquet")}
    other = tmp_path / "other.dbn"
    other.write_bytes(file.read_bytes())
    convert(DbnSource(file), tmp_path / "packed.dbn.zst")
    for path in (file, other, tmp_path / "packed.dbn.zst", tmp_path / "packed.dbn.zst"):
        assert load_path(store, path).records == 0
    assert everything(store) == before
    assert {path: path.stat().st_mtime_ns for path in store.rglob("*.parquet")} == files
    (load,) = Catalog(store).loads()
    assert [Path(name).name for name in load.names] == [
        "session.dbn", "other.dbn", "packed.dbn.zst",
    ]  # fmt: skip


def test_changed_file_is_told_and_replaces_what_it_was_only_when_asked(tmp_path: Path) -> None:
    store = tmp_path / "store"
    file = write_session(tmp_path / "session.dbn", seed=1)
    load_path(store, file)
    before = everything(store)
    write_session(file, seed=2)
    with pytest.raises(Changed, match=r"session\.dbn was loaded before with other content"):
        load_path(store, file)
    assert everything(store) == before
    load_path(store, file, replace=True)
    load_path(tmp_path / "fresh", file)
    assert everything(store) == everything(tmp_path / "fresh")
    named = {name for load in Catalog(store).loads() for name in load.files}
    assert {str(path.relative_to(store)) for path in store.rglob("*.parquet")} == named
    write_session(file, seed=1)
    load_path(store, file, replace=True)
    assert everything(store) == before


def test_sources_of_the_same_book_and_time_are_told(tmp_path: Path) -> None:
    first = write_session(tmp_path / "first.dbn", seed=1)
    second = write_session(tmp_path / "second.dbn", seed=2)
    assert load_path(tmp_path / "store", first).overlaps == ()
    assert load_path(tmp_path / "store", second).overlaps == (str(first),)


def killed(store: Path, file: Path, step: int, *more: str) -> bool:
    """Whether a load was killed at this step; otherwise it had fewer."""
    arguments = [str(store), str(file), str(step), *more]
    command = [sys.executable, "-c", KILLED, *arguments]
    child = subprocess.run(command, check=False, timeout=60)
    assert child.returncode in (0, -signal.SIGKILL)
    return child.returncode != 0


def check_files(store: Path) -> None:
    """The files that there are, are those that manifests name."""
    names = {name for load in Catalog(store).loads() for name in load.files}
    assert {str(path.relative_to(store)) for path in store.rglob("*.parquet")} == names
    assert len(list((store / "loads").glob("*.json"))) == len(Catalog(store).loads())
    assert not (store / "loading").exists()


def test_load_killed_at_any_step_and_loaded_again_is_the_same(tmp_path: Path) -> None:
    file = write_session(tmp_path / "session.dbn", seed=3, rate=0.002, records=1_200)
    load_path(tmp_path / "whole", file)
    wanted = everything(tmp_path / "whole")
    renames = len(list((tmp_path / "whole").rglob("*.parquet"))) + 1
    assert renames > 20
    for step in [*range(0, renames, 7), renames - 1]:
        store = tmp_path / f"killed-{step}"
        assert killed(store, file, step)
        assert everything(store) == {table: [] for table in wanted}
        load_path(store, file)
        assert everything(store) == wanted
        check_files(store)
    assert not killed(tmp_path / "over", file, renames)


def test_replacement_killed_at_any_step_shows_the_old_or_the_new(tmp_path: Path) -> None:
    file, other = tmp_path / "session.dbn", tmp_path / "other.dbn"
    write_session(file, seed=4, rate=0.02, records=600)
    load_path(tmp_path / "old", file)
    old = everything(tmp_path / "old")
    old_content = file.read_bytes()
    write_session(file, seed=3, rate=0.02, records=600)
    load_path(tmp_path / "new", file)
    new = everything(tmp_path / "new")
    new_content = file.read_bytes()
    renames = len(list((tmp_path / "new").rglob("*.parquet"))) + 1
    removals = len(list((tmp_path / "old").rglob("*.parquet"))) + 1
    for step in (0, renames - 1, renames, renames + removals // 2, renames + removals):
        store = tmp_path / f"killed-{step}"
        file.write_bytes(old_content)
        load_path(store, file)
        file.write_bytes(new_content)
        assert killed(store, file, step, "replace")
        assert everything(store) == (old if step < renames else new)
        load_path(store, file, replace=True)
        assert everything(store) == new
        check_files(store)
    other.write_bytes(old_content)
    assert not killed(tmp_path / "over", other, renames + removals + 1)


def test_book_of_the_last_second_of_a_day_has_the_symbol_of_that_day(tmp_path: Path) -> None:
    day = date(2024, 1, 2)
    midnight = (day - date(1969, 12, 31)).days * 86_400 * 10**9
    records = new_records(2, publisher_id=1, instrument_id=7)
    records["ts_event"] = records["ts_recv"] = [midnight - 10**9 // 2, midnight + 10**9 // 2]
    records["action"], records["flags"], records["side"] = ord("A"), FLAG_LAST, ord("B")
    records["order_id"], records["price"], records["size"] = [1, 2], 5 * PRICE_SCALE, 3
    next_day = day + timedelta(days=1)
    mappings = [
        Mapping("OLD", 7, day, next_day),
        Mapping("NEW", 7, next_day, next_day + timedelta(days=1)),
    ]
    file = tmp_path / "days.dbn"
    info = SourceInfo("dbn", "3", "TEST", "mbo", symbols=["OLD", "NEW"], mappings=mappings)
    with DbnWriter(file, metadata_of(info), is_compressed=False) as writer:
        writer.write(records)
        writer.close(metadata_of(info))
    load_path(tmp_path / "store", file)
    found = rows_of(
        tmp_path / "store", "SELECT symbol, day, epoch_ns(time), bids[1].size FROM depth"
    )
    assert sorted(found, reverse=True) == [
        ("OLD", day, midnight, 3), ("NEW", next_day, midnight + 10**9, 6),
    ]  # fmt: skip
    found = rows_of(tmp_path / "store", "SELECT symbol, day, record FROM messages")
    assert sorted(found, reverse=True) == [("OLD", day, 0), ("NEW", next_day, 1)]


@pytest.mark.parametrize(
    ("day", "symbol"),
    [("2024-01-01", "A"), ("2024-01-05", "A"), ("2024-01-06", "A"), ("2024-01-07", "A"),
     ("2024-01-08", "B"), ("2024-01-09", "B"), ("2024-01-11", "B"), ("2024-03-01", "B")],
)  # fmt: skip
def test_symbol_is_that_of_the_day_or_of_the_nearest_one(day: str, symbol: str) -> None:
    """A is valid on the 5th and 6th, B on the 9th and 10th."""
    spans = (("A", "2024-01-05", "2024-01-07"), ("B", "2024-01-09", "2024-01-11"))
    mappings = [
        Mapping(name, 7, date.fromisoformat(start), date.fromisoformat(end))
        for name, start, end in spans
    ]
    info = SourceInfo("dbn", "3", "TEST", "mbo", mappings=mappings)
    number = (date.fromisoformat(day) - date(1970, 1, 1)).days
    assert symbol_of(info, 7, number) == symbol
    assert symbol_of(info, 8, number) == "8"


def test_damaged_recording_leaves_nothing(tmp_path: Path) -> None:
    file = write_session(tmp_path / "session.dbn", seed=1)
    file.write_bytes(file.read_bytes()[:-30])
    with pytest.raises(RecordingError, match="cut short"):
        load_path(tmp_path / "store", file)
    assert Catalog(tmp_path / "store").loads() == []
    assert list((tmp_path / "store").rglob("*.parquet")) == []


def test_second_loader_is_refused_while_one_is_at_work(tmp_path: Path) -> None:
    file = write_session(tmp_path / "session.dbn", seed=1)
    with (
        Catalog(tmp_path / "store").writing(),
        pytest.raises(StoreError, match="something else is being loaded"),
    ):
        load_path(tmp_path / "store", file)


@pytest.mark.parametrize("seed", range(3))
def test_journal_loaded_in_parts_is_the_one_loaded_at_once(tmp_path: Path, seed: int) -> None:
    print(f"seed {seed}")
    world = World(tmp_path / "data", seed=seed, commands=700)
    parts, whole = tmp_path / "parts", tmp_path / "whole"
    counts = []
    for share in (0.2, 0.5, 0.5, 1.0):
        world.grow(share)
        counts.append(load_path(parts, tmp_path / "data", levels=LEVELS).records)
        assert load_path(parts, tmp_path / "data", levels=LEVELS).records == 0
    assert load_path(whole, tmp_path / "data", levels=LEVELS).records == sum(counts)
    assert min(counts) > 0
    assert everything(parts) == everything(whole)
    check_messages(whole, records_of(tmp_path / "data"))
    moved = (tmp_path / "data").rename(tmp_path / "elsewhere")
    assert load_path(parts, moved).records == 0


def test_depth_of_a_journal_waits_for_the_end_of_its_last_second(tmp_path: Path) -> None:
    world = World(tmp_path / "data", seed=1, commands=700)
    world.grow()
    load_path(tmp_path / "store", tmp_path / "data", levels=LEVELS)
    records = np.concatenate(list(JournalSource(tmp_path / "data").chunks()))
    naive = NaiveRows(records, LEVELS).depth
    last: dict[int, int] = {}
    for _, instrument, second in naive:
        last[instrument] = max(second, last.get(instrument, 0))
    found = rows_of(
        tmp_path / "store", "SELECT instrument_id, epoch_ns(time) // 1000000000 FROM depth"
    )
    wanted = [(number, second) for _, number, second in naive if second != last[number]]
    assert sorted(found) == sorted(wanted)
    assert found


def test_journal_with_another_history_is_refused(tmp_path: Path) -> None:
    for name, seed in (("one", 1), ("other", 2)):
        World(tmp_path / name, seed=seed, commands=400).grow()
    load_path(tmp_path / "store", tmp_path / "one")
    before = everything(tmp_path / "store")
    with pytest.raises((StoreError, RecordingError), match=r"does not go on|last sequence"):
        load_path(tmp_path / "store", tmp_path / "other")
    assert everything(tmp_path / "store") == before
