"""Writing a batch's rows: one transaction, which also moves the projection's position."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Sequence
from itertools import chain
from typing import Any, Final, NamedTuple

from asyncpg.exceptions import InterfaceError, PostgresError
from sqlalchemy import Column, Table, bindparam, delete, select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection

from tradepit.projections.candles import CandleRows
from tradepit.projections.database import Database
from tradepit.projections.grouping import INT64_MAX
from tradepit.projections.order_events import Ending
from tradepit.projections.rows import Row, Rows
from tradepit.projections.store.market import add_market_trades, clear_market_trades
from tradepit.projections.tables import (
    PROJECTED,
    Wide,
    accounts,
    assets,
    balances,
    candles,
    definitions,
    fills,
    instruments,
    ledger_lines,
    orders,
    phases,
    positions,
    projection,
    reservations,
    trades,
)

PARTITION: Final = 0

ORDER_FIXED: Final = (
    "account",
    "instrument",
    "definition_version",
    "first_price",
    "first_quantity",
    "created_ns",
    "first_stop_price",
    "triggered_sequence",
)
"""What never changes about an order, or once, by `_trigger`."""

ROWS_AT_A_TIME: Final = 50
ENDINGS_AT_A_TIME: Final = 500
"""SQL takes a bounded number of values in one statement."""


class Position(NamedTuple):
    """How far the journal is projected: a frame boundary of one history."""

    market_id: int
    generation: int
    sequence: int
    crc: int
    """Checksum of the frame that ends here: it stands for everything before."""
    time_ns: int


class PositionTaken(Exception):
    """Somebody else moved the projection: another projector, or a database that was restored."""


async def read_position(database: Database) -> Position | None:
    """Return how far the database is; None when nothing was projected yet."""
    async with database.engine.connect() as connection:
        row = (
            await connection.execute(select(projection).where(projection.c.partition == PARTITION))
        ).first()
    if row is None:
        return None
    return Position(int(row.market_id), row.generation, row.sequence, row.crc, row.time_ns)


async def clear(database: Database) -> None:
    """Empty everything that a projection makes."""
    async with database.writing() as connection:
        for table in (*PROJECTED, projection):
            await connection.execute(delete(table))
        await clear_market_trades(connection)


class CopyFailed(SQLAlchemyError):
    """A COPY did not go through; it speaks to the driver itself."""


class Writer:
    """Writes rows to one database, in bulk as its driver does it best."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._bulk = SqliteBulk() if database.is_sqlite else PostgresBulk()

    async def write(
        self, rows: Rows, candle_rows: CandleRows, before: Position | None, after: Position
    ) -> None:
        """Write a batch and move the position from `before` to `after`, all or nothing.

        Raises:
            PositionTaken: the database is not at `before`; nothing was written.
            sqlalchemy.exc.SQLAlchemyError, OSError: it is not known whether it was written.
        """
        async with self._database.writing() as connection:
            await self._move(connection, before, after)
            bulk = self._bulk
            for table, given, fixed in (
                (assets, rows.assets, ()),
                (instruments, rows.instruments, ()),
                (definitions, rows.definitions, ()),
                (accounts, rows.accounts, ("opened_ns",)),
                (orders, rows.orders, ORDER_FIXED),
                (balances, rows.balances, ()),
                (positions, rows.positions, ()),
                (candles, candle_rows, ("open",)),
            ):
                if given:
                    await bulk.put(connection, table, given, fixed)
            for table, given in (
                (trades, rows.trades),
                (fills, rows.fills),
                (ledger_lines, rows.ledger_lines),
                (phases, rows.phases),
                (reservations, rows.reservations),
            ):
                if given:
                    await bulk.append(connection, table, given)
            await add_market_trades(connection, rows.market_levels)
            if rows.triggers:
                await _trigger(connection, rows.triggers)
            if rows.endings:
                await _end(connection, rows.endings)

    async def _move(
        self, connection: AsyncConnection, before: Position | None, after: Position
    ) -> None:
        values = after._asdict() | {"market_id": str(after.market_id)}
        if before is None:
            present = await connection.execute(select(projection.c.partition))
            if present.first() is not None:
                raise PositionTaken
            await connection.execute(projection.insert().values(partition=PARTITION, **values))
            return
        moved = await connection.execute(
            projection.update()
            .where(
                projection.c.partition == PARTITION,
                projection.c.sequence == before.sequence,
                projection.c.crc == before.crc,
                projection.c.market_id == str(before.market_id),
            )
            .values(**values)
        )
        if moved.rowcount != 1:
            raise PositionTaken


async def _trigger(connection: AsyncConnection, triggers: Sequence[Row]) -> None:
    """Say of stop orders which commands let them come in."""
    statement = (
        orders.update()
        .where(orders.c.order_id == bindparam("triggered_id"))
        .values(triggered_sequence=bindparam("by_sequence"))
    )
    values = [{"triggered_id": order_id, "by_sequence": by} for order_id, by in triggers]
    await connection.execute(statement, values)


