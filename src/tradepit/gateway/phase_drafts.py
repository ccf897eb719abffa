"""Drafts about phases of instruments: set now, by a schedule, or by an automatic halt."""

from __future__ import annotations

from typing import Final

import msgspec
from msgspec import UNSET, Raw, UnsetType

from tradepit.domain import commands, safety_commands
from tradepit.domain.decimals import DecimalError, parse_units
from tradepit.domain.schedule import PHASES, ScheduleError, entry_of, ordered
from tradepit.domain.wire import EventKind
from tradepit.engine.rows import TradingSessionRow
from tradepit.gateway.administration import AdminDraft, optional_key
from tradepit.gateway.drafts import Market
from tradepit.gateway.fields import choose, time_field
from tradepit.gateway.instrument_drafts import find_instrument
from tradepit.gateway.instrument_statements import newest_instrument_body, trading_session
from tradepit.gateway.listing import number_refused
from tradepit.gateway.problems import refused
from tradepit.gateway.results import MarketPhase
from tradepit.gateway.shapes import SetInstrumentSafety, SetPhase, SetSchedule, decimal_text

PPM_OF_PERCENT: Final = commands.Step(1, 4)
NS_OF_SECONDS: Final = commands.Step(1, 9)
PPM_MAX: Final = 1_000_000
SPAN_NS_MAX: Final = 86_400_000_000_000


def phase_draft(market: Market, symbol: str, body: SetPhase, key: bytes | None) -> AdminDraft:
    """A new phase of an instrument."""
    record = commands.set_phase(
        instrument=find_instrument(market, symbol).number,
        phase=choose(PHASES, body.phase, "phase"),
        key=optional_key(key),
        valid_until=time_field(body.valid_until, "valid_until"),
    )
    return AdminDraft(
        market,
        [record],
        b"",
        EventKind.PHASE_CHANGED,
        lambda _: newest_instrument_body(market, symbol),
        is_urgent=True,
    )


def market_phase_draft(market: Market, body: SetPhase, key: bytes | None) -> AdminDraft:
    """A new phase of every instrument."""
    if not market.listing.by_symbol:
        raise refused("unknown_instrument", "there is no instrument")
    phase = choose(PHASES, body.phase, "phase")
    record = commands.set_phase(
        instrument=0,
        phase=phase,
        key=optional_key(key),
        valid_until=time_field(body.valid_until, "valid_until"),
    )

    def render(_: int) -> bytes:
        found = market.listing.by_symbol.values()
        symbols = [instrument.row.symbol for instrument in found]
        return msgspec.json.encode(MarketPhase(body.phase.lower(), symbols))

    return AdminDraft(market, [record], b"", EventKind.PHASE_CHANGED, render, is_urgent=True)


def schedule_draft(market: Market, symbol: str, body: SetSchedule, key: bytes | None) -> AdminDraft:
    """A new schedule of an instrument, or none."""
    try:
        entries = ordered(entry_of(entry.at, entry.phase, entry.days) for entry in body.entries)
    except ScheduleError as error:
        raise refused("invalid_field", str(error), field=error.field) from None
    record = safety_commands.set_schedule(
        instrument=find_instrument(market, symbol).number,
        entries=[entry.word for entry in entries],
        key=optional_key(key),
        valid_until=time_field(body.valid_until, "valid_until"),
    )
    return AdminDraft(
        market,
        [record],
        b"",
        EventKind.SCHEDULE_CHANGED,
        lambda _: newest_instrument_body(market, symbol),
    )


def safety_draft(
    market: Market, symbol: str, body: SetInstrumentSafety, key: bytes | None
) -> AdminDraft:
    """New halts and protection of an instrument; what is not named stays."""
    instrument = find_instrument(market, symbol)
    now = trading_session(market, instrument.number)
    record = safety_commands.set_instrument_safety(
        instrument=instrument.number,
        **_safety(body, now),
        key=optional_key(key),
        valid_until=time_field(body.valid_until, "valid_until"),
    )
    return AdminDraft(
        market,
        [record],
        b"",
        EventKind.INSTRUMENT_SAFETY_CHANGED,
        lambda _: newest_instrument_body(market, symbol),
    )


def _safety(body: SetInstrumentSafety, now: TradingSessionRow) -> dict[str, int]:
    percent, seconds = PPM_OF_PERCENT, NS_OF_SECONDS
    return {
        "band_ppm": _units(body.band_percent, percent, PPM_MAX, "band_percent", now.band_ppm),
        "protection_ppm": _units(
            body.protection_percent, percent, PPM_MAX, "protection_percent", now.protection_ppm
        ),
        "halt_ns": _units(body.halt_seconds, seconds, SPAN_NS_MAX, "halt_seconds", now.halt_ns),
        "auction_ns": _units(
            body.auction_seconds, seconds, SPAN_NS_MAX, "auction_seconds", now.auction_ns
        ),
    }


def _units(
    raw: Raw | UnsetType, step: commands.Step, units_max: int, field: str, default: int
) -> int:
    if raw is UNSET:
        return default
    text = decimal_text(raw, field)
    if text is None:
        return 0
    try:
        units = parse_units(text, *step)
    except DecimalError as error:
        raise number_refused(error, "invalid_number", field, "its step") from None
    if not 0 <= units <= units_max:
        bound = units_max // 10**step.exponent
        raise refused("invalid_field", f"{field} is 0 to {bound}", field=field)
    return units
