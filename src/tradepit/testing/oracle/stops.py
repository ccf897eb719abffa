"""Prices of stop orders: first stop, worst price, where they may wait. Rulebook section 13."""

from __future__ import annotations

from tradepit.domain.wire import Option, OrderType, RejectReason, Side
from tradepit.testing.oracle.market import Instrument, Market, Order, Rejected
from tradepit.testing.oracle.triggers import join_if_reached

TYPES = (OrderType.STOP, OrderType.STOP_LIMIT, OrderType.TRAILING_STOP)
PRICE_MAX = 2**62
TRAILING_MAX = 1_000
PPM = 1_000_000

__all__ = ["TYPES", "check_room", "collar", "find_prices", "join_if_reached", "tightened"]


def collar(instrument: Instrument) -> tuple[int, int] | None:
    """Reference and largest distance from it, or None without a collar."""
    reference = instrument.last_price or instrument.reference_price
    if instrument.collar_ppm == 0 or reference == 0:
        return None
    return reference, reference * instrument.collar_ppm // PPM


def tightened(instrument: Instrument, side: Side, price: int | None) -> int | None:
    """A market order's limit: its own price and the collar's bound, whichever is tighter."""
    limits = [] if price is None else [price]
    bounds = collar(instrument)
    if bounds is not None:
        reference, distance = bounds
        bound = reference + distance if side == Side.BUY else max(1, reference - distance)
        limits.append(bound)
    if not limits:
        return None
    return min(limits) if side == Side.BUY else max(limits)


def find_prices(instrument: Instrument, order: Order) -> None:
    """Stop and worst price of a new order, whose `stop_price` is still the one given."""
    require_price(order.stop_price > 0)
    if order.is_trailing:
        order.distance = order.stop_price
        order.stop_price = first_stop(instrument, order)
    if order.order_type != OrderType.STOP_LIMIT and not order.options & Option.PRICE:
        order.price = worst_price(instrument, order.side, order.stop_price)


def first_stop(instrument: Instrument, order: Order) -> int:
    reference = instrument.last_price or instrument.reference_price
    require_price(reference > 0)
    away = order.distance if order.side == Side.BUY else -order.distance
    require_price(0 < reference + away <= PRICE_MAX)
    return reference + away


def worst_price(instrument: Instrument, side: Side, stop_price: int) -> int:
    """Price protection of a stop order that gives none itself."""
    require_price(instrument.protection_ppm > 0)
    distance = stop_price * instrument.protection_ppm // PPM
    if side == Side.SELL:
        return max(1, stop_price - distance)
    require_price(stop_price + distance <= PRICE_MAX)
    return stop_price + distance


def require_price(valid: bool) -> None:
    if not valid:
        raise Rejected(RejectReason.INVALID_PRICE)


def check_room(market: Market, instrument: Instrument) -> None:
    """Check 14 of a trailing stop."""
    trailing = [order for order in market.waiting(instrument.number) if order.is_trailing]
    if len(trailing) >= TRAILING_MAX:
        raise Rejected(RejectReason.TOO_MANY_TRAILING)
