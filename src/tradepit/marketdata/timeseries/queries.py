"""Questions to a store: SQL over its views, and the usual ones by name.

Views: `messages`, `trades`, `bbo`, `depth`. Prices are exact decimals, `time` is the event's (where
a record has none, its receipt), sizes are in the source's units: lots of the market's own records.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from tradepit.marketdata.timeseries.catalog import TABLES, Catalog, StoreError
from tradepit.marketdata.timeseries.staging import load_duckdb

if TYPE_CHECKING:
    import duckdb

MEMORY: Final = "1GB"
"""Of a query; what is beyond goes to a temporary folder."""
ROWS_AT_A_TIME: Final = 10_000
NS_PER_SECOND: Final = 1_000_000_000
UNITS: Final = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}
TIME_MAX_NS: Final = 2**63 - 1

_NAME_COLUMNS: Final = """
    source VARCHAR, record BIGINT, publisher_id USMALLINT, instrument_id UINTEGER,
    time TIMESTAMP_NS, ts_recv TIMESTAMP_NS, """
_LEVELS: Final = "STRUCT(price BIGINT, size UBIGINT, orders UINTEGER)[]"
_COLUMNS: Final = {
    "messages": _NAME_COLUMNS + """ts_event TIMESTAMP_NS, action VARCHAR, side VARCHAR,
        price BIGINT, size UINTEGER, order_id UBIGINT, flags UTINYINT, channel_id UTINYINT,
        ts_in_delta INTEGER, sequence UINTEGER""",
    "trades": _NAME_COLUMNS + """price BIGINT, size UINTEGER, side VARCHAR, order_id UBIGINT,
        sequence UINTEGER""",
    "bbo": _NAME_COLUMNS + """bid_price BIGINT, bid_size UBIGINT, bid_orders UINTEGER,
        ask_price BIGINT, ask_size UBIGINT, ask_orders UINTEGER, crossed BOOLEAN""",
    "depth": f"""source VARCHAR, publisher_id USMALLINT, instrument_id UINTEGER,
        time TIMESTAMP_NS, bids {_LEVELS}, asks {_LEVELS}""",
}  # fmt: skip
"""Of a view without files."""
_PARTITION: Final = ", dataset VARCHAR, symbol VARCHAR, day DATE"
_HIVE_TYPES: Final = "{'dataset': VARCHAR, 'symbol': VARCHAR, 'day': DATE}"

_TIME: Final = re.compile(
    r"(\d{4}-\d{2}-\d{2})(?:[Tt ](\d{2}:\d{2}(?::\d{2})?)(?:\.(\d{1,9}))?)?([Zz]|[+-]\d{2}:\d{2})?",
    re.ASCII,
)
_LENGTH: Final = re.compile(r"(\d{1,6})([smhd])", re.ASCII)


class Question(NamedTuple):
    """What a named query is asked. Times in ns since the Unix epoch, `end_ns` not included."""

    symbol: str | None = None
    dataset: str | None = None
    publisher_id: int | None = None
    begin_ns: int = 0
    end_ns: int = TIME_MAX_NS
    interval_ns: int = 60 * NS_PER_SECOND
    at_ns: int | None = None


class Query(NamedTuple):
    """SQL over the views and its parameters."""

    sql: str
    parameters: dict[str, Any] = {}  # noqa: RUF012 (never changed)


class Answer:
    """Rows as they come. Decimals are exact; times are RFC 3339 texts with nanoseconds."""

    def __init__(self, cursor: duckdb.DuckDBPyConnection) -> None:
        self._cursor = cursor
        self.columns = [each[0] for each in cursor.description or ()]

    def __iter__(self) -> Iterator[tuple[Any, ...]]:
        while rows := self._cursor.fetchmany(ROWS_AT_A_TIME):
            yield from rows


class Store:
    """A store that is open for reading. SQL reads the views and what is in the store, only that."""

    def __init__(self, database: duckdb.DuckDBPyConnection) -> None:
        self._database = database

    def ask(self, query: Query) -> Answer:
        """Run a query.

        Raises: StoreError when it is none, or not only a SELECT.
        """
        sql = self._with_time_texts(query)
        return Answer(self._run(sql, query.parameters))

    def write(self, query: Query, out: Path) -> int:
        """Write the rows to a Parquet file that the store was opened for; gives their number."""
        self._checked(query.sql)
        target = str(out).replace("'", "''")
        row = self._run(f"COPY (\n{query.sql}\n) TO '{target}' (FORMAT parquet)", query.parameters)
        (count,) = row.fetchone() or (0,)
        return int(count)

    def _with_time_texts(self, query: Query) -> str:
        """Python has no time with nanoseconds, so times leave the database as text."""
        self._checked(query.sql)
        described = self._run(f"DESCRIBE {query.sql}", query.parameters).fetchall()
        names = [name for name, kind, *_ in described if kind.startswith("TIMESTAMP")]
        texts = [
            f"replace({column}::TIMESTAMP_NS::VARCHAR, ' ', 'T') || 'Z' AS {column}"
            for column in ('"' + name.replace('"', '""') + '"' for name in names)
        ]
        replacing = f" REPLACE ({', '.join(texts)})" if texts else ""
        return f"SELECT *{replacing} FROM (\n{query.sql}\n)"

    def _checked(self, sql: str) -> None:
        duckdb = load_duckdb()
        try:
            statements = self._database.extract_statements(sql)
        except duckdb.Error as error:
            raise StoreError(str(error)) from error
        if [each.type for each in statements] != [duckdb.StatementType.SELECT]:
            raise StoreError("the store is only read: one SELECT, please")

    def _run(self, sql: str, parameters: dict[str, Any]) -> duckdb.DuckDBPyConnection:
        error_type: type[Exception] = load_duckdb().Error
        try:
            return self._database.execute(sql, parameters)
        except error_type as error:
            raise StoreError(str(error)) from error


@contextmanager
def open_store(root: Path, *, out: Path | None = None) -> Iterator[Store]:
    """Open a store for reading; loads that finish later are not seen.

    Args:
        out: a file that may be written.
    Raises: StoreError when there is none, or it cannot be read.
    """
    if not (root / "loads").is_dir():
        raise StoreError(f"{root} holds no time-series store")
    files: dict[str, list[str]] = {table: [] for table in TABLES}
    for load in Catalog(root).loads():
        for name in load.files:
            files[name.split("/", 1)[0]].append(str(root / name))
    with tempfile.TemporaryDirectory() as folder:
        database = load_duckdb().connect(
            config={
                "memory_limit": MEMORY,
                "temp_directory": folder,
                "autoinstall_known_extensions": False,
                "TimeZone": "UTC",
            }
        )
        try:
            for table in TABLES:
                _view(database, table, files[table])
            allowed = [str(root.resolve()), folder]
            database.execute("SET allowed_directories = ?", [allowed])
            database.execute("SET allowed_paths = ?", [[] if out is None else [str(out)]])
            database.execute("SET enable_external_access = false")
            database.execute("SET lock_configuration = true")
            yield Store(database)
        finally:
            database.close()


def _view(database: duckdb.DuckDBPyConnection, table: str, files: list[str]) -> None:
    database.execute("CREATE SCHEMA IF NOT EXISTS files")
    if files:
        names = ", ".join("'" + name.replace("'", "''") + "'" for name in files)
        partitions = f"hive_partitioning = true, hive_types = {_HIVE_TYPES}"
        rows = f"SELECT * FROM read_parquet([{names}], {partitions})"
        database.execute(f"CREATE VIEW files.{table} AS {rows}")
    else:
        database.execute(f"CREATE TABLE files.{table} ({_COLUMNS[table]}{_PARTITION})")
    database.execute(f"CREATE VIEW {table} AS SELECT {_shown(table)} FROM files.{table}")


def _shown(table: str) -> str:
    """The columns of a view: prices as decimals, what names a book first."""
    named = "dataset, symbol, publisher_id, time"
    prices = {"messages": ["price"], "trades": ["price"], "bbo": ["bid_price", "ask_price"]}
    columns = [_decimal(name) + f" AS {name}" for name in prices.get(table, [])]
    if table == "depth":
        level = (
            "{'price': " + _decimal("level.price") + ", 'size': level.size, 'orders': level.orders}"
        )
        columns = [f"[{level} FOR level IN {side}] AS {side}" for side in ("bids", "asks")]
    return f"{named}, * EXCLUDE ({named}) REPLACE ({', '.join(columns)})"


def _decimal(price: str) -> str:
    """A price in units of 1e-9 as an exact decimal."""
    return f"({price}::DECIMAL(28, 0) * 0.000000001::DECIMAL(10, 9))"


def _where(question: Question, *, time: bool = True) -> str:
    conditions = [
        "symbol = $symbol" if question.symbol is not None else "$symbol IS NULL",
        "dataset = $dataset" if question.dataset is not None else "$dataset IS NULL",
        "publisher_id = $publisher" if question.publisher_id is not None else "$publisher IS NULL",
    ]
    if time:
        conditions.append("epoch_ns(time) >= $begin AND epoch_ns(time) < $end")
    return "WHERE " + " AND ".join(conditions)


def _parameters(question: Question, *more: str) -> dict[str, Any]:
    values = {
        "symbol": question.symbol,
        "dataset": question.dataset,
        "publisher": question.publisher_id,
        "begin": question.begin_ns,
        "end": question.end_ns,
        "interval": question.interval_ns,
        "at": question.at_ns,
    }
    return {name: values[name] for name in ("symbol", "dataset", "publisher", *more)}


_BOOK: Final = "dataset, symbol, publisher_id"
_BUCKET: Final = "make_timestamp_ns(epoch_ns(time) // $interval * $interval)"


def candles(question: Question) -> Query:
    """Candles of the trades; intervals without a trade have none. `vwap` is cut to 1e-9."""
    return Query(
        f"""
        SELECT {_BOOK}, start, {_decimal("open")} AS open, {_decimal("high")} AS high,
            {_decimal("low")} AS low, {_decimal("close")} AS close, volume, trades,
            {_decimal("(value // nullif(volume, 0))")} AS vwap
        FROM (
            SELECT {_BOOK}, {_BUCKET} AS start,
                arg_min(price, {{'time': time, 'record': record}}) AS open, max(price) AS high,
                min(price) AS low, arg_max(price, {{'time': time, 'record': record}}) AS close,
                sum(size) AS volume, count(*) AS trades, sum(price::HUGEINT * size) AS value
            FROM files.trades {_where(question)} AND price IS NOT NULL
            GROUP BY ALL)
        ORDER BY {_BOOK}, start""",
        _parameters(question, "begin", "end", "interval"),
    )


def trades(question: Question) -> Query:
    """Trades in the order of their time. `side` is the aggressor's: B, A, or N for neither."""
    return Query(
        f"""
        SELECT {_BOOK}, time, price, size, side, order_id, sequence
        FROM trades {_where(question)} ORDER BY time, source, record""",
        _parameters(question, "begin", "end"),
    )


