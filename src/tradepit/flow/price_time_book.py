"""A naive price-time book: the market's matching rules in the fewest words.

The sender uses it to foresee what its own orders will do, tests use it as a whole market. It knows
limit orders (resting or immediate), cancel and replace; no accounts, fees or phases.
"""

from __future__ import annotations

from bisect import insort
from typing import NamedTuple

from tradepit.flow.operations import (
    REFUSED,
    Cancel,
    Fill,
    Operation,
    Outcome,
    Place,
    Replace,
    Side,
    Trade,
    opposite,
)


class Level(NamedTuple):
    """Open quantity and number of orders at one price."""

    price: int
    quantity: int
    orders: int


class Execution(NamedTuple):
    """What an operation did: what its owner is told, and who traded with whom."""

    outcome: Outcome
    trades: tuple[Trade, ...]


class BookOrder:
    """An order of the book; `total` includes what is already filled."""

    __slots__ = ("filled", "handle", "price", "side", "total")

    def __init__(self, handle: int, side: Side, price: int, total: int) -> None:
        self.handle = handle
        self.side = side
        self.price = price
        self.total = total
        self.filled = 0

    @property
    def leaves(self) -> int:
        """Quantity still open, in lots."""
        return self.total - self.filled


class PriceTimeBook:
    """Resting orders by price, then by time of arrival at that price."""

    def __init__(self) -> None:
        self._orders: dict[int, BookOrder] = {}
        self._queues: dict[Side, dict[int, dict[int, BookOrder]]] = {"buy": {}, "sell": {}}
        # Sorted so that the best price is last: bids by price, asks by minus price.
        self._ranks: dict[Side, list[int]] = {"buy": [], "sell": []}

    def execute(self, operation: Operation) -> Execution:
        """Do one operation and tell what came of it."""
        if isinstance(operation, Place):
            return self._place(operation)
        if isinstance(operation, Replace):
            return self._replace(operation)
        return self._cancel(operation)

    def order(self, handle: int) -> BookOrder | None:
        """The resting order with this handle, or None."""
        return self._orders.get(handle)

    def best(self, side: Side) -> Level | None:
        """The best level of a side, or None when the side is empty."""
        ranks = self._ranks[side]
        return self._level(side, _price(side, ranks[-1])) if ranks else None

    def levels(self, side: Side) -> list[Level]:
        """All levels of a side, best first."""
        return [self._level(side, _price(side, rank)) for rank in reversed(self._ranks[side])]

    def put(self, handle: int, side: Side, price: int, *, total: int, filled: int) -> None:
        """Make an order stand like this, whatever it was: a market is otherwise than foreseen.

        A changed price, or an order that was not here, goes to the end of the queue; an order with
        nothing left goes.
        """
        order = self._orders.get(handle)
        if order is not None and (order.price != price or total <= filled):
            self._remove(order)
            order = None
        if order is not None:
            order.total, order.filled = total, filled
        elif total > filled:
            order = BookOrder(handle, side, price, total)
            order.filled = filled
            self._rest(order)

    def _level(self, side: Side, price: int) -> Level:
        queue = self._queues[side][price]
        return Level(price, sum(order.leaves for order in queue.values()), len(queue))

    def _place(self, place: Place) -> Execution:
        if place.quantity <= 0 or place.handle in self._orders:
            return Execution(REFUSED, ())
        order = BookOrder(place.handle, place.side, place.price, place.quantity)
        trades = self._match(order)
        if not place.immediate:
            self._rest(order)
        return _execution(order, trades)

    def _cancel(self, cancel: Cancel) -> Execution:
        order = self._orders.get(cancel.handle)
        if order is None:
            return Execution(REFUSED, ())
        self._remove(order)
        return _execution(order, ())

    def _replace(self, replace: Replace) -> Execution:
        order = self._orders.get(replace.handle)
        if order is None or replace.total <= order.filled:
            return Execution(REFUSED, ())
        if replace.price == order.price and replace.total <= order.total:
            order.total = replace.total
            return _execution(order, ())
        self._remove(order)
        order.price, order.total = replace.price, replace.total
        trades = self._match(order)
        self._rest(order)
        return _execution(order, trades)

    def _match(self, taker: BookOrder) -> tuple[Trade, ...]:
        trades: list[Trade] = []
        makers = opposite(taker.side)
        limit = _rank(makers, taker.price)
        while taker.leaves and (ranks := self._ranks[makers]) and ranks[-1] >= limit:
            price = _price(makers, ranks[-1])
            maker = next(iter(self._queues[makers][price].values()))
            quantity = min(taker.leaves, maker.leaves)
            taker.filled += quantity
            maker.filled += quantity
            trades.append(Trade(taker.handle, maker.handle, price, quantity))
            if maker.leaves == 0:
                self._remove(maker)
        return tuple(trades)

    def _rest(self, order: BookOrder) -> None:
        if order.leaves == 0:
            return
        queues = self._queues[order.side]
        if order.price not in queues:
            queues[order.price] = {}
            insort(self._ranks[order.side], _rank(order.side, order.price))
        queues[order.price][order.handle] = order
        self._orders[order.handle] = order

    def _remove(self, order: BookOrder) -> None:
        queue = self._queues[order.side][order.price]
        del queue[order.handle]
        del self._orders[order.handle]
        if not queue:
            del self._queues[order.side][order.price]
            self._ranks[order.side].remove(_rank(order.side, order.price))


def _execution(order: BookOrder, trades: tuple[Trade, ...]) -> Execution:
    fills = tuple(Fill(trade.price, trade.quantity) for trade in trades)
    return Execution(Outcome(accepted=True, fills=fills, filled=order.filled), trades)


def _rank(side: Side, price: int) -> int:
    return price if side == "buy" else -price


def _price(side: Side, rank: int) -> int:
    return rank if side == "buy" else -rank
