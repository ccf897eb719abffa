"""Orders, replaces and cancels that mostly do something."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tradepit.domain.wire import (
    CancelOrder,
    MassCancel,
    Option,
    OrderType,
    PlaceOrder,
    ReplaceOrder,
    Side,
    TimeInForce,
)
from tradepit.testing.frames import Command, command
from tradepit.testing.generator.profile import SECOND_NS
from tradepit.testing.generator.view import View
from tradepit.testing.oracle.market import Instrument, Order

LIMIT_TIMES = (
    [TimeInForce.GTC] * 8
    + [TimeInForce.DAY] * 3
    + [TimeInForce.GTD] * 3
    + [TimeInForce.IOC, TimeInForce.FOK] * 2
)
RESTING_TIMES = [TimeInForce.GTC] * 2 + [TimeInForce.DAY, TimeInForce.GTD]
POST_ONLY_OPTIONS = (Option.POST_ONLY, Option.POST_ONLY_REPRICE)
LIVES_NS = (1, SECOND_NS // 20, SECOND_NS, 5 * SECOND_NS, 3600 * SECOND_NS)


def place(view: View, instrument: Instrument | None = None) -> PlaceOrder:
    """An order that is well-formed; whether the market takes it is another matter."""
    instrument = instrument or view.instrument()
    account = view.account()
    fields = PlaceOrder(
        side=view.pick((Side.BUY, Side.SELL)),
        self_trade_prevention=view.rng.randint(0, 4),
        account=account,
        instrument=instrument.number,
        price=view.price_near(instrument),
        quantity=view.quantity(),
        definition_version=instrument.definition_version,
        session=view.session_of(account) if view.knows_version_2 else view.rng.randint(0, 3),
        order_type=OrderType.MARKET if view.chance(0.15) else OrderType.LIMIT,
    )
    if view.chance(0.05 if instrument.number < 3 else 0.25):
        fields = fields._replace(options=Option.REDUCE_ONLY)
    if view.knows_version_2 and view.chance(0.14):
        return stop(view, instrument, fields)
    return as_market(view, fields) if fields.order_type == OrderType.MARKET else limit(view, fields)


def stop(view: View, instrument: Instrument, fields: PlaceOrder) -> PlaceOrder:
    """A stop order of any type, its stop a few ticks from the market on either side."""
    order_type = view.pick((OrderType.STOP, OrderType.STOP_LIMIT, OrderType.TRAILING_STOP))
    near = max(1, view.middle(instrument) + view.rng.randint(-4, 4))
    fields = fields._replace(order_type=order_type, stop_price=near, price=0)
    if order_type == OrderType.TRAILING_STOP:
        fields = fields._replace(stop_price=view.rng.randint(1, 5))
    if order_type == OrderType.STOP_LIMIT:
        fields = fields._replace(price=max(1, near + view.rng.randint(-3, 3)))
    elif view.chance(0.4):
        away = view.rng.randint(-1, 6) * (1 if fields.side == Side.BUY else -1)
        options = fields.options | Option.PRICE
        fields = fields._replace(price=max(1, near + away), options=options)
    time_in_force = view.pick(RESTING_TIMES)
    return with_time(view, fields, time_in_force)


def iceberg(view: View, fields: PlaceOrder) -> PlaceOrder:
    """Show a small part, so that one taker meets many slices."""
    size = view.profile.size
    display = size * view.pick((1, 1, 2, 3))
    quantity = max(fields.quantity, display)
    if view.chance(0.02):
        display = view.pick((quantity + 1, quantity // 1001 or 1))
    return fields._replace(display_quantity=display, quantity=quantity)


def with_time(view: View, fields: PlaceOrder, time_in_force: TimeInForce) -> PlaceOrder:
    expires_at = 0
    if time_in_force == TimeInForce.GTD:
        expires_at = view.now + view.pick(LIVES_NS)
    return fields._replace(time_in_force=time_in_force, expires_at=expires_at)


def as_market(view: View, fields: PlaceOrder) -> PlaceOrder:
    fields = fields._replace(time_in_force=view.pick((TimeInForce.IOC, TimeInForce.FOK)))
    if view.chance(0.4):
        return fields._replace(options=fields.options | Option.PRICE)
    return fields._replace(price=0)


def limit(view: View, fields: PlaceOrder) -> PlaceOrder:
    time_in_force = view.pick(LIMIT_TIMES)
    options = fields.options
    if time_in_force < TimeInForce.IOC and view.chance(0.12):
        options |= view.pick(POST_ONLY_OPTIONS)
    if view.chance(0.05):
        options |= Option.PRICE
    fields = with_time(view, fields._replace(options=options), time_in_force)
    if view.knows_version_2 and time_in_force < TimeInForce.IOC and view.chance(0.2):
        return iceberg(view, fields)
    return fields


def named(view: View, fields: PlaceOrder) -> Command:
    """With key, client order id and label as a gateway would give them, in all mixtures."""
    fields = view.with_key(fields, view.profile.keyed_share)
    text = None
    if view.chance(0.3):
        text = f"order-{view.rng.randint(1, 10**6)}"
        if view.chance(0.5):
            fields = fields._replace(label=view.rng.randint(1, 400))
    return command(fields, text)


def speaker(view: View, owner: int) -> int:
    """Who asks for something about an order: mostly its owner."""
    roll = view.rng.random()
    if roll < 0.85:
        return owner
    return 0 if roll < 0.95 else view.account()


def replace(view: View) -> Command:
    order = view.some_order()
    if order is None:
        return command(ReplaceOrder(account=view.account(), order_id=1))
    instrument = view.market.instruments[order.instrument]
    fields = ReplaceOrder(
        options=0 if view.chance(0.03) else replace_options(view, order),
        account=speaker(view, order.account),
        instrument=order.instrument,
        order_id=order.order_id,
        price=order.price if view.chance(0.3) else view.price_near(instrument),
        quantity=new_total(view, order),
        definition_version=instrument.definition_version,
        stop_price=max(1, order.stop_price + view.rng.randint(-5, 5)),
    )
    if view.chance(0.1):
        fields = spoiled_replace(view, fields)
    return command(view.with_key(fields, view.profile.keyed_share))


def replace_options(view: View, order: Order) -> int:
    """What is given: any mixture of price, quantity and, where it may do something, stop."""
    options = view.pick((Option.PRICE, Option.QUANTITY, Option.PRICE | Option.QUANTITY))
    if order.waits and view.chance(0.6):
        return view.pick((Option.STOP, Option.STOP | options))
    return options


def new_total(view: View, order: Order) -> int:
    return view.pick(
        (
            order.quantity,
            order.quantity - 1,
            order.filled,
            order.filled + 1,
            order.quantity + view.quantity(),
            max(1, order.quantity // 2),
        )
    )


def spoiled_replace(view: View, fields: ReplaceOrder) -> ReplaceOrder:
    changes: list[dict[str, Any]] = [
        {"instrument": fields.instrument + 1},
        {"definition_version": fields.definition_version + 1},
        {"order_id": fields.order_id + 1},
        {"price": view.pick((0, -5, 2**61)), "options": Option.PRICE},
        {"quantity": view.pick((0, -1, 2**40 + 1, 2**41)), "options": Option.QUANTITY},
        {"valid_until": view.now - view.rng.randint(0, 1)},
        {"account": 88},
        {"options": fields.options | Option.POST_ONLY | 64},
        {"price": fields.price * 3, "options": fields.options | Option.PRICE},
        {"stop_price": view.pick((0, -1, 2**62 + 1)), "options": Option.STOP},
        {"quantity": 2_000 * view.profile.size, "options": Option.QUANTITY},
    ]
    return fields._replace(**view.pick(changes))


def cancel(view: View) -> Command:
    order = view.some_order()
    fields = CancelOrder(account=view.account(), order_id=view.rng.randint(1, 50))
    if order is not None:
        fields = CancelOrder(account=speaker(view, order.account), order_id=order.order_id)
    if view.chance(0.05):
        fields = fields._replace(valid_until=view.now - view.rng.randint(0, 1))
    if view.chance(0.03):
        fields = fields._replace(account=66)
    return command(view.with_key(fields, view.profile.keyed_share))


def mass_cancel(view: View) -> Command:
    fields = MassCancel(
        side=view.pick((Side.NONE, Side.BUY, Side.SELL)),
        account=view.pick((0, *(view.account() for _ in range(4)), 0xFFFFFFFF)),
        instrument=view.pick((0, view.instrument().number, view.instrument().number, 99)),
    )
    if view.chance(0.05):
        fields = fields._replace(side=7)
    return command(view.with_key(fields, 0.6))


def reduce_only_ladder(view: View) -> Iterator[Command]:
    """Reduce-only orders that share a position, then trades that take it away under them."""
    positions = [
        (account.number, instrument.number, account.position(instrument.number).net)
        for account in view.market.accounts.values()
        for instrument in view.instruments()
    ]
    open_positions = [row for row in positions if row[2]]
    if not open_positions:
        return
    account, number, net = view.pick(open_positions)
    instrument = view.market.instruments[number]
    price = instrument.last_price or instrument.reference_price or 50
    away = view.rng.randint(2, 6) if net > 0 else -view.rng.randint(2, 6)
    resting = PlaceOrder(
        side=Side.SELL if net > 0 else Side.BUY,
        order_type=OrderType.LIMIT,
        time_in_force=TimeInForce.GTC,
        options=Option.REDUCE_ONLY,
        account=account,
        instrument=number,
        price=max(1, price + away),
        definition_version=instrument.definition_version,
    )
    for share in (3, 3, 1):
        yield command(resting._replace(quantity=abs(net) // share + 1))
    reducing = resting._replace(options=0, price=max(1, price - away), time_in_force=4)
    for _ in range(2):
        yield command(reducing._replace(quantity=view.rng.randint(1, abs(net))))


def clear(view: View) -> Command:
    """Empties the books, so that nothing grows without end."""
    return command(MassCancel())