def spread(question: Question) -> Query:
    """Spreads by interval: lowest, highest, and the mean over time; share of time crossed.

    A state counts from its event to the next change of the same book; what it reaches into later
    intervals counts there. Times in which a side is empty count for nothing.
    """
    return Query(
        f"""
        WITH states AS (
            SELECT {_BOOK}, epoch_ns(time) AS begin, crossed, ask_price - bid_price AS spread,
                lead(epoch_ns(time)) OVER (
                    PARTITION BY source, {_BOOK}, instrument_id ORDER BY record) AS until
            FROM files.bbo {_where(question, time=False)}),
        parts AS (
            SELECT *, unnest(range(
                greatest(begin, $begin) // $interval, (least(until, $end) - 1) // $interval + 1
            )) AS number
            FROM states
            WHERE spread IS NOT NULL AND until > begin AND until > $begin AND begin < $end),
        lengths AS (
            SELECT *, least(until, $end, (number + 1) * $interval)
                - greatest(begin, $begin, number * $interval) AS ns
            FROM parts)
        SELECT {_BOOK}, make_timestamp_ns(number * $interval) AS start,
            {_decimal("min(spread)")} AS lowest, {_decimal("max(spread)")} AS highest,
            {_decimal("(sum(spread::HUGEINT * ns) // sum(ns))")} AS mean,
            (coalesce(sum(ns) FILTER (crossed), 0) * 1000000 // sum(ns))::BIGINT AS crossed_ppm,
            sum(ns)::BIGINT AS counted_ns
        FROM lengths GROUP BY ALL ORDER BY {_BOOK}, start""",
        _parameters(question, "begin", "end", "interval"),
    )


