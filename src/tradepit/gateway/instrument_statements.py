"""Instruments as JSON: rules, phases, schedules, auctions."""

from __future__ import annotations

import msgspec

from tradepit.domain.decimals import format_units
from tradepit.domain.schedule import Entry, phase_at, read_entries
from tradepit.domain.wire import Phase
from tradepit.engine.rows import CrossingRow, InstrumentRow, TradingSessionRow
from tradepit.gateway import results
from tradepit.gateway.drafts import Market
from tradepit.gateway.problems import refused
from tradepit.gateway.times import format_time, seconds_text


def trading_sessions(market: Market) -> dict[int, TradingSessionRow]:
    """What governs the phases of every instrument."""
    rows = (TradingSessionRow._make(values) for values in market.replica.trading_sessions())
    return {row.instrument: row for row in rows}


def trading_session(market: Market, instrument: int) -> TradingSessionRow:
    """What governs an instrument's phases."""
    return trading_sessions(market)[instrument]


def instrument_bodies(market: Market) -> list[bytes]:
    """Every instrument that is not removed, as JSON."""
    sessions = trading_sessions(market)
    rows = (InstrumentRow._make(values) for values in market.replica.instruments())
    return [
        instrument_body(market, row, sessions[row.instrument])
        for row in rows
        if row.phase != Phase.REMOVED
    ]


def instrument_body(market: Market, row: InstrumentRow, session: TradingSessionRow) -> bytes:
    """An instrument with its rules as JSON."""
    view = market.listing.by_number[row.instrument]
    entries = read_entries(session.schedule)
    return msgspec.json.encode(
        results.Instrument(
            symbol=row.symbol,
            phase=Phase(row.phase).name.lower(),
            base_asset=view.base.code,
            quote_asset=view.quote.code,
            tick_size=view.tick_size,
            lot_size=view.lot_size,
            reference_price=view.price_text(row.reference_price) if row.reference_price else None,
            last_price=view.price_text(row.last_price) if row.last_price else None,
            quantity_min=view.quantity_text(row.quantity_min),
            quantity_max=view.quantity_text(row.quantity_max),
            value_max=view.quote_text(row.value_max) if row.value_max else None,
            price_collar_percent=format_units(row.collar_ppm, 1, 4) if row.collar_ppm else None,
            maker_fee_bps=format_units(row.maker_fee_ppm, 1, 2),
            taker_fee_bps=format_units(row.taker_fee_ppm, 1, 2),
            definition_version=row.definition_version,
            schedule=[_schedule_entry(entry) for entry in entries],
            next_transition=_next_transition(entries, session),
            held=session.is_held,
            band_percent=format_units(session.band_ppm, 1, 4) if session.band_ppm else None,
            protection_percent=format_units(session.protection_ppm, 1, 4),
            halt_seconds=seconds_text(session.halt_ns),
            auction_seconds=seconds_text(session.auction_ns),
        )
    )


def _schedule_entry(entry: Entry) -> results.ScheduleEntry:
    shown = results.ScheduleEntry(at=entry.at, phase=Phase(entry.phase).name.lower())
    if entry.weekdays:
        shown.days = entry.days
    return shown


def _next_transition(entries: list[Entry], session: TradingSessionRow) -> results.Transition | None:
    """The next phase that comes by itself; the schedule's has no effect while it is held."""
    coming = []
    if session.next_at and not session.is_held:
        coming.append((session.next_at, phase_at(entries, session.next_at)))
    if session.reopens_at:
        coming.append((session.reopens_at, session.reopens_phase))
    if not coming:
        return None
    at_ns, phase = min(coming)
    return results.Transition(at=format_time(at_ns), phase=Phase(phase).name.lower())


def auction_body(market: Market, symbol: str) -> bytes:
    """What an uncrossing of an instrument would come to now, as JSON; raises `Refused`."""
    instrument = market.listing.by_symbol.get(symbol)
    if instrument is None:
        raise refused("unknown_instrument", f"there is no instrument {symbol!r}", status=404)
    values = market.replica.crossing(instrument.number)
    found = CrossingRow(0, 0, 0) if values is None else CrossingRow._make(values)
    session = trading_session(market, instrument.number)
    side: results.Sides | None = "buy" if found.surplus > 0 else "sell"
    return msgspec.json.encode(
        results.Auction(
            instrument=symbol,
            phase=Phase(instrument.row.phase).name.lower(),
            indicative_price=instrument.price_text(found.price) if found.price else None,
            indicative_volume=instrument.quantity_text(found.volume),
            surplus=instrument.quantity_text(abs(found.surplus)),
            surplus_side=side if found.surplus else None,
            next_transition=_next_transition(read_entries(session.schedule), session),
            as_of=market.replica.sequence,
        )
    )


def newest_instrument_body(
    market: Market, symbol: str, *, is_removed: bool = False
) -> bytes | None:
    """The newest instrument of a symbol as JSON."""
    rows = [InstrumentRow._make(values) for values in market.replica.instruments()]
    for row in reversed(rows):
        if row.symbol == symbol and (row.phase == Phase.REMOVED) == is_removed:
            market.listing.refresh()
            return instrument_body(market, row, trading_session(market, row.instrument))
    return None
