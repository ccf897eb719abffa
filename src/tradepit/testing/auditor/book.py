"""Queues per price: who has been at which price for how long, told only by events."""

from __future__ import annotations

from tradepit.domain.wire import Side


class Book:
    """Both sides of one instrument: price to order ids in the order in which they came."""

    def __init__(self) -> None:
        self.queues: dict[int, dict[int, list[int]]] = {Side.BUY: {}, Side.SELL: {}}

    def join(self, side: int, price: int, order_id: int) -> None:
        self.queues[side].setdefault(price, []).append(order_id)

    def leave(self, side: int, price: int, order_id: int) -> None:
        queue = self.queues[side][price]
        queue.remove(order_id)
        if not queue:
            del self.queues[side][price]

    def best_price(self, side: int) -> int | None:
        prices = self.queues[side]
        if not prices:
            return None
        return max(prices) if side == Side.BUY else min(prices)

    def first(self, side: int) -> int | None:
        """The order that has to trade next."""
        price = self.best_price(side)
        return None if price is None else self.queues[side][price][0]

    def move_back(self, side: int, price: int, order_id: int) -> None:
        """To the end of its price's queue."""
        self.leave(side, price, order_id)
        self.join(side, price, order_id)

    @property
    def is_crossed(self) -> bool:
        bid, ask = self.best_price(Side.BUY), self.best_price(Side.SELL)
        return bid is not None and ask is not None and bid >= ask

    def in_priority_order(self, side: int) -> list[int]:
        prices = sorted(self.queues[side], reverse=side == Side.BUY)
        return [order_id for price in prices for order_id in self.queues[side][price]]
