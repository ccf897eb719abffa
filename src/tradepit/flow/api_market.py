"""The market behind a node's public API, as the recorded flow needs it.

Orders come from a pool of anonymous credit accounts. A recorded order id always maps to the same
account; the recording names no owners, so self-trade prevention is off on every order.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from decimal import Decimal
from typing import Final

from tradepit.client import AsyncClient
from tradepit.client.errors import ApiError
from tradepit.client.models import (
    BatchOperation,
    BatchResult,
    Instrument,
    Level,
    MassCancel,
    Order,
)
from tradepit.client.models import Cancel as CancelOrder
from tradepit.client.models import Place as PlaceOrder
from tradepit.client.models import Replace as ReplaceOrder
from tradepit.client.models import Trade as ApiTrade
from tradepit.flow.comparison import LEVELS_MAX, Levels
from tradepit.flow.level_quantities import BestQuote
from tradepit.flow.market_port import MarketUnavailable, OrderState
from tradepit.flow.operations import (
    REFUSED,
    Cancel,
    Fill,
    Operation,
    Outcome,
    Place,
    Side,
    Trade,
)
from tradepit.marketdata.records import PRICE_SCALE

ACCOUNTS: Final = 200
"""Anonymous accounts: enough that no account stands for the market, few enough to open quickly."""

OUTSIDER_ACCOUNT: Final = "outsider-0001"

PAGE_MAX: Final = 1_000
PAGES_MAX: Final = 1_000
"""Trades fetched in one go: a million are more than any batch makes."""

DEPTH_MAX: Final = LEVELS_MAX


class ApiMarket:
    """One instrument of a node."""

    def __init__(self, client: AsyncClient, symbol: str) -> None:
        self._client = client
        self._symbol = symbol
        self._lot = Decimal(1)
        self._price_texts: dict[int, str] = {}
        self._order_ids: dict[int, str] = {}
        self._accounts: dict[int, str] = {}
        self._handles: dict[str, int] = {}
        self._refused: set[int] = set()
        self._last_trade = 0
        self._last_taken: dict[int, int] = {}
        self._fills_since = 0

    async def prepare(self, *, tick_size: str | None) -> None:
        """Create what is missing: instrument and accounts. Orders of an earlier run leave.

        Args:
            tick_size: for a new instrument, as decimal text; None when it is not known.
        """
        instrument = await self._find() or await self._create(tick_size)
        self._lot = instrument.lot_size
        for account in [*_accounts(), OUTSIDER_ACCOUNT]:
            await self._open(account)
        await self.withdraw()
        newest = await self._client.trades(instrument=self._symbol, limit="1")
        self._last_trade = int(newest.items[0].id) if newest.items else 0

    def can_follow(self, operation: Operation, _batch: Sequence[Operation]) -> bool:
        """An operation names an order by its id, which the answer to its placing tells."""
        known = isinstance(operation, Place) or self._knows(operation)
        return known or operation.handle in self._refused

    async def execute(self, batch: Sequence[Operation]) -> list[Outcome]:
        """Do operations in order, in one durable commit."""
        positions = [n for n, o in enumerate(batch) if isinstance(o, Place) or self._knows(o)]
        requests = [self._request(batch[position]) for position in positions]
        results = await self._client.batch(requests) if requests else ()
        outcomes = [REFUSED] * len(batch)
        for position, result in zip(positions, results, strict=True):
            outcomes[position] = self._outcome(batch[position], result)
        return outcomes

    async def trades(self) -> list[Trade]:
        """Trades of the flow's orders since the last call, oldest first."""
        newest_first: list[ApiTrade] = []
        limit = min(PAGE_MAX, self._fills_since + 50)
        filters = {"instrument": self._symbol, "limit": str(limit)}
        for _ in range(PAGES_MAX):
            page = await self._client.trades(**filters)
            new = [trade for trade in page.items if int(trade.id) > self._last_trade]
            newest_first += new
            if len(new) < len(page.items) or page.next is None:
                break
            filters["cursor"] = page.next
        self._fills_since = 0
        if newest_first:
            self._last_trade = int(newest_first[0].id)
        return list(self._own(reversed(newest_first)))

    async def inspect(self, handle: int) -> OrderState | None:
        """How an order stands."""
        order_id = self._order_ids.get(handle)
        if order_id is None:
            return None
        order = await self._client.order(order_id)
        return OrderState(
            handle,
            _price(order.price or Decimal(0)),
            self._lots(order.quantity),
            self._lots(order.filled_quantity),
            order.is_open,
        )

    async def withdraw(self) -> None:
        """Cancel every order of the flow."""
        await self._client.batch(
            [MassCancel(client_id=account, instrument=self._symbol) for account in _accounts()]
        )

    async def take(self, side: Side, quantity: int) -> list[tuple[int, int]]:
        """A market order of an outsider."""
        order = await self._client.place(
            PlaceOrder(
                client_id=OUTSIDER_ACCOUNT,
                instrument=self._symbol,
                side=side,
                type="market",
                quantity=self._quantity_text(quantity),
            )
        )
        return [(_price(fill.price), self._lots(fill.quantity)) for fill in order.fills]

    async def quote(self) -> BestQuote:
        """Best bid and offer with everybody's orders."""
        book = await self._client.order_book(self._symbol, depth=1)
        bid, bid_quantity = self._best(book.bids)
        ask, ask_quantity = self._best(book.asks)
        return BestQuote(bid, bid_quantity, ask, ask_quantity)

    async def levels(self) -> dict[Side, Levels]:
        """The whole order book."""
        book = await self._client.order_book(self._symbol, depth=DEPTH_MAX)
        return {"buy": self._levels(book.bids), "sell": self._levels(book.asks)}

    async def _find(self) -> Instrument | None:
        instruments = await self._client.instruments()
        return next((one for one in instruments if one.symbol == self._symbol), None)

    async def _create(self, tick_size: str | None) -> Instrument:
        if tick_size is None:
            raise MarketUnavailable(
                f"{self._symbol} is not traded yet, and its tick size is not known: name it"
            )
        return await self._client.create_instrument(
            symbol=self._symbol,
            base_asset=self._symbol,
            quote_asset="USD",
            tick_size=tick_size,
            lot_size="1",
        )

    async def _open(self, account: str) -> None:
        try:
            await self._client.open_account(id=account, type="credit")
        except ApiError as error:
            if error.code != "account_exists":
                raise MarketUnavailable(f"account {account}: {error}") from error

    def _knows(self, operation: Operation) -> bool:
        return operation.handle in self._order_ids

    def _request(self, operation: Operation) -> BatchOperation:
        handle = operation.handle
        if isinstance(operation, Place):
            account = account_name(operation.owner or handle)
            self._accounts[handle] = account
            return PlaceOrder(
                client_id=account,
                instrument=self._symbol,
                side=operation.side,
                price=self._price_text(operation.price),
                quantity=self._quantity_text(operation.quantity),
                time_in_force="ioc" if operation.immediate else None,
                self_trade_prevention="none",
            )
        order_id, account = self._order_ids[handle], self._accounts[handle]
        if isinstance(operation, Cancel):
            return CancelOrder(order_id=order_id, client_id=account)
        return ReplaceOrder(
            order_id=order_id,
            client_id=account,
            price=self._price_text(operation.price),
            quantity=self._quantity_text(operation.total),
        )

    def _outcome(self, operation: Operation, result: BatchResult) -> Outcome:
        order = result.order
        if order is None:
            if isinstance(operation, Place):
                self._refused.add(operation.handle)
            return REFUSED
        if isinstance(operation, Place):
            self._order_ids[operation.handle] = order.id
            self._handles[order.id] = operation.handle
        fills = tuple(self._new_fills(operation.handle, order))
        self._fills_since += len(fills)
        return Outcome(accepted=True, fills=fills, filled=self._lots(order.filled_quantity))

    def _new_fills(self, handle: int, order: Order) -> Iterator[Fill]:
        """Fills of this operation: the answer to a replace also holds those of before."""
        last = self._last_taken.get(handle, 0)
        for fill in order.fills:
            number = int(fill.trade_id)
            if fill.liquidity == "taker" and number > last:
                self._last_taken[handle] = number
                yield Fill(_price(fill.price), self._lots(fill.quantity))

    def _own(self, trades: Iterable[ApiTrade]) -> Iterator[Trade]:
        for trade in trades:
            taker = self._handles.get(trade.taker_order_id)
            maker = self._handles.get(trade.maker_order_id)
            if taker is not None or maker is not None:
                yield Trade(taker, maker, _price(trade.price), self._lots(trade.quantity))

    def _price_text(self, price: int) -> str:
        text = self._price_texts.get(price)
        if text is None:
            text = self._price_texts[price] = str(Decimal(price) / PRICE_SCALE)
        return text

    def _quantity_text(self, lots: int) -> str:
        return str(lots * self._lot)

    def _lots(self, quantity: Decimal) -> int:
        return int(quantity / self._lot)

    def _best(self, levels: Sequence[Level]) -> tuple[int, int]:
        if not levels:
            return 0, 0
        return _price(levels[0].price), self._lots(levels[0].quantity)

    def _levels(self, levels: Iterable[Level]) -> Levels:
        return {_price(one.price): (self._lots(one.quantity), one.orders) for one in levels}


def _accounts() -> list[str]:
    return [account_name(number) for number in range(ACCOUNTS)]


def account_name(order_id: int) -> str:
    """The account that stands for whoever sent a recorded order."""
    return f"recorded-{order_id % ACCOUNTS + 1:04d}"


def _price(price: Decimal) -> int:
    return int(price * PRICE_SCALE)
