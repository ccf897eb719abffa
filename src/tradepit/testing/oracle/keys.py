"""Idempotency keys: what was seen, what it answered, when it is forgotten. Rulebook section 3."""

from __future__ import annotations

from typing import Any

from tradepit.domain.wire import (
    CommandKind,
    CommandRepeated,
    PlaceOrder,
    RecordFlag,
    RejectReason,
)
from tradepit.testing.frames import COMMAND_STRUCTS, Command
from tradepit.testing.oracle.market import KeyEntry, Market, Rejected

Scope = tuple[int, int, int]
ORDER_KINDS = range(CommandKind.PLACE_ORDER, CommandKind.DEFINE_FIRM)
MAKER_KINDS = (CommandKind.QUOTE, CommandKind.RESERVE)
NAMES_ORDER = (CommandKind.CANCEL_ORDER, CommandKind.REPLACE_ORDER)


class RejectedUnrecorded(Rejected):
    """Refused, and the key table does not remember it."""


def scope_of(fields: Any) -> Scope | None:
    """Under what a command is remembered; None when it takes no part."""
    if not fields.flags & RecordFlag.KEY:
        return None
    account = fields.account if fields.kind in ORDER_KINDS else 0
    return account, fields.key_low, fields.key_high


def fingerprint(fields: Any, command: Command) -> bytes:
    """What makes two commands the same: all but version, session, flags, and its text."""
    same = fields._replace(flags=0, key_low=0, key_high=0)
    left_out = ["definition_version"]
    if fields.kind == CommandKind.PLACE_ORDER:
        left_out.append("session")
    if fields.kind in MAKER_KINDS:
        left_out.append("maker")
    for name in left_out:
        if name in fields._fields:
            same = same._replace(**{name: 0})
    record: bytes = COMMAND_STRUCTS[CommandKind(command.kind)].pack(*same)
    return record + (command.text or b"")


def forget_old(market: Market) -> None:
    if market.genesis is None:
        return
    window = market.genesis.key_window_ns
    for scope, entry in list(market.keys.items()):
        if entry.finished_at is not None and entry.finished_at + window <= market.time_ns:
            del market.keys[scope]


def look_up(market: Market, scope: Scope | None, fields: Any, print_: bytes) -> bool:
    """True when the command was seen before and has been answered again."""
    entry = market.keys.get(scope) if scope else None
    if entry is not None:
        if entry.is_tombstone and fields.kind == CommandKind.PLACE_ORDER:
            raise RejectedUnrecorded(RejectReason.CANCELLED_BEFORE_ARRIVAL)
        if entry.fingerprint != print_:
            raise RejectedUnrecorded(RejectReason.KEY_REUSED)
        repeat(market, fields, entry)
        return True
    if isinstance(fields, PlaceOrder) and label_is_tombstoned(market, fields):
        raise RejectedUnrecorded(RejectReason.CANCELLED_BEFORE_ARRIVAL)
    assert market.genesis is not None
    if scope and len(market.keys) >= market.genesis.key_capacity:
        raise RejectedUnrecorded(RejectReason.KEYS_EXHAUSTED)
    return False


def label_is_tombstoned(market: Market, fields: PlaceOrder) -> bool:
    return fields.label != 0 and any(
        entry.is_tombstone and (account, low) == (fields.account, fields.label)
        for (account, low, _), entry in market.keys.items()
    )


def repeat(market: Market, fields: Any, entry: KeyEntry) -> None:
    market.emit(
        CommandRepeated(
            status=fields.kind,
            account=fields.account,
            instrument=fields.instrument,
            reason=entry.reason,
            original_sequence=entry.sequence,
            order_id=entry.order_id,
            original_result=entry.result,
        )
    )


def record(
    market: Market, scope: Scope, fields: Any, print_: bytes, *, reason: int, result: int
) -> None:
    """Remember the outcome of the command that has just run."""
    order_id = 0
    if fields.kind in NAMES_ORDER:
        order_id = fields.order_id
    elif fields.kind == CommandKind.PLACE_ORDER and not reason:
        order_id = market.sequence
    is_open = fields.kind == CommandKind.PLACE_ORDER and order_id in market.orders
    market.keys[scope] = KeyEntry(
        kind=fields.kind,
        fingerprint=print_,
        sequence=market.sequence,
        order_id=order_id,
        reason=reason,
        result=result,
        finished_at=None if is_open else market.time_ns,
    )
