"""A book kept in dictionaries, from what data/README and the format say; for checks only."""

from __future__ import annotations

from typing import Any

Order = tuple[int, int, int]


class PlainBook:
    """Orders of one instrument in queue order: side to price to [order id, size]."""

    def __init__(self) -> None:
        self.sides: dict[str, dict[int, list[list[int]]]] = {"B": {}, "A": {}}
        self._where: dict[int, tuple[str, int]] = {}
        self.errors: list[str] = []

    def apply(self, record: Any) -> None:
        action, order_id = chr(record["action"]), int(record["order_id"])
        if action == "R":
            self.sides = {"B": {}, "A": {}}
            self._where = {}
        elif action == "A":
            if order_id in self._where:
                self.errors.append(f"{order_id} is added twice")
            self._enter(record)
        elif action in "CM" and order_id not in self._where:
            self.errors.append(f"{action} of unknown order {order_id}")
        elif action == "C":
            self._cancel(order_id, int(record["size"]))
        elif action == "M":
            self._modify(record)

    def orders(self, side: str) -> list[Order]:
        """(order id, price, size), best first, in queue order."""
        prices = sorted(self.sides[side], reverse=side == "B")
        return [
            (order_id, price, size)
            for price in prices
            for order_id, size in self.sides[side][price]
        ]

    @property
    def is_crossed(self) -> bool:
        bids, asks = self.sides["B"], self.sides["A"]
        return bool(bids and asks) and max(bids) >= min(asks)

    def _enter(self, record: Any) -> None:
        side, price = chr(record["side"]), int(record["price"])
        order_id = int(record["order_id"])
        self.sides[side].setdefault(price, []).append([order_id, int(record["size"])])
        self._where[order_id] = (side, price)

    def _leave(self, order_id: int) -> None:
        side, price = self._where.pop(order_id)
        queue = self.sides[side][price]
        queue[:] = [order for order in queue if order[0] != order_id]
        if not queue:
            del self.sides[side][price]

    def _cancel(self, order_id: int, size: int) -> None:
        side, price = self._where[order_id]
        order = next(order for order in self.sides[side][price] if order[0] == order_id)
        if size > order[1]:
            self.errors.append(f"{size} of {order[1]} cancelled of {order_id}")
        order[1] -= size
        if order[1] <= 0:
            self._leave(order_id)

    def _modify(self, record: Any) -> None:
        order_id, size = int(record["order_id"]), int(record["size"])
        side, price = self._where[order_id]
        order = next(order for order in self.sides[side][price] if order[0] == order_id)
        if (chr(record["side"]), int(record["price"])) == (side, price) and size <= order[1]:
            order[1] = size
        else:
            self._leave(order_id)
            self._enter(record)
