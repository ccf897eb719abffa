"""Writes trades and what they add to the summaries, in the caller's transaction.

Order of locks, the same for every writer, so that none waits in a circle: the rows of trade ids
in the order of the ids; then one shard; then its summary records in the order of their keys.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Final, NamedTuple

import msgspec
from sqlalchemy.ext.asyncio import AsyncConnection

from tradepit.projections.exact import text_of
from tradepit.projections.store.tables import INGEST
from tradepit.projections.store.trades import Tally, Trade, tally

SHARD_LOCK: Final = 723_241_055
"""First number of the advisory locks; the second is the shard."""

_RAW: Final = "INSERT INTO store_trades (ticker, price, volume, time_ns, trade_id, received_ns)"
_ADD_CONTRACT: Final = """
INSERT INTO contract_summaries AS kept (ticker, source, shard, volume, value, highest_price,
  lowest_price, last_time_ns, trades)
{rows}
ON CONFLICT (ticker, source, shard) DO UPDATE SET
  volume = {add}(kept.volume, excluded.volume),
  value = {add}(kept.value, excluded.value),
  highest_price = {highest}(kept.highest_price, excluded.highest_price),
  lowest_price = {lowest}(kept.lowest_price, excluded.lowest_price),
  last_time_ns = {later}(kept.last_time_ns, excluded.last_time_ns),
  trades = kept.trades + excluded.trades
"""
_ADD_PRICE: Final = """
INSERT INTO contract_price_summaries AS kept (ticker, price, source, shard, volume, last_time_ns,
  trades)
{rows}
ON CONFLICT (ticker, price, source, shard) DO UPDATE SET
  volume = {add}(kept.volume, excluded.volume),
  last_time_ns = {later}(kept.last_time_ns, excluded.last_time_ns),
  trades = kept.trades + excluded.trades
