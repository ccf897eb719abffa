"""Stop orders whose turn has come, and replaces of those that wait. Rulebook section 13."""

from __future__ import annotations

from dataclasses import replace

from tradepit.domain.wire import (
    CloseReason,
    Option,
    OrderReplaced,
    OrderStatus,
    OrderTriggered,
    OrderType,
    Phase,
    RejectReason,
    ReplaceOrder,
)
from tradepit.testing.oracle import placing, safety, stops
from tradepit.testing.oracle.market import STOP, Instrument, Market, Order, Rejected
from tradepit.testing.oracle.matching import Outcome, take
from tradepit.testing.oracle.order_events import close_order, order_header, stop_waiting
from tradepit.testing.oracle.phases import end_part
from tradepit.testing.oracle.positions import capacity_for

RUNS_MAX = 1_000


def run_triggered(market: Market) -> None:
    """Run triggered orders, instrument by instrument, up to the bound of one command."""
    runs = 0
    for number in sorted(market.instruments):
        instrument = market.instruments[number]
        while instrument.triggered and instrument.is_continuous and runs < RUNS_MAX:
            run(market, instrument, market.orders[instrument.triggered[0]])
            runs += 1


def run(market: Market, instrument: Instrument, order: Order) -> None:
    """The order stops waiting and takes; what it holds it gives back first."""
    index, trigger_price = len(market.events), instrument.last_price
    stop_waiting(market, order)
    del market.orders[order.order_id]
    order.options &= ~STOP
    previous_leaves = order.leaves
    if order.options & Option.REDUCE_ONLY:
        order.leaves = order.quantity = min(order.leaves, max(0, capacity_for(market, order)))
    as_triggered = replace(order)
    if order.leaves == 0:
        order.leaves = order.quantity = as_triggered.quantity = previous_leaves
        close_order(market, order, CloseReason.REDUCE_ONLY)
        outcome = Outcome(OrderStatus.CANCELLED, leaves=0)
    else:
        outcome = take(market, order, limit_of(instrument, order))
    event = triggered(market, as_triggered, outcome, previous_leaves, trigger_price)
    market.events.insert(index, market.event(event))
    end_part(market, instrument, outcome)


def limit_of(instrument: Instrument, order: Order) -> int | None:
    if order.order_type == OrderType.STOP_LIMIT:
        return order.price
    return stops.tightened(instrument, order.side, order.price)


def triggered(
    market: Market, order: Order, outcome: Outcome, previous_leaves: int, trigger_price: int
) -> OrderTriggered:
    return OrderTriggered(
        **order_header(order, outcome.status),
        order_id=order.order_id,
        price=order.price,
        quantity=order.quantity,
        leaves=outcome.leaves,
        stop_price=order.stop_price,
        trigger_price=trigger_price,
        previous_leaves=previous_leaves,
        time_ns=market.time_ns,
        trade_count=outcome.trade_count,
    )


def replace_waiting(
    market: Market, order: Order, instrument: Instrument, command: ReplaceOrder, total: int
) -> None:
    """REPLACE_ORDER of an order that waits, from after QUANTITY_BELOW_FILLED on."""
    stands = instrument.phase in (Phase.CONTINUOUS, Phase.HALTED) or instrument.gathers
    if order.order_id in instrument.triggered or not stands:
        raise Rejected(RejectReason.NOT_TRADING)
    changed = with_prices(instrument, order, command)
    changed.quantity = changed.leaves = total
    changed.maker_fee_ppm = instrument.maker_fee_ppm
    changed.taker_fee_ppm = instrument.taker_fee_ppm
    check_replace(market, order, instrument, changed)
    market.orders[order.order_id] = changed
    market.emit(
        OrderReplaced(
            **order_header(changed, changed.open_status),
            order_id=changed.order_id,
            price=changed.price,
            quantity=changed.quantity,
            leaves=changed.leaves,
            previous_price=order.price,
            previous_leaves=order.leaves,
            time_ns=market.time_ns,
            stop_price=changed.stop_price,
        )
    )
    stops.join_if_reached(market, changed)


def with_prices(instrument: Instrument, order: Order, command: ReplaceOrder) -> Order:
    """A copy with stop and worst price as the command leaves them."""
    changed = replace(order)
    if command.options & Option.STOP:
        if order.is_trailing:
            raise Rejected(RejectReason.INVALID_COMBINATION)
        stops.require_price(command.stop_price > 0)
        changed.stop_price = command.stop_price
    if command.options & Option.PRICE:
        changed.price = command.price
        changed.options |= Option.PRICE
    elif (
        command.options & Option.STOP
        and order.order_type == OrderType.STOP
        and not order.options & Option.PRICE
    ):
        changed.price = stops.worst_price(instrument, order.side, changed.stop_price)
    return changed


def check_replace(market: Market, order: Order, instrument: Instrument, changed: Order) -> None:
    """Bounds of a changed order that waits, as at its acceptance, under the fees of now."""
    account = market.accounts[order.account]
    placing.check_quantity_bounds(instrument, changed.quantity)
    safety.check_quantity(account, instrument.number, changed.quantity)
    placing.check_value(instrument, changed.price, changed.leaves)
    value = changed.price * changed.leaves * instrument.unit
    safety.check_value(account, instrument.number, value)
    if order.order_type == OrderType.STOP_LIMIT:
        placing.check_stop_collar(instrument, changed.price, changed.stop_price)
    if not order.options & Option.REDUCE_ONLY:
        placing.check_position_limit(market, order, changed.leaves)
    placing.check_more_funds(market, order, changed)
