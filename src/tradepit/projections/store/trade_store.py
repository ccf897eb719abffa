"""`TradeStore`: what routes and workers call. Transactions, retries, bounds."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Final, NamedTuple

from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection

from tradepit.projections.database import Database
from tradepit.projections.store import reading
from tradepit.projections.store.recording import Batch, record
from tradepit.projections.store.trades import Totals

SHARDS: Final = 10
"""Default number of records per contract: as many writers at once wait for nobody."""

ATTEMPTS_MAX: Final = 6
RETRY_PAUSE_S: Final = 0.01
"""Grows with each attempt; a deadlock's other party is through by then."""

RETRIED_STATES: Final = frozenset({"40001", "40P01"})
"""Serialisation failure, deadlock: the transaction was undone and may be tried again."""

WRITERS_MAX: Final = 8
"""Transactions of this process at once on PostgreSQL; the pool holds more for readers."""


class StoreUnavailable(Exception):
    """The database did not answer as it should; `was_undone`: certainly nothing was stored."""

    def __init__(self, reason: str, *, was_undone: bool) -> None:
        super().__init__(reason)
        self.was_undone = was_undone


class ContractFound(NamedTuple):
    """A contract's totals; None: it is known, but has no trade that was asked for."""

    totals: Totals | None
    as_of: int


class TradeStore:
    """The store on an open database."""

    def __init__(self, database: Database, *, shards: int = SHARDS) -> None:
        self._database = database
        self._shards = shards
        self._writers: asyncio.Semaphore = asyncio.Semaphore(
            1 if database.is_sqlite else WRITERS_MAX
        )
        engine = database.engine
        self._reading = (
            engine if database.is_sqlite else engine.execution_options(isolation_level="AUTOCOMMIT")
        )
        self.stored_count = 0
        self.repeated_count = 0
        self.retried_count = 0

    async def close(self) -> None:
        """Close the database."""
        await self._database.close()

    async def ingest(self, batch: Batch) -> frozenset[str]:
        """Store a batch in one transaction; the trade ids that were there before.

        Raises:
            StoreUnavailable: nothing is promised; with trade ids it can be sent again.
        """
        if not batch.trades:
            return frozenset()
        async with self._writers:
            known = await self._write(batch)
        self.repeated_count += len(known)
        self.stored_count += len(batch.trades) - len(known)
        return known

    async def _write(self, batch: Batch) -> frozenset[str]:
        for attempt in range(1, ATTEMPTS_MAX + 1):
            is_committing = False
            try:
                async with self._database.writing() as connection:
                    known = await record(
                        connection, batch, shards=self._shards, received_ns=time.time_ns()
                    )
                    is_committing = True
                return known
            except (SQLAlchemyError, OSError) as error:
                if _state(error) not in RETRIED_STATES or attempt == ATTEMPTS_MAX:
                    raise StoreUnavailable(_reason(error), was_undone=not is_committing) from error
            self.retried_count += 1
            await asyncio.sleep(RETRY_PAUSE_S * attempt * random.random())
        raise AssertionError("the last attempt returns or raises")

    async def contract(
        self, ticker: str, *, shard: int | None = None, price: Decimal | None = None
    ) -> ContractFound | None:
        """A contract, merged over shards or one of them, at all prices or at one; None when there
        is no such contract."""
        async with self._connected() as connection:
            if price is None:
                totals = await reading.contract_totals(connection, ticker, shard)
            else:
                totals = await reading.price_totals(connection, ticker, price, shard)
            if totals is None and not await reading.is_known(connection, ticker):
                return None
            return ContractFound(totals, await reading.projected_sequence(connection))

    async def contracts(self, *, after: str, limit: int) -> tuple[dict[str, Totals], int]:
        """A page of contracts in the order of their tickers, and what it is as of."""
        async with self._connected() as connection:
            found = await reading.page_of_contracts(connection, after, limit)
            return found, await reading.projected_sequence(connection)

    async def check(self) -> None:
        """Whether the database answers; raises `StoreUnavailable`."""
        async with self._connected() as connection:
            await reading.projected_sequence(connection)

    @asynccontextmanager
    async def _connected(self) -> AsyncIterator[AsyncConnection]:
        try:
            async with self._reading.connect() as connection:
                yield connection
        except (SQLAlchemyError, OSError) as error:
            raise StoreUnavailable(_reason(error), was_undone=True) from error


def _state(error: Exception) -> str | None:
    if isinstance(error, DBAPIError):
        return getattr(error.orig, "sqlstate", None)
    return None


def _reason(error: Exception) -> str:
    """One line for the caller: what the driver said, without the statement."""
    cause = error.orig if isinstance(error, DBAPIError) and error.orig is not None else error
    return str(cause).partition("\n")[0] or type(cause).__name__
