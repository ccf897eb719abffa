"""Money: fees, holds, what is available, what a market order would pay. Rulebook section 6."""

from __future__ import annotations

from tradepit.domain.wire import Option, RejectReason, SelfTradePrevention, Side
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


def market_buy_cost(market: Market, taker: Order, limit: int | None) -> int:
    """The most that a market buy could have to pay, fees included."""
    instrument = market.instruments[taker.instrument]
    remaining = taker.leaves
    notional = 0
    passed_over: list[Order] = []
    for maker in market.resting(taker.instrument, opposite(taker.side)):
        if remaining == 0 or (limit is not None and maker.price > limit):
            break
        own = maker.account == taker.account
        if own and taker.self_trade_prevention != SelfTradePrevention.NONE:
            if taker.self_trade_prevention == SelfTradePrevention.CANCEL_MAKER:
                continue
            if taker.self_trade_prevention == SelfTradePrevention.DECREMENT:
                if not passed_over:
                    remaining -= min(remaining, maker.leaves)
                continue
            break
        if maker.options & Option.REDUCE_ONLY:
            passed_over.append(maker)
            continue
        quantity = min(remaining, maker.leaves)
        notional += maker.price * quantity * instrument.unit
        remaining -= quantity
    for maker in reversed(passed_over):
        quantity = min(remaining, maker.leaves)
        notional += maker.price * quantity * instrument.unit
        remaining -= quantity
    return notional + fee(notional, max(taker.taker_fee_ppm, 0))


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
