"""Counts what a stream reached, so that a green run can be shown not to be an empty one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any

from tradepit.domain.wire import (
    CloseReason,
    CommandKind,
    EndReason,
    EventKind,
    Option,
    OrderStatus,
    OrderType,
    RejectReason,
    ReservationStatus,
    SelfTradePrevention,
    TimeInForce,
)
from tradepit.testing.frames import Event, read_frames
from tradepit.testing.happenings import (
    HAPPENINGS,
    REACHABLE_ENTRIES,
    Entry,
    PhaseWatch,
    by_sequence,
    happenings_of,
)

Combination = tuple[OrderType, TimeInForce, SelfTradePrevention]
RESTING = (TimeInForce.GTC, TimeInForce.DAY, TimeInForce.GTD)
IMMEDIATE = (TimeInForce.IOC, TimeInForce.FOK)

# Every combination that check 7 of PLACE_ORDER lets through.
REACHABLE_COMBINATIONS: tuple[Combination, ...] = tuple(
    (order_type, time_in_force, mode)
    for order_type, times in (
        (OrderType.LIMIT, RESTING + IMMEDIATE),
        (OrderType.MARKET, IMMEDIATE),
        (OrderType.STOP, RESTING),
        (OrderType.STOP_LIMIT, RESTING),
        (OrderType.TRAILING_STOP, RESTING),
    )
    for time_in_force in times
    for mode in SelfTradePrevention
)

# Reject reasons that no command can meet in the engine, and why.
UNREACHABLE_REJECTS: dict[RejectReason, str] = {
    RejectReason.ORDER_CLOSED: "the engine forgets finished orders and answers UNKNOWN_ORDER; "
    "the gateway, which knows them, answers ORDER_CLOSED",
}


class Coverage:
    """Counters over commands and events; add() streams, then ask what is missing."""

    def __init__(self) -> None:
        self.commands: Counter[int] = Counter()
        self.events: Counter[EventKind] = Counter()
        self.rejects: Counter[RejectReason] = Counter()
        self.rejected_kinds: Counter[tuple[int, RejectReason]] = Counter()
        self.repeats: Counter[CommandKind] = Counter()
        self.accepted: Counter[Combination] = Counter()
        self.traded: Counter[Combination] = Counter()
        self.statuses: Counter[tuple[TimeInForce, OrderStatus]] = Counter()
        self.closes: Counter[tuple[EventKind, CloseReason]] = Counter()
        self.replaces: Counter[str] = Counter()
        self.options: Counter[Option] = Counter()
        self.in_phase: Counter[Entry] = Counter()
        self.ends: Counter[tuple[EventKind, int]] = Counter()
        self.happenings: Counter[str] = Counter()
        self.phases = PhaseWatch()

    def add(self, frames: bytes, events: Iterable[Event]) -> None:
        """Count whole frames and all the events that they caused."""
        events = list(events)
        for frame in read_frames(frames):
            self.commands.update(command.kind for command in frame.commands)
        for event in events:
            self.add_event(event)
        self.in_phase.update(self.phases.entries(frames, events))
        for caused in by_sequence(events):
            self.happenings.update(happenings_of(caused))

    def add_event(self, event: Event) -> None:
        fields = event.fields
        kind = EventKind(event.kind)
        self.events[kind] += 1
        if kind == EventKind.COMMAND_REJECTED:
            reason = RejectReason(fields.reason)
            self.rejects[reason] += 1
            self.rejected_kinds[fields.status, reason] += 1
        elif kind == EventKind.COMMAND_REPEATED:
            self.repeats[CommandKind(fields.status)] += 1
        elif kind in (EventKind.ORDER_CANCELLED, EventKind.ORDER_REDUCED):
            self.closes[kind, CloseReason(fields.reason)] += 1
        elif kind == EventKind.ORDER_REPLACED:
            kept = "kept" if fields.options & Option.KEPT_PRIORITY else "lost"
            traded = " and traded" if fields.trade_count else ""
            self.replaces[kept + traded] += 1
        elif kind == EventKind.ORDER_ACCEPTED:
            self.add_accepted(fields)
        elif kind == EventKind.ORDER_TRIGGERED and fields.trade_count:
            self.traded[combination_of(fields)] += 1
        elif kind in ENDS:
            self.ends[kind, fields.status] += 1

    def add_accepted(self, fields: Any) -> None:
        order = combination_of(fields)
        self.accepted[order] += 1
        if fields.trade_count:
            self.traded[order] += 1
        self.statuses[order[1], OrderStatus(fields.status)] += 1
        for option in Option:
            if fields.options & option:
                self.options[option] += 1

    def merge(self, other: Coverage) -> None:
        for name, counter in vars(other).items():
            if isinstance(counter, Counter):
                getattr(self, name).update(counter)

    def missing(self) -> list[str]:
        """What a large enough run has to reach and this one did not."""
        wanted: list[tuple[str, Iterable[object], Counter[object]]] = [
            ("command", CommandKind, self.commands),  # type: ignore[list-item]
            ("event", set(EventKind) - {EventKind.COMMAND_QUARANTINED}, self.events),  # type: ignore[list-item]
            ("reject", set(RejectReason) - set(UNREACHABLE_REJECTS), self.rejects),  # type: ignore[list-item]
            ("accepted", REACHABLE_COMBINATIONS, self.accepted),  # type: ignore[list-item]
            ("traded", REACHABLE_COMBINATIONS, self.traded),  # type: ignore[list-item]
            ("close", REACHABLE_CLOSES, self.closes),  # type: ignore[list-item]
            ("replace", ("kept", "lost", "lost and traded"), self.replaces),  # type: ignore[list-item]
            ("repeat", REPEATABLE, self.repeats),  # type: ignore[list-item]
            ("in phase", REACHABLE_ENTRIES, self.in_phase),  # type: ignore[list-item]
            ("end", REACHABLE_ENDS, self.ends),  # type: ignore[list-item]
            ("happening", HAPPENINGS, self.happenings),  # type: ignore[list-item]
        ]
        return [
            f"{name} {member!r}"
            for name, members, counter in wanted
            for member in members
            if not counter[member]
        ]


def combination_of(fields: Any) -> Combination:
    return (
        OrderType(fields.order_type),
        TimeInForce(fields.time_in_force),
        SelfTradePrevention(fields.self_trade_prevention),
    )


REACHABLE_CLOSES: tuple[tuple[EventKind, CloseReason], ...] = (
    *((EventKind.ORDER_CANCELLED, reason) for reason in CloseReason if reason),
    (EventKind.ORDER_REDUCED, CloseReason.SELF_TRADE),
    (EventKind.ORDER_REDUCED, CloseReason.REDUCE_ONLY),
    (EventKind.ORDER_REDUCED, CloseReason.EXPOSURE),
)
REPEATABLE = tuple(
    kind
    for kind in CommandKind
    if kind >= CommandKind.OPEN_ACCOUNT and kind != CommandKind.RESERVE_ORDER_ID
)
ENDS = (
    EventKind.RESERVED,
    EventKind.RESERVATION_RELEASED,
    EventKind.SESSION_ENDED,
    EventKind.MAKER_LEFT,
)
REACHABLE_ENDS: tuple[tuple[EventKind, int], ...] = (
    *((EventKind.RESERVED, status) for status in ReservationStatus if status),
    *(
        (EventKind.RESERVATION_RELEASED, reason)
        for reason in (EndReason.REQUESTED, EndReason.TIME, EndReason.KILL, EndReason.REMOVED)
    ),
    (EventKind.SESSION_ENDED, EndReason.REQUESTED),
    (EventKind.SESSION_ENDED, EndReason.LAPSED),
    (EventKind.MAKER_LEFT, EndReason.REQUESTED),
    (EventKind.MAKER_LEFT, EndReason.LAPSED),
)
