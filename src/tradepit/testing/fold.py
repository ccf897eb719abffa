"""Orders and trades as the events alone tell them: what any history or projection must show."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from tradepit.domain.wire import EventKind, Option, OrderStatus
from tradepit.testing.frames import Event

OPEN = (OrderStatus.NEW, OrderStatus.PARTIALLY_FILLED)


@dataclass
class FoldedOrder:
    """One order after some events; the fields are those of the native door's ORDER tuple."""

    order_id: int
    account: int
    instrument: int
    side: int
    order_type: int
    time_in_force: int
    self_trade_prevention: int
    options: int
    status: int
    close_reason: int
    price: int
    quantity: int
    leaves: int
    filled: int
    filled_value: int
    expires_at: int
    created_at_ns: int
    updated_at_ns: int
    client_order_id: str | None
    first_quantity: int
    display_quantity: int
    stop_price: int

    def row(self) -> tuple[Any, ...]:
        return tuple(vars(self).values())


@dataclass
class Fold:
    """Feed it events in order; look at orders, fills and trades."""

    orders: dict[int, FoldedOrder] = field(default_factory=dict)
    fills: dict[int, list[tuple[int, int, int, int, int, int, bool]]] = field(default_factory=dict)
    trades: list[tuple[int, ...]] = field(default_factory=list)
    time_ns: int = 0

    def add(self, events: Iterable[Event]) -> None:
        handlers = {
            EventKind.ORDER_ACCEPTED: self.accepted,
            EventKind.ORDER_REPLACED: self.replaced,
            EventKind.ORDER_CANCELLED: self.cancelled,
            EventKind.ORDER_REDUCED: self.reduced,
            EventKind.ORDER_TRIGGERED: self.triggered,
        }
        for event in events:
            kind = EventKind(event.kind)
            if kind in (EventKind.FRAME_APPLIED, EventKind.TIME_JUMPED):
                self.time_ns = event.fields.time_ns
            elif kind == EventKind.TRADE:
                self.traded(event.fields)
            elif kind in handlers:
                handlers[kind](event)

    def accepted(self, event: Event) -> None:
        fields = event.fields
        self.fills[fields.order_id] = []
        self.orders[fields.order_id] = FoldedOrder(
            order_id=fields.order_id,
            account=fields.account,
            instrument=fields.instrument,
            side=fields.side,
            order_type=fields.order_type,
            time_in_force=fields.time_in_force,
            self_trade_prevention=fields.self_trade_prevention,
            options=fields.options,
            status=OrderStatus.NEW,
            close_reason=0,
            price=fields.price,
            quantity=fields.quantity,
            leaves=fields.quantity,
            filled=0,
            filled_value=0,
            expires_at=fields.expires_at,
            created_at_ns=fields.time_ns,
            updated_at_ns=fields.time_ns,
            client_order_id=None if event.text is None else event.text.decode(),
            first_quantity=fields.quantity,
            display_quantity=fields.display_quantity,
            stop_price=fields.stop_price,
        )

    def touch(self, order_id: int) -> FoldedOrder:
        order = self.orders[order_id]
        order.updated_at_ns = self.time_ns
        return order

    def replaced(self, event: Event) -> None:
        order = self.touch(event.fields.order_id)
        order.price = event.fields.price
        order.quantity = event.fields.quantity
        order.leaves = order.quantity - order.filled
        order.options = event.fields.options & ~int(Option.KEPT_PRIORITY)
        if order.options & Option.STOP:
            order.stop_price = event.fields.stop_price

    def triggered(self, event: Event) -> None:
        order = self.touch(event.fields.order_id)
        order.quantity = event.fields.quantity
        order.leaves = order.quantity - order.filled
        order.options, order.stop_price = event.fields.options, event.fields.stop_price

    def cancelled(self, event: Event) -> None:
        order = self.touch(event.fields.order_id)
        order.leaves = 0
        order.status = event.fields.status
        order.close_reason = event.fields.reason

    def reduced(self, event: Event) -> None:
        order = self.touch(event.fields.order_id)
        order.quantity, order.leaves = event.fields.quantity, event.fields.leaves

    def traded(self, trade: Any) -> None:
        self.trades.append(
            (
                trade.trade_id,
                trade.sequence,
                self.time_ns,
                trade.instrument,
                trade.price,
                trade.quantity,
                trade.maker_order_id,
                trade.taker_order_id,
                trade.maker_account,
                trade.account,
                trade.side,
                trade.maker_fee,
                trade.taker_fee,
            )
        )
        for order_id, fee, is_maker in (
            (trade.maker_order_id, trade.maker_fee, True),
            (trade.taker_order_id, trade.taker_fee, False),
        ):
            order = self.touch(order_id)
            order.leaves -= trade.quantity
            order.filled += trade.quantity
            order.filled_value += trade.price * trade.quantity
            order.status = OrderStatus.PARTIALLY_FILLED if order.leaves else OrderStatus.FILLED
            fill = (trade.trade_id, trade.sequence, self.time_ns)
            self.fills[order_id].append((*fill, trade.price, trade.quantity, fee, is_maker))

    def is_open(self, order_id: int) -> bool:
        return self.orders[order_id].status in OPEN
