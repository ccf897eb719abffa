"""Writing a batch's rows: one transaction, which also moves the projection's position."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Any, Final, NamedTuple

from sqlalchemy import Column, Table, delete, select
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
    """Writes rows to one database. Statements are made once; rows go to the driver as tuples."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._sqlite = database.is_sqlite
        self._wide = str if self._sqlite else Decimal
        self._append = {table: self._insert(table) for table in (trades, fills, ledger_lines)}
        self._put = {
            table: self._insert(table) + _on_conflict(table, fixed)
            for table, fixed in (
                (assets, ()),
                (instruments, ()),
                (definitions, ()),
                (accounts, ("opened_ns",)),
                (orders, ("account", "instrument", "definition_version", "created_ns")),
                (balances, ()),
                (positions, ()),
                (candles, ("open",)),
            )
        }
        self._end = self._numbered(
            "UPDATE orders SET status = ?, close_reason = ?, quantity = ?, leaves = 0, filled = ?, "
            "updated_ns = ? WHERE order_id = ?"
        )

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
            for table, given in (
                (assets, rows.assets),
                (instruments, rows.instruments),
                (definitions, rows.definitions),
                (accounts, rows.accounts),
                (orders, rows.orders),
                (balances, rows.balances),
                (positions, rows.positions),
                (candles, candle_rows),
            ):
                await self._run(connection, self._put[table], self._bound(table, given))
            for table, given in (
                (trades, rows.trades),
                (fills, rows.fills),
                (ledger_lines, rows.ledger_lines),
            ):
                await self._run(connection, self._append[table], given)
            ended = [(*values, order_id) for order_id, *values in rows.ended]
            await self._run(connection, self._end, ended)

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

    async def _run(self, connection: AsyncConnection, statement: str, rows: Sequence[Row]) -> None:
        if rows:
            await connection.exec_driver_sql(statement, list(rows))

    def _bound(self, table: Table, rows: Sequence[Row]) -> Sequence[Row]:
        """Rows with their wide integers as this database takes them."""
        wide = [at for at, column in enumerate(table.c) if isinstance(column.type, Wide)]
        if not wide or not rows:
            return rows
        columns: list[Iterable[Any]] = list(zip(*rows, strict=True))
        for at in wide:
            columns[at] = map(self._wide, columns[at])
        return list(zip(*columns, strict=True))

    def _insert(self, table: Table) -> str:
        names = ", ".join(column.name for column in table.c)
        places = ", ".join("?" for _ in table.c)
        return self._numbered(f"INSERT INTO {table.name} ({names}) VALUES ({places})")

    def _numbered(self, statement: str) -> str:
        """PostgreSQL's driver numbers its places."""
        if self._sqlite:
            return statement
        first, *rest = statement.split("?")
        return first + "".join(f"${at}{part}" for at, part in enumerate(rest, 1))


def _on_conflict(table: Table, fixed: tuple[str, ...]) -> str:
    """Let an existing row take the new values, but for those that never change."""
    key = [column.name for column in table.primary_key]
    changing: list[Column[Any]] = [
        column for column in table.c if column.name not in key and column.name not in fixed
    ]
    values = ", ".join(f"{column.name} = excluded.{column.name}" for column in changing)
    return f" ON CONFLICT ({', '.join(key)}) DO UPDATE SET {values}"
