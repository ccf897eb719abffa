"""Open quantity per price with the best price at hand."""

from __future__ import annotations

from heapq import heappop, heappush
from typing import NamedTuple

from tradepit.flow.operations import Side


class BestQuote(NamedTuple):
    """Best bid and offer with their sizes; 0, 0 for an empty side.

    Units: price in 1e-9 of the quote currency, quantity in lots.
    """

    bid_price: int
    bid_quantity: int
    ask_price: int
    ask_quantity: int

    @property
    def is_crossed(self) -> bool:
        """Whether the best bid is at or above the best offer."""
        return bool(self.bid_quantity and self.ask_quantity) and self.bid_price >= self.ask_price


class LevelQuantities:
    """Sum of open quantity at each price of both sides."""

    def __init__(self) -> None:
        self._quantities: dict[Side, dict[int, int]] = {"buy": {}, "sell": {}}
        # Best first; a price may appear twice or be gone, which `_best` skips when it is on top.
        self._heaps: dict[Side, list[int]] = {"buy": [], "sell": []}

    def add(self, side: Side, price: int, quantity: int) -> None:
        """Add to a level (negative takes away); a level at 0 is gone."""
        levels = self._quantities[side]
        before = levels.get(price, 0)
        after = before + quantity
        if after:
            levels[price] = after
        elif before:
            del levels[price]
        if before <= 0 < after:
            heappush(self._heaps[side], -price if side == "buy" else price)

    def levels(self, side: Side) -> dict[int, int]:
        """Quantity by price, in no order."""
        return dict(self._quantities[side])

    def best(self) -> BestQuote:
        """Best bid and offer with their sizes."""
        bid, bid_quantity = self._best("buy")
        ask, ask_quantity = self._best("sell")
        return BestQuote(bid, bid_quantity, ask, ask_quantity)

    def _best(self, side: Side) -> tuple[int, int]:
        heap, levels = self._heaps[side], self._quantities[side]
        while heap:
            price = -heap[0] if side == "buy" else heap[0]
            quantity = levels.get(price, 0)
            if quantity > 0:
                return price, quantity
            heappop(heap)
        return 0, 0
