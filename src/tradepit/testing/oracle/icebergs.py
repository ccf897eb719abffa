"""Icebergs: the slice that shows, the next one, and what is told of it. Rulebook section 14."""

from __future__ import annotations

from itertools import groupby

from tradepit.domain.wire import OrderFilled, OrderReplaced, OrderStatus
from tradepit.testing.oracle.market import Market, Order
from tradepit.testing.oracle.order_events import (
    leave_book,
    lower_leaves,
    order_header,
    show_filled,
)


def rest(market: Market, order: Order) -> None:
    """Join the end of the price's queue; an iceberg shows a slice anew."""
    join_queue(market, order)
    market.orders[order.order_id] = order


def join_queue(market: Market, order: Order) -> None:
    market.last_place += 1
    order.place = market.last_place
    order.visible = min(order.display, order.leaves)


def fill_resting(market: Market, order: Order, quantity: int) -> bool:
    """Take a trade out of what the order shows; whether it kept its place."""
    if order.display:
        order.visible -= quantity
    visible = order.visible
    lower_leaves(market, order, quantity)
    if order.leaves == 0:
        leave_book(market, order)
        return True
    if order.display and visible == 0:
        join_queue(market, order)
        return False
    return True


def filled(
    market: Market, order: Order, *, shown_before: int, trade_id: int, kept: bool
) -> OrderFilled:
    """ORDER_FILLED after a trade of a resting order."""
    status = order.open_status if order.leaves else OrderStatus.FILLED
    return show_filled(
        market,
        order,
        status,
        visible=order.shown,
        visible_before=shown_before,
        trade_id=trade_id,
        kept=kept,
    )


def filled_after_replace(
    event: OrderReplaced, order: Order, *, visible: int, visible_before: int
) -> OrderFilled:
    """ORDER_FILLED that follows the ORDER_REPLACED of an iceberg; `order` as it is afterwards."""
    header = order_header(order, OrderStatus(event.status))
    header["options"] = event.options
    return OrderFilled(
        **header,
        order_id=event.order_id,
        price=event.price,
        quantity=event.quantity,
        leaves=event.leaves,
        visible=visible,
        visible_before=visible_before,
        time_ns=event.time_ns,
        display_quantity=order.display,
    )


def by_level(makers: list[Order]) -> list[list[Order]]:
    """Makers in priority order, those at one price together."""
    return [list(level) for _, level in groupby(makers, key=lambda maker: maker.price)]
