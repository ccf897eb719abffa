"""Events that every part of the oracle needs: how orders are shown, shrink and end."""

from __future__ import annotations

from typing import TypedDict

from tradepit.domain.wire import (
    CloseReason,
    Option,
    OrderCancelled,
    OrderFilled,
    OrderReduced,
    OrderStatus,
    Side,
)
from tradepit.testing.oracle.market import Market, Order

# Leaves that a QUOTE or a RESERVE takes are those that it has just granted anew.
LEAVES_RESERVATION = (CloseReason.QUOTE, CloseReason.EXPOSURE)


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


def slice_of(market: Market, order: Order) -> int:
    """What an iceberg shows now; 0 for all that is no iceberg or does not rest."""
    return order.visible if order.display and market.is_resting(order) else 0


def close_order(
    market: Market,
    order: Order,
    reason: CloseReason,
    status: OrderStatus = OrderStatus.CANCELLED,
) -> None:
    """The order leaves with ORDER_CANCELLED, whether it was live or a taker."""
    market.emit(
        OrderCancelled(
            **order_header(order, status),
            order_id=order.order_id,
            price=order.price,
            quantity=order.quantity,
            cancelled_quantity=order.leaves,
            time_ns=market.time_ns,
            reason=reason,
            visible=slice_of(market, order),
        )
    )
    lower_leaves(market, order, order.leaves, reason)
    leave_book(market, order)


def reduce_order(market: Market, order: Order, amount: int, reason: CloseReason) -> None:
    """Total and leaves fall without a trade; all of the leaves or more closes the order."""
    if amount >= order.leaves:
        close_order(market, order, reason)
        return
    before = slice_of(market, order)
    order.quantity -= amount
    lower_leaves(market, order, amount, reason)
    market.emit(
        OrderReduced(
            **order_header(order, order.open_status),
            order_id=order.order_id,
            price=order.price,
            quantity=order.quantity,
            leaves=order.leaves,
            reduced_by=amount,
            time_ns=market.time_ns,
            reason=reason,
            visible=slice_of(market, order),
            visible_before=before,
        )
    )


def lower_leaves(
    market: Market, order: Order, amount: int, reason: CloseReason = CloseReason.NONE
) -> None:
    """Leaves fall, of an iceberg the hidden part first; so does what a firm reserved for them."""
    order.leaves -= amount
    order.visible = min(order.visible, order.leaves)
    quote = market.accounts[order.account].quotes.get(order.instrument)
    if quote is None or not order.options & Option.QUOTE or reason in LEAVES_RESERVATION:
        return
    if order.side == Side.BUY:
        quote.granted_bid = max(0, quote.granted_bid - amount)
    else:
        quote.granted_ask = max(0, quote.granted_ask - amount)


def leave_book(market: Market, order: Order) -> None:
    """Forget a finished order; the clock of its key's window starts."""
    stop_waiting(market, order)
    market.orders.pop(order.order_id, None)
    entry = market.keys.get(order.key) if order.key else None
    if entry is not None and entry.finished_at is None:
        entry.finished_at = market.time_ns


def stop_waiting(market: Market, order: Order) -> None:
    """Leave the queue of triggered orders, if it stands there."""
    triggered = market.instruments[order.instrument].triggered
    if order.order_id in triggered:
        triggered.remove(order.order_id)


def show_filled(
    market: Market,
    order: Order,
    status: OrderStatus,
    *,
    visible: int,
    visible_before: int,
    trade_id: int,
    kept: bool,
) -> OrderFilled:
    """ORDER_FILLED of a resting order as it stands."""
    header = order_header(order, status)
    if kept:
        header["options"] |= Option.KEPT_PRIORITY
    return OrderFilled(
        **header,
        order_id=order.order_id,
        price=order.price,
        quantity=order.quantity,
        leaves=order.leaves,
        visible=visible,
        visible_before=visible_before,
        trade_id=trade_id,
        time_ns=market.time_ns,
        display_quantity=order.display,
    )
