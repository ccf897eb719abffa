"""Money: fees, holds, what is available, what a market order would pay. Rulebook section 6."""

from __future__ import annotations

from dataclasses import dataclass, field

from tradepit.domain.wire import Option, RejectReason, SelfTradePrevention, Side
from tradepit.testing.oracle import icebergs
from tradepit.testing.oracle.market import (
    BALANCE_MAX,
    Account,
    Instrument,
    Market,
    Order,
    Rejected,
    opposite,
    truncate,
)


def fee(notional: int, ppm: int) -> int:
    return truncate(notional * ppm, 1_000_000)


def hold(
    instrument: Instrument, side: Side, price: int, quantity: int, maker_ppm: int, taker_ppm: int
) -> tuple[int, int]:
    """Asset and amount that an order of this price and quantity sets aside."""
    if side == Side.SELL:
        return instrument.base_asset, quantity * instrument.lot
    notional = price * quantity * instrument.unit
    return instrument.quote_asset, notional + fee(notional, max(maker_ppm, taker_ppm, 0))


def hold_of(market: Market, order: Order) -> tuple[int, int]:
    return hold(
        market.instruments[order.instrument],
        order.side,
        order.price,
        order.leaves,
        order.maker_fee_ppm,
        order.taker_fee_ppm,
    )


def held(market: Market, account: int, asset: int) -> int:
    holds = [hold_of(market, o) for o in market.orders.values() if o.account == account]
    return sum(amount for held_asset, amount in holds if held_asset == asset)


def available(market: Market, account: Account, asset: int) -> int:
    return account.balance(asset) - held(market, account.number, asset) + account.credit(asset)


def require(market: Market, account: Account, asset: int, amount: int) -> None:
    there = available(market, account, asset)
    if amount > there:
        raise Rejected(
            RejectReason.INSUFFICIENT_FUNDS, asset=asset, required=amount, available=there
        )


@dataclass
class Walk:
    """What a market buy would take on its way through the book."""

    remaining: int
    value: int = 0
    """Ticks times lots of what was taken."""
    passed_over: list[Order] = field(default_factory=list)

    def take(self, price: int, quantity: int) -> None:
        taken = min(self.remaining, quantity)
        self.value += price * taken
        self.remaining -= taken


def market_buy_cost(market: Market, taker: Order, limit: int | None) -> int:
    """The most that a market buy could have to pay, fees included."""
    walk = Walk(taker.leaves)
    for level in icebergs.by_level(market.resting(taker.instrument, opposite(taker.side))):
        price = level[0].price
        if walk.remaining == 0 or (limit is not None and price > limit):
            break
        counted, goes_on = walk_shown(walk, taker, level)
        for maker in counted:
            walk.take(price, maker.leaves - maker.shown)
        if not goes_on:
            break
    for maker in reversed(walk.passed_over):
        walk.take(maker.price, maker.leaves)
    notional = walk.value * market.instruments[taker.instrument].unit
    return notional + fee(notional, max(taker.taker_fee_ppm, 0))


def walk_shown(walk: Walk, taker: Order, level: list[Order]) -> tuple[list[Order], bool]:
    """What shows at one price: makers whose hidden part counts too, and whether to go on."""
    counted: list[Order] = []
    for maker in level:
        if walk.remaining == 0:
            break
        own = maker.account == taker.account
        if own and taker.self_trade_prevention != SelfTradePrevention.NONE:
            if taker.self_trade_prevention == SelfTradePrevention.CANCEL_MAKER:
                continue
            if taker.self_trade_prevention == SelfTradePrevention.DECREMENT:
                if not walk.passed_over:
                    walk.remaining -= min(walk.remaining, maker.leaves)
                continue
            return [], False
        if maker.options & Option.REDUCE_ONLY:
            walk.passed_over.append(maker)
            continue
        walk.take(maker.price, maker.shown)
        counted.append(maker)
    return counted, True


def check_funds(market: Market, order: Order, limit: int | None, is_market: bool) -> None:
    """Check 18 of PLACE_ORDER."""
    instrument = market.instruments[order.instrument]
    account = market.accounts[order.account]
    if is_market and order.side == Side.BUY:
        cost = market_buy_cost(market, order, limit)
        if cost > BALANCE_MAX:
            raise Rejected(RejectReason.MAX_VALUE)
        require(market, account, instrument.quote_asset, cost)
    else:
        asset, amount = hold_of(market, order)
        require(market, account, asset, amount)


def credit_balance(account: Account, asset: int, amount: int) -> None:
    account.balances[asset] = account.balance(asset) + amount


def settle(
    market: Market, buyer: Order, seller: Order, price: int, quantity: int, fees: dict[int, int]
) -> None:
    """Move money and base asset of one trade; `fees` by order id."""
    instrument = market.instruments[buyer.instrument]
    notional = price * quantity * instrument.unit
    base = quantity * instrument.lot
    paying, receiving = market.accounts[buyer.account], market.accounts[seller.account]
    credit_balance(paying, instrument.quote_asset, -notional - fees[buyer.order_id])
    credit_balance(receiving, instrument.quote_asset, notional - fees[seller.order_id])
    credit_balance(receiving, instrument.base_asset, -base)
    credit_balance(paying, instrument.base_asset, base)
    market.assets[instrument.quote_asset].fees += sum(fees.values())
