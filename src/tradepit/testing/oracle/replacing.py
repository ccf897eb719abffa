"""REPLACE_ORDER: size down in place, or come in again. Rulebook sections 9, 12 and 14."""

from __future__ import annotations

from dataclasses import replace

from tradepit.domain.wire import Option, OrderReplaced, Phase, RejectReason, ReplaceOrder
from tradepit.testing.oracle import icebergs, placing, safety
from tradepit.testing.oracle.market import Instrument, Market, Order, Rejected
from tradepit.testing.oracle.matching import Outcome, take
from tradepit.testing.oracle.order_events import lower_leaves, order_header, slice_of
from tradepit.testing.oracle.phases import end_part
from tradepit.testing.oracle.positions import clip_to_position
from tradepit.testing.oracle.waiting import replace_waiting


def find_order(market: Market, account: int, order_id: int) -> Order:
    """The live order, if it is the account's or the operator (0) asks."""
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
    account = market.accounts[order.account]
    safety.check_account_state(account)
    safety.count_message(market, account)
    if not is_possible(market, order, command):
        raise Rejected(RejectReason.INVALID_COMBINATION)
    price = command.price if command.options & Option.PRICE else order.price
    total = command.quantity if command.options & Option.QUANTITY else order.quantity
    if total <= 0:
        raise Rejected(RejectReason.INVALID_QUANTITY)
    if price <= 0:
        raise Rejected(RejectReason.INVALID_PRICE)
    if total <= order.filled:
        raise Rejected(RejectReason.QUANTITY_BELOW_FILLED)
    if order.waits:
        replace_waiting(market, order, instrument, command, total)
    elif price == order.price and total <= order.quantity:
        keep_place(market, order, instrument, total)
    else:
        lose_place(market, order, instrument, price, total)


def is_possible(market: Market, order: Order, command: ReplaceOrder) -> bool:
    """Whether something is given, and only what this order has."""
    if market.version < 2:
        return bool(command.options & (Option.PRICE | Option.QUANTITY))
    if order.options & Option.QUOTE or (command.options & Option.STOP and not order.waits):
        return False
    return bool(command.options & (Option.PRICE | Option.QUANTITY | Option.STOP))


def keep_place(market: Market, order: Order, instrument: Instrument, total: int) -> None:
    if instrument.phase not in (Phase.CONTINUOUS, Phase.HALTED) and not instrument.gathers:
        raise Rejected(RejectReason.NOT_TRADING)
    placing.check_quantity_min(instrument, total)
    previous = replace(order)
    lower_leaves(market, order, order.quantity - total)
    order.quantity = total
    outcome = Outcome(order.open_status, order.leaves)
    show_replaced(market, len(market.events), order, previous, outcome, kept=True)


def lose_place(
    market: Market, order: Order, instrument: Instrument, price: int, total: int
) -> None:
    if not instrument.is_continuous and not instrument.gathers:
        raise Rejected(RejectReason.NOT_TRADING)
    if instrument.gathers and order.options & placing.POST_ONLY:
        raise Rejected(RejectReason.NOT_TRADING)
    leaves = total - order.filled
    check_bounds(market, order, instrument, price, total)
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
    placing.check_more_funds(market, order, changed)
    del market.orders[order.order_id]
    come_in_again(market, changed, previous=order)


def check_bounds(
    market: Market, order: Order, instrument: Instrument, price: int, total: int
) -> None:
    """Quantity of the new total, value of the new leaves, collar of a new price."""
    account, leaves = market.accounts[order.account], total - order.filled
    placing.check_quantity_bounds(instrument, total)
    safety.check_quantity(account, instrument.number, total)
    placing.check_slices(order.display, total)
    placing.check_value(instrument, price, leaves)
    safety.check_value(account, instrument.number, price * leaves * instrument.unit)
    if price != order.price:
        placing.check_collar(instrument, price)


def come_in_again(market: Market, order: Order, previous: Order) -> None:
    index = len(market.events)
    as_replaced = replace(order)
    outcome = take(market, order, order.price)
    as_replaced.visible = slice_of(market, order)
    show_replaced(market, index, as_replaced, previous, outcome, kept=False)
    end_part(market, market.instruments[order.instrument], outcome)


def show_replaced(
    market: Market, index: int, order: Order, previous: Order, outcome: Outcome, *, kept: bool
) -> None:
    """ORDER_REPLACED where the order's events begin; of an iceberg with what it shows."""
    event = replaced(market, order, previous, outcome)
    if kept:
        event = event._replace(options=event.options | Option.KEPT_PRIORITY)
    market.events.insert(index, market.event(event))
    if order.display:
        filled = icebergs.filled_after_replace(
            event, order, visible=order.visible, visible_before=previous.visible
        )
        market.events.insert(index + 1, market.event(filled))


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
