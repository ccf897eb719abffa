"""Queries of the projected tables: pages, newest first, by key and never by offset."""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final, NamedTuple

import msgspec
from sqlalchemy import ColumnElement, and_, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from tradepit.domain.decimals import format_units
from tradepit.projections.database import Database
from tradepit.projections.tables import (
    accounts,
    assets,
    candles,
    definitions,
    fills,
    instruments,
    ledger_lines,
    orders,
    projection,
    trades,
)

LOOK_SECONDS: Final = 0.005
"""Between two looks at how far the projector is."""


class Definition(NamedTuple):
    """An instrument as it was defined when an order or a trade happened."""

    instrument: int
    symbol: str
    tick_mantissa: int
    tick_exponent: int
    lot_mantissa: int
    lot_exponent: int
    quote_scale: int

    @property
    def symbol_json(self) -> str:
        return msgspec.json.encode(self.symbol).decode()

    def price_text(self, ticks: int) -> str:
        return format_units(ticks, self.tick_mantissa, self.tick_exponent)

    def quantity_text(self, lots: int) -> str:
        return format_units(lots, self.lot_mantissa, self.lot_exponent)

    def quote_text(self, amount: int) -> str:
        return format_units(amount, 1, self.quote_scale)


class StoredFill(NamedTuple):
    """One order's view of a trade."""

    trade_id: int
    sequence: int
    time_ns: int
    price: int
    quantity: int
    fee: int
    is_maker: bool


class StoredOrder(NamedTuple):
    """A row of `orders`, with what its numbers mean and its fills, oldest first."""

    row: Any
    account_id: str
    definition: Definition
    fills: list[StoredFill]


class Stored(NamedTuple):
    """A row of `trades` or `candles`, with what its numbers mean."""

    row: Any
    definition: Definition


class StoredLine(NamedTuple):
    """A row of `ledger_lines`."""

    row: Any
    asset: str
    scale: int


class Page(NamedTuple):
    """Rows, and the sequence that they reflect."""

    as_of: int
    rows: list[Any]


