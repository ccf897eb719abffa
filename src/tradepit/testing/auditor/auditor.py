"""Takes the stream apart command by command and keeps the order state machine."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from tradepit.domain.wire import (
    AccountState,
    CloseReason,
    CommandKind,
    EventKind,
    Option,
    OrderStatus,
    Phase,
    RecordFlag,
    Side,
    TimeInForce,
)
from tradepit.testing.auditor.book import Book
from tradepit.testing.auditor.facts import AuditedOrder, AuditFailure, Taker
from tradepit.testing.auditor.ledger import Ledger
from tradepit.testing.frames import Command, Event, read_events, read_frames

RESTING = (TimeInForce.GTC, TimeInForce.DAY, TimeInForce.GTD)
OPTION_POST_ONLY = Option.POST_ONLY | Option.POST_ONLY_REPRICE
SIDE_OPPOSITE = {Side.BUY: Side.SELL, Side.SELL: Side.BUY}
ANSWERS = (EventKind.ORDER_ACCEPTED, EventKind.COMMAND_REJECTED, EventKind.COMMAND_REPEATED)


class Auditor:
    """Feed it every frame with what an engine made of it; it raises AuditFailure."""

    def __init__(self) -> None:
        self.ledger = Ledger()
        self.orders: dict[int, AuditedOrder] = {}
        self.finished: set[int] = set()
        self.finished_at: dict[int, int] = {}
        self.books: dict[int, Book] = {}
        self.accepted_keys: dict[tuple[int, int, int], int] = {}
        self.key_window_ns = 0
        self.sequence = 0
        self.time_ns = 0
        self.last_trade_id = 0
        self.taker: Taker | None = None
        self.command = Command(b"")
        self.handlers: dict[int, Callable[[Any], None]] = {
            EventKind.FRAME_APPLIED: self.on_time,
            EventKind.TIME_JUMPED: self.on_time,
            EventKind.ORDER_ACCEPTED: self.on_accepted,
            EventKind.ORDER_REPLACED: self.on_replaced,
            EventKind.TRADE: self.on_trade,
            EventKind.ORDER_CANCELLED: self.on_cancelled,
            EventKind.ORDER_REDUCED: self.on_reduced,
            EventKind.ACCOUNT_OPENED: self.ledger.open_account,
            EventKind.ACCOUNT_STATE_CHANGED: self.on_account_state,
            EventKind.FUNDS_MOVED: self.on_funds_moved,
            EventKind.ASSET_DEFINED: self.on_asset,
            EventKind.INSTRUMENT_DEFINED: self.ledger.define_instrument,
            EventKind.INSTRUMENT_RULES_CHANGED: self.on_rules,
            EventKind.INSTRUMENT_REMOVED: self.on_removed,
            EventKind.PHASE_CHANGED: self.on_phase,
        }

    def follow(self, frames: bytes, events: bytes, texts: bytes, ends: bytes) -> None:
        """Check what an engine answered to these frames; arguments as `Applied` has them."""
        values = read_events(events, texts)
        for command, caused in zip(commands_of(frames, values), split(values, ends), strict=True):
            self.audit(command, caused)

    def audit(self, command: Command, events: Sequence[Event]) -> None:
        self.sequence += 1
        self.command = command
        self.taker = None
        self.ledger.touched.clear()
        for event in events:
            fields = event.fields
            self.require(fields.sequence == self.sequence, f"event of command {fields.sequence}")
            handler = self.handlers.get(event.kind)
            if handler is not None:
                handler(fields)
        self.check_answer([e for e in events if not is_housekeeping(e)])
        self.finish_taker()
        self.check_invariants()

    def require(self, holds: bool, what: str) -> None:
        if not holds:
            raise AuditFailure(self.sequence, what)

    def complain(self, what: str | None) -> None:
        if what is not None:
            raise AuditFailure(self.sequence, what)

    def check_answer(self, own: list[Event]) -> None:
        """Each command is answered once; what is refused does nothing else."""
        kinds = [event.kind for event in own]
        if EventKind.COMMAND_REJECTED in kinds or EventKind.COMMAND_REPEATED in kinds:
            self.require(len(own) == 1, f"refused or repeated, yet events {kinds}")
        if self.command.kind == CommandKind.GENESIS and EventKind.RULES_ACTIVATED in kinds:
            self.key_window_ns = self.command.fields().key_window_ns
        if self.command.kind == CommandKind.PLACE_ORDER:
            answers = [k for k in kinds if k in (*ANSWERS, EventKind.COMMAND_QUARANTINED)]
            answered_first = len(answers) == 1 and kinds[0] == answers[0]
            self.require(answered_first, f"order answered by {kinds}")

    def check_invariants(self) -> None:
        for number in {order.instrument for order in self.orders.values()}:
            self.require(not self.books[number].is_crossed, f"book {number} is crossed")
        late = [o.order_id for o in self.orders.values() if 0 < o.expires_at <= self.time_ns]
        self.require(not late, f"orders {late} outlive their time")
        self.complain(self.ledger.imbalance())
        self.complain(self.ledger.overdrawn(self.orders.values()))
        self.complain(self.ledger.over_reducing(self.orders.values()))

    # Orders.

    def new_order(self, event: Any) -> AuditedOrder:
        instrument = self.ledger.instruments[event.instrument]
        return AuditedOrder(
            order_id=event.order_id,
            account=event.account,
            instrument=event.instrument,
            side=event.side,
            order_type=event.order_type,
            time_in_force=event.time_in_force,
            self_trade_prevention=event.self_trade_prevention,
            options=event.options,
            price=event.price,
            quantity=event.quantity,
            leaves=event.quantity,
            expires_at=event.expires_at,
            fees_ppm=(instrument.maker_fee_ppm, instrument.taker_fee_ppm),
        )

    def on_accepted(self, event: Any) -> None:
        self.require(event.order_id == self.sequence, f"order id {event.order_id}")
        state = self.ledger.accounts[event.account].state
        self.require(state == AccountState.ACTIVE, "order of an account that may not trade")
        self.require(event.quantity > 0, "order without quantity")
        self.remember_key(event)
        self.start_taking(self.new_order(event), event)

    def remember_key(self, event: Any) -> None:
        """The same key must not be accepted again while it is remembered."""
        fields = self.command.fields()
        if not fields.flags & RecordFlag.KEY:
            return
        scope = (event.account, fields.key_low, fields.key_high)
        earlier = self.accepted_keys.get(scope)
        if earlier is not None:
            finished_at = self.finished_at.get(earlier)
            forgotten = finished_at is not None and finished_at + self.key_window_ns <= self.time_ns
            self.require(forgotten, f"key of order {earlier} accepted again")
        self.accepted_keys[scope] = event.order_id

    def start_taking(self, order: AuditedOrder, event: Any) -> None:
        instrument = self.ledger.instruments[order.instrument]
        self.require(instrument.is_continuous, "order taken in while not trading")
        book = self.books.setdefault(order.instrument, Book())
        self.taker = Taker(
            order=order,
            status=event.status,
            leaves=event.leaves,
            trade_count=event.trade_count,
            opposite_was_empty=book.first(SIDE_OPPOSITE[Side(order.side)]) is None,
        )

    def on_replaced(self, event: Any) -> None:
        order = self.live(event.order_id)
        self.require(
            (event.previous_price, event.previous_leaves) == (order.price, order.leaves),
            "replaced from something else than what was",
        )
        filled = order.filled
        self.require(event.quantity > filled, "replaced below what is filled")
        if event.options & Option.KEPT_PRIORITY:
            self.require(event.price == order.price, "kept its place at another price")
            self.require(event.quantity <= order.quantity, "kept its place with more quantity")
            self.require(event.leaves == event.quantity - filled, "leaves after replace")
            order.quantity, order.leaves = event.quantity, event.leaves
            return
        self.books[order.instrument].leave(order.side, order.price, order.order_id)
        del self.orders[order.order_id]
        instrument = self.ledger.instruments[order.instrument]
        order.price, order.quantity = event.price, event.quantity
        order.leaves = event.quantity - filled
        order.fees_ppm = (instrument.maker_fee_ppm, instrument.taker_fee_ppm)
        self.start_taking(order, event)

    def live(self, order_id: int) -> AuditedOrder:
        self.require(order_id not in self.finished, f"event after the end of order {order_id}")
        if self.taker is not None and self.taker.order.order_id == order_id:
            return self.taker.order
        self.require(order_id in self.orders, f"order {order_id} was never accepted")
        return self.orders[order_id]

    def on_trade(self, event: Any) -> None:
        taker = self.taker
        if taker is None:
            raise AuditFailure(self.sequence, "trade without a taker")
        order = taker.order
        maker = self.live(event.maker_order_id)
        self.last_trade_id += 1
        self.require(event.trade_id == self.last_trade_id, f"trade id {event.trade_id}")
        self.require(taker.ended_by is None, "trade after the taker's end")
        self.require(event.taker_order_id == order.order_id, "trade of another taker")
        self.require((event.account, event.side) == (order.account, order.side), "taker's header")
        self.require(event.maker_account == maker.account, "maker's account")
        self.check_priority(maker, order)
        self.require(event.price == maker.price, "trade away from the maker's price")
        self.require(order.may_trade_at(event.price), "trade through the taker's limit")
        self.require(not order.options & OPTION_POST_ONLY, "a post-only order took")
        own = maker.account == order.account
        self.require(not (own and order.prevents_self_trade), "self-trade")
        self.require(event.quantity == min(maker.leaves, order.leaves) > 0, "quantity of the trade")
        maker.leaves -= event.quantity
        order.leaves -= event.quantity
        self.require(event.maker_leaves == maker.leaves, "maker's leaves")
        self.complain(self.ledger.trade(event, maker, order))
        taker.trades_seen += 1
        if maker.leaves == 0:
            self.finish(maker)

    def check_priority(self, maker: AuditedOrder, taker: AuditedOrder) -> None:
        self.require(maker.instrument == taker.instrument, "maker of another instrument")
        self.require(maker.side != taker.side, "maker on the taker's side")
        first = self.books[maker.instrument].first(maker.side)
        self.require(first == maker.order_id, f"order {first} was to trade before {maker.order_id}")

    def on_cancelled(self, event: Any) -> None:
        order = self.live(event.order_id)
        self.require(event.cancelled_quantity == order.leaves, "cancelled quantity")
        self.require(event.quantity == order.quantity, "total of a cancelled order")
        self.require(event.price == order.price, "price of a cancelled order")
        expired = event.reason in (CloseReason.TIME, CloseReason.CLOSING)
        self.require(expired == (event.status == OrderStatus.EXPIRED), "expired or cancelled")
        if event.reason == CloseReason.TIME:
            self.require(0 < order.expires_at <= self.time_ns, "expired before its time")
        if self.taker is not None and order is self.taker.order:
            self.end_taker(self.taker, event.reason)
        else:
            self.end_resting(order, event.reason)

    def end_taker(self, taker: Taker, reason: int) -> None:
        order = taker.order
        self.require(taker.ended_by is None, "the taker ends twice")
        taker.ended_by = reason
        best = self.books[order.instrument].best_price(SIDE_OPPOSITE[Side(order.side)])
        remainder = (
            CloseReason.IOC_REMAINDER,
            CloseReason.MARKET_REMAINDER,
            CloseReason.NO_LIQUIDITY,
        )
        if reason in remainder:
            self.require(order.time_in_force == TimeInForce.IOC, "remainder of no IOC order")
        if reason == CloseReason.IOC_REMAINDER:
            reachable = best is not None and order.may_trade_at(best)
            self.require(not reachable, "cancelled although it could have traded")
        if reason == CloseReason.NO_LIQUIDITY:
            self.require(taker.opposite_was_empty, "no liquidity in a book that had some")
        if reason == CloseReason.FOK_UNFILLABLE:
            self.require(order.time_in_force == TimeInForce.FOK, "unfillable, yet no FOK")
            untouched = taker.trades_seen == 0 and not taker.touched_others
            self.require(untouched, "unfillable FOK had an effect")
        order.leaves = 0

    def end_resting(self, order: AuditedOrder, reason: int) -> None:
        if reason == CloseReason.SELF_TRADE:
            self.check_self_trade(order)
        if self.taker is not None:
            self.taker.touched_others = True
            causes = (CloseReason.SELF_TRADE, CloseReason.REDUCE_ONLY)
            self.require(reason in causes, f"matching cancelled a resting order: {reason}")
        self.finish(order)

    def check_self_trade(self, order: AuditedOrder) -> None:
        if self.taker is None:
            raise AuditFailure(self.sequence, "self-trade without a taker")
        taker = self.taker.order
        if order is not taker:
            self.require(order.account == taker.account, "self-trade of two accounts")
            self.require(taker.prevents_self_trade, "self-trade prevented under mode NONE")
            self.check_priority(order, taker)

    def on_reduced(self, event: Any) -> None:
        order = self.live(event.order_id)
        self.require(0 < event.reduced_by < order.leaves, "reduced by")
        if event.reason == CloseReason.SELF_TRADE:
            self.check_self_trade(order)
        else:
            self.require(bool(order.options & Option.REDUCE_ONLY), "reduced, yet not reduce-only")
        order.leaves -= event.reduced_by
        order.quantity -= event.reduced_by
        shown = (event.leaves, event.quantity, event.price)
        self.require(shown == (order.leaves, order.quantity, order.price), "after the reduction")

    def finish(self, order: AuditedOrder) -> None:
        """A resting order leaves the book for good."""
        self.books[order.instrument].leave(order.side, order.price, order.order_id)
        del self.orders[order.order_id]
        self.mark_finished(order)

    def mark_finished(self, order: AuditedOrder) -> None:
        order.leaves = 0
        self.finished.add(order.order_id)
        self.finished_at[order.order_id] = self.time_ns

    def finish_taker(self) -> None:
        """Compare what the taker's first event promised with what happened."""
        taker = self.taker
        if taker is None:
            return
        order = taker.order
        self.require(order.leaves == taker.leaves, f"leaves {order.leaves}, not {taker.leaves}")
        self.require(taker.trades_seen == taker.trade_count, "number of trades")
        if order.time_in_force == TimeInForce.FOK and taker.ended_by is None:
            self.require(order.leaves == 0, "FOK filled in part")
        if order.leaves:
            self.require(order.time_in_force in RESTING, "an order rests that may not")
            expected = OrderStatus.PARTIALLY_FILLED if order.filled else OrderStatus.NEW
            self.orders[order.order_id] = order
            self.books[order.instrument].join(order.side, order.price, order.order_id)
        else:
            cancelled = taker.ended_by is not None
            expected = OrderStatus.CANCELLED if cancelled else OrderStatus.FILLED
            self.mark_finished(order)
        self.require(taker.status == expected, f"status {taker.status}, not {expected}")

    # Everything else.

    def on_time(self, event: Any) -> None:
        self.require(event.time_ns >= self.time_ns, "market time went back")
        self.time_ns = event.time_ns

    def on_account_state(self, event: Any) -> None:
        self.ledger.accounts[event.account].state = event.status

    def on_funds_moved(self, event: Any) -> None:
        self.complain(self.ledger.move(event))

    def on_asset(self, event: Any) -> None:
        self.ledger.scales[event.asset] = event.scale

    def on_rules(self, event: Any) -> None:
        instrument = self.ledger.instruments[event.instrument]
        instrument.maker_fee_ppm = event.maker_fee_ppm
        instrument.taker_fee_ppm = event.taker_fee_ppm

    def on_removed(self, event: Any) -> None:
        self.ledger.instruments[event.instrument].phase = Phase.REMOVED

    def on_phase(self, event: Any) -> None:
        self.ledger.instruments[event.instrument].phase = event.status


def is_housekeeping(event: Event) -> bool:
    """Events that precede what the command itself does."""
    if event.kind == EventKind.ORDER_CANCELLED:
        return bool(event.fields.reason == CloseReason.TIME)
    return event.kind == EventKind.FRAME_APPLIED


def split(events: Sequence[Event], ends: bytes) -> Iterator[Sequence[Event]]:
    start = 0
    for (end,) in struct.iter_unpack("<I", ends):
        yield events[start:end]
        start = end


def commands_of(frames: bytes, events: Sequence[Event]) -> Iterator[Command]:
    """Commands of the frames that were applied; the others left no FRAME_APPLIED."""
    applied = [
        (event.fields.incarnation, event.fields.frame_number)
        for event in events
        if event.kind == EventKind.FRAME_APPLIED
    ]
    for frame in read_frames(frames):
        if applied and applied[0] == (frame.header.incarnation, frame.header.frame_number):
            applied.pop(0)
            yield from frame.commands
