"""A real node on a real socket in a temporary directory, and somebody who trades on it.

The node runs on its own event loop in a thread; tests speak to it over the network only, except
for the state hash, which is asked on that loop.
"""

from __future__ import annotations

import asyncio
import itertools
import threading
import time
from collections.abc import Callable, Coroutine
from decimal import Decimal
from pathlib import Path
from typing import Any, TypeVar

import httpx
import uvloop
from tests.segments import SMALL_SEGMENTS

from tradepit.access.access import AccessOptions, open_access
from tradepit.feeding import feed_companion
from tradepit.gateway.config import GatewayConfig
from tradepit.gateway.server import GatewayServer, start_server
from tradepit.journal.layout import DataDirectory
from tradepit.node.definitions import AssetDefinition, InstrumentDefinition, MarketDefinition
from tradepit.node.opening import NodeOptions, OpenNode, open_node
from tradepit.projections.database import Database, default_url
from tradepit.projections.projector import project
from tradepit.projections.reads import SqlHistory
from tradepit.projections.store import TradeStore

T = TypeVar("T")

EVENTUALLY_SECONDS = 20.0
"""What happens by itself on a busy machine has happened by then."""

MARKET = MarketDefinition(
    assets=[
        AssetDefinition(code="USD", starting_balance=Decimal(1_000_000)),
        AssetDefinition(code="BTC", starting_balance=Decimal(100)),
    ],
    instruments=[
        InstrumentDefinition(
            symbol="BTC-USD",
            base="BTC",
            quote="USD",
            tick_size=Decimal("0.01"),
            lot_size=Decimal("0.0001"),
            reference_price=Decimal(70_000),
        )
    ],
)

START_SECONDS = 60.0
"""A busy machine starts a node slowly."""

_numbers = itertools.count(1)


def until(is_so: Callable[[], object]) -> None:
    """Return when something has come about by itself."""
    end = time.monotonic() + EVENTUALLY_SECONDS
    while not is_so():
        assert time.monotonic() < end, "it has not come about"
        time.sleep(0.01)


class ServedMarket:
    """A node that serves until `stop`."""

    def __init__(
        self,
        root: Path,
        config: GatewayConfig,
        options: NodeOptions | None = None,
        *,
        port: int = 0,
        database_url: str | None = None,
        access: AccessOptions | None = None,
        has_feed_process: bool = False,
    ) -> None:
        """
        Args:
            has_feed_process: streams are served by a process of their own.
            access: of key mode; None: open mode.
            database_url: keep a history there; None: none is kept.
        """
        self._port = port
        self._access = access
        self._has_feed_process = has_feed_process
        self._database_url = database_url
        self._options = options or NodeOptions(market=MARKET, journal=SMALL_SEGMENTS)
        self._started = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(root, config), daemon=True)
        self._failure: BaseException | None = None
        self._thread.start()
        assert self._started.wait(START_SECONDS), "the node did not start"
        if self._failure is not None:
            raise self._failure

    def _run(self, root: Path, config: GatewayConfig) -> None:
        try:
            uvloop.run(self._serve(root, config))
        except BaseException as error:
            self._failure = error
            self._started.set()

    async def _serve(self, root: Path, config: GatewayConfig) -> None:
        self._loop = asyncio.get_running_loop()
        self._ended = asyncio.Event()
        self.opened: OpenNode = await open_node(root, self._options)
        database = history = projector = None
        if self._database_url is not None:
            database = await Database.open(self._database_url)
            history = SqlHistory(database)
            directory = DataDirectory(root)
            projector = asyncio.ensure_future(project(directory, self._database_url))
        access = None if self._access is None else open_access(root, self._access)
        self.server: GatewayServer = await start_server(
            self.opened.node,
            config,
            host="127.0.0.1",
            port=self._port,
            history=history,
            access=access,
        )
        store = TradeStore(await Database.open(self._database_url or default_url(root)))
        self.server.gateway.use_store(store)
        feeds = None
        if self._has_feed_process:
            door = self.server.gateway.feeds
            feeds = feed_companion(root, config, door.attach)
            await door.wait_open()
        self._started.set()
        await self._ended.wait()
        if feeds is not None:
            self.server.gateway.feeds.close()
            await feeds.stop()
        await self.server.stop()
        if access is not None:
            access.close()
        await store.close()
        if database is not None and projector is not None:
            projector.cancel()
            await asyncio.gather(projector, return_exceptions=True)
            await database.close()
        await self.opened.close()

    @property
    def port(self) -> int:
        return int(self.server.port)

    @property
    def url(self) -> str:
        return self.server.url

    def call(self, function: Callable[[], T]) -> T:
        """Run a function on the node's loop."""

        async def run() -> T:
            return function()

        return asyncio.run_coroutine_threadsafe(run(), self._loop).result(10)

    def wait(self, function: Callable[[], Coroutine[None, None, T]]) -> T:
        """Run a coroutine on the node's loop."""
        return asyncio.run_coroutine_threadsafe(function(), self._loop).result(10)

    def state_hash(self) -> str:
        return self.call(self.opened.node.replica.state_hash)

    def stop(self) -> None:
        self._loop.call_soon_threadsafe(self._ended.set)
        self._thread.join(20)
        assert not self._thread.is_alive(), "the node did not stop"


class Trader:
    """An HTTP client with names of its own: an instrument and accounts nobody else uses."""

    def __init__(self, market: ServedMarket) -> None:
        self.market = market
        self.http = httpx.Client(base_url=f"{market.url}/api/v1", timeout=10)
        self.number = next(_numbers)
        self.symbol = f"T{self.number}-USD"
        self.alice = f"alice-{self.number}"
        self.bob = f"bob-{self.number}"

    def close(self) -> None:
        self.http.close()

    def list_instrument(self, **fields: Any) -> None:
        """Define this trader's instrument; its base asset is given to the accounts."""
        body = {
            "symbol": self.symbol,
            "tick_size": "0.01",
            "lot_size": "0.0001",
            "reference_price": "100",
        }
        answer = self.http.post("/instruments", json=body | fields)
        assert answer.status_code == 201, answer.text
        for account in (self.alice, self.bob):
            assert self.http.post("/accounts", json={"id": account}).status_code == 201
            deposit = {"asset": f"T{self.number}", "amount": "1000"}
            assert self.http.post(f"/accounts/{account}/deposits", json=deposit).status_code == 201

    def order(
        self, client_id: str, side: str, price: str | None, quantity: str, **more: Any
    ) -> Any:
        """The body of an order."""
        body = {"client_id": client_id, "instrument": self.symbol, "side": side}
        body |= {"quantity": quantity, "type": "market" if price is None else "limit"}
        return body | ({} if price is None else {"price": price}) | more

    def place(
        self, client_id: str, side: str, price: str | None, quantity: str, **more: Any
    ) -> httpx.Response:
        """Send an order; `key` becomes the Idempotency-Key header."""
        key = more.pop("key", None)
        headers = {} if key is None else {"Idempotency-Key": key}
        body = self.order(client_id, side, price, quantity, **more)
        return self.http.post("/orders", json=body, headers=headers)
