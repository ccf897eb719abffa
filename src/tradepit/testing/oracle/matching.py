"""Price-time matching of one taker against the book. Rulebook sections 5, 14 and 15 (band)."""

from __future__ import annotations

from dataclasses import dataclass, field

from tradepit.domain.wire import (
    CloseReason,
    Option,
    OrderStatus,
    OrderType,
    SelfTradePrevention,
    Side,
    TimeInForce,
    Trade,
    TradeKind,
)
from tradepit.testing.oracle import funds, icebergs, safety
from tradepit.testing.oracle.market import Instrument, Market, Order, opposite
from tradepit.testing.oracle.order_events import (
    close_order,
    leave_book,
    lower_leaves,
    reduce_order,
)
from tradepit.testing.oracle.positions import record_fill, shrink_reduce_only

RESTING = (TimeInForce.GTC, TimeInForce.DAY, TimeInForce.GTD)


@dataclass
class Outcome:
    """Where the taker stands after its part of the command."""

    status: OrderStatus
    leaves: int
    prices: list[int] = field(default_factory=list)
    """Of its trades, in their order."""
    left_band: bool = False
    """Whether it stopped at a price outside the band, which halts the instrument."""

    @property
    def trade_count(self) -> int:
        return len(self.prices)


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


def band_of(instrument: Instrument) -> range | None:
    """Prices at which a taker may trade; None when it is not bounded."""
    reference = instrument.band_reference
    if instrument.band_ppm == 0 or reference == 0:
        return None
    distance = reference * instrument.band_ppm // 1_000_000
    return range(reference - distance, reference + distance + 1)


def fill_or_kill_is_possible(market: Market, taker: Order, limit: int | None) -> bool:
    """Walks each price twice: what shows, with all that is special; then what is hidden."""
    band = band_of(market.instruments[taker.instrument])
    needed = taker.leaves
    for level in icebergs.by_level(market.resting(taker.instrument, opposite(taker.side))):
        price = level[0].price
        inside = band is None or price in band
        if needed <= 0 or not inside or not reaches(taker.side, limit, price):
            break
        hidden = 0
        for maker in level:
            if needed <= 0:
                break
            if is_own(maker, taker):
                if taker.self_trade_prevention == SelfTradePrevention.CANCEL_MAKER:
                    continue
                return False
            if not maker.options & Option.REDUCE_ONLY:
                needed -= maker.shown
                hidden += maker.leaves - maker.shown
        needed -= hidden
    return needed <= 0


def take(market: Market, taker: Order, limit: int | None) -> Outcome:
    """Let the taker trade, then cancel or rest what is left of it."""
    if not market.instruments[taker.instrument].is_continuous:
        icebergs.rest(market, taker)
        return Outcome(taker.open_status, taker.leaves)
    if taker.time_in_force == TimeInForce.FOK and not fill_or_kill_is_possible(
        market, taker, limit
    ):
        close_order(market, taker, CloseReason.FOK_UNFILLABLE)
        return Outcome(OrderStatus.CANCELLED, leaves=0)
    met_empty_side = not market.resting(taker.instrument, opposite(taker.side))
    outcome = match(market, taker, limit)
    if outcome.status == OrderStatus.CANCELLED:
        return outcome
    if taker.leaves == 0:
        leave_book(market, taker)
        outcome.status = OrderStatus.FILLED
    elif may_rest(taker):
        icebergs.rest(market, taker)
        outcome.status, outcome.leaves = taker.open_status, taker.leaves
    else:
        close_order(market, taker, remainder_reason(taker, outcome, met_empty_side))
        outcome.status = OrderStatus.CANCELLED
    return outcome


def may_rest(taker: Order) -> bool:
    is_limit = taker.order_type in (OrderType.LIMIT, OrderType.STOP_LIMIT)
    return is_limit and taker.time_in_force in RESTING


def remainder_reason(taker: Order, outcome: Outcome, met_empty_side: bool) -> CloseReason:
    if outcome.left_band:
        return CloseReason.HALTED
    if taker.order_type == OrderType.LIMIT:
        return CloseReason.IOC_REMAINDER
    return CloseReason.NO_LIQUIDITY if met_empty_side else CloseReason.MARKET_REMAINDER


