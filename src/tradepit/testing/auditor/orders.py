"""The life of an order: accepted, replaced, triggered, traded, reduced, ended."""

from __future__ import annotations

from typing import Any

from tradepit.domain.wire import (
    AccountState,
    CloseReason,
    CommandKind,
    Option,
    OrderStatus,
    OrderType,
    RecordFlag,
    Side,
    TimeInForce,
    TradeKind,
)
from tradepit.testing.auditor.auctions import AuctionAudit
from tradepit.testing.auditor.facts import AuditedOrder, AuditFailure, Taker
from tradepit.testing.auditor.floor import SIDE_OPPOSITE, Floor
from tradepit.testing.auditor.sessions import SessionAudit
from tradepit.testing.auditor.stops import StopAudit

RESTING = (TimeInForce.GTC, TimeInForce.DAY, TimeInForce.GTD)
OPTION_POST_ONLY = Option.POST_ONLY | Option.POST_ONLY_REPRICE
MARKETS = (OrderType.STOP, OrderType.TRAILING_STOP)
REMAINDERS = (
    CloseReason.IOC_REMAINDER,
    CloseReason.MARKET_REMAINDER,
    CloseReason.NO_LIQUIDITY,
    CloseReason.HALTED,
)


class OrderAudit:
    """Handlers of ORDER_* and TRADE."""

    def __init__(
        self, floor: Floor, stops: StopAudit, auctions: AuctionAudit, sessions: SessionAudit
    ) -> None:
        self.floor = floor
        self.stops = stops
        self.auctions = auctions
        self.sessions = sessions
        self.accepted_keys: dict[tuple[int, int, int], int] = {}
        self.key_window_ns = 0
        self.slice_before = 0
        """What the iceberg under replacement showed."""
        self.halting: int | None = None
        """Instrument that a taker has just halted by leaving its band."""

    # Beginnings.

    def accepted(self, event: Any) -> None:
        floor = self.floor
        quoted = floor.command.kind == CommandKind.QUOTE
        ids = (floor.sequence - 1, floor.sequence) if quoted else (floor.sequence,)
        floor.require(event.order_id in ids, f"order id {event.order_id}")
        floor.require(bool(event.options & Option.QUOTE) == quoted, "option QUOTE")
        state = floor.ledger.accounts[event.account].state
        may_trade = state == AccountState.ACTIVE or (quoted and state == AccountState.CANCEL_ONLY)
        floor.require(may_trade, "order of an account that may not trade")
        floor.require(event.quantity > 0, "order without quantity")
        self.sessions.check_order(event)
        if not quoted:
            self.remember_key(event)
        order = floor.new_order(event)
        if order.waits:
            waits = (event.status, event.leaves, event.trade_count)
            floor.require(waits == (OrderStatus.NEW, event.quantity, 0), "an order does not wait")
            self.stops.accept(order)
        else:
            self.start_taking(order, event)

    def remember_key(self, event: Any) -> None:
        """The same key must not be accepted again while it is remembered."""
        floor, fields = self.floor, self.floor.command.fields()
        if not fields.flags & RecordFlag.KEY:
            return
        scope = (event.account, fields.key_low, fields.key_high)
        earlier = self.accepted_keys.get(scope)
        if earlier is not None:
            finished_at = floor.finished_at.get(earlier)
            window = self.key_window_ns
            forgotten = finished_at is not None and finished_at + window <= floor.time_ns
            floor.require(forgotten, f"key of order {earlier} accepted again")
        self.accepted_keys[scope] = event.order_id

    def start_taking(self, order: AuditedOrder, event: Any) -> None:
        floor = self.floor
        instrument = floor.instrument(order.instrument)
        taken_in = instrument.is_continuous or instrument.gathers or order.is_quoted
        floor.require(taken_in, "order taken in while not trading")
        opposite = floor.book(order.instrument).first(SIDE_OPPOSITE[Side(order.side)])
        floor.taker = Taker(
            order=order,
            status=event.status,
            leaves=event.leaves,
            trade_count=event.trade_count,
            band=instrument.band(),
            opposite_was_empty=opposite is None,
        )

    def replaced(self, event: Any) -> None:
        floor = self.floor
        order = floor.live(event.order_id)
        before = (order.price, order.leaves)
        from_it = (event.previous_price, event.previous_leaves) == before
        floor.require(from_it, "replaced from something else than what was")
        floor.require(not order.is_quoted, "a quote's order was replaced")
        floor.require(event.quantity > order.filled, "replaced below what is filled")
        if order.waits:
            self.replace_waiting(order, event)
        elif event.options & Option.KEPT_PRIORITY:
            self.keep_place(order, event)
        else:
            self.lose_place(order, event)

    def replace_waiting(self, order: AuditedOrder, event: Any) -> None:
        floor = self.floor
        triggered = floor.instrument(order.instrument).triggered
        floor.require(order.order_id not in triggered, "replaced after it was triggered")
        floor.leave(order)
        order.price, order.quantity, order.leaves = event.price, event.quantity, event.quantity
        order.stop_price, order.options = event.stop_price, event.options
        self.renew_fees(order)
        self.stops.accept(order)

    def keep_place(self, order: AuditedOrder, event: Any) -> None:
        floor = self.floor
        floor.require(event.price == order.price, "kept its place at another price")
        floor.require(event.quantity <= order.quantity, "kept its place with more quantity")
        floor.require(event.leaves == event.quantity - order.filled, "leaves after replace")
        self.slice_before = order.visible
        order.quantity, filled = event.quantity, order.filled
        order.lower(order.leaves - (event.quantity - filled))

    def lose_place(self, order: AuditedOrder, event: Any) -> None:
        self.slice_before = order.visible
        filled = order.filled
        self.floor.leave(order)
        order.price, order.quantity = event.price, event.quantity
        order.leaves = event.quantity - filled
        self.renew_fees(order)
        self.start_taking(order, event)

    def renew_fees(self, order: AuditedOrder) -> None:
        instrument = self.floor.instrument(order.instrument)
        order.fees_ppm = (instrument.maker_fee_ppm, instrument.taker_fee_ppm)

    def triggered(self, event: Any) -> None:
        order = self.stops.run(event)
        floor, leaves = self.floor, event.quantity - order.filled
        floor.require(0 < leaves <= order.leaves, "leaves of a triggered order")
        clipped = leaves < order.leaves
        reduces = bool(order.options & Option.REDUCE_ONLY)
        floor.require(reduces or not clipped, "clipped, yet not reduce-only")
        order.quantity, order.leaves = event.quantity, leaves
        self.start_taking(order, event)

    def filled(self, event: Any) -> None:
        """ORDER_FILLED: after a trade, or what a replaced iceberg shows."""
        if event.trade_id:
            self.floor.show_filled(event)
            return
        floor = self.floor
        order = floor.live(event.order_id)
        floor.require(event.visible_before == self.slice_before, "slice before a replace")
        shown = (event.price, event.quantity, event.display_quantity)
        floor.require(shown == (order.price, order.quantity, order.display), "a replaced iceberg")
        if floor.taker is not None and floor.taker.order is order:
            floor.require(event.leaves == floor.taker.leaves, "leaves of a replaced iceberg")
            floor.taker.visible = event.visible
        else:
            told = (event.leaves, event.visible)
            floor.require(told == (order.leaves, order.visible), "slice of a replaced iceberg")

    # Trades.

    def trade(self, event: Any) -> None:
        floor = self.floor
        floor.last_trade_id += 1
        floor.require(event.trade_id == floor.last_trade_id, f"trade id {event.trade_id}")
        instrument = floor.instrument(event.instrument)
        if event.status == TradeKind.AUCTION:
            self.auctions.trade(event)
        else:
            floor.require(instrument.is_continuous, "trade while not trading")
            self.take(event)
        instrument.last_price = event.price
        instrument.band_reference = instrument.band_reference or event.price

    def take(self, event: Any) -> None:
        """TRADE of a taker with a resting maker."""
        floor, taker = self.floor, self.floor.taker
        if taker is None:
            raise AuditFailure(floor.sequence, "trade without a taker")
        order, maker = taker.order, floor.live(event.maker_order_id)
        floor.require(taker.ended_by is None, "trade after the taker's end")
        floor.require(event.taker_order_id == order.order_id, "trade of another taker")
        header = (event.account, event.side) == (order.account, order.side)
        floor.require(header, "taker's header")
        floor.require(event.maker_account == maker.account, "maker's account")
        self.check_priority(maker, order)
        self.check_price(event, maker, taker)
        own = maker.account == order.account
        floor.require(not (own and order.prevents_self_trade), "self-trade")
        shown = maker.shown
        floor.require(event.quantity == min(shown, order.leaves) > 0, "quantity of the trade")
        is_iceberg = event.status == TradeKind.ICEBERG
        floor.require(is_iceberg == bool(maker.display), "kind of the trade")
        if maker.display:
            maker.visible -= event.quantity
            floor.filled_next.append((maker.order_id, shown))
        floor.lower(maker, event.quantity)
        floor.lower(order, event.quantity)
        floor.require(event.maker_leaves == maker.leaves, "maker's leaves")
        floor.complain(floor.ledger.trade(event, maker, order))
        taker.prices.append(event.price)
        if maker.leaves == 0 and not maker.display:
            floor.finish(maker)

    def check_price(self, event: Any, maker: AuditedOrder, taker: Taker) -> None:
        floor, order = self.floor, taker.order
        floor.require(event.price == maker.price, "trade away from the maker's price")
        floor.require(order.may_trade_at(event.price), "trade through the taker's limit")
        inside = taker.band is None or event.price in taker.band
        floor.require(inside, "trade outside the band")
        floor.require(not order.options & OPTION_POST_ONLY, "a post-only order took")

    def check_priority(self, maker: AuditedOrder, taker: AuditedOrder) -> None:
        floor = self.floor
        floor.require(maker.instrument == taker.instrument, "maker of another instrument")
        floor.require(maker.side != taker.side, "maker on the taker's side")
        first = floor.book(maker.instrument).first(maker.side)
        known = first == maker.order_id
        floor.require(known, f"order {first} was to trade before {maker.order_id}")

    # Endings.

    def cancelled(self, event: Any) -> None:
        floor = self.floor
        order = floor.live(event.order_id)
        floor.require(event.cancelled_quantity == order.leaves, "cancelled quantity")
        floor.require(event.quantity == order.quantity, "total of a cancelled order")
        floor.require(event.price == order.price, "price of a cancelled order")
        floor.require(event.visible == order.slice, "slice of a cancelled order")
        expired = event.reason in (CloseReason.TIME, CloseReason.CLOSING)
        floor.require(expired == (event.status == OrderStatus.EXPIRED), "expired or cancelled")
        if event.reason == CloseReason.TIME and not order.is_quoted:
            floor.require(0 < order.expires_at <= floor.time_ns, "expired before its time")
        self.sessions.cancelled(order, event.reason)
        if floor.taker is not None and order is floor.taker.order:
            self.end_taker(floor.taker, event.reason)
        else:
            self.end_live(order, event.reason)

    def end_taker(self, taker: Taker, reason: int) -> None:
        floor, order = self.floor, taker.order
        floor.require(taker.ended_by is None, "the taker ends twice")
        taker.ended_by = reason
        if reason in REMAINDERS:
            self.check_remainder(taker, reason)
        if reason == CloseReason.FOK_UNFILLABLE:
            floor.require(order.time_in_force == TimeInForce.FOK, "unfillable, yet no FOK")
            untouched = not taker.prices and not taker.touched_others
            floor.require(untouched, "unfillable FOK had an effect")
        floor.lower(order, order.leaves, reason)

    def check_remainder(self, taker: Taker, reason: int) -> None:
        floor, order = self.floor, taker.order
        ends = order.time_in_force == TimeInForce.IOC or order.order_type in MARKETS
        floor.require(ends, "remainder of no IOC order")
        best = floor.book(order.instrument).best_price(SIDE_OPPOSITE[Side(order.side)])
        reachable = best is not None and order.may_trade_at(best)
        if reason == CloseReason.IOC_REMAINDER:
            floor.require(not reachable, "cancelled although it could have traded")
        if reason == CloseReason.NO_LIQUIDITY:
            floor.require(taker.opposite_was_empty, "no liquidity in a book that had some")
        if reason == CloseReason.HALTED:
            floor.require(reachable and outside(best, taker), "halted inside the band")
            self.halting = order.instrument

    def end_live(self, order: AuditedOrder, reason: int) -> None:
        floor = self.floor
        if reason == CloseReason.SELF_TRADE:
            self.check_self_trade(order)
        if floor.taker is not None:
            floor.taker.touched_others = True
            causes = (CloseReason.SELF_TRADE, CloseReason.REDUCE_ONLY)
            floor.require(reason in causes, f"matching cancelled a resting order: {reason}")
        floor.lower(order, order.leaves, reason)
        floor.finish(order)

    def check_self_trade(self, order: AuditedOrder) -> None:
        floor = self.floor
        if self.auctions.round is not None:
            self.auctions.check_self_trade(order)
            return
        if floor.taker is None:
            raise AuditFailure(floor.sequence, "self-trade without a taker")
        taker = floor.taker.order
        if order is not taker:
            floor.require(order.account == taker.account, "self-trade of two accounts")
            floor.require(taker.prevents_self_trade, "self-trade prevented under mode NONE")
            self.check_priority(order, taker)

    def reduced(self, event: Any) -> None:
        floor = self.floor
        order = floor.live(event.order_id)
        floor.require(0 < event.reduced_by < order.leaves, "reduced by")
        if event.reason == CloseReason.SELF_TRADE:
            self.check_self_trade(order)
        elif event.reason == CloseReason.EXPOSURE:
            floor.require(order.is_quoted, "exposure of an order of no quote")
        else:
            reduces = bool(order.options & Option.REDUCE_ONLY) and not order.waits
            floor.require(reduces, "reduced, yet not reduce-only")
        floor.require(event.visible_before == order.slice, "slice before a reduction")
        order.quantity -= event.reduced_by
        floor.lower(order, event.reduced_by, event.reason)
        shown = (event.leaves, event.quantity, event.price, event.visible)
        told = (order.leaves, order.quantity, order.price, order.slice)
        floor.require(shown == told, "after the reduction")

    def finish_taker(self) -> None:
        """The taker's part is over: compare what its first event promised with what happened."""
        floor, taker = self.floor, self.floor.taker
        if taker is None:
            return
        floor.taker = None
        order = taker.order
        floor.require(order.leaves == taker.leaves, f"leaves {order.leaves}, not {taker.leaves}")
        floor.require(len(taker.prices) == taker.trade_count, "number of trades")
        if order.time_in_force == TimeInForce.FOK and taker.ended_by is None:
            floor.require(order.leaves == 0, "FOK filled in part")
        if order.leaves:
            floor.require(may_rest(order), "an order rests that may not")
            expected = OrderStatus.PARTIALLY_FILLED if order.filled else OrderStatus.NEW
            floor.rest(order)
            self.check_crossing(taker)
        else:
            cancelled = taker.ended_by is not None
            expected = OrderStatus.CANCELLED if cancelled else OrderStatus.FILLED
            floor.mark_finished(order)
        floor.require(taker.status == expected, f"status {taker.status}, not {expected}")
        if taker.visible is not None:
            floor.require(taker.visible == order.slice, "slice of a replaced iceberg")
        for price in taker.prices:
            self.stops.on_price(order.instrument, price)

    def check_crossing(self, taker: Taker) -> None:
        """A taker that rests across the book has left the band, which halts the instrument."""
        floor, order = self.floor, taker.order
        book = floor.book(order.instrument)
        if not floor.instrument(order.instrument).is_continuous or not book.is_crossed:
            return
        best = book.best_price(SIDE_OPPOSITE[Side(order.side)])
        floor.require(outside(best, taker), f"book {order.instrument} is crossed")
        self.halting = order.instrument


def outside(price: int | None, taker: Taker) -> bool:
    return taker.band is not None and price is not None and price not in taker.band


def may_rest(order: AuditedOrder) -> bool:
    return order.order_type not in (*MARKETS, OrderType.MARKET) and order.time_in_force in RESTING
