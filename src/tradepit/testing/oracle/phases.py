"""Phases: set by command, schedule, band and reopening. Rulebook sections 10 and 15."""

from __future__ import annotations

from itertools import pairwise

from tradepit.domain.wire import (
    CloseReason,
    InstrumentSafetyChanged,
    OrderStatus,
    Phase,
    PhaseChanged,
    PhaseReason,
    RejectReason,
    ScheduleChanged,
    SetInstrumentSafety,
    SetPhase,
    SetSchedule,
    TimeInForce,
)
from tradepit.testing.oracle.auctions import uncross
from tradepit.testing.oracle.market import GATHERING, Instrument, Market, Rejected
from tradepit.testing.oracle.matching import Outcome
from tradepit.testing.oracle.order_events import close_order
from tradepit.testing.oracle.triggers import follow_prices

STOPPED = (Phase.HALTED, Phase.CANCEL_ONLY, Phase.CLOSED)
PPM = 1_000_000
DAY_NS = 86_400 * 10**9
MS_NS = 10**6
DAY_MS = 86_400_000
EVERY_DAY = 0b111_1111
# The first day of the epoch was a Thursday.
FIRST_WEEKDAY = 3


def settable_phases(market: Market) -> tuple[Phase, ...]:
    """Phases that SET_PHASE and definitions may name."""
    known = (Phase.CONTINUOUS, *STOPPED)
    return known + GATHERING if market.version >= 2 else known


def set_phase(market: Market, command: SetPhase) -> None:
    if command.instrument:
        instruments = [market.known_instrument(command.instrument)]
    else:
        instruments = [
            instrument
            for _, instrument in sorted(market.instruments.items())
            if instrument.phase != Phase.REMOVED
        ]
    if command.mode not in settable_phases(market):
        raise Rejected(RejectReason.INVALID_PHASE)
    for instrument in instruments:
        instrument.is_held = command.mode in STOPPED
        enter_phase(market, instrument, Phase(command.mode), PhaseReason.COMMAND)


def enter_phase(
    market: Market, instrument: Instrument, phase: Phase, reason: PhaseReason, *, until: int = 0
) -> None:
    """Uncross if that is due, change the phase, close what ends with it.

    `until` is when the instrument reopens by itself; 0 = it does not.
    """
    closes = phase == Phase.CLOSED
    if phase == Phase.CONTINUOUS or (closes and instrument.phase == Phase.CLOSING_AUCTION):
        price = uncross(market, instrument)
        if phase == Phase.CONTINUOUS:
            instrument.band_reference = price
    if phase in GATHERING and not instrument.gathers:
        instrument.indicative = (0, 0, 0)
    instrument.phase = phase
    instrument.reopens_at = until
    market.emit(
        PhaseChanged(
            instrument=instrument.number,
            status=phase,
            time_ns=market.time_ns,
            reason=reason,
            until=until,
        )
    )
    if closes:
        close_day_orders(market, instrument.number)


def close_day_orders(market: Market, instrument: int) -> None:
    for order in market.live_in(instrument):
        if order.time_in_force == TimeInForce.DAY:
            close_order(market, order, CloseReason.CLOSING, OrderStatus.EXPIRED)


def end_part(market: Market, instrument: Instrument, outcome: Outcome) -> None:
    """After a taker's own events: triggers are looked for; leaving the band halts."""
    follow_prices(market, instrument, outcome.prices)
    if outcome.left_band:
        until = market.time_ns + instrument.halt_ns if instrument.halt_ns else 0
        enter_phase(market, instrument, Phase.HALTED, PhaseReason.BAND, until=until)


def reopen(market: Market, instrument: Instrument) -> None:
    """What a band halted goes on: by way of an auction, if it has one."""
    due = instrument.reopens_at
    reason = PhaseReason.REOPENING
    if instrument.phase == Phase.HALTED and instrument.auction_ns:
        until = due + instrument.auction_ns
        enter_phase(market, instrument, Phase.AUCTION, reason, until=until)
    else:
        enter_phase(market, instrument, Phase.CONTINUOUS, reason)


# The schedule.


def phase_of(entry: int) -> int:
    return entry >> 32 & 0xFF


def set_schedule(market: Market, command: SetSchedule) -> None:
    instrument = market.known_instrument(command.instrument)
    entries = tuple(getattr(command, f"entry_{n}") for n in range(1, 8))
    used = tuple(entry for entry in entries if entry)
    check_schedule(market, entries, used)
    instrument.schedule = used
    instrument.next_transition = transition_after(used, market.time_ns)
    shown = {f"entry_{n}": entry for n, entry in enumerate(entries, start=1)}
    market.emit(
        ScheduleChanged(instrument=instrument.number, next_at=instrument.next_transition, **shown)
    )


def check_schedule(market: Market, entries: tuple[int, ...], used: tuple[int, ...]) -> None:
    times = [entry & 0xFFFF_FFFF for entry in used]
    consistent = (
        entries[: len(used)] == used
        and all(entry >> 47 == 0 for entry in used)
        and all(time < DAY_MS for time in times)
        and all(a < b for a, b in pairwise(times))
        and all(phase_of(entry) in settable_phases(market) for entry in used)
    )
    if not consistent:
        raise Rejected(RejectReason.INVALID_DEFINITION)


def transition_after(schedule: tuple[int, ...], time_ns: int) -> int:
    """The earliest time after `time_ns` at which an entry is due; 0 without entries."""
    today = time_ns // DAY_NS
    due = [
        day * DAY_NS + (entry & 0xFFFF_FFFF) * MS_NS
        for day in range(today, today + 8)
        for entry in schedule
        if is_due_on(entry, day)
    ]
    return min((at for at in due if at > time_ns), default=0)


def is_due_on(entry: int, day: int) -> bool:
    weekdays = entry >> 40 & 0x7F or EVERY_DAY
    return bool(weekdays >> (day + FIRST_WEEKDAY) % 7 & 1)


def entry_due_at(schedule: tuple[int, ...], time_ns: int) -> int:
    """The entry that is due at exactly this time."""
    ms = time_ns % DAY_NS // MS_NS
    return next(entry for entry in schedule if entry & 0xFFFF_FFFF == ms)


def follow_schedule(market: Market, instrument: Instrument) -> None:
    """One transition, which an operator's stop or the phase in force makes one of no effect."""
    due = instrument.next_transition
    phase = Phase(phase_of(entry_due_at(instrument.schedule, due)))
    instrument.next_transition = transition_after(instrument.schedule, due)
    if not instrument.is_held and phase != instrument.phase:
        enter_phase(market, instrument, phase, PhaseReason.SCHEDULE)


def set_instrument_safety(market: Market, command: SetInstrumentSafety) -> None:
    instrument = market.known_instrument(command.instrument)
    within = (
        command.band_ppm <= PPM
        and command.protection_ppm <= PPM
        and 0 <= command.halt_ns <= DAY_NS
        and 0 <= command.auction_ns <= DAY_NS
    )
    if not within:
        raise Rejected(RejectReason.INVALID_DEFINITION)
    instrument.band_ppm, instrument.protection_ppm = command.band_ppm, command.protection_ppm
    instrument.halt_ns, instrument.auction_ns = command.halt_ns, command.auction_ns
    instrument.band_reference = instrument.last_price
    market.emit(
        InstrumentSafetyChanged(
            instrument=instrument.number,
            band_ppm=command.band_ppm,
            protection_ppm=command.protection_ppm,
            halt_ns=command.halt_ns,
            auction_ns=command.auction_ns,
        )
    )