class SqlHistory:
    """Everything that happened, as far as it is projected. Safe for many readers at once."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._definitions: dict[tuple[int, int], Definition] = {}

    async def sequence(self) -> int:
        """Last sequence that is in the database; 0 = none."""
        async with self._reading() as connection:
            return await _sequence(connection)

    async def reach(self, sequence: int, seconds: float) -> int:
        """Wait until the database has a sequence, or time is up; how far it is."""
        end = time.monotonic() + seconds
        while True:
            reached = await self.sequence()
            if reached >= sequence or time.monotonic() >= end:
                return reached
            await asyncio.sleep(LOOK_SECONDS)

    async def order(self, order_id: int) -> Page:
        """One order, whoever owns it: a page of at most one `StoredOrder`."""
        return await self._orders([orders.c.order_id == order_id], 1)

    async def orders(
        self,
        *,
        account: int = 0,
        instrument: int = 0,
        statuses: int = 0,
        client_order_id: str | None = None,
        before: int = 0,
        limit: int,
    ) -> Page:
        """Orders by id, newest first.

        Args:
            account: 0 = any.
            instrument: 0 = any.
            statuses: bit mask of 1 << OrderStatus; 0 = any.
            before: only ids below this; 0 = from the newest.
        Returns:
            a page of `StoredOrder`.
        """
        wanted: list[ColumnElement[bool]] = []
        if account:
            wanted.append(orders.c.account == account)
        if instrument:
            wanted.append(orders.c.instrument == instrument)
        if statuses:
            numbers = [number for number in range(8) if statuses >> number & 1]
            wanted.append(orders.c.status.in_(numbers))
        if client_order_id is not None:
            wanted.append(orders.c.client_order_id == client_order_id)
        if before:
            wanted.append(orders.c.order_id < before)
        return await self._orders(wanted, limit)

    async def _orders(self, wanted: list[ColumnElement[bool]], limit: int) -> Page:
        statement = (
            select(orders, accounts.c.id.label("account_id"))
            .join(accounts, accounts.c.account == orders.c.account)
            .where(*wanted)
            .order_by(orders.c.order_id.desc())
            .limit(limit)
        )
        async with self._reading() as connection:
            as_of = await _sequence(connection)
            rows = (await connection.execute(statement)).all()
            filled = [row.order_id for row in rows if row.filled]
            order_fills = await _fills_of(connection, filled)
            definition = await self._defined(connection, rows)
        return Page(
            as_of,
            [
                StoredOrder(
                    row,
                    row.account_id,
                    definition[row.instrument, row.definition_version],
                    order_fills.get(row.order_id, []),
                )
                for row in rows
            ],
        )

    async def trades(
        self, *, account: int = 0, instrument: int = 0, before: int = 0, limit: int
    ) -> Page:
        """Trades by id, newest first; see `orders`. A page of `Stored`."""
        statement = select(trades).order_by(trades.c.trade_id.desc()).limit(limit)
        if account:
            own = select(fills.c.trade_id).where(fills.c.account == account)
            if instrument:
                own = own.where(fills.c.instrument == instrument)
            if before:
                own = own.where(fills.c.trade_id < before)
            # A trade with oneself has two fills.
            own = own.distinct().order_by(fills.c.trade_id.desc()).limit(limit)
            statement = statement.where(trades.c.trade_id.in_(own.scalar_subquery()))
        elif instrument:
            statement = statement.where(trades.c.instrument == instrument)
        if before:
            statement = statement.where(trades.c.trade_id < before)
        async with self._reading() as connection:
            as_of = await _sequence(connection)
            rows = (await connection.execute(statement)).all()
            definition = await self._defined(connection, rows)
        return Page(as_of, _with_definitions(rows, definition))

    async def account_fills(
        self, account: int, *, instrument: int = 0, after: int = 0, limit: int
    ) -> Page:
        """An account's trades, oldest first: what performance is computed from."""
        own = select(fills.c.trade_id).where(fills.c.account == account, fills.c.trade_id > after)
        if instrument:
            own = own.where(fills.c.instrument == instrument)
        own = own.distinct().order_by(fills.c.trade_id).limit(limit)
        statement = (
            select(trades)
            .where(trades.c.trade_id.in_(own.scalar_subquery()))
            .order_by(trades.c.trade_id)
        )
        async with self._reading() as connection:
            as_of = await _sequence(connection)
            rows = (await connection.execute(statement)).all()
            definition = await self._defined(connection, rows)
        return Page(as_of, _with_definitions(rows, definition))

    async def ledger(
        self, account: int, *, asset: int = 0, before: tuple[int, int] | None = None, limit: int
    ) -> Page:
        """An account's ledger lines, newest first; before a (sequence, line). `StoredLine`."""
        lines = ledger_lines.c
        statement = (
            select(ledger_lines, assets.c.code, assets.c.scale)
            .join(assets, assets.c.asset == lines.asset)
            .where(lines.account == account, lines.account > 0)
            .order_by(lines.sequence.desc(), lines.line.desc())
            .limit(limit)
        )
        if asset:
            statement = statement.where(lines.asset == asset)
        if before is not None:
            sequence, line = before
            statement = statement.where(
                or_(lines.sequence < sequence, and_(lines.sequence == sequence, lines.line < line))
            )
        async with self._reading() as connection:
            as_of = await _sequence(connection)
            rows = (await connection.execute(statement)).all()
        return Page(as_of, [StoredLine(row, row.code, row.scale) for row in rows])

    async def candles(
        self, instrument: int, stored_seconds: int, from_ns: int, to_ns: int, limit: int
    ) -> Page:
        """Stored candles that start in [from_ns, to_ns), newest first. A page of `Stored`."""
        c = candles.c
        statement = (
            select(candles)
            .where(c.instrument == instrument, c.seconds == stored_seconds)
            .where(c.start_ns >= from_ns, c.start_ns < to_ns)
            .order_by(c.start_ns.desc(), c.definition_version.desc())
            .limit(limit)
        )
        async with self._reading() as connection:
            as_of = await _sequence(connection)
            rows = (await connection.execute(statement)).all()
            definition = await self._defined(connection, rows)
        return Page(as_of, _with_definitions(rows, definition))

    async def coin_moves(self, account: int, asset: int) -> list[Any]:
        """Ledger lines by which an asset came to an account or left it without a trade, in order;
        rows of `ledger_lines`."""
        c = ledger_lines.c
        statement = (
            select(ledger_lines)
            .where(c.account == account, c.account > 0, c.asset == asset)
            .where(c.trade_id.is_(None))
            .order_by(c.sequence, c.line)
        )
        async with self._reading() as connection:
            return list(await connection.execute(statement))

    @asynccontextmanager
    async def _reading(self) -> AsyncIterator[AsyncConnection]:
        """One state of the database for several statements."""
        async with self._database.engine.connect() as connection:
            if self._database.is_sqlite:
                await connection.exec_driver_sql("BEGIN")
            else:
                await connection.execution_options(
                    isolation_level="REPEATABLE READ", postgresql_readonly=True
                )
            yield connection
            await connection.rollback()

    async def _defined(
        self, connection: AsyncConnection, rows: Sequence[Any]
    ) -> dict[tuple[int, int], Definition]:
        """What the numbers of rows mean. Definitions never change, so they are kept."""
        needed = {(row.instrument, row.definition_version) for row in rows}
        if not needed <= self._definitions.keys():
            statement = (
                select(
                    definitions,
                    instruments.c.symbol,
                    assets.c.scale,
                )
                .join(instruments, instruments.c.instrument == definitions.c.instrument)
                .join(assets, assets.c.asset == instruments.c.quote_asset)
            )
            for row in await connection.execute(statement):
                self._definitions[row.instrument, row.definition_version] = Definition(
                    row.instrument,
                    row.symbol,
                    row.tick_mantissa,
                    row.tick_exponent,
                    row.lot_mantissa,
                    row.lot_exponent,
                    row.scale,
                )
        return self._definitions


def _with_definitions(
    rows: Sequence[Any], definition: dict[tuple[int, int], Definition]
) -> list[Stored]:
    return [Stored(row, definition[row.instrument, row.definition_version]) for row in rows]


async def _sequence(connection: AsyncConnection) -> int:
    found = (await connection.execute(select(projection.c.sequence))).scalar()
    return 0 if found is None else int(found)


async def _fills_of(
    connection: AsyncConnection, order_ids: list[int]
) -> dict[int, list[StoredFill]]:
    """Fills of orders, oldest first."""
    found: dict[int, list[StoredFill]] = defaultdict(list)
    if order_ids:
        statement = (
            select(fills.c.order_id, fills.c.is_maker, trades)
            .join(trades, trades.c.trade_id == fills.c.trade_id)
            .where(fills.c.order_id.in_(order_ids))
            .order_by(fills.c.trade_id)
        )
        for row in await connection.execute(statement):
            fee = row.maker_fee if row.is_maker else row.taker_fee
            found[row[0]].append(
                StoredFill(
                    row.trade_id,
                    row.sequence,
                    row.time_ns,
                    row.price,
                    row.quantity,
                    fee,
                    bool(row.is_maker),
                )
            )
    return found
