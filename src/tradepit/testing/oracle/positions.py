"""Positions and the reduce-only orders that shrink with them. Rulebook sections 7 and 8."""

from __future__ import annotations

from tradepit.domain.wire import (
    CloseReason,
    Option,
    Phase,
    RejectReason,
    Side,
)
from tradepit.testing.oracle.market import (
    Account,
    Instrument,
    Market,
    Order,
    Position,
    Rejected,
    truncate,
)
from tradepit.testing.oracle.order_events import reduce_order

REDUCE_ONLY = int(Option.REDUCE_ONLY)


def change_net(position: Position, side: Side, price: int, quantity: int) -> None:
    """Buy or sell lots at a price: first closing what is opposite, then opening."""
    sign = 1 if side == Side.BUY else -1
    if position.net * sign < 0:
        closed = min(quantity, abs(position.net))
        removed = truncate(position.cost * closed, abs(position.net))
        if side == Side.SELL:
            position.realised += price * closed - removed
        else:
            position.realised += -removed - price * closed
        position.cost -= removed
        position.net += sign * closed
        quantity -= closed
    position.cost += sign * price * quantity
    position.net += sign * quantity


def record_fill(market: Market, order: Order, price: int, quantity: int) -> None:
    position = market.accounts[order.account].position(order.instrument)
    change_net(position, order.side, price, quantity)
    position.version += 1


def primary_instrument(market: Market, asset: int) -> Instrument | None:
    """The instrument whose position follows what is brought in or taken out of an asset."""
    return next(
        (
            instrument
            for number, instrument in sorted(market.instruments.items())
            if instrument.base_asset == asset and instrument.phase != Phase.REMOVED
        ),
        None,
    )


def bring_in(market: Market, account: Account, asset: int, amount: int) -> None:
    """A deposit, starting balance or incoming transfer adds lots at the reference price."""
    instrument = primary_instrument(market, asset)
    if instrument is not None:
        lots = amount // instrument.lot
        if lots:
            position = account.position(instrument.number)
            change_net(position, Side.BUY, instrument.reference_price, lots)


def take_out(market: Market, account: Account, asset: int, amount: int) -> None:
    """A withdrawal or outgoing transfer takes lots out of a long position at its cost."""
    instrument = primary_instrument(market, asset)
    if instrument is None:
        return
    position = account.position(instrument.number)
    if position.net > 0:
        lots = min(amount // instrument.lot, position.net)
        position.cost -= truncate(position.cost * lots, position.net)
        position.net -= lots


def shrink_after_move(market: Market, account: Account, asset: int) -> None:
    instrument = primary_instrument(market, asset)
    if instrument is not None:
        shrink_reduce_only(market, account.number, instrument.number)


def reducible(market: Market, account: int, instrument: int, side: Side) -> int:
    """Size of the position that orders of this side would reduce."""
    net = market.accounts[account].position(instrument).net
    return max(0, net if side == Side.SELL else -net)


def resting_reduce_only(market: Market, account: int, instrument: int, side: Side) -> list[Order]:
    return [
        order
        for order in market.live_of(account)
        if order.instrument == instrument
        and order.side == side
        and order.options & REDUCE_ONLY
        and not order.waits
    ]


def clip_to_position(market: Market, order: Order, leaves: int) -> int:
    """What a reduce-only order may be at most; refused when that is nothing."""
    capacity = capacity_for(market, order)
    if capacity <= 0:
        raise Rejected(RejectReason.REDUCE_ONLY)
    return min(leaves, capacity)


def capacity_for(market: Market, order: Order) -> int:
    """What is left to reduce; the order itself, when it rests already, does not count."""
    others = [
        other.leaves
        for other in resting_reduce_only(market, order.account, order.instrument, order.side)
        if other.order_id != order.order_id
    ]
    return reducible(market, order.account, order.instrument, order.side) - sum(others)


def shrink_reduce_only(market: Market, account: int, instrument: int) -> None:
    for side in (Side.SELL, Side.BUY):
        while True:
            orders = resting_reduce_only(market, account, instrument, side)
            capacity = reducible(market, account, instrument, side)
            excess = sum(order.leaves for order in orders) - capacity
            if excess <= 0:
                break
            reduce_order(market, orders[-1], excess, CloseReason.REDUCE_ONLY)
