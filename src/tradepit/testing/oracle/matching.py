"""Price-time matching of one taker against the book. Rulebook section 5."""

from __future__ import annotations

from dataclasses import dataclass

from tradepit.domain.wire import (
    CloseReason,
    Option,
    OrderStatus,
    OrderType,
    SelfTradePrevention,
    Side,
    TimeInForce,
    Trade,
)
from tradepit.testing.oracle import funds
from tradepit.testing.oracle.market import Market, Order, opposite
from tradepit.testing.oracle.order_events import close_order, decrement_order, leave_book
from tradepit.testing.oracle.positions import record_fill, shrink_reduce_only


@dataclass
class Outcome:
    """Where the taker stands after the whole command."""

    status: OrderStatus
    leaves: int
    trade_count: int


def reaches(side: Side, limit: int | None, maker_price: int) -> bool:
    """Whether a taker of this side and limit price may trade at the maker's price."""
    if limit is None:
        return True
    return maker_price <= limit if side == Side.BUY else maker_price >= limit


def trade_price(maker: Order, taker: Order) -> int:
    return maker.price


def best_maker(market: Market, taker: Order, limit: int | None) -> Order | None:
    makers = market.resting(taker.instrument, opposite(taker.side))
    if makers and reaches(taker.side, limit, makers[0].price):
        return makers[0]
    return None


def is_own(maker: Order, taker: Order) -> bool:
    prevented = taker.self_trade_prevention != SelfTradePrevention.NONE
    return prevented and maker.account == taker.account


def fill_or_kill_is_possible(market: Market, taker: Order, limit: int | None) -> bool:
    needed = taker.leaves
    for maker in market.resting(taker.instrument, opposite(taker.side)):
        if needed <= 0 or not reaches(taker.side, limit, maker.price):
            break
        if is_own(maker, taker):
            if taker.self_trade_prevention == SelfTradePrevention.CANCEL_MAKER:
                continue
            return False
        if not maker.options & Option.REDUCE_ONLY:
            needed -= maker.leaves
    return needed <= 0


def take(market: Market, taker: Order, limit: int | None) -> Outcome:
    """Let the taker trade, then cancel or rest what is left of it."""
    if taker.time_in_force == TimeInForce.FOK and not fill_or_kill_is_possible(
        market, taker, limit
    ):
        close_order(market, taker, CloseReason.FOK_UNFILLABLE, OrderStatus.CANCELLED)
        return Outcome(OrderStatus.CANCELLED, leaves=0, trade_count=0)
    met_empty_side = not market.resting(taker.instrument, opposite(taker.side))
    trade_count, cancelled = match(market, taker, limit)
    if cancelled:
        return Outcome(OrderStatus.CANCELLED, leaves=0, trade_count=trade_count)
    if taker.leaves == 0:
        leave_book(market, taker)
        return Outcome(OrderStatus.FILLED, leaves=0, trade_count=trade_count)
    if taker.time_in_force in (TimeInForce.IOC, TimeInForce.FOK):
        reason = remainder_reason(taker, met_empty_side)
        close_order(market, taker, reason, OrderStatus.CANCELLED)
        return Outcome(OrderStatus.CANCELLED, leaves=0, trade_count=trade_count)
    rest(market, taker)
    return Outcome(taker.open_status, taker.leaves, trade_count)


def remainder_reason(taker: Order, met_empty_side: bool) -> CloseReason:
    if taker.order_type != OrderType.MARKET:
        return CloseReason.IOC_REMAINDER
    return CloseReason.NO_LIQUIDITY if met_empty_side else CloseReason.MARKET_REMAINDER


def rest(market: Market, order: Order) -> None:
    """Join the end of the price's queue."""
    market.last_place += 1
    order.place = market.last_place
    market.orders[order.order_id] = order


def match(market: Market, taker: Order, limit: int | None) -> tuple[int, bool]:
    """Number of trades, and whether self-trade prevention ended the taker."""
    trade_count = 0
    while taker.leaves > 0:
        maker = best_maker(market, taker, limit)
        if maker is None:
            break
        if is_own(maker, taker):
            if prevent_self_trade(market, maker, taker):
                return trade_count, True
            continue
        trade(market, maker, taker)
        trade_count += 1
        shrink_reduce_only(market, maker.account, taker.instrument)
        shrink_reduce_only(market, taker.account, taker.instrument)
    return trade_count, False


def prevent_self_trade(market: Market, maker: Order, taker: Order) -> bool:
    """Apply the taker's mode; True when the taker is done."""
    mode = taker.self_trade_prevention
    if mode == SelfTradePrevention.DECREMENT:
        amount = min(maker.leaves, taker.leaves)
        decrement_order(market, maker, amount)
        decrement_order(market, taker, amount)
        return taker.leaves == 0
    if mode in (SelfTradePrevention.CANCEL_MAKER, SelfTradePrevention.CANCEL_BOTH):
        close_order(market, maker, CloseReason.SELF_TRADE, OrderStatus.CANCELLED)
    if mode in (SelfTradePrevention.CANCEL_TAKER, SelfTradePrevention.CANCEL_BOTH):
        close_order(market, taker, CloseReason.SELF_TRADE, OrderStatus.CANCELLED)
        return True
    return False


def trade(market: Market, maker: Order, taker: Order) -> None:
    instrument = market.instruments[taker.instrument]
    quantity = min(maker.leaves, taker.leaves)
    price = trade_price(maker, taker)
    notional = price * quantity * instrument.unit
    maker_fee = funds.fee(notional, maker.maker_fee_ppm)
    taker_fee = funds.fee(notional, taker.taker_fee_ppm)
    maker.leaves -= quantity
    taker.leaves -= quantity
    buyer, seller = (taker, maker) if taker.side == Side.BUY else (maker, taker)
    fees = {maker.order_id: maker_fee, taker.order_id: taker_fee}
    funds.settle(market, buyer, seller, price, quantity, fees)
    record_fill(market, maker, price, quantity)
    record_fill(market, taker, price, quantity)
    instrument.last_price = price
    if maker.leaves == 0:
        leave_book(market, maker)
    market.last_trade_id += 1
    market.emit(
        Trade(
            side=taker.side,
            account=taker.account,
            instrument=taker.instrument,
            trade_id=market.last_trade_id,
            price=price,
            quantity=quantity,
            maker_order_id=maker.order_id,
            taker_order_id=taker.order_id,
            maker_leaves=maker.leaves,
            maker_fee=maker_fee,
            taker_fee=taker_fee,
            maker_account=maker.account,
        )
    )