def match(market: Market, taker: Order, limit: int | None) -> Outcome:
    """Trade while there is somebody to trade with; CANCELLED when self-trade ended the taker."""
    instrument = market.instruments[taker.instrument]
    band = band_of(instrument)
    outcome = Outcome(OrderStatus.NONE, leaves=0)
    while taker.leaves > 0:
        maker = best_maker(market, taker, limit)
        if maker is None:
            break
        if band is not None and maker.price not in band:
            outcome.left_band = True
            break
        if is_own(maker, taker):
            if prevent_self_trade(market, maker, taker):
                outcome.status = OrderStatus.CANCELLED
                break
            continue
        done = trade(market, maker, taker)
        outcome.prices.append(done.price)
        after_trade(market, done)
    return outcome


def after_trade(market: Market, trade: Trade) -> None:
    """What a trade does to reduce-only orders, then to guards: the maker's, the taker's."""
    accounts = (trade.maker_account, trade.account)
    for account in accounts:
        shrink_reduce_only(market, account, trade.instrument)
    for account in accounts:
        safety.count_traded(market, account, trade)


def trade(market: Market, maker: Order, taker: Order) -> Trade:
    """Maker and incoming taker trade what the maker shows; TRADE and what follows it at once."""
    shown = maker.shown
    quantity = min(shown, taker.leaves)
    done = exchange(market, maker, taker, trade_price(maker, taker), quantity)
    kept = icebergs.fill_resting(market, maker, quantity)
    lower_leaves(market, taker, quantity)
    kind = TradeKind.ICEBERG if maker.display else TradeKind.RESTING
    market.emit(done._replace(maker_leaves=maker.leaves, status=kind))
    if maker.display:
        event = icebergs.filled(
            market, maker, shown_before=shown, trade_id=done.trade_id, kept=kept
        )
        market.emit(event)
    return done


def exchange(market: Market, maker: Order, taker: Order, price: int, quantity: int) -> Trade:
    """Move money and positions of one trade; leaves are the caller's business."""
    instrument = market.instruments[taker.instrument]
    notional = price * quantity * instrument.unit
    maker_fee = funds.fee(notional, maker.maker_fee_ppm)
    taker_fee = funds.fee(notional, taker.taker_fee_ppm)
    buyer, seller = (taker, maker) if taker.side == Side.BUY else (maker, taker)
    fees = {maker.order_id: maker_fee, taker.order_id: taker_fee}
    funds.settle(market, buyer, seller, price, quantity, fees)
    record_fill(market, maker, price, quantity)
    record_fill(market, taker, price, quantity)
    instrument.last_price = price
    instrument.band_reference = instrument.band_reference or price
    market.last_trade_id += 1
    return Trade(
        side=taker.side,
        account=taker.account,
        instrument=taker.instrument,
        trade_id=market.last_trade_id,
        price=price,
        quantity=quantity,
        maker_order_id=maker.order_id,
        taker_order_id=taker.order_id,
        maker_fee=maker_fee,
        taker_fee=taker_fee,
        maker_account=maker.account,
    )


def prevent_self_trade(market: Market, maker: Order, taker: Order) -> bool:
    """Apply the taker's mode; True when the taker is done."""
    mode = taker.self_trade_prevention
    if mode == SelfTradePrevention.DECREMENT:
        amount = min(maker.leaves, taker.leaves)
        reduce_order(market, maker, amount, CloseReason.SELF_TRADE)
        reduce_order(market, taker, amount, CloseReason.SELF_TRADE)
        return taker.leaves == 0
    if mode in (SelfTradePrevention.CANCEL_MAKER, SelfTradePrevention.CANCEL_BOTH):
        close_order(market, maker, CloseReason.SELF_TRADE)
    if mode in (SelfTradePrevention.CANCEL_TAKER, SelfTradePrevention.CANCEL_BOTH):
        close_order(market, taker, CloseReason.SELF_TRADE)
        return True
    return False
