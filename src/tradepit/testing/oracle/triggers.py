"""Which waiting orders a trade price reaches, and their queue. Rulebook section 13."""

from __future__ import annotations

from tradepit.domain.wire import Side
from tradepit.testing.oracle.market import Instrument, Market, Order


def is_reached(order: Order, price: int) -> bool:
    return price >= order.stop_price if order.side == Side.BUY else price <= order.stop_price


def follow_prices(market: Market, instrument: Instrument, prices: list[int]) -> None:
    """Go through trade prices: trailing stops move, then what is reached joins the queue."""
    for price in prices:
        untouched = [
            order
            for order in market.waiting(instrument.number)
            if order.order_id not in instrument.triggered
        ]
        for order in untouched:
            if order.is_trailing:
                trail(order, price)
        reached = [order for order in untouched if is_reached(order, price)]
        instrument.triggered += [order.order_id for order in sorted(reached, key=turn)]


def turn(order: Order) -> tuple[int, int, int]:
    """Place among the orders that one price reaches."""
    if order.side == Side.BUY:
        return 0, order.stop_price, order.order_id
    return 1, -order.stop_price, order.order_id


def trail(order: Order, price: int) -> None:
    if order.side == Side.BUY:
        order.stop_price = min(order.stop_price, price + order.distance)
    else:
        order.stop_price = max(order.stop_price, price - order.distance)


def join_if_reached(market: Market, order: Order) -> None:
    """A stop order whose price the last trade reaches joins when it is accepted or replaced."""
    instrument = market.instruments[order.instrument]
    if instrument.last_price and is_reached(order, instrument.last_price):
        instrument.triggered.append(order.order_id)
