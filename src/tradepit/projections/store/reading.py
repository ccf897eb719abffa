"""Reads summaries: the shards that there are, added up.

The adding is done here: SQLite has no exact sum, and a contract has a handful of records.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any, Final

from sqlalchemy import Select, bindparam, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from tradepit.projections.exact import EXACT, Exact
from tradepit.projections.store.tables import contract_price_summaries, contract_summaries
from tradepit.projections.store.trades import Totals
from tradepit.projections.tables import projection

_contract = contract_summaries.c
_level = contract_price_summaries.c

_TOTALS: Final = (
    _contract.volume,
    _contract.value,
    _contract.highest_price,
    _contract.lowest_price,
    _contract.last_time_ns,
    _contract.trades,
)
_OF_TICKER: Final = select(*_TOTALS).where(_contract.ticker == bindparam("ticker"))
_OF_PRICE: Final = select(_level.volume, _level.last_time_ns, _level.trades).where(
    _level.ticker == bindparam("ticker"), _level.price == bindparam("price", type_=Exact)
)
_IS_KNOWN: Final = select(_contract.ticker).where(_contract.ticker == bindparam("ticker")).limit(1)
_AS_OF: Final = select(func.coalesce(func.max(projection.c.sequence), 0))
_PAGE: Final = (
    select(_contract.ticker)
    .distinct()
    .where(_contract.ticker > bindparam("after"))
    .order_by(_contract.ticker)
    .limit(bindparam("limit"))
)
_OF_PAGE: Final = (
    select(_contract.ticker, *_TOTALS)
    .where(_contract.ticker.in_(_PAGE.scalar_subquery()))
    .order_by(_contract.ticker)
)


async def contract_totals(
    connection: AsyncConnection, ticker: str, shard: int | None
) -> Totals | None:
    """What a contract's trades come to; None when there are none."""
    statement: Select[Any] = _OF_TICKER
    if shard is not None:
        statement = statement.where(_contract.shard == shard)
    totals: Totals | None = None
    for row in await connection.execute(statement, {"ticker": ticker}):
        totals = _joined(totals, Totals(*row))
    return totals


async def price_totals(
    connection: AsyncConnection, ticker: str, price: Decimal, shard: int | None
) -> Totals | None:
    """The same at one price."""
    statement: Select[Any] = _OF_PRICE
    if shard is not None:
        statement = statement.where(_level.shard == shard)
    totals: Totals | None = None
    for volume, last_time_ns, trades in await connection.execute(
        statement, {"ticker": ticker, "price": price}
    ):
        value = EXACT.multiply(price, volume)
        totals = _joined(totals, Totals(volume, value, price, price, last_time_ns, trades))
    return totals


async def is_known(connection: AsyncConnection, ticker: str) -> bool:
    """Whether a contract has any trade."""
    return (await connection.execute(_IS_KNOWN, {"ticker": ticker})).first() is not None


async def page_of_contracts(
    connection: AsyncConnection, after: str, limit: int
) -> dict[str, Totals]:
    """Contracts with a greater ticker than `after`, in the order of their tickers."""
    found: dict[str, Totals] = {}
    rows = await connection.execute(_OF_PAGE, {"after": after, "limit": limit})
    for ticker, *numbers in rows:
        found[ticker] = _joined(found.get(ticker), Totals(*numbers))
    return found


async def projected_sequence(connection: AsyncConnection) -> int:
    """How far the market's own trades have come; 0 without a market."""
    return int((await connection.execute(_AS_OF)).scalar_one())


def _joined(totals: Totals | None, more: Totals) -> Totals:
    if totals is None:
        return more
    totals.add(more)
    return totals
