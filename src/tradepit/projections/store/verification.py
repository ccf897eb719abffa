"""Counts the raw trades again, with SQL of its own, and compares with the summaries.

Nothing here calls what wrote them. On SQLite the sums are made by aggregates that are defined
here, over whole numbers of 10^-36; on PostgreSQL by its own.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any, Final, NamedTuple

from sqlalchemy import make_url, text
from sqlalchemy.ext.asyncio import AsyncEngine

from tradepit.projections.database import Database

SHOWN_MAX: Final = 1000
"""Differing records that are told one by one."""

PLACES: Final = 36
"""Of a product of two decimals with 18 places."""


class Difference(NamedTuple):
    """One record that is not what its trades come to."""

    level: str
    key: str
    column: str
    expected: str
    found: str

    def __str__(self) -> str:
        return f"{self.level} {self.key}: {self.column} is {self.found}, counted {self.expected}"


class Verdict(NamedTuple):
    """What a recount found."""

    trades: int
    contracts: int
    prices: int
    differences: list[Difference]


class _Level(NamedTuple):
    """Two queries that must give the same rows: a key of some columns, then numbers."""

    name: str
    key: Sequence[str]
    numbers: Sequence[str]
    counted: str
    kept: str


_LEVELS: Final = (
    _Level(
        "contract and price",
        ("ticker", "price", "source"),
        ("volume", "trades", "last_time_ns"),
        "SELECT ticker, price, source, {sum}(volume), count(*), max(time_ns) FROM {raw} "
        "GROUP BY ticker, price, source",
        "SELECT ticker, price, source, {sum}(volume), sum(trades), max(last_time_ns) "
        "FROM contract_price_summaries GROUP BY ticker, price, source",
    ),
    _Level(
        "contract",
        ("ticker", "source"),
        ("volume", "value", "highest_price", "lowest_price", "trades", "last_time_ns"),
        "SELECT ticker, source, {sum}(volume), {sum}({product}(price, volume)), {max}(price), "
        "{min}(price), count(*), max(time_ns) FROM {raw} GROUP BY ticker, source",
        "SELECT ticker, source, {sum}(volume), {sum}(value), {max}(highest_price), "
        "{min}(lowest_price), sum(trades), max(last_time_ns) FROM contract_summaries "
        "GROUP BY ticker, source",
    ),
    _Level(
        "shard",
        ("ticker", "source", "shard"),
        ("volume", "value", "highest_price", "lowest_price", "trades", "last_time_ns"),
        "SELECT ticker, source, shard, {sum}(volume), {sum}({product}(price, volume)), "
        "{max}(price), {min}(price), sum(trades), max(last_time_ns) "
        "FROM contract_price_summaries GROUP BY ticker, source, shard",
        "SELECT ticker, source, shard, {sum}(volume), {sum}(value), {max}(highest_price), "
        "{min}(lowest_price), sum(trades), max(last_time_ns) FROM contract_summaries "
        "GROUP BY ticker, source, shard",
    ),
)
_RAW: Final = """(
  SELECT 'ingest' AS source, ticker, price, volume, time_ns FROM store_trades
  UNION ALL
  SELECT 'market', i.symbol, {price}, {volume}, t.time_ns FROM trades AS t
  JOIN instruments AS i ON i.instrument = t.instrument
  JOIN definitions AS d
    ON d.instrument = t.instrument AND d.definition_version = t.definition_version
) AS raw"""
"""What was brought as it came, and the market's own trades in decimals."""
_POSTGRES: Final = {
    "sum": "sum",
    "product": "numeric_mul",
    "max": "max",
    "min": "min",
    "raw": _RAW.format(
        price="t.price::numeric * d.tick_mantissa * ('1e' || -d.tick_exponent)::numeric",
        volume="t.quantity::numeric * d.lot_mantissa * ('1e' || -d.lot_exponent)::numeric",
    ),
}
_SQLITE: Final = {
    "raw": _RAW.format(
        price="recount_scaled(t.price, d.tick_mantissa, d.tick_exponent)",
        volume="recount_scaled(t.quantity, d.lot_mantissa, d.lot_exponent)",
    ),
    "sum": "recount_sum",
    "product": "recount_product",
    "max": "recount_max",
    "min": "recount_min",
}
_COUNTS: Final = (
    "SELECT (SELECT count(*) FROM store_trades) + (SELECT count(*) FROM trades), "
    "(SELECT count(*) FROM contract_summaries), "
    "(SELECT count(*) FROM contract_price_summaries)"
)


def _statements() -> list[tuple[_Level, str, str]]:
    """Rows of the one query that the other does not have, both ways."""
    found = []
    for level in _LEVELS:
        order = ", ".join(str(number + 1) for number in range(len(level.key)))
        missing = f"{level.counted} EXCEPT {level.kept} ORDER BY {order}"
        wrong = f"{level.kept} EXCEPT {level.counted} ORDER BY {order}"
        found.append((level, missing, wrong))
    return found


