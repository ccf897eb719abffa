"""Ways to make an order meet a certain reject, one list entry per way."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tradepit.domain.wire import Option, OrderType, PlaceOrder, SelfTradePrevention, TimeInForce
from tradepit.testing.generator.view import View

Changes = dict[str, Any]
LIMIT, MARKET = OrderType.LIMIT, OrderType.MARKET


def combinations(view: View, fields: PlaceOrder) -> list[Changes]:
    """Each breaks check 7 in one way."""
    both = Option.POST_ONLY | Option.POST_ONLY_REPRICE
    gtc, ioc = TimeInForce.GTC, TimeInForce.IOC
    return [
        {"side": view.pick((0, 3, 255))},
        {"order_type": view.pick((0, 3, 4, 5, 77))},
        {"order_type": LIMIT, "time_in_force": view.pick((0, 6, 200))},
        {"order_type": MARKET, "time_in_force": view.pick((0, gtc, TimeInForce.DAY, 3))},
        {"order_type": LIMIT, "time_in_force": gtc, "options": both},
        {"order_type": LIMIT, "time_in_force": ioc, "options": Option.POST_ONLY},
        {"order_type": LIMIT, "time_in_force": 5, "options": Option.POST_ONLY_REPRICE},
        {"order_type": MARKET, "time_in_force": ioc, "options": Option.POST_ONLY, "price": 0},
        {"order_type": MARKET, "time_in_force": ioc, "options": 0, "price": 1},
        {"self_trade_prevention": SelfTradePrevention.DECREMENT + view.rng.randint(1, 250)},
        {"display_quantity": view.pick((1, -1))},
        {"stop_price": view.pick((1, -1))},
        {"options": fields.options | view.pick((16, 32, 64, 128))},
    ]


def quantities(view: View, fields: PlaceOrder) -> list[Changes]:
    instrument = view.market.instruments[fields.instrument]
    return [
        {"quantity": view.pick((0, -1, -(2**63)))},
        {"quantity": instrument.quantity_min - 1},
        {"quantity": instrument.quantity_max + 1},
        {"quantity": instrument.quantity_max},
        {"quantity": 2**62},
    ]


def prices(view: View, fields: PlaceOrder) -> list[Changes]:
    instrument = view.market.instruments[fields.instrument]
    reference = instrument.last_price or instrument.reference_price
    distance = reference * instrument.collar_ppm // 1_000_000
    edge = view.pick((reference + distance, reference - distance)) + view.rng.randint(-1, 1)
    return [
        {"price": 0, "options": fields.options | Option.PRICE},
        {"price": view.pick((-1, -(2**63))), "options": fields.options | Option.PRICE},
        {"price": 2**62, "quantity": 2**30},
        {"price": 2**63 - 1},
        {"price": fields.price * 3},
        {"price": edge},
        {"price": max(1, instrument.value_max // instrument.unit), "quantity": 1},
    ]


def times(view: View, fields: PlaceOrder) -> list[Changes]:
    return [
        {"valid_until": view.now - 1},
        {"valid_until": view.now},
        {"valid_until": view.now + 10**9},
        {"time_in_force": TimeInForce.GTD, "order_type": LIMIT, "expires_at": view.now},
        {"time_in_force": TimeInForce.GTD, "order_type": LIMIT, "expires_at": 0},
        {"time_in_force": TimeInForce.GTC, "order_type": LIMIT, "expires_at": view.now + 1},
        {"expires_at": -5},
    ]


def names(view: View, fields: PlaceOrder) -> list[Changes]:
    removed = len(view.market.instruments) + 1
    return [
        {"account": view.pick((0, 55, 0xFFFFFFFF, 0xFFFFFFFE))},
        {"instrument": view.pick((0, removed, 1, 0xFFFFFFFF))},
        {"definition_version": fields.definition_version + view.pick((-1, 1))},
    ]


def stops(view: View, fields: PlaceOrder) -> list[Changes]:
    """Stop orders that no rule lets through, and some at the very edge."""
    middle = view.middle(view.market.instruments[fields.instrument])
    resting: Changes = {"time_in_force": TimeInForce.GTC, "expires_at": 0, "display_quantity": 0}
    stop: Changes = {**resting, "order_type": OrderType.STOP, "options": 0, "price": 0}
    trailing = {**stop, "order_type": OrderType.TRAILING_STOP}
    far = {**stop, "order_type": OrderType.STOP_LIMIT, "stop_price": middle}
    return [
        {**stop, "stop_price": view.pick((0, -1))},
        {**stop, "stop_price": middle, "price": 1},
        {**stop, "stop_price": 2**62, "side": 1},
        {**stop, "stop_price": middle, "options": Option.PRICE},
        {**stop, "stop_price": middle, "time_in_force": TimeInForce.IOC},
        {**stop, "stop_price": middle, "options": Option.POST_ONLY},
        {**stop, "stop_price": middle, "display_quantity": 1},
        {**trailing, "stop_price": view.pick((middle, middle + 1, 2**62, 0)), "side": 2},
        {**far, "price": middle * 3},
        {**far, "price": max(1, middle // 3)},
        {"session": 99_999},
    ]


KINDS: tuple[Callable[[View, PlaceOrder], list[Changes]], ...] = (
    combinations,
    quantities,
    prices,
    times,
    names,
    stops,
)


def spoil(view: View, fields: PlaceOrder) -> PlaceOrder:
    """Change one thing about an order that some check ought to notice."""
    return fields._replace(**view.pick(view.pick(KINDS)(view, fields)))
