"""The market's own trades in the summaries: written by the projector, in its transaction.

Their raw rows are those of the table `trades`.
"""

from __future__ import annotations

from typing import Final

from sqlalchemy import delete
from sqlalchemy.ext.asyncio import AsyncConnection

from tradepit.projections.store.recording import add_to_summaries
from tradepit.projections.store.tables import (
    MARKET,
    contract_price_summaries,
    contract_summaries,
)
from tradepit.projections.store.trades import Levels, Tally

MARKET_SHARDS: Final = 1
"""Projectors of one market take turns anyway."""


async def add_market_trades(connection: AsyncConnection, levels: Levels) -> None:
    """Add trades of the market to the summaries.

    Call it in the transaction that writes them to `trades` and moves the projection's position; on
    SQLite that transaction holds the write lock (`Database.writing`).
    """
    if levels:
        await add_to_summaries(connection, MARKET, Tally.of(levels), MARKET_SHARDS)


async def clear_market_trades(connection: AsyncConnection) -> None:
    """Forget the market's trades, for a rebuild; what was ingested is not touched."""
    for table in (contract_summaries, contract_price_summaries):
        await connection.execute(delete(table).where(table.c.source == MARKET))