def depth(question: Question) -> Query:
    """The levels of books at one moment, or at every step of a period.

    A book is shown as of the last whole second at or before the moment in which something had
    happened: `time` says which.
    """
    if question.at_ns is not None:
        moments = "SELECT $at::BIGINT AS at_ns"
        parameters = _parameters(question, "at")
    else:
        moments = f"""
            SELECT * FROM (SELECT $interval * unnest(range(
                (min(epoch_ns(time)) + $interval - 1) // $interval,
                (max(epoch_ns(time)) + $interval - 1) // $interval + 1)) AS at_ns
            FROM files.depth {_where(question)}) WHERE at_ns < $end"""
        parameters = _parameters(question, "begin", "end", "interval")
    return Query(
        f"""
        WITH moments AS ({moments}),
        samples AS (
            SELECT *, epoch_ns(time) AS time_ns FROM depth {_where(question, time=False)}),
        books AS (SELECT DISTINCT {_BOOK}, instrument_id FROM samples),
        wanted AS (SELECT * FROM moments CROSS JOIN books),
        looks AS (
            SELECT at_ns, samples.* FROM wanted ASOF JOIN samples
            ON wanted.dataset = samples.dataset AND wanted.symbol = samples.symbol
                AND wanted.publisher_id = samples.publisher_id
                AND wanted.instrument_id = samples.instrument_id
                AND wanted.at_ns >= samples.time_ns),
        sides AS (
            SELECT *, 'bid' AS side, unnest(bids) AS level, generate_subscripts(bids, 1) AS number
            FROM looks
            UNION ALL
            SELECT *, 'ask' AS side, unnest(asks) AS level, generate_subscripts(asks, 1) AS number
            FROM looks)
        SELECT {_BOOK}, make_timestamp_ns(at_ns) AS moment, time, side, number AS level,
            level.price, level.size, level.orders
        FROM sides ORDER BY {_BOOK}, at_ns, side DESC, number""",
        parameters,
    )