async def _end(connection: AsyncConnection, endings: Sequence[Ending]) -> None:
    """Finish orders whose rows hold what happened to them before this batch."""
    for at in range(0, len(endings), ENDINGS_AT_A_TIME):
        some = {ending.order_id: ending for ending in endings[at : at + ENDINGS_AT_A_TIME]}
        found = await connection.execute(
            select(orders.c.order_id, orders.c.price, orders.c.quantity, orders.c.filled)
            .add_columns(orders.c.filled_value, orders.c.options, orders.c.stop_price)
            .where(orders.c.order_id.in_(some))
        )
        values = []
        for row in found:
            ending = some.pop(row.order_id)
            values.append(
                {
                    "ended_id": row.order_id,
                    "price": row.price if ending.price is None else ending.price,
                    "quantity": row.quantity if ending.quantity is None else ending.quantity,
                    "leaves": 0,
                    "filled": row.filled + ending.traded,
                    "filled_value": row.filled_value + ending.traded_value,
                    "status": ending.status,
                    "close_reason": ending.close_reason,
                    "updated_ns": ending.updated_ns,
                    "options": row.options if ending.options is None else ending.options,
                    "stop_price": (
                        row.stop_price if ending.stop_price is None else ending.stop_price
                    ),
                }
            )
        assert not some, "an order that ended has its row"
        await connection.execute(
            orders.update().where(orders.c.order_id == bindparam("ended_id")), values
        )


class SqliteBulk:
    """Prepared statements of many rows each: a third cheaper than one for each row."""

    async def append(self, connection: AsyncConnection, table: Table, rows: Sequence[Row]) -> None:
        await self._insert(connection, table, rows, "")

    async def put(
        self,
        connection: AsyncConnection,
        table: Table,
        rows: Sequence[Row],
        fixed: tuple[str, ...],
    ) -> None:
        await self._insert(connection, table, rows, _on_conflict(table, fixed))

    async def _insert(
        self, connection: AsyncConnection, table: Table, rows: Sequence[Row], on_conflict: str
    ) -> None:
        rows = _bound(table, rows)
        whole = len(rows) - len(rows) % ROWS_AT_A_TIME
        if whole:
            values = chain.from_iterable(rows[:whole])
            several = zip(*[values] * (len(table.c) * ROWS_AT_A_TIME), strict=True)
            statement = _insert(table, ROWS_AT_A_TIME) + on_conflict
            await connection.exec_driver_sql(statement, list(several))
        if whole < len(rows):
            statement = _insert(table, 1) + on_conflict
            await connection.exec_driver_sql(statement, list(rows[whole:]))


class PostgresBulk:
    """COPY; rows that may exist go through a temporary table."""

    async def append(self, connection: AsyncConnection, table: Table, rows: Sequence[Row]) -> None:
        await self._copy(connection, table, table.name, rows)

    async def put(
        self,
        connection: AsyncConnection,
        table: Table,
        rows: Sequence[Row],
        fixed: tuple[str, ...],
    ) -> None:
        staged = f"staged_{table.name}"
        await connection.exec_driver_sql(
            f"CREATE TEMPORARY TABLE IF NOT EXISTS {staged} (LIKE {table.name}) "
            "ON COMMIT DELETE ROWS"
        )
        await self._copy(connection, table, staged, rows)
        await connection.exec_driver_sql(
            f"INSERT INTO {table.name} SELECT * FROM {staged}{_on_conflict(table, fixed)}"
        )

    async def _copy(
        self, connection: AsyncConnection, table: Table, name: str, rows: Sequence[Row]
    ) -> None:
        driver = (await connection.get_raw_connection()).driver_connection
        assert driver is not None, "a connection that was just used"
        columns = [column.name for column in table.c]
        await _unless_lost(
            driver, driver.copy_records_to_table(name, records=rows, columns=columns)
        )


async def _unless_lost(driver: Any, copying: Coroutine[Any, Any, object]) -> None:
    """Await a COPY; the driver would wait for ever to write on when its connection is lost.

    Raises:
        CopyFailed: it was lost, or the server refused.
    """
    task: asyncio.Future[Any] = asyncio.ensure_future(copying)
    lost: asyncio.Future[Any] = asyncio.get_running_loop().create_future()

    def tell(_: object) -> None:
        if not lost.done():
            lost.set_result(None)

    driver.add_termination_listener(tell)
    try:
        await asyncio.wait({task, lost}, return_when=asyncio.FIRST_COMPLETED)
        if not task.done():
            raise CopyFailed("the connection was lost")
        task.result()
    except (PostgresError, InterfaceError) as error:
        raise CopyFailed(str(error)) from error
    finally:
        driver.remove_termination_listener(tell)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def _bound(table: Table, rows: Sequence[Row]) -> Sequence[Row]:
    """Rows as SQLite's driver takes them: integers beyond 64 bits as text, which is what a column
    of them holds in any case."""
    for at, column in enumerate(table.c):
        if isinstance(column.type, Wide) and any(abs(row[at]) > INT64_MAX for row in rows):
            rows = [(*row[:at], str(row[at]), *row[at + 1 :]) for row in rows]
    return rows


def _insert(table: Table, count: int) -> str:
    names = ", ".join(column.name for column in table.c)
    row = f"({', '.join('?' for _ in table.c)})"
    return f"INSERT INTO {table.name} ({names}) VALUES {', '.join([row] * count)}"


def _on_conflict(table: Table, fixed: tuple[str, ...]) -> str:
    """Let an existing row take the new values, but for those that never change."""
    key = [column.name for column in table.primary_key]
    changing: list[Column[Any]] = [
        column for column in table.c if column.name not in key and column.name not in fixed
    ]
    values = ", ".join(f"{column.name} = excluded.{column.name}" for column in changing)
    return f" ON CONFLICT ({', '.join(key)}) DO UPDATE SET {values}"
