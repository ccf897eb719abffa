"""Auction prices, uncrossing, indicative values. Rulebook section 15."""

from __future__ import annotations

from dataclasses import dataclass

from tradepit.domain.wire import AuctionIndicative, AuctionUncrossed, Side, TradeKind
from tradepit.testing.oracle import icebergs
from tradepit.testing.oracle.market import Instrument, Market, Order
from tradepit.testing.oracle.matching import after_trade, exchange, is_own, prevent_self_trade
from tradepit.testing.oracle.triggers import follow_prices


@dataclass(frozen=True)
class Level:
    """What a round at this price would execute, and what would be left over."""

    price: int
    volume: int
    surplus: int
    """Bids less asks."""


NOTHING = Level(0, 0, 0)


def round_of(market: Market, instrument: Instrument) -> Level | None:
    """Price, volume and surplus of the next round; None when the book is not crossed."""
    bids = market.resting(instrument.number, Side.BUY)
    asks = market.resting(instrument.number, Side.SELL)
    if not bids or not asks or bids[0].price < asks[0].price:
        return None
    candidates = levels_of(bids, asks)
    volume = max(level.volume for level in candidates)
    candidates = [level for level in candidates if level.volume == volume]
    surplus = min(abs(level.surplus) for level in candidates)
    candidates = [level for level in candidates if abs(level.surplus) == surplus]
    reference = instrument.last_price or instrument.reference_price
    return by_pressure(candidates, reference)


def levels_of(bids: list[Order], asks: list[Order]) -> list[Level]:
    """Each price at which somebody bids or asks, ascending."""
    bid_at: dict[int, int] = {}
    ask_at: dict[int, int] = {}
    for orders, at in ((bids, bid_at), (asks, ask_at)):
        for order in orders:
            at[order.price] = at.get(order.price, 0) + order.leaves
    buyable, sellable = sum(bid_at.values()), 0
    levels = []
    for price in sorted({*bid_at, *ask_at}):
        sellable += ask_at.get(price, 0)
        levels.append(Level(price, min(buyable, sellable), buyable - sellable))
        buyable -= bid_at.get(price, 0)
    return levels


def by_pressure(candidates: list[Level], reference: int) -> Level:
    """Among prices of equal volume and surplus: the side that is left over pushes the price."""
    above = [level for level in candidates if level.surplus > 0]
    below = [level for level in candidates if level.surplus < 0]
    if above and not below:
        return max(above, key=lambda level: level.price)
    if below and not above:
        return min(below, key=lambda level: level.price)
    if above and below:
        highest = max(above, key=lambda level: level.price)
        lowest = min(below, key=lambda level: level.price)
        candidates = [highest, lowest]
    return min(candidates, key=lambda level: (abs(level.price - reference), -level.price))


def uncross(market: Market, instrument: Instrument) -> int:
    """Rounds until the book is not crossed; price of the last one, 0 without one."""
    price = 0
    while (level := round_of(market, instrument)) is not None:
        price = level.price
        run_round(market, instrument, level)
    return price


def run_round(market: Market, instrument: Instrument, level: Level) -> None:
    index, volume, count = len(market.events), 0, 0
    while (pair := meeting(market, instrument, level.price)) is not None:
        maker, taker = pair
        if is_own(maker, taker):
            prevent_self_trade(market, maker, taker)
            continue
        volume += auction_trade(market, maker, taker, level.price)
        count += 1
    uncrossed = AuctionUncrossed(
        instrument=instrument.number,
        price=level.price,
        volume=volume,
        surplus=level.surplus,
        time_ns=market.time_ns,
        trade_count=count,
    )
    market.events.insert(index, market.event(uncrossed))
    if count:
        follow_prices(market, instrument, [level.price])


def meeting(market: Market, instrument: Instrument, price: int) -> tuple[Order, Order] | None:
    """Maker and taker that meet next: the first of both best levels, the later one takes."""
    bids = market.resting(instrument.number, Side.BUY)
    asks = market.resting(instrument.number, Side.SELL)
    if not bids or not asks or bids[0].price < price or asks[0].price > price:
        return None
    first, second = sorted((bids[0], asks[0]), key=lambda order: order.order_id)
    return first, second


def auction_trade(market: Market, maker: Order, taker: Order, price: int) -> int:
    """Two resting orders trade what both show; how much that was."""
    shown = {order.order_id: order.shown for order in (maker, taker)}
    quantity = min(shown.values())
    done = exchange(market, maker, taker, price, quantity)
    kept = {o.order_id: icebergs.fill_resting(market, o, quantity) for o in (maker, taker)}
    market.emit(done._replace(maker_leaves=maker.leaves, status=TradeKind.AUCTION))
    for order in (maker, taker):
        event = icebergs.filled(
            market,
            order,
            shown_before=shown[order.order_id],
            trade_id=done.trade_id,
            kept=kept[order.order_id],
        )
        market.emit(event)
    after_trade(market, done)
    return quantity


def publish_indicative(market: Market) -> None:
    """Tell what an uncrossing would make now, where that is not what was told last."""
    for number in sorted(market.instruments):
        instrument = market.instruments[number]
        if not instrument.gathers:
            continue
        level = round_of(market, instrument) or NOTHING
        told = (level.price, level.volume, level.surplus)
        if told != instrument.indicative:
            instrument.indicative = told
            market.emit(
                AuctionIndicative(
                    instrument=number,
                    price=level.price,
                    volume=level.volume,
                    surplus=level.surplus,
                    time_ns=market.time_ns,
                )
            )
