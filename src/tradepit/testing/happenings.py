"""What is worth reaching beyond single events: orders by phase, chains, rounds, renewals."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import groupby, pairwise
from typing import Any

from tradepit.domain.wire import (
    CloseReason,
    CommandKind,
    EventKind,
    Option,
    OrderType,
    Phase,
    PhaseReason,
    RejectReason,
    TradeKind,
)
from tradepit.testing.frames import Command, Event, read_frames

Entry = tuple[str, Phase, bool]
"""What was sent (an order type, ICEBERG or QUOTE), in which phase, whether it was taken in."""

OPEN = (Phase.CONTINUOUS,)
GATHERING = (Phase.PRE_OPEN, Phase.AUCTION, Phase.CLOSING_AUCTION)
STOPPED = (Phase.HALTED, Phase.CANCEL_ONLY, Phase.CLOSED)
GATHERED = ("LIMIT", "ICEBERG", "STOP", "STOP_LIMIT", "TRAILING_STOP", "QUOTE")
KINDS_OF_ORDER = (*GATHERED, "MARKET")

# Each kind of order in each phase, with what the rulebook makes of it there.
REACHABLE_ENTRIES: tuple[Entry, ...] = (
    *((kind, phase, True) for kind in KINDS_OF_ORDER for phase in OPEN),
    *((kind, phase, kind in GATHERED) for kind in KINDS_OF_ORDER for phase in GATHERING),
    *((kind, phase, False) for kind in KINDS_OF_ORDER for phase in STOPPED),
)

ENDINGS = (EventKind.ORDER_CANCELLED, EventKind.ORDER_REDUCED)
CASCADE_MIN = SLICES_MIN = 3
HAPPENINGS = (
    "cascade at several prices",
    "many slices of one iceberg in one command",
    "several rounds of one uncrossing",
    "round without a trade",
    "auction trade of an iceberg",
    "self-trade in an auction",
    "halt by a band",
    "reopening through an auction",
    "reopening to continuous trading",
    "several transitions of a schedule at once",
    "account stopped by a guard under way",
    "instrument moved from maker to maker",
    "quote that kept a side",
    "quote that took",
    "triggered order clipped to nothing",
)


class PhaseWatch:
    """Follows phases through events and tells in which one each order was sent."""

    def __init__(self) -> None:
        self.phases: dict[int, Phase] = {}

    def entries(self, frames: bytes, events: Sequence[Event]) -> Iterator[Entry]:
        commands = commands_by_sequence(frames, events)
        for event in events:
            fields = event.fields
            if event.kind in (EventKind.INSTRUMENT_DEFINED, EventKind.PHASE_CHANGED):
                self.phases[fields.instrument] = Phase(fields.status)
            elif event.kind == EventKind.ORDER_ACCEPTED:
                yield kind_of_order(fields), self.phases[fields.instrument], True
            elif (
                event.kind == EventKind.COMMAND_REJECTED
                and fields.reason == RejectReason.NOT_TRADING
                and fields.status in (CommandKind.PLACE_ORDER, CommandKind.QUOTE)
            ):
                sent = commands[fields.sequence].fields()
                yield kind_sent(sent), self.phases[fields.instrument], False


def commands_by_sequence(frames: bytes, events: Sequence[Event]) -> dict[int, Command]:
    """Commands of the frames that were applied."""
    applied = {
        (event.fields.incarnation, event.fields.frame_number): event.fields.sequence
        for event in events
        if event.kind == EventKind.FRAME_APPLIED
    }
    result: dict[int, Command] = {}
    for frame in read_frames(frames):
        first = applied.get((frame.header.incarnation, frame.header.frame_number))
        if first is not None:
            result.update(enumerate(frame.commands, start=first))
    return result


def kind_of_order(fields: Any) -> str:
    """Of an ORDER_ACCEPTED."""
    if fields.options & Option.QUOTE:
        return "QUOTE"
    is_limit = fields.order_type == OrderType.LIMIT
    return "ICEBERG" if is_limit and fields.display_quantity else OrderType(fields.order_type).name


def kind_sent(fields: Any) -> str:
    """Of a command; an order type that is none is told by its number."""
    if fields.kind == CommandKind.QUOTE:
        return "QUOTE"
    if fields.order_type == OrderType.LIMIT and fields.display_quantity:
        return "ICEBERG"
    known = fields.order_type in list(OrderType)
    return OrderType(fields.order_type).name if known else str(fields.order_type)


def by_sequence(events: Sequence[Event]) -> Iterator[list[Event]]:
    """Events of each command."""
    for _, caused in groupby(events, key=lambda event: event.fields.sequence):
        yield list(caused)


def happenings_of(events: list[Event]) -> Iterator[str]:
    """What of HAPPENINGS one command did."""
    kinds = Counter(event.kind for event in events)
    if kinds[EventKind.ORDER_TRIGGERED]:
        yield from triggered(events)
    if kinds[EventKind.ORDER_FILLED]:
        yield from sliced(events)
    if kinds[EventKind.AUCTION_UNCROSSED]:
        yield from uncrossed(events)
    if kinds[EventKind.PHASE_CHANGED]:
        yield from changed(events)
    if kinds[EventKind.QUOTE_SET]:
        yield from quoted(events)
    if kinds[EventKind.ACCOUNT_STATE_CHANGED] and kinds[EventKind.TRADE]:
        yield "account stopped by a guard under way"
    for event in events:
        moved = event.kind == EventKind.SYMBOL_ASSIGNED and event.fields.maker
        if moved and event.fields.previous_maker:
            yield "instrument moved from maker to maker"


def triggered(events: list[Event]) -> Iterator[str]:
    runs = [event.fields for event in events if event.kind == EventKind.ORDER_TRIGGERED]
    prices = {(run.instrument, run.trigger_price) for run in runs}
    if len(runs) >= CASCADE_MIN and len(prices) >= CASCADE_MIN:
        yield "cascade at several prices"
    clipped = {run.order_id for run in runs if run.leaves == 0 and not run.trade_count}
    for event in events:
        ended = event.kind == EventKind.ORDER_CANCELLED and event.fields.order_id in clipped
        if ended and event.fields.reason == CloseReason.REDUCE_ONLY:
            yield "triggered order clipped to nothing"


def sliced(events: list[Event]) -> Iterator[str]:
    fresh = Counter(
        event.fields.order_id
        for event in events
        if event.kind == EventKind.ORDER_FILLED
        and event.fields.trade_id
        and not event.fields.options & Option.KEPT_PRIORITY
    )
    if any(slices >= SLICES_MIN for slices in fresh.values()):
        yield "many slices of one iceberg in one command"


def uncrossed(events: list[Event]) -> Iterator[str]:
    rounds = [event.fields for event in events if event.kind == EventKind.AUCTION_UNCROSSED]
    if max(Counter(each.instrument for each in rounds).values()) > 1:
        yield "several rounds of one uncrossing"
    if any(each.trade_count == 0 for each in rounds):
        yield "round without a trade"
    for event, following in pairwise(events):
        auction = event.kind == EventKind.TRADE and event.fields.status == TradeKind.AUCTION
        if auction and following.fields.display_quantity:
            yield "auction trade of an iceberg"
    inside = False
    for event in events:
        if event.kind in (EventKind.AUCTION_UNCROSSED, EventKind.PHASE_CHANGED):
            inside = event.kind == EventKind.AUCTION_UNCROSSED
        elif inside and event.kind in ENDINGS and event.fields.reason == CloseReason.SELF_TRADE:
            yield "self-trade in an auction"


def changed(events: list[Event]) -> Iterator[str]:
    changes = [event.fields for event in events if event.kind == EventKind.PHASE_CHANGED]
    for change in changes:
        if change.reason == PhaseReason.BAND:
            yield "halt by a band"
        elif change.reason == PhaseReason.REOPENING and change.status == Phase.AUCTION:
            yield "reopening through an auction"
        elif change.reason == PhaseReason.REOPENING:
            yield "reopening to continuous trading"
    scheduled = Counter(c.instrument for c in changes if c.reason == PhaseReason.SCHEDULE)
    if any(transitions > 1 for transitions in scheduled.values()):
        yield "several transitions of a schedule at once"


def quoted(events: list[Event]) -> Iterator[str]:
    for event in events:
        fields = event.fields
        if event.kind == EventKind.QUOTE_SET:
            accepted = {fields.sequence, fields.sequence - 1}
            if {fields.bid_order_id, fields.ask_order_id} - accepted - {0}:
                yield "quote that kept a side"
        accepted_quote = event.kind == EventKind.ORDER_ACCEPTED and fields.options & Option.QUOTE
        if accepted_quote and fields.trade_count:
            yield "quote that took"
