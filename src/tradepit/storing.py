"""The trade store as it runs: in a node, or as a worker alone. Part of the composition root."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

import structlog
from rich.console import Console
from sqlalchemy.exc import SQLAlchemyError

from tradepit.gateway.access import require_loopback
from tradepit.gateway.server import bind
from tradepit.gateway.store_worker import serve_store
from tradepit.projections.database import Database, DatabaseRefused
from tradepit.projections.store import TradeStore

log = structlog.get_logger(__name__)
console = Console(soft_wrap=True)

RETRY_PAUSE_S: Final = 2.0
"""Between two attempts of a node to open its database."""


class NodeStore:
    """Opens a node's store beside it: the market never waits for a database."""

    def __init__(self, url: str, *, shards: int, use: Callable[[TradeStore], None]) -> None:
        """Args:
        use: called once, with the open store.
        """
        self._store: TradeStore | None = None
        self._opening = asyncio.ensure_future(self._open(url, shards, use))

    async def _open(self, url: str, shards: int, use: Callable[[TradeStore], None]) -> None:
        while True:
            try:
                database = await Database.open(url)
            except DatabaseRefused as error:
                log.error("the trade store stays closed", reason=str(error))
                return
            except (SQLAlchemyError, OSError) as error:
                log.warning("the database does not answer", reason=str(error).partition("\n")[0])
                await asyncio.sleep(RETRY_PAUSE_S)
                continue
            self._store = TradeStore(database, shards=shards)
            use(self._store)
            return

    async def close(self) -> None:
        """Stop opening, or close what is open."""
        self._opening.cancel()
        await asyncio.gather(self._opening, return_exceptions=True)
        if self._store is not None:
            await self._store.close()


async def run_worker(
    url: str, *, shards: int, host: str, port: int, allowed_hosts: tuple[str, ...] = ()
) -> None:
    """Serve a store alone until SIGINT or SIGTERM.

    Raises:
        DatabaseRefused, SQLAlchemyError, OSError: the database cannot be used.
        OpenAccessRefused: the address is no loopback one.
    """
    require_loopback(host)
    listener = bind(host, port)
    try:
        store = TradeStore(await Database.open(url), shards=shards)
        try:
            name = f"[{host}]" if ":" in host else host
            console.print(
                f"[bold]Tradepit[/] trade store serves "
                f"[bold]http://{name}:{listener.getsockname()[1]}[/], {shards} shards"
                "  (Ctrl-C stops)",
                highlight=False,
            )
            await serve_store(store, listener, allowed_hosts=allowed_hosts)
        finally:
            await store.close()
    finally:
        listener.close()
