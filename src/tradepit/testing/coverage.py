"""Counts what a stream reached, so that a green run can be shown not to be an empty one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from tradepit.domain.wire import (
    CloseReason,
    CommandKind,
    EventKind,
    Option,
    OrderStatus,
    OrderType,
    RejectReason,
    SelfTradePrevention,
    TimeInForce,
)
from tradepit.testing.frames import Event, read_frames

Combination = tuple[OrderType, TimeInForce, SelfTradePrevention]
RESTING = (TimeInForce.GTC, TimeInForce.DAY, TimeInForce.GTD)
IMMEDIATE = (TimeInForce.IOC, TimeInForce.FOK)

# Every combination that check 7 of PLACE_ORDER lets through.
REACHABLE_COMBINATIONS: tuple[Combination, ...] = tuple(
    (order_type, time_in_force, mode)
    for order_type, times in (
        (OrderType.LIMIT, RESTING + IMMEDIATE),
        (OrderType.MARKET, IMMEDIATE),
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

    def add(self, frames: bytes, events: Iterable[Event]) -> None:
        for frame in read_frames(frames):
            self.commands.update(command.kind for command in frame.commands)
        for event in events:
            self.add_event(event)

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

    def add_accepted(self, fields: object) -> None:
        order: Combination = (
            OrderType(fields.order_type),  # type: ignore[attr-defined]
            TimeInForce(fields.time_in_force),  # type: ignore[attr-defined]
            SelfTradePrevention(fields.self_trade_prevention),  # type: ignore[attr-defined]
        )
        self.accepted[order] += 1
        if fields.trade_count:  # type: ignore[attr-defined]
            self.traded[order] += 1
        self.statuses[order[1], OrderStatus(fields.status)] += 1  # type: ignore[attr-defined]
        for option in Option:
            if fields.options & option:  # type: ignore[attr-defined]
                self.options[option] += 1

    def merge(self, other: Coverage) -> None:
        for name, counter in vars(other).items():
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
        ]
        return [
            f"{name} {member!r}"
            for name, members, counter in wanted
            for member in members
            if not counter[member]
        ]


REACHABLE_CLOSES: tuple[tuple[EventKind, CloseReason], ...] = (
    *((EventKind.ORDER_CANCELLED, reason) for reason in CloseReason if reason),
    (EventKind.ORDER_REDUCED, CloseReason.SELF_TRADE),
    (EventKind.ORDER_REDUCED, CloseReason.REDUCE_ONLY),
)
REPEATABLE = tuple(kind for kind in CommandKind if kind >= CommandKind.OPEN_ACCOUNT)
