"""Writing a batch's rows: one transaction, which also moves the projection's position."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from decimal import Decimal
from typing import Any, Final, NamedTuple

from sqlalchemy import Column, Table, delete, select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from tradepit.projections.candles import CandleRows
from tradepit.projections.database import Database
from tradepit.projections.rows import Row, Rows
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
    positions,
    projection,
    trades,
)

PARTITION: Final = 0

ORDER_FIXED: Final = ("account", "instrument", "definition_version", "created_ns")
"""What never changes about an order."""

END: Final = text(
    "UPDATE orders SET status = :status, close_reason = :close_reason, quantity = :quantity, "
    "leaves = 0, filled = :filled, updated_ns = :updated_ns WHERE order_id = :order_id"
)
END_NAMES: Final = ("order_id", "status", "close_reason", "quantity", "filled", "updated_ns")


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
            ):
                if given:
                    await bulk.append(connection, table, given)
            for row in rows.ended:
                await connection.execute(END, dict(zip(END_NAMES, row, strict=True)))

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


class SqliteBulk:
    """Prepared statements over tuples."""

    async def append(self, connection: AsyncConnection, table: Table, rows: Sequence[Row]) -> None:
        await connection.exec_driver_sql(_insert(table), _bound(table, rows, str))

    async def put(
        self,
        connection: AsyncConnection,
        table: Table,
        rows: Sequence[Row],
        fixed: tuple[str, ...],
    ) -> None:
        statement = _insert(table) + _on_conflict(table, fixed)
        await connection.exec_driver_sql(statement, _bound(table, rows, str))


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
        await driver.copy_records_to_table(
            name, records=_bound(table, rows, Decimal), columns=columns
        )


def _bound(table: Table, rows: Sequence[Row], wide_type: Callable[[Any], Any]) -> list[Row]:
    """Rows with their wide integers as the driver takes them."""
    wide = [at for at, column in enumerate(table.c) if isinstance(column.type, Wide)]
    if not wide:
        return list(rows)
    columns: list[Iterable[Any]] = list(zip(*rows, strict=True))
    for at in wide:
        columns[at] = map(wide_type, columns[at])
    return list(zip(*columns, strict=True))


def _insert(table: Table) -> str:
    names = ", ".join(column.name for column in table.c)
    places = ", ".join("?" for _ in table.c)
    return f"INSERT INTO {table.name} ({names}) VALUES ({places})"


def _on_conflict(table: Table, fixed: tuple[str, ...]) -> str:
    """Let an existing row take the new values, but for those that never change."""
    key = [column.name for column in table.primary_key]
    changing: list[Column[Any]] = [
        column for column in table.c if column.name not in key and column.name not in fixed
    ]
    values = ", ".join(f"{column.name} = excluded.{column.name}" for column in changing)
    return f" ON CONFLICT ({', '.join(key)}) DO UPDATE SET {values}"
