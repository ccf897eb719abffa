"""Takes the stream apart command by command and hands each event to the part that knows it."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from tradepit.domain.wire import (
    CommandKind,
    EventKind,
    Phase,
    PhaseReason,
    RejectReason,
)
from tradepit.testing.auditor.auctions import AuctionAudit
from tradepit.testing.auditor.book import Book
from tradepit.testing.auditor.facts import AuditedOrder
from tradepit.testing.auditor.firms import FirmAudit
from tradepit.testing.auditor.floor import Floor
from tradepit.testing.auditor.ledger import Ledger
from tradepit.testing.auditor.orders import OrderAudit
from tradepit.testing.auditor.sessions import SessionAudit
from tradepit.testing.auditor.stops import StopAudit
from tradepit.testing.frames import Command, Event, read_events, read_frames

Handler = Callable[[Any], None]
ANSWERS = (
    EventKind.ORDER_ACCEPTED,
    EventKind.COMMAND_REJECTED,
    EventKind.COMMAND_REPEATED,
    EventKind.COMMAND_QUARANTINED,
)
REFUSALS = (EventKind.COMMAND_REJECTED, EventKind.COMMAND_REPEATED)
# What may happen while a taker takes; anything else means that its part is over.
WITHIN_A_PART = (
    EventKind.TRADE,
    EventKind.ORDER_FILLED,
    EventKind.ORDER_CANCELLED,
    EventKind.ORDER_REDUCED,
    EventKind.ACCOUNT_STATE_CHANGED,
)
# What only a command's own execution causes, never something that is due before it.
OWN = (EventKind.ORDER_ACCEPTED, EventKind.ORDER_REPLACED, EventKind.FUNDS_MOVED)


class Auditor:
    """Feed it every frame with what an engine made of it; it raises AuditFailure."""

    def __init__(self) -> None:
        self.floor = Floor()
        self.stops = StopAudit(self.floor)
        self.auctions = AuctionAudit(self.floor, self.stops)
        self.sessions = SessionAudit(self.floor)
        self.firms = FirmAudit(self.floor)
        self.of_orders = OrderAudit(self.floor, self.stops, self.auctions, self.sessions)
        self.handlers: dict[int, Handler] = {
            **self.handlers_of_trading(),
            **self.handlers_of_the_rest(),
        }

    @property
    def ledger(self) -> Ledger:
        return self.floor.ledger

    @property
    def orders(self) -> dict[int, AuditedOrder]:
        return self.floor.orders

    @property
    def books(self) -> dict[int, Book]:
        return self.floor.books

    def handlers_of_trading(self) -> dict[int, Handler]:
        return {
            EventKind.ORDER_ACCEPTED: self.of_orders.accepted,
            EventKind.ORDER_REPLACED: self.of_orders.replaced,
            EventKind.ORDER_TRIGGERED: self.of_orders.triggered,
            EventKind.ORDER_FILLED: self.of_orders.filled,
            EventKind.ORDER_CANCELLED: self.of_orders.cancelled,
            EventKind.ORDER_REDUCED: self.of_orders.reduced,
            EventKind.TRADE: self.of_orders.trade,
            EventKind.AUCTION_UNCROSSED: self.auctions.begin,
            EventKind.PHASE_CHANGED: self.on_phase,
            EventKind.INSTRUMENT_DEFINED: self.ledger.define_instrument,
            EventKind.INSTRUMENT_RULES_CHANGED: self.on_rules,
            EventKind.INSTRUMENT_SAFETY_CHANGED: self.on_safety,
            EventKind.INSTRUMENT_REMOVED: self.on_removed,
        }

    def handlers_of_the_rest(self) -> dict[int, Handler]:
        return {
            EventKind.FRAME_APPLIED: self.on_time,
            EventKind.TIME_JUMPED: self.on_time,
            EventKind.RULES_ACTIVATED: self.on_rules_version,
            EventKind.ACCOUNT_OPENED: self.ledger.open_account,
            EventKind.ACCOUNT_STATE_CHANGED: self.on_account_state,
            EventKind.FUNDS_MOVED: self.on_funds_moved,
            EventKind.ASSET_DEFINED: self.on_asset,
            EventKind.SESSION_BOUND: self.sessions.bound,
            EventKind.SESSION_ENDED: self.sessions.ended,
            EventKind.FIRM_CHANGED: self.firms.changed,
            EventKind.RESERVED: self.firms.reserved,
            EventKind.QUOTE_SET: self.firms.quoted,
            EventKind.RESERVATION_RELEASED: self.firms.released,
            EventKind.MAKER_JOINED: self.firms.joined,
            EventKind.MAKER_LEFT: self.firms.left,
            EventKind.FIRM_SYMBOL_CHANGED: self.firms.symbol_changed,
            EventKind.SYMBOL_ASSIGNED: self.firms.assigned,
        }

    def follow(self, frames: bytes, events: bytes, texts: bytes, ends: bytes) -> None:
        """Check what an engine answered to these frames; arguments as `Applied` has them."""
        values = read_events(events, texts)
        for command, caused in zip(commands_of(frames, values), split(values, ends), strict=True):
            self.audit(command, caused)

    def audit(self, command: Command, events: Sequence[Event]) -> None:
        """Check one command with the events that it caused, those of its moment included."""
        floor = self.floor
        floor.sequence += 1
        floor.command = command
        floor.ledger.touched.clear()
        self.stops.start_command()
        self.firms.start_command()
        for event in events:
            fields = event.fields
            known = fields.sequence == floor.sequence
            floor.require(known, f"event of command {fields.sequence}")
            self.handle(event.kind, fields)
        self.of_orders.finish_taker()
        floor.require(not floor.filled_next, "a fill was not told")
        floor.require(self.auctions.round is None, "a round without its phase")
        floor.require(self.of_orders.halting is None, "left its band and goes on")
        self.check_answer(events)
        self.check_invariants(events)

    def handle(self, kind: int, fields: Any) -> None:
        floor = self.floor
        if kind != EventKind.ORDER_FILLED:
            floor.require(not floor.filled_next, "a fill was not told at once")
        if kind not in WITHIN_A_PART:
            self.of_orders.finish_taker()
        handler = self.handlers.get(kind)
        if handler is not None:
            handler(fields)

    def check_answer(self, events: Sequence[Event]) -> None:
        """Each command is answered once; what is refused does nothing else."""
        kinds = [event.kind for event in events]
        refusals = [index for index, kind in enumerate(kinds) if kind in REFUSALS]
        if refusals:
            self.check_refusal(events, refusals)
        if self.floor.command.kind == CommandKind.GENESIS and EventKind.RULES_ACTIVATED in kinds:
            self.of_orders.key_window_ns = self.floor.command.fields().key_window_ns
        if self.floor.command.kind == CommandKind.PLACE_ORDER:
            answers = [kind for kind in kinds if kind in ANSWERS]
            self.floor.require(len(answers) == 1, f"order answered by {kinds}")

    def check_refusal(self, events: Sequence[Event], refusals: list[int]) -> None:
        """Before it only what was due, after it only the guard and triggered orders."""
        kinds = [event.kind for event in events]
        fields = events[refusals[0]].fields
        own = len(refusals) > 1 or any(kind in OWN for kind in kinds)
        self.floor.require(not own, f"refused or repeated, yet events {kinds}")
        following = kinds[refusals[0] + 1 :]
        reason = getattr(fields, "reason", 0)
        if reason == RejectReason.RUNAWAY_GUARD and kinds[refusals[0]] == REFUSALS[0]:
            stopped = following[:1] == [EventKind.ACCOUNT_STATE_CHANGED]
            self.floor.require(stopped, "the runaway guard did not stop the account")
            following = following[1:]
        ran = not following or following[0] == EventKind.ORDER_TRIGGERED
        self.floor.require(ran, f"refused or repeated, yet events {following}")

    def check_invariants(self, events: Sequence[Event]) -> None:
        floor = self.floor
        for number, instrument in floor.ledger.instruments.items():
            crossed = instrument.is_continuous and floor.book(number).is_crossed
            floor.require(not crossed, f"book {number} is crossed")
        late = [o.order_id for o in self.orders.values() if 0 < o.expires_at <= floor.time_ns]
        floor.require(not late, f"orders {late} outlive their time")
        if not events or events[-1].kind != EventKind.COMMAND_QUARANTINED:
            floor.complain(self.stops.left_undone())
        self.sessions.end_command()
        self.firms.check()
        floor.complain(floor.ledger.imbalance())
        floor.complain(floor.ledger.overdrawn(self.orders.values()))
        floor.complain(floor.ledger.over_reducing(self.orders.values()))

    # What is no order.

    def on_time(self, event: Any) -> None:
        self.floor.require(event.time_ns >= self.floor.time_ns, "market time went back")
        self.floor.time_ns = event.time_ns

    def on_rules_version(self, event: Any) -> None:
        later = event.rules_version >= self.floor.rules_version
        self.floor.require(later, "rules went back")
        if self.floor.rules_version < event.rules_version:
            for order in self.orders.values():
                order.session = 0
        self.floor.rules_version = event.rules_version

    def on_account_state(self, event: Any) -> None:
        self.ledger.accounts[event.account].state = event.status

    def on_funds_moved(self, event: Any) -> None:
        self.floor.complain(self.ledger.move(event))

    def on_asset(self, event: Any) -> None:
        self.ledger.scales[event.asset] = event.scale

    def on_rules(self, event: Any) -> None:
        instrument = self.floor.instrument(event.instrument)
        instrument.maker_fee_ppm = event.maker_fee_ppm
        instrument.taker_fee_ppm = event.taker_fee_ppm
        instrument.reference_price = event.reference_price

    def on_safety(self, event: Any) -> None:
        instrument = self.floor.instrument(event.instrument)
        instrument.band_ppm = event.band_ppm
        instrument.band_reference = instrument.last_price

    def on_removed(self, event: Any) -> None:
        self.floor.instrument(event.instrument).phase = Phase.REMOVED

    def on_phase(self, event: Any) -> None:
        """Only a taker that left the band halts, and it halts its instrument at once."""
        halting = self.of_orders.halting
        by_band = event.reason == PhaseReason.BAND
        self.floor.require(by_band == (halting is not None), "halted by a band")
        if by_band:
            known = (event.instrument, event.status) == (halting, Phase.HALTED)
            self.floor.require(known, "another instrument was halted")
            self.of_orders.halting = None
        self.auctions.change_phase(event)


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
