"""The market as its answers tell it: open quantity per price, from outcomes of operations alone.

The comparison wants the market's best bid and offer after every event, also when hundreds of
events travel in one batch and no book could be read between them.
"""

from __future__ import annotations

from dataclasses import dataclass

from tradepit.flow.level_quantities import BestQuote, LevelQuantities
from tradepit.flow.operations import (
    Cancel,
    Operation,
    Outcome,
    Place,
    Replace,
    Side,
    Trade,
    opposite,
)


@dataclass(slots=True)
class SentOrder:
    """An order as it was sent last; `total` includes what it has filled."""

    owner: int
    side: Side
    price: int
    total: int


class AnsweredBook:
    """Level quantities and the register of orders sent."""

    def __init__(self) -> None:
        self._levels = LevelQuantities()
        self._orders: dict[int, SentOrder] = {}

    @property
    def quote(self) -> BestQuote:
        """Best bid and offer after the outcomes applied so far."""
        return self._levels.best()

    def order(self, handle: int) -> SentOrder | None:
        """An order sent, as it was accepted last."""
        return self._orders.get(handle)

    def apply(self, operation: Operation, outcome: Outcome) -> None:
        """Apply what the market answered to one operation."""
        match operation:
            case Place():
                order = SentOrder(
                    operation.owner, operation.side, operation.price, operation.quantity
                )
                self._orders[operation.handle] = order
                if outcome.accepted:
                    self._take(order.side, outcome)
                    if not operation.immediate:
                        self._levels.add(order.side, order.price, order.total - outcome.filled)
            case Replace() if outcome.accepted:
                self._replace(operation, outcome)
            case Cancel() if outcome.accepted:
                order = self._orders[operation.handle]
                self._levels.add(order.side, order.price, outcome.filled - order.total)

    def apply_outside(self, trade: Trade) -> None:
        """Apply a trade with an outsider, whose orders the levels do not hold."""
        if trade.maker is None and trade.taker in self._orders:
            maker_side = opposite(self._orders[trade.taker].side)
            self._levels.add(maker_side, trade.price, trade.quantity)
        elif trade.taker is None and trade.maker in self._orders:
            order = self._orders[trade.maker]
            self._levels.add(order.side, trade.price, -trade.quantity)

    def _replace(self, replace: Replace, outcome: Outcome) -> None:
        order = self._orders[replace.handle]
        traded = sum(fill.quantity for fill in outcome.fills)
        self._levels.add(order.side, order.price, -(order.total - (outcome.filled - traded)))
        self._take(order.side, outcome)
        order.price, order.total = replace.price, replace.total
        self._levels.add(order.side, order.price, order.total - outcome.filled)

    def _take(self, side: Side, outcome: Outcome) -> None:
        for fill in outcome.fills:
            self._levels.add(opposite(side), fill.price, -fill.quantity)
