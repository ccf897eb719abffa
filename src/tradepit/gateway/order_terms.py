"""What a new order says beyond side, price and quantity: its terms, in the journal's numbers.

Fields that make no sense for the type of the order are refused here, by name; whether fields go
together is a rule of the market, which the engine decides.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from msgspec import UNSET, Raw, UnsetType

from tradepit.domain.wire import Option, OrderType, SelfTradePrevention, TimeInForce
from tradepit.gateway.fields import PREVENTIONS, TIMES_IN_FORCE, choose, time_field
from tradepit.gateway.listing import Instrument
from tradepit.gateway.problems import Refused, refused
from tradepit.gateway.shapes import PlaceOrder

_LIMIT: Final = int(OrderType.LIMIT)
_MARKET: Final = int(OrderType.MARKET)
_TRAILING: Final = int(OrderType.TRAILING_STOP)
_STOPS: Final = frozenset({int(OrderType.STOP), int(OrderType.STOP_LIMIT)})
_PRICED: Final = frozenset({_LIMIT, int(OrderType.STOP_LIMIT)})
"""Types that cannot do without a price; for the others it is the worst one."""

_GTC: Final = int(TimeInForce.GTC)
_IOC: Final = int(TimeInForce.IOC)
_CANCEL_TAKER: Final = int(SelfTradePrevention.CANCEL_TAKER)


class Terms(NamedTuple):
    """What a plain limit order does not say."""

    time_in_force: int = _GTC
    self_trade_prevention: int = _CANCEL_TAKER
    options: int = 0
    valid_until: int = 0
    display_quantity: int = 0
    stop_price: int = 0
    """Of a trailing stop: its distance."""
    expires_at: int = 0


PLAIN_LIMIT: Final = Terms()


def terms_of(order: PlaceOrder, instrument: Instrument, order_type: int, price: int) -> Terms:
    """Return the terms of an order with this price (0 = none); raises `Refused`."""
    if not price and order_type in _PRICED:
        raise _missing("price", order_type)
    if order_type == _LIMIT and not _is_unusual(order):
        return PLAIN_LIMIT
    options = _post_only(order.post_only)
    if order.reduce_only:
        options |= Option.REDUCE_ONLY
    if price and order_type not in _PRICED:
        options |= Option.PRICE
    prevention = order.self_trade_prevention
    return Terms(
        time_in_force=_time_in_force(order.time_in_force, order_type),
        self_trade_prevention=_CANCEL_TAKER
        if prevention is None
        else choose(PREVENTIONS, prevention, "self_trade_prevention"),
        options=options,
        valid_until=time_field(order.valid_until, "valid_until"),
        display_quantity=_display(order.display_quantity, instrument, order_type),
        stop_price=_stop(order, instrument, order_type),
        expires_at=time_field(order.expires_at, "expires_at"),
    )


def _is_unusual(order: PlaceOrder) -> bool:
    return not (
        order.time_in_force is None
        and order.post_only is None
        and order.reduce_only is None
        and order.valid_until is None
        and order.expires_at is None
        and order.self_trade_prevention is None
        and order.display_quantity is UNSET
        and order.stop_price is UNSET
        and order.trail_amount is UNSET
    )


def _time_in_force(name: str | None, order_type: int) -> int:
    if name is None:
        return _IOC if order_type == _MARKET else _GTC
    return choose(TIMES_IN_FORCE, name, "time_in_force")


def _post_only(wanted: bool | str | None) -> int:
    if wanted is None or wanted is False:
        return 0
    if wanted is True:
        return int(Option.POST_ONLY)
    if wanted.lower() == "reprice":
        return int(Option.POST_ONLY_REPRICE)
    detail = "post_only must be true, false or reprice"
    raise refused("invalid_field", detail, field="post_only")


def _display(raw: Raw | UnsetType, instrument: Instrument, order_type: int) -> int:
    lots = 0 if raw is UNSET else instrument.quantity_of(raw, "display_quantity")
    if lots and order_type != _LIMIT:
        raise _out_of_place("display_quantity", order_type)
    return lots


def _stop(order: PlaceOrder, instrument: Instrument, order_type: int) -> int:
    """Ticks of the stop price, of a trailing stop those of its distance."""
    raw = order.stop_price
    stop = 0 if raw is UNSET else instrument.price_of(raw, "stop_price")
    raw = order.trail_amount
    distance = 0 if raw is UNSET else instrument.price_of(raw, "trail_amount")
    if stop and order_type not in _STOPS:
        raise _out_of_place("stop_price", order_type)
    if distance and order_type != _TRAILING:
        raise _out_of_place("trail_amount", order_type)
    if not stop and order_type in _STOPS:
        raise _missing("stop_price", order_type)
    if not distance and order_type == _TRAILING:
        raise _missing("trail_amount", order_type)
    return stop or distance


def _missing(field: str, order_type: int) -> Refused:
    name = OrderType(order_type).name.lower()
    return refused("invalid_field", f"a {name} order needs a {field}", field=field)


def _out_of_place(field: str, order_type: int) -> Refused:
    name = OrderType(order_type).name.lower()
    return refused("invalid_field", f"a {name} order has no {field}", field=field)
