"""Every record is in the store once, however and however often it was loaded."""

from __future__ import annotations

import signal
import subprocess
import sys
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

from tradepit.marketdata.recorder import convert
from tradepit.marketdata.records import PRICE_NONE, PRICE_SCALE
from tradepit.marketdata.sources.dbn import DbnSource
from tradepit.marketdata.sources.journal import JournalSource
from tradepit.marketdata.sources.opening import open_source
from tradepit.marketdata.sources.source import MboRecords, RecordingError
from tradepit.marketdata.timeseries.catalog import Catalog, StoreError
from tradepit.marketdata.timeseries.loading import Changed, load_path

pytest.importorskip("duckdb")

LEVELS = 4
TIMES = "epoch_ns(time), epoch_ns(ts_recv)"
KILLED_AT_RENAME = """
import os, signal, sys
from pathlib import Path
from tradepit.journal.disk import Disk
from tradepit.marketdata.timeseries.loading import load_path

left = int(sys.argv[3])
rename = Disk.rename

def killed(self, source, target):
    global left
    left -= 1
    if left < 0:
        os.kill(os.getpid(), signal.SIGKILL)
    rename(self, source, target)

Disk.rename = killed
load_path(Path(sys.argv[1]), Path(sys.argv[2]), replace="replace" in sys.argv)
"""


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


@pytest.mark.parametrize("replaces", [False, True])
def test_load_killed_at_any_rename_and_loaded_again_is_the_same(
    tmp_path: Path, replaces: bool
) -> None:
    file = write_session(tmp_path / "session.dbn", seed=3, rate=0.002, records=1_200)
    load_path(tmp_path / "whole", file)
    wanted = everything(tmp_path / "whole")
    renames = len(list((tmp_path / "whole").rglob("*.parquet"))) + 1
    assert renames > 20, renames
    for kill_at in [*range(0, renames, 7), renames - 1, renames]:
        store = tmp_path / f"killed-{kill_at}"
        old = None
        if replaces:
            content = file.read_bytes()
            load_path(store, write_session(file, seed=4))
            old = everything(store)
            file.write_bytes(content)
        arguments = [str(store), str(file), str(kill_at), *(["replace"] if replaces else [])]
        child = subprocess.run(
            [sys.executable, "-c", KILLED_AT_RENAME, *arguments], check=False, timeout=60
        )
        is_over = kill_at == renames and not replaces
        assert child.returncode == (0 if is_over else -signal.SIGKILL)
        if kill_at < renames:
            assert everything(store) == (old or {table: [] for table in wanted})
        else:
            assert everything(store) == wanted
        load_path(store, file, replace=replaces)
        assert everything(store) == wanted
        names = {name for load in Catalog(store).loads() for name in load.files}
        assert {str(path.relative_to(store)) for path in store.rglob("*.parquet")} == names
        assert not (store / "loading").exists()


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