"""
_SQLITE: Final = {
    "add": "exact_add",
    "highest": "exact_max",
    "lowest": "exact_min",
    "later": "max",
}
_POSTGRES: Final = {
    "add": "numeric_add",
    "highest": "greatest",
    "lowest": "least",
    "later": "greatest",
}


class Batch(NamedTuple):
    """Trades of one request, counted; no trade id twice."""

    trades: list[Trade]
    counted: Tally

    @staticmethod
    def of(trades: Sequence[Trade]) -> Batch:
        """Order and count trades; meant for a thread when there are many."""
        return Batch(sorted(trades, key=_by_id), tally(trades))


def _by_id(trade: Trade) -> str:
    return trade.trade_id or ""


async def record(
    connection: AsyncConnection, batch: Batch, *, shards: int, received_ns: int
) -> frozenset[str]:
    """Store what is new of a batch.

    Returns:
        The trade ids that were there before; their trades change nothing.
    """
    store = _store_sqlite if connection.dialect.name == "sqlite" else _store_postgres
    known = await store(connection, batch.trades, received_ns)
    counted = batch.counted
    if known:
        counted = tally(trade for trade in batch.trades if trade.trade_id not in known)
    if counted.contracts:
        await add_to_summaries(connection, INGEST, counted, shards)
    return known


async def add_to_summaries(
    connection: AsyncConnection, source: str, counted: Tally, shards: int
) -> None:
    """Add to one shard of each contract that was counted; of one at least."""
    if connection.dialect.name == "sqlite":
        await _add_sqlite(connection, source, counted, random.randrange(shards))
    else:
        await _add_postgres(connection, source, counted, await _free_shard(connection, shards))


# SQLite: the transaction holds the only write lock, so what is looked up stays true.


async def _store_sqlite(
    connection: AsyncConnection, trades: list[Trade], received_ns: int
) -> frozenset[str]:
    ids = [trade.trade_id for trade in trades if trade.trade_id is not None]
    known: frozenset[str] = frozenset()
    if ids:
        found = await connection.exec_driver_sql(
            "SELECT trade_id FROM json_each(?) AS given JOIN store_trades "
            "ON trade_id = given.value",
            (msgspec.json.encode(ids).decode(),),
        )
        known = frozenset(found.scalars())
    rows = [
        (
            trade.ticker,
            text_of(trade.price),
            text_of(trade.volume),
            trade.time_ns,
            trade.trade_id,
            received_ns,
        )
        for trade in trades
        if trade.trade_id not in known
    ]
    if rows:
        await connection.exec_driver_sql(f"{_RAW} VALUES (?, ?, ?, ?, ?, ?)", rows)
    return known


async def _add_sqlite(connection: AsyncConnection, source: str, counted: Tally, shard: int) -> None:
    contracts = [
        (
            ticker,
            source,
            shard,
            text_of(totals.volume),
            text_of(totals.value),
            text_of(totals.highest_price),
            text_of(totals.lowest_price),
            totals.last_time_ns,
            totals.trades,
        )
        for ticker, totals in counted.contracts.items()
    ]
    prices = [
        (
            ticker,
            text_of(price),
            source,
            shard,
            text_of(totals.volume),
            totals.last_time_ns,
            totals.trades,
        )
        for (ticker, price), totals in counted.prices.items()
    ]
    for statement, rows in ((_ADD_CONTRACT_SQLITE, contracts), (_ADD_PRICE_SQLITE, prices)):
        await connection.exec_driver_sql(statement, rows)


_ADD_CONTRACT_SQLITE: Final = _ADD_CONTRACT.format(
    rows="VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", **_SQLITE
)
_ADD_PRICE_SQLITE: Final = _ADD_PRICE.format(rows="VALUES (?, ?, ?, ?, ?, ?, ?)", **_SQLITE)


# PostgreSQL: one statement for many rows, given as arrays. Decimals travel as text: the driver
# takes several times as long to encode them as the server takes to read them.


def _texts(values: Iterable[Decimal]) -> list[str]:
    return [text_of(value) for value in values]


async def _store_postgres(
    connection: AsyncConnection, trades: list[Trade], received_ns: int
) -> frozenset[str]:
    tickers, prices, volumes, times, ids = zip(*trades, strict=True)
    stored = await connection.exec_driver_sql(
        f"{_RAW} SELECT ticker, price::numeric, volume::numeric, time_ns, trade_id, $6::bigint "
        "FROM unnest($1::text[], $2::text[], $3::text[], $4::bigint[], $5::text[]) "
        "AS given (ticker, price, volume, time_ns, trade_id) "
        "ON CONFLICT (trade_id) WHERE trade_id IS NOT NULL DO NOTHING RETURNING trade_id",
        (tickers, _texts(prices), _texts(volumes), times, ids, received_ns),
    )
    new = stored.scalars().all()
    if len(new) == len(trades):
        return frozenset()
    return frozenset(trade_id for trade_id in ids if trade_id is not None).difference(new)


async def _free_shard(connection: AsyncConnection, shards: int) -> int:
    """A shard that nobody else writes to until this transaction ends; waits only if all are taken.

    A writer that picks at random meets another and waits for its commit, with free shards beside
    it: of ten writers on ten shards, six would.
    """
    order = random.sample(range(shards), shards)
    if shards > 1:
        found = await connection.exec_driver_sql(
            "SELECT shard FROM unnest($1::int[]) AS shard "
            "WHERE pg_try_advisory_xact_lock($2::int, shard) LIMIT 1",
            (order, SHARD_LOCK),
        )
        free = found.scalar()
        if free is not None:
            return int(free)
    await connection.exec_driver_sql(
        "SELECT pg_advisory_xact_lock($1::int, $2::int)", (SHARD_LOCK, order[0])
    )
    return order[0]


async def _add_postgres(
    connection: AsyncConnection, source: str, counted: Tally, shard: int
) -> None:
    contracts = counted.contracts.values()
    await connection.exec_driver_sql(
        _ADD_CONTRACT_POSTGRES,
        (
            source,
            shard,
            list(counted.contracts),
            _texts(totals.volume for totals in contracts),
            _texts(totals.value for totals in contracts),
            _texts(totals.highest_price for totals in contracts),
            _texts(totals.lowest_price for totals in contracts),
            [totals.last_time_ns for totals in contracts],
            [totals.trades for totals in contracts],
        ),
    )
    tickers, prices = zip(*counted.prices, strict=True)
    levels = counted.prices.values()
    await connection.exec_driver_sql(
        _ADD_PRICE_POSTGRES,
        (
            source,
            shard,
            tickers,
            _texts(prices),
            _texts(totals.volume for totals in levels),
            [totals.last_time_ns for totals in levels],
            [totals.trades for totals in levels],
        ),
    )


_ADD_CONTRACT_POSTGRES: Final = _ADD_CONTRACT.format(
    rows="SELECT ticker, $1::text, $2::int, volume::numeric, value::numeric, high::numeric, "
    "low::numeric, last_ns, trades FROM "
    "unnest($3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::bigint[], "
    "$9::bigint[]) AS given (ticker, volume, value, high, low, last_ns, trades)",
    **_POSTGRES,
)
_ADD_PRICE_POSTGRES: Final = _ADD_PRICE.format(
    rows="SELECT ticker, price::numeric, $1::text, $2::int, volume::numeric, last_ns, trades FROM "
    "unnest($3::text[], $4::text[], $5::text[], $6::bigint[], $7::bigint[]) "
    "AS given (ticker, price, volume, last_ns, trades)",
    **_POSTGRES,
)
