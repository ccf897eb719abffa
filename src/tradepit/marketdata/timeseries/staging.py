"""The rows of one load on their way from records to Parquet files.

They wait in a temporary database on the disk, because symbols and the end of a source are known
only when all of it was read; memory does not grow with its length.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import date, timedelta
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from tradepit.marketdata.records import ACTION_TRADE, PRICE_NONE
from tradepit.marketdata.sources.source import UNKNOWN_TIME, Mapping, MboRecords, SourceInfo
from tradepit.marketdata.timeseries.catalog import TABLES, StoreError
from tradepit.marketdata.timeseries.sampling import Sample

if TYPE_CHECKING:
    import duckdb

MEMORY: Final = "384MB"
"""Of the temporary database; what is beyond goes to its folder."""

ROWS_MAX: Final = 1 << 19
"""Rows of all partitions held at once while their files are written."""

_EPOCH: Final = date(1970, 1, 1)
_TIME: Final = f"coalesce(nullif(ts_event, {UNKNOWN_TIME}), nullif(ts_recv, {UNKNOWN_TIME}), 0)"
"""When it happened as far as is known."""
_DAY_NS: Final = 86_400_000_000_000


def _timestamp(column: str) -> str:
    return f"make_timestamp_ns(nullif({column}, {UNKNOWN_TIME})::BIGINT)"


def _price(column: str) -> str:
    return f"nullif({column}, {PRICE_NONE})"


_MESSAGE_COLUMNS: Final = {
    "record": "BIGINT", "publisher_id": "USMALLINT", "instrument_id": "UINTEGER",
    "ts_event": "UBIGINT", "ts_recv": "UBIGINT", "action": "UTINYINT", "side": "UTINYINT",
    "price": "BIGINT", "size": "UINTEGER", "order_id": "UBIGINT", "flags": "UTINYINT",
    "channel_id": "UTINYINT", "ts_in_delta": "INTEGER", "sequence": "UINTEGER",
}  # fmt: skip
_BBO_COLUMNS: Final = {
    "record": "BIGINT", "publisher_id": "USMALLINT", "instrument_id": "UINTEGER",
    "ts_event": "UBIGINT", "ts_recv": "UBIGINT", "bid_price": "BIGINT", "bid_size": "UBIGINT",
    "bid_orders": "UINTEGER", "ask_price": "BIGINT", "ask_size": "UBIGINT",
    "ask_orders": "UINTEGER", "crossed": "UTINYINT",
}  # fmt: skip
_SAMPLE_COLUMNS: Final = {
    "publisher_id": "USMALLINT", "instrument_id": "UINTEGER", "second": "BIGINT",
    "bids": "UINTEGER", "asks": "UINTEGER",
}  # fmt: skip
_LEVEL_COLUMNS: Final = {"price": "BIGINT", "size": "UBIGINT", "orders": "UINTEGER"}

_IN_ORDER: Final = f"""
    dataset, symbol, day, source, record, publisher_id, instrument_id,
    make_timestamp_ns({_TIME}::BIGINT) AS time, {_timestamp("ts_recv")} AS ts_recv"""
_LETTERS: Final = "chr(action::INTEGER) AS action, chr(side::INTEGER) AS side"
_NAMED: Final = """
    (SELECT *, ? AS dataset, ? AS source FROM (
        SELECT *, DATE '1970-01-01' + day_number::INTEGER AS day
        FROM (SELECT *, {day} AS day_number FROM {table} {where})
        JOIN symbols USING (instrument_id, day_number)))"""
_RECORD_DAY: Final = f"({_TIME} // {_DAY_NS})"
_SAMPLE_DAY: Final = "((second - 1) // 86400)"


def _named(table: str, day: str = _RECORD_DAY, where: str = "") -> str:
    return _NAMED.format(table=table, day=day, where=where)


_ROWS: Final = {
    "messages": f"""
        SELECT {_IN_ORDER}, {_timestamp("ts_event")} AS ts_event, {_LETTERS},
            {_price("price")} AS price, size, order_id, flags, channel_id, ts_in_delta, sequence
        FROM {_named("messages")}""",
    "trades": f"""
        SELECT {_IN_ORDER}, {_price("price")} AS price, size, chr(side::INTEGER) AS side,
            order_id, sequence
        FROM {_named("messages", where=f"WHERE action = {ACTION_TRADE}")}""",
    "bbo": f"""
        SELECT {_IN_ORDER}, {_price("bid_price")} AS bid_price, bid_size, bid_orders,
            {_price("ask_price")} AS ask_price, ask_size, ask_orders, crossed = 1 AS crossed
        FROM {_named("bbo")}""",
    "depth": f"""
        SELECT dataset, symbol, day, source, publisher_id, instrument_id,
            make_timestamp_ns(second * 1000000000) AS time,
            {{bids}} AS bids, {{asks}} AS asks
        FROM {_named("samples", _SAMPLE_DAY)}""",
}


def load_duckdb() -> ModuleType:
    """Import DuckDB.

    Raises: StoreError when it is not installed.
    """
    try:
        import duckdb
    except ImportError:
        message = "the time-series store needs DuckDB: pip install 'tradepit[timeseries]'"
        raise StoreError(message) from None
    return duckdb


class Staging:
    """Takes the rows of one load and writes them as files."""

    def __init__(self, folder: Path, levels: int) -> None:
        self._folder = folder
        self._levels = levels
        self._database: duckdb.DuckDBPyConnection = load_duckdb().connect(
            folder / "rows.duckdb",
            config={
                "memory_limit": MEMORY,
                "temp_directory": str(folder / "spill"),
                "threads": 1,  # more would write more files, and in another order
                "autoinstall_known_extensions": False,
                "partitioned_write_flush_threshold": ROWS_MAX,
            },
        )
        self._columns = {
            "messages": _MESSAGE_COLUMNS,
            "bbo": _BBO_COLUMNS,
            "samples": _SAMPLE_COLUMNS | _level_columns(levels),
        }
        for table, columns in self._columns.items():
            names = ", ".join(f"{name} {kind}" for name, kind in columns.items())
            self._database.execute(f"CREATE TABLE {table} ({names})")

    def add_messages(self, records: MboRecords, first_record: int) -> None:
        """Add records; the first one has this number in its source."""
        numbers = np.arange(first_record, first_record + len(records))
        self._add("messages", {"record": numbers} | _columns(records, _MESSAGE_COLUMNS))

    def add_best(self, rows: NDArray[np.void], first_record: int) -> None:
        """Add `BBO_DTYPE`; `first_record` is the number of the record that is 0 in the rows."""
        numbers = rows["record"].astype(np.int64) + first_record
        self._add("bbo", _columns(rows, _BBO_COLUMNS) | {"record": numbers})

    def add_samples(self, samples: list[Sample]) -> None:
        """Add the levels of seconds that are over."""
        rows = [
            (*sample[:3], len(sample.bids), len(sample.asks), *_flat(sample, self._levels))
            for sample in samples
        ]
        if rows:
            columns = self._columns["samples"]
            values = np.array(rows, np.int64).T.copy()
            self._add("samples", dict(zip(columns, values, strict=True)))

    def write(
        self, info: SourceInfo, source: str, progress: Callable[[int, int], None] | None
    ) -> Path:
        """Write everything as Parquet files; gives the folder they are in."""
        self._name(info)
        out = self._folder / "out"
        out.mkdir()
        for number, table in enumerate(TABLES):
            partitions = "PARTITION_BY (dataset, symbol, day), FILENAME_PATTERN 'part-{i}'"
            target = str(out / table).replace("'", "''")
            rows = _ROWS[table].format(
                bids=_list("bids", self._levels), asks=_list("asks", self._levels)
            )
            self._database.execute(
                f"COPY ({rows}) TO '{target}' (FORMAT parquet, COMPRESSION zstd, {partitions})",
                [info.dataset or "none", source],
            )
            if progress is not None:
                progress(number + 1, len(TABLES))
        return out

    def close(self) -> None:
        self._database.close()

    def _add(self, table: str, columns: dict[str, NDArray[Any]]) -> None:
        if not len(next(iter(columns.values()))):
            return
        names = ", ".join(self._columns[table])
        self._database.register("arrays", columns)
        self._database.execute(f"INSERT INTO {table} SELECT {names} FROM arrays")
        self._database.unregister("arrays")

    def _name(self, info: SourceInfo) -> None:
        """Make the table of symbols: one for each instrument and day that there is."""
        found = self._database.execute(
            f"SELECT instrument_id, {_RECORD_DAY} FROM messages "
            f"UNION SELECT instrument_id, {_RECORD_DAY} FROM bbo "
            f"UNION SELECT instrument_id, {_SAMPLE_DAY} FROM samples"
        ).fetchall()
        self._database.execute(
            "CREATE TABLE symbols (instrument_id UINTEGER, day_number BIGINT, symbol VARCHAR)"
        )
        rows = [(number, day, symbol_of(info, number, day)) for number, day in found]
        if rows:
            self._database.executemany("INSERT INTO symbols VALUES (?, ?, ?)", rows)


def symbol_of(info: SourceInfo, instrument_id: int, day_number: int) -> str:
    """The symbol of an instrument number on a day, counted from 1970-01-01.

    On a day without one, as that on which an order of a snapshot was entered, it is that of the
    nearest day; without any it is the number.
    """
    day = _EPOCH + timedelta(days=day_number)
    mappings = [each for each in info.mappings if each.instrument_id == instrument_id]
    if not mappings:
        return str(instrument_id)

    def days_away(each: Mapping) -> timedelta:
        last = each.end - timedelta(days=1)
        return max(each.start - day, day - last, timedelta(0))

    return min(mappings, key=days_away).symbol


def _columns(rows: NDArray[np.void], wanted: dict[str, str]) -> dict[str, NDArray[Any]]:
    names = rows.dtype.names or ()
    return {name: np.ascontiguousarray(rows[name]) for name in wanted if name in names}


def _level_columns(levels: int) -> dict[str, str]:
    """A column for each value of each level: `bids_0_price`, ..."""
    return {
        f"{side}_{number}_{name}": kind
        for side in ("bids", "asks")
        for number in range(levels)
        for name, kind in _LEVEL_COLUMNS.items()
    }


def _flat(sample: Sample, levels: int) -> Iterator[int]:
    for side in (sample.bids, sample.asks):
        for level in side:
            yield from level
        yield from (0,) * ((levels - len(side)) * len(_LEVEL_COLUMNS))


def _list(side: str, levels: int) -> str:
    """The SQL of a list of the levels that there are."""
    structs = (
        "{" + ", ".join(f"'{name}': {side}_{number}_{name}" for name in _LEVEL_COLUMNS) + "}"
        for number in range(levels)
    )
    return f"[{', '.join(structs)}][:{side}]"
