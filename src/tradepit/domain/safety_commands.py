"""Command records of phases, safety and sessions, as `commands` writes the others."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from tradepit.domain import wire
from tradepit.domain.commands import NO_KEY, Key
from tradepit.domain.wire import CommandKind, RecordFlag

SCHEDULE_ENTRIES: Final = 7
"""Entries of a schedule, used and unused ones."""

ENTRY_PHASE_BIT: Final = 32
ENTRY_WEEKDAYS_BIT: Final = 40


def schedule_entry(*, at_ms: int, phase: int, weekdays: int = 0) -> int:
    """Return one entry of SET_SCHEDULE: time of day in ms, and weekdays as bits from Monday
    (0 = every day)."""
    return at_ms | phase << ENTRY_PHASE_BIT | weekdays << ENTRY_WEEKDAYS_BIT


def set_schedule(
    *, instrument: int, entries: Sequence[int], key: Key = NO_KEY, valid_until: int = 0
) -> bytes:
    """SET_SCHEDULE of up to `SCHEDULE_ENTRIES` entries; none takes the schedule away."""
    unused = [0] * (SCHEDULE_ENTRIES - len(entries))
    header = _header(CommandKind.SET_SCHEDULE, 0, instrument, key, valid_until)
    return wire.SET_SCHEDULE.pack(*header, *entries, *unused)


def set_instrument_safety(
    *,
    instrument: int,
    band_ppm: int,
    protection_ppm: int,
    halt_ns: int,
    auction_ns: int,
    key: Key = NO_KEY,
    valid_until: int = 0,
) -> bytes:
    """SET_INSTRUMENT_SAFETY in parts per million and ns."""
    header = _header(CommandKind.SET_INSTRUMENT_SAFETY, 0, instrument, key, valid_until)
    return wire.SET_INSTRUMENT_SAFETY.pack(*header, band_ppm, protection_ppm, halt_ns, auction_ns)


def set_order_limits(
    *,
    account: int,
    instrument: int,
    quantity_max: int,
    value_max: int,
    key: Key = NO_KEY,
    valid_until: int = 0,
) -> bytes:
    """SET_ORDER_LIMITS in lots and minor units of the quote asset; 0 = none."""
    header = _header(CommandKind.SET_ORDER_LIMITS, account, instrument, key, valid_until)
    return wire.SET_ORDER_LIMITS.pack(*header, quantity_max, value_max)


def set_account_guard(
    *,
    account: int,
    messages_max: int,
    repeats_max: int,
    window_ns: int,
    traded_max: int,
    traded_asset: int,
    key: Key = NO_KEY,
    valid_until: int = 0,
) -> bytes:
    """SET_ACCOUNT_GUARD: messages per second; repeats, and minor units traded, per window."""
    header = _header(CommandKind.SET_ACCOUNT_GUARD, account, 0, key, valid_until)
    return wire.SET_ACCOUNT_GUARD.pack(
        *header, messages_max, repeats_max, window_ns, traded_max, traded_asset
    )


def set_dead_man(
    *, account: int, timeout_ns: int, key: Key = NO_KEY, valid_until: int = 0
) -> bytes:
    """SET_DEAD_MAN; 0 = off."""
    header = _header(CommandKind.SET_DEAD_MAN, account, 0, key, valid_until)
    return wire.SET_DEAD_MAN.pack(*header, timeout_ns)


def bind_session(*, account: int, cancels: bool, key: Key = NO_KEY, valid_until: int = 0) -> bytes:
    """BIND_SESSION; its text is the name. `cancels`: its orders leave when it ends."""
    header = _header(CommandKind.BIND_SESSION, account, 0, key, valid_until, mode=int(cancels))
    return wire.BIND_SESSION.pack(header[0], header[1] | RecordFlag.TEXT, *header[2:])


def end_session(*, account: int, session: int, binding: int) -> bytes:
    """END_SESSION, if this binding still holds."""
    header = _header(CommandKind.END_SESSION, account, 0, NO_KEY, 0)
    return wire.END_SESSION.pack(*header, session, 0, binding)


def _header(
    kind: CommandKind, account: int, instrument: int, key: Key, valid_until: int, mode: int = 0
) -> tuple[int, ...]:
    flags = 0 if key is NO_KEY else int(RecordFlag.KEY)
    places = (account, instrument, key.low, key.high, valid_until)
    return (int(kind), flags, 0, 0, 0, 0, 0, mode, *places)
