"""The market's own trades in the store: written by the projector, in its transaction."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from typing import Final, NamedTuple

from sqlalchemy import delete
from sqlalchemy.ext.asyncio import AsyncConnection

from tradepit.projections.store.recording import Batch, record
from tradepit.projections.store.tables import (
    MARKET,
    contract_price_summaries,
    contract_summaries,
    store_trades,
)
from tradepit.projections.store.trades import Trade

MARKET_SHARDS: Final = 1
"""Projectors of one market take turns anyway."""


class MarketTrade(NamedTuple):
    """One trade of the market, in decimals."""

    trade_id: int
    symbol: str
    price: Decimal
    quantity: Decimal
    time_ns: int


async def add_market_trades(connection: AsyncConnection, rows: Iterable[MarketTrade]) -> None:
    """Store trades of the market and add them to the summaries.

    Call it in the transaction that moves the projection's position; on SQLite that transaction
    holds the write lock (`Database.writing`). A trade that is there already changes nothing.
    """
    trades = [
        Trade(row.symbol, row.price, row.quantity, row.time_ns, str(row.trade_id)) for row in rows
    ]
    if trades:
        await record(connection, MARKET, Batch.of(trades), shards=MARKET_SHARDS, received_ns=None)


async def clear_market_trades(connection: AsyncConnection) -> None:
    """Forget the market's trades, for a rebuild; what was ingested is not touched."""
    for table in (store_trades, contract_summaries, contract_price_summaries):
        await connection.execute(delete(table).where(table.c.source == MARKET))
