"""Which waiting orders trade prices have reached, and in which order they must run."""

from __future__ import annotations

from typing import Any

from tradepit.domain.wire import Side
from tradepit.testing.auditor.facts import AuditedOrder
from tradepit.testing.auditor.floor import Floor

RUNS_MAX = 1_000


class StopAudit:
    """Follows trade prices; a stop order runs only when it was reached and its turn has come."""

    def __init__(self, floor: Floor) -> None:
        self.floor = floor
        self.runs = 0

    def start_command(self) -> None:
        self.runs = 0

    def accept(self, order: AuditedOrder) -> None:
        """A stop order begins, or goes on, to wait."""
        self.floor.orders[order.order_id] = order
        instrument = self.floor.instrument(order.instrument)
        if instrument.last_price and is_reached(order, instrument.last_price):
            instrument.triggered.append(order.order_id)

    def on_price(self, number: int, price: int) -> None:
        """A trade, or a round of an uncrossing that had one."""
        instrument = self.floor.instrument(number)
        waiting = [
            order
            for order in self.floor.orders.values()
            if order.instrument == number
            and order.waits
            and order.order_id not in instrument.triggered
        ]
        for order in waiting:
            if order.distance:
                follow(order, price)
        buys = [o for o in waiting if o.side == Side.BUY and is_reached(o, price)]
        sells = [o for o in waiting if o.side == Side.SELL and is_reached(o, price)]
        buys.sort(key=lambda order: (order.stop_price, order.order_id))
        sells.sort(key=lambda order: (-order.stop_price, order.order_id))
        instrument.triggered += [order.order_id for order in buys + sells]

    def run(self, event: Any) -> AuditedOrder:
        """ORDER_TRIGGERED: the order that stops waiting."""
        floor, self.runs = self.floor, self.runs + 1
        order = floor.live(event.order_id)
        instrument = floor.instrument(order.instrument)
        floor.require(order.waits, "an order runs that does not wait")
        floor.require(instrument.is_continuous, "a stop order runs while not trading")
        first = instrument.triggered[:1]
        floor.require(first == [order.order_id], f"{order.order_id} runs, not {first}")
        shown = (event.stop_price, event.price, event.trigger_price, event.previous_leaves)
        told = (order.stop_price, order.price, instrument.last_price, order.leaves)
        floor.require(shown == told, f"triggered at {told}, not {shown}")
        floor.leave(order)
        order.options = event.options
        floor.require(not order.waits, "a triggered order still waits")
        return order

    def left_undone(self) -> str | None:
        """An instrument that trades has nobody left to run, up to the bound of a command."""
        for number, instrument in self.floor.ledger.instruments.items():
            if instrument.is_continuous and instrument.triggered and self.runs < RUNS_MAX:
                return f"instrument {number}: triggered {instrument.triggered} do not run"
        return None


def is_reached(order: AuditedOrder, price: int) -> bool:
    return price >= order.stop_price if order.side == Side.BUY else price <= order.stop_price


def follow(order: AuditedOrder, price: int) -> None:
    if order.side == Side.BUY:
        order.stop_price = min(order.stop_price, price + order.distance)
    else:
        order.stop_price = max(order.stop_price, price - order.distance)
