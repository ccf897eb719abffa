"""A market in memory: the naive price-time book behind the flow's market port.

`tradepit flow recorded --offline` runs on it, and so do the tests: a recording can be judged
without a node, and a node's result can be held against it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from tradepit.flow.comparison import Levels
from tradepit.flow.level_quantities import BestQuote
from tradepit.flow.market_port import OrderState
from tradepit.flow.operations import Cancel, Operation, Outcome, Place, Replace, Side, Trade
from tradepit.flow.price_time_book import BookOrder, PriceTimeBook

_FAR_PRICE: Final[dict[Side, int]] = {"buy": 2**62, "sell": 1}


class LocalMarket:
    """The flow's orders, and those of outsiders, in one price-time book."""

    def __init__(self) -> None:
        self._book = PriceTimeBook()
        self._sent: dict[int, BookOrder] = {}
        self._trades: list[Trade] = []
        self._outsider_handle = 0

    def can_follow(self, _operation: Operation, _batch: Sequence[Operation]) -> bool:
        """Any operation may follow any other: handles are known at once."""
        return True

    async def execute(self, batch: Sequence[Operation]) -> list[Outcome]:
        """Do operations in order."""
        return [self._execute(operation) for operation in batch]

    async def trades(self) -> list[Trade]:
        """Trades of the flow's orders since the last call."""
        trades, self._trades = self._trades, []
        return trades

    async def inspect(self, handle: int) -> OrderState | None:
        """How an order stands."""
        order = self._sent.get(handle)
        if order is None:
            return None
        is_open = self._book.order(handle) is not None
        return OrderState(handle, order.price, order.total, order.filled, is_open)

    async def withdraw(self) -> None:
        """Cancel every order of the flow."""
        for handle in self._sent:
            self._book.execute(Cancel(handle))

    async def take(self, side: Side, quantity: int) -> list[tuple[int, int]]:
        """A marketable order of an outsider."""
        return self.outside(side, _FAR_PRICE[side], quantity, immediate=True)

    async def quote(self) -> BestQuote:
        """Best bid and offer with everybody's orders."""
        bid, ask = self._book.best("buy"), self._book.best("sell")
        return BestQuote(
            bid.price if bid else 0,
            bid.quantity if bid else 0,
            ask.price if ask else 0,
            ask.quantity if ask else 0,
        )

    async def levels(self) -> dict[Side, Levels]:
        """The whole order book."""
        return {"buy": self._levels("buy"), "sell": self._levels("sell")}

    def own_levels(self, side: Side) -> dict[int, int]:
        """Open quantity of the flow's own orders by price."""
        levels: dict[int, int] = {}
        for handle in self._sent:
            order = self._book.order(handle)
            if order is not None and order.side == side:
                levels[order.price] = levels.get(order.price, 0) + order.leaves
        return levels

    def outside(
        self, side: Side, price: int, quantity: int, *, immediate: bool
    ) -> list[tuple[int, int]]:
        """An order of an outsider, resting or immediate; price and quantity of its fills."""
        self._outsider_handle -= 1
        place = Place(self._outsider_handle, 0, side, price, quantity, immediate)
        execution = self._book.execute(place)
        self._log(execution.trades)
        return [(trade.price, trade.quantity) for trade in execution.trades]

    def _execute(self, operation: Operation) -> Outcome:
        if isinstance(operation, Place):
            sent = BookOrder(operation.handle, operation.side, operation.price, operation.quantity)
            self._sent[operation.handle] = sent
        execution = self._book.execute(operation)
        if isinstance(operation, Replace) and execution.outcome.accepted:
            sent = self._sent[operation.handle]
            sent.price, sent.total = operation.price, operation.total
        self._log(execution.trades)
        return execution.outcome

    def _log(self, trades: tuple[Trade, ...]) -> None:
        for trade in trades:
            taker, maker = self._own(trade.taker), self._own(trade.maker)
            for handle in (taker, maker):
                if handle is not None:
                    self._sent[handle].filled += trade.quantity
            if taker is not None or maker is not None:
                self._trades.append(Trade(taker, maker, trade.price, trade.quantity))

    def _own(self, handle: int | None) -> int | None:
        return handle if handle in self._sent else None

    def _levels(self, side: Side) -> Levels:
        return {level.price: (level.quantity, level.orders) for level in self._book.levels(side)}
