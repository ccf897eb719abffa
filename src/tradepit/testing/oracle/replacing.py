"""REPLACE_ORDER: size down in place, or come in again. Rulebook section 9."""

from __future__ import annotations

from dataclasses import replace

from tradepit.domain.wire import Option, OrderReplaced, Phase, RejectReason, ReplaceOrder
from tradepit.testing.oracle import funds, placing
from tradepit.testing.oracle.market import Instrument, Market, Order, Rejected
from tradepit.testing.oracle.matching import Outcome, take
from tradepit.testing.oracle.order_events import order_header
from tradepit.testing.oracle.positions import clip_to_position


def find_order(market: Market, account: int, order_id: int) -> Order:
    """The open order, if it is the account's or the operator (0) asks."""
    order = market.orders.get(order_id)
    if order is None or account not in (0, order.account):
        raise Rejected(RejectReason.UNKNOWN_ORDER)
    return order


def replace_order(market: Market, command: ReplaceOrder) -> None:
    order = find_order(market, command.account, command.order_id)
    instrument = market.instruments[order.instrument]
    if (command.instrument, command.definition_version) != (
        instrument.number,
        instrument.definition_version,
    ):
        raise Rejected(RejectReason.STALE_DEFINITION)
    placing.check_account_state(market.accounts[order.account])
    if not command.options & (Option.PRICE | Option.QUANTITY):
        raise Rejected(RejectReason.INVALID_COMBINATION)
    price = command.price if command.options & Option.PRICE else order.price
    total = command.quantity if command.options & Option.QUANTITY else order.quantity
    if total <= 0:
        raise Rejected(RejectReason.INVALID_QUANTITY)
    if price <= 0:
        raise Rejected(RejectReason.INVALID_PRICE)
    if total <= order.filled:
        raise Rejected(RejectReason.QUANTITY_BELOW_FILLED)
    if price == order.price and total <= order.quantity:
        keep_place(market, order, instrument, total)
    else:
        lose_place(market, order, instrument, price, total)


def keep_place(market: Market, order: Order, instrument: Instrument, total: int) -> None:
    if instrument.phase not in (Phase.CONTINUOUS, Phase.HALTED):
        raise Rejected(RejectReason.NOT_TRADING)
    placing.check_quantity_min(instrument, total)
    previous = replace(order)
    order.leaves = total - order.filled
    order.quantity = total
    event = replaced(market, order, previous, Outcome(order.open_status, order.leaves, 0))
    market.emit(event._replace(options=order.options | Option.KEPT_PRIORITY))


def lose_place(
    market: Market, order: Order, instrument: Instrument, price: int, total: int
) -> None:
    if instrument.phase != Phase.CONTINUOUS:
        raise Rejected(RejectReason.NOT_TRADING)
    placing.check_quantity_bounds(instrument, total)
    leaves = total - order.filled
    placing.check_value(instrument, price, leaves)
    if price != order.price:
        placing.check_collar(instrument, price)
    if order.options & Option.REDUCE_ONLY:
        leaves = clip_to_position(market, order, leaves)
    else:
        placing.check_position_limit(market, order, leaves)
    if order.options & placing.POST_ONLY:
        price = placing.post_only_price(market, order, price, leaves)
    changed = replace(
        order,
        price=price,
        quantity=order.filled + leaves,
        leaves=leaves,
        maker_fee_ppm=instrument.maker_fee_ppm,
        taker_fee_ppm=instrument.taker_fee_ppm,
    )
    check_funds(market, order, changed)
    del market.orders[order.order_id]
    come_in_again(market, changed, previous=order)


def check_funds(market: Market, order: Order, changed: Order) -> None:
    asset, new_hold = funds.hold_of(market, changed)
    _, old_hold = funds.hold_of(market, order)
    if new_hold > old_hold:
        funds.require(market, market.accounts[order.account], asset, new_hold - old_hold)


def come_in_again(market: Market, order: Order, previous: Order) -> None:
    index = len(market.events)
    as_replaced = replace(order)
    outcome = take(market, order, order.price)
    event = replaced(market, as_replaced, previous, outcome)
    market.events.insert(index, market.event(event))


def replaced(market: Market, order: Order, previous: Order, outcome: Outcome) -> OrderReplaced:
    return OrderReplaced(
        **order_header(order, outcome.status),
        order_id=order.order_id,
        price=order.price,
        quantity=order.quantity,
        leaves=outcome.leaves,
        previous_price=previous.price,
        previous_leaves=previous.leaves,
        time_ns=market.time_ns,
        trade_count=outcome.trade_count,
    )
