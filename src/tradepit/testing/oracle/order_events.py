"""Events that every part of the oracle needs: how orders are shown, and how they end."""

from __future__ import annotations

from typing import TypedDict

from tradepit.domain.wire import CloseReason, OrderCancelled, OrderReduced, OrderStatus
from tradepit.testing.oracle.market import Market, Order


class OrderHeader(TypedDict):
    """Header fields of an order's events."""

    side: int
    order_type: int
    time_in_force: int
    self_trade_prevention: int
    options: int
    status: int
    account: int
    instrument: int


def order_header(order: Order, status: OrderStatus) -> OrderHeader:
    return OrderHeader(
        side=order.side,
        order_type=order.order_type,
        time_in_force=order.time_in_force,
        self_trade_prevention=order.self_trade_prevention,
        options=order.options,
        status=status,
        account=order.account,
        instrument=order.instrument,
    )


def close_order(market: Market, order: Order, reason: CloseReason, status: OrderStatus) -> None:
    """The order leaves with ORDER_CANCELLED, whether it was resting or a taker."""
    market.emit(
        OrderCancelled(
            **order_header(order, status),
            order_id=order.order_id,
            price=order.price,
            quantity=order.quantity,
            cancelled_quantity=order.leaves,
            time_ns=market.time_ns,
            reason=reason,
        )
    )
    order.leaves = 0
    leave_book(market, order)


def decrement_order(market: Market, order: Order, amount: int) -> None:
    """Self-trade mode DECREMENT takes `amount` from an order without a trade."""
    if amount == order.leaves:
        close_order(market, order, CloseReason.SELF_TRADE, OrderStatus.CANCELLED)
        return
    order.leaves -= amount
    order.quantity -= amount
    market.emit(
        OrderReduced(
            **order_header(order, order.open_status),
            order_id=order.order_id,
            price=order.price,
            quantity=order.quantity,
            leaves=order.leaves,
            reduced_by=amount,
            time_ns=market.time_ns,
            reason=CloseReason.SELF_TRADE,
        )
    )


def leave_book(market: Market, order: Order) -> None:
    """Take a finished order off the book; the clock of its key's window starts."""
    market.orders.pop(order.order_id, None)
    entry = market.keys.get(order.key) if order.key else None
    if entry is not None and entry.finished_at is None:
        entry.finished_at = market.time_ns