async def verify(database: Database) -> Verdict:
    """Recount everything, as of one moment; writers may go on meanwhile."""
    if database.is_sqlite:
        path = make_url(str(database.engine.url)).database
        return await asyncio.to_thread(_verify_sqlite, Path(path or ""))
    return await _verify_postgres(database.engine)


async def _verify_postgres(engine: AsyncEngine) -> Verdict:
    found: list[Difference] = []
    async with engine.connect() as connection:
        await connection.execution_options(isolation_level="REPEATABLE READ")
        counts = (await connection.execute(text(_COUNTS))).one()
        for level, missing, wrong in _statements():
            expected = await connection.execute(text(missing.format(**_POSTGRES)))
            kept = await connection.execute(text(wrong.format(**_POSTGRES)))
            found += _paired(level, expected.fetchmany(SHOWN_MAX), kept.fetchmany(SHOWN_MAX))
    return Verdict(counts[0], counts[1], counts[2], found)


def _verify_sqlite(path: Path) -> Verdict:
    found: list[Difference] = []
    connection = sqlite3.connect(path, isolation_level=None)
    try:
        connection.create_function("recount_product", 2, _product, deterministic=True)
        connection.create_function("recount_scaled", 3, _scaled, deterministic=True)
        for name, aggregate in _AGGREGATES.items():
            connection.create_aggregate(name, 1, aggregate)
        connection.execute("BEGIN")
        counts = connection.execute(_COUNTS).fetchone()
        for level, missing, wrong in _statements():
            expected = connection.execute(missing.format(**_SQLITE)).fetchmany(SHOWN_MAX)
            kept = connection.execute(wrong.format(**_SQLITE)).fetchmany(SHOWN_MAX)
            found += _paired(level, expected, kept)
    finally:
        connection.close()
    return Verdict(counts[0], counts[1], counts[2], found)


def _paired(
    level: _Level, counted: Sequence[Sequence[Any]], kept: Sequence[Sequence[Any]]
) -> list[Difference]:
    """Name the columns that differ; a key that only one side has is a missing record."""
    size = len(level.key)
    expected = {tuple(row[:size]): tuple(row[size:]) for row in counted}
    found = {tuple(row[:size]): tuple(row[size:]) for row in kept}
    differences = []
    for key in sorted({*expected, *found}, key=str):
        name = " ".join(_shown(part) for part in key)
        if key not in expected or key not in found:
            right, wrong = _row(expected.get(key, "none")), _row(found.get(key, "missing"))
            differences.append(Difference(level.name, name, "record", right, wrong))
            continue
        for column, right, wrong in zip(level.numbers, expected[key], found[key], strict=True):
            if right != wrong:
                differences.append(
                    Difference(level.name, name, column, _shown(right), _shown(wrong))
                )
    return differences


def _row(values: tuple[Any, ...] | str) -> str:
    return values if isinstance(values, str) else f"({', '.join(map(_shown, values))})"


def _shown(value: Any) -> str:
    """A decimal without the zeros that PostgreSQL keeps."""
    if not isinstance(value, Decimal):
        return str(value)
    text = f"{value:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


# SQLite: decimals as whole numbers of 10^-36.


def _units(decimal: str) -> int:
    sign = -1 if decimal.startswith("-") else 1
    whole, _, fraction = decimal.lstrip("-").partition(".")
    return sign * int(whole + fraction.ljust(PLACES, "0"))


def _decimal(units: int) -> str:
    digits = str(abs(units)).zfill(PLACES + 1)
    shown = f"{digits[:-PLACES]}.{digits[-PLACES:]}".rstrip("0").rstrip(".")
    return f"-{shown}" if units < 0 else shown


def _product(price: str, volume: str) -> str:
    return _decimal(_units(price) * _units(volume) // 10**PLACES)


def _scaled(count: int, mantissa: int, exponent: int) -> str:
    return _decimal(count * mantissa * 10 ** (PLACES - exponent))


class _Sum:
    def __init__(self) -> None:
        self._units = 0

    def step(self, decimal: str) -> None:
        self._units += _units(decimal)

    def finalize(self) -> str:
        return _decimal(self._units)


class _Largest:
    def __init__(self) -> None:
        self._best: int | None = None

    def step(self, decimal: str) -> None:
        units = _units(decimal)
        if self._best is None or units > self._best:
            self._best = units

    def finalize(self) -> str | None:
        return None if self._best is None else _decimal(self._best)


class _Smallest:
    def __init__(self) -> None:
        self._best: int | None = None

    def step(self, decimal: str) -> None:
        units = _units(decimal)
        if self._best is None or units < self._best:
            self._best = units

    def finalize(self) -> str | None:
        return None if self._best is None else _decimal(self._best)


_AGGREGATES: Final[dict[str, Any]] = {
    "recount_sum": _Sum,
    "recount_max": _Largest,
    "recount_min": _Smallest,
}