NAMED: Final[dict[str, Callable[[Question], Query]]] = {
    "candles": candles,
    "spread": spread,
    "depth": depth,
    "trades": trades,
}


def parse_time(text: str) -> int:
    """Nanoseconds since the epoch of a day or an RFC 3339 time; without a zone it is UTC.

    Raises: ValueError when it is none.
    """
    match = _TIME.fullmatch(text)
    if match is None:
        raise ValueError(f"{text!r} is no time such as 2024-01-02 or 2024-01-02T09:30:00.5Z")
    day, clock, fraction, zone = match.groups()
    zone = "+00:00" if zone in (None, "Z", "z") else zone
    moment = datetime.fromisoformat(f"{day}T{clock or '00:00'}{zone}")
    seconds = int((moment - datetime(1970, 1, 1, tzinfo=UTC)).total_seconds())
    return seconds * NS_PER_SECOND + int((fraction or "").ljust(9, "0"))


def parse_length(text: str) -> int:
    """Nanoseconds of a length such as 1s, 5m, 1h, 1d.

    Raises: ValueError when it is none.
    """
    match = _LENGTH.fullmatch(text)
    if match is None or not int(match[1]):
        raise ValueError(f"{text!r} is no length such as 1s, 5m, 1h or 1d")
    return int(match[1]) * UNITS[match[2]] * NS_PER_SECOND
