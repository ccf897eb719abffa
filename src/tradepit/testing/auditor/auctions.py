"""Rounds of an uncrossing: the right price, who meets whom, and that nothing stays crossed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tradepit.domain.wire import Phase, Side
from tradepit.testing.auditor.facts import AuditedOrder
from tradepit.testing.auditor.floor import Floor
from tradepit.testing.auditor.stops import StopAudit


@dataclass
class Round:
    """What AUCTION_UNCROSSED promised, and what was seen of it."""

    instrument: int
    price: int
    volume: int
    trade_count: int
    volume_seen: int = 0
    trades_seen: int = 0


class AuctionAudit:
    """Auction trades happen in rounds, at the round's price, before a phase that allows it."""

    def __init__(self, floor: Floor, stops: StopAudit) -> None:
        self.floor = floor
        self.stops = stops
        self.round: Round | None = None

    def begin(self, event: Any) -> None:
        """AUCTION_UNCROSSED."""
        self.end()
        floor = self.floor
        volumes = self.volumes(event.instrument)
        best = max(volume for volume, _ in volumes.values())
        least = min(abs(surplus) for volume, surplus in volumes.values() if volume == best)
        volume, surplus = volumes.get(event.price, (0, 0))
        floor.require(best > 0, "uncrossed without orders that cross")
        floor.require(volume == best, f"{volume} executable at the price, {best} at another")
        floor.require(abs(surplus) == least, f"surplus of {surplus}, {least} at another price")
        floor.require(surplus == event.surplus, f"surplus {event.surplus}, not {surplus}")
        equal = {p: s for p, (v, s) in volumes.items() if v == best and abs(s) == least}
        price = self.pressed(equal, event.instrument)
        floor.require(event.price == price, f"pressure to {price}, not {event.price}")
        self.round = Round(event.instrument, event.price, event.volume, event.trade_count)

    def pressed(self, surpluses: dict[int, int], number: int) -> int:
        """Of prices that are equally good: where the surplus pushes, then near the reference."""
        bid = max((price for price, surplus in surpluses.items() if surplus > 0), default=None)
        ask = min((price for price, surplus in surpluses.items() if surplus < 0), default=None)
        left = [price for price in (bid, ask) if price is not None] or list(surpluses)
        instrument = self.floor.instrument(number)
        reference = instrument.last_price or instrument.reference_price
        return min(left, key=lambda price: (abs(price - reference), -price))

    def volumes(self, instrument: int) -> dict[int, tuple[int, int]]:
        """Executable volume and surplus at each price at which an order rests."""
        orders = [
            order
            for order in self.floor.orders.values()
            if order.instrument == instrument and order.rests
        ]
        result = {}
        for price in {order.price for order in orders}:
            bids = sum(o.leaves for o in orders if o.side == Side.BUY and o.price >= price)
            asks = sum(o.leaves for o in orders if o.side == Side.SELL and o.price <= price)
            result[price] = (min(bids, asks), bids - asks)
        return result or {0: (0, 0)}

    def end(self) -> None:
        """The round is over: its numbers are those that were promised."""
        if self.round is None:
            return
        told, floor = self.round, self.floor
        floor.require(told.volume_seen == told.volume, "volume of a round")
        floor.require(told.trades_seen == told.trade_count, "number of trades of a round")
        if told.trades_seen:
            self.stops.on_price(told.instrument, told.price)
        self.round = None

    def trade(self, event: Any) -> None:
        """TRADE of an auction."""
        floor, told = self.floor, self.round
        if told is None:
            floor.require(False, "auction trade outside a round")
            return
        maker, taker = floor.live(event.maker_order_id), floor.live(event.taker_order_id)
        floor.require(event.instrument == told.instrument, "trade of another auction")
        floor.require(event.price == told.price, "auction trade away from the round's price")
        self.check_pair(maker, taker, told.price)
        own = maker.account == taker.account and taker.prevents_self_trade
        floor.require(not own, "self-trade")
        quantity = min(maker.shown, taker.shown)
        floor.require(event.quantity == quantity > 0, "quantity of an auction trade")
        for order in (maker, taker):
            floor.filled_next.append((order.order_id, order.shown))
            if order.display:
                order.visible -= quantity
            floor.lower(order, quantity)
        floor.require(event.maker_leaves == maker.leaves, "maker's leaves")
        floor.complain(floor.ledger.trade(event, maker, taker))
        told.volume_seen += quantity
        told.trades_seen += 1

    def check_pair(self, maker: AuditedOrder, taker: AuditedOrder, price: int) -> None:
        """First of both best levels, the later one the taker, both willing."""
        floor = self.floor
        floor.require(maker.rests and taker.rests, "auction trade of an order that does not rest")
        floor.require(maker.order_id < taker.order_id, "the earlier order took")
        floor.require(
            {maker.side, taker.side} == {Side.BUY, Side.SELL}, "sides of an auction trade"
        )
        book = floor.book(maker.instrument)
        for order in (maker, taker):
            floor.require(book.first(order.side) == order.order_id, "priority in an auction")
            floor.require(order.may_trade_at(price), "auction trade through a limit")

    def check_self_trade(self, order: AuditedOrder) -> None:
        """Prevention in a round: both firsts belong to one account, the later one's mode."""
        floor = self.floor
        book = floor.book(order.instrument)
        firsts = [book.first(side) for side in (Side.BUY, Side.SELL)]
        floor.require(order.order_id in firsts, "self-trade away from the best orders")

    def change_phase(self, event: Any) -> None:
        """PHASE_CHANGED: whether uncrossing was due before it, and is complete."""
        floor, had_round = self.floor, self.round is not None
        price = self.round.price if self.round else 0
        self.end()
        instrument = floor.instrument(event.instrument)
        closes = (instrument.phase, event.status) == (Phase.CLOSING_AUCTION, Phase.CLOSED)
        uncrosses = event.status == Phase.CONTINUOUS or closes
        floor.require(uncrosses or not had_round, "uncrossed for a phase that does not")
        if uncrosses:
            crossed = floor.book(event.instrument).is_crossed
            floor.require(not crossed, "an uncrossed book is crossed")
        if event.status == Phase.CONTINUOUS:
            instrument.band_reference = price
        instrument.phase = event.status
