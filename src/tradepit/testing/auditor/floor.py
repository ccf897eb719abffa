"""What all parts of the auditor share: orders, books, money, time, and how to complain."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tradepit.domain.wire import Option, OrderType, Side
from tradepit.testing.auditor.book import Book
from tradepit.testing.auditor.facts import AuditedInstrument, AuditedOrder, AuditFailure, Taker
from tradepit.testing.auditor.ledger import Ledger
from tradepit.testing.frames import Command

SIDE_OPPOSITE = {Side.BUY: Side.SELL, Side.SELL: Side.BUY}


class Floor:
    """The market as its events have told it so far."""

    def __init__(self) -> None:
        self.ledger = Ledger()
        self.orders: dict[int, AuditedOrder] = {}
        """Live orders: resting and waiting."""
        self.books: dict[int, Book] = {}
        self.finished: set[int] = set()
        self.finished_at: dict[int, int] = {}
        self.rules_version = 0
        self.sequence = 0
        self.time_ns = 0
        self.last_trade_id = 0
        self.command = Command(b"")
        self.taker: Taker | None = None
        self.filled_next: list[tuple[int, int]] = []
        """Orders whose ORDER_FILLED must come before anything else, and what they showed."""
        self.lowered: list[Callable[[AuditedOrder, int, int], None]] = []
        """Who wants to know that leaves fell: order, lots, CloseReason (0 = a trade)."""

    def require(self, holds: bool, what: str) -> None:
        if not holds:
            raise AuditFailure(self.sequence, what)

    def complain(self, what: str | None) -> None:
        if what is not None:
            raise AuditFailure(self.sequence, what)

    def instrument(self, number: int) -> AuditedInstrument:
        return self.ledger.instruments[number]

    def book(self, number: int) -> Book:
        return self.books.setdefault(number, Book())

    def new_order(self, event: Any) -> AuditedOrder:
        """From ORDER_ACCEPTED."""
        instrument = self.instrument(event.instrument)
        is_trailing = event.order_type == OrderType.TRAILING_STOP
        return AuditedOrder(
            order_id=event.order_id,
            account=event.account,
            instrument=event.instrument,
            side=event.side,
            order_type=event.order_type,
            time_in_force=event.time_in_force,
            self_trade_prevention=event.self_trade_prevention,
            options=event.options,
            price=event.price,
            quantity=event.quantity,
            leaves=event.quantity,
            expires_at=event.expires_at,
            fees_ppm=(instrument.maker_fee_ppm, instrument.taker_fee_ppm),
            display=0 if is_trailing else event.display_quantity,
            distance=event.display_quantity if is_trailing else 0,
            stop_price=event.stop_price,
            session=event.session,
        )

    def live(self, order_id: int) -> AuditedOrder:
        self.require(order_id not in self.finished, f"event after the end of order {order_id}")
        if self.taker is not None and self.taker.order.order_id == order_id:
            return self.taker.order
        self.require(order_id in self.orders, f"order {order_id} was never accepted")
        return self.orders[order_id]

    def rest(self, order: AuditedOrder) -> None:
        """The order joins the end of its price's queue."""
        order.rests = True
        order.visible = min(order.display, order.leaves)
        self.orders[order.order_id] = order
        self.book(order.instrument).join(order.side, order.price, order.order_id)

    def leave(self, order: AuditedOrder) -> None:
        """The order is no longer on a book, nor in the queue of those that were triggered."""
        if order.rests:
            self.book(order.instrument).leave(order.side, order.price, order.order_id)
        order.rests = False
        del self.orders[order.order_id]
        triggered = self.instrument(order.instrument).triggered
        if order.order_id in triggered:
            triggered.remove(order.order_id)

    def finish(self, order: AuditedOrder) -> None:
        """A live order ends for good."""
        self.leave(order)
        self.mark_finished(order)

    def mark_finished(self, order: AuditedOrder) -> None:
        order.leaves = 0
        self.finished.add(order.order_id)
        self.finished_at[order.order_id] = self.time_ns

    def lower(self, order: AuditedOrder, lots: int, reason: int = 0) -> None:
        """Leaves fall, and whoever watches is told."""
        order.lower(lots)
        for watch in self.lowered:
            watch(order, lots, reason)

    def show_filled(self, event: Any) -> None:
        """ORDER_FILLED after a trade: leaves, slice, and where the order stands now."""
        self.require(bool(self.filled_next), f"fill of order {event.order_id} without its trade")
        order_id, shown_before = self.filled_next.pop(0)
        self.require(event.order_id == order_id, f"fill of order {event.order_id}, not {order_id}")
        self.require(event.trade_id == self.last_trade_id, "fill of another trade")
        self.require(event.visible_before == shown_before, "slice before a fill")
        order = self.live(order_id)
        fresh = bool(order.display and order.leaves and order.visible == 0)
        if fresh:
            order.visible = min(order.display, order.leaves)
            self.book(order.instrument).move_back(order.side, order.price, order.order_id)
        shown = (event.leaves, event.visible, event.quantity, event.price, event.display_quantity)
        told = (order.leaves, order.shown, order.quantity, order.price, order.display)
        self.require(shown == told, f"filled order stands at {told}, not {shown}")
        self.require(bool(event.options & Option.KEPT_PRIORITY) != fresh, "place after a fill")
        if order.leaves == 0:
            self.finish(order)
