"""Drafts of writes about instruments, whole: the routes and the market in process share them."""

from __future__ import annotations

from tradepit.domain import commands
from tradepit.domain.wire import EventKind
from tradepit.gateway.administration import AdminDraft, InstrumentPlan, optional_key
from tradepit.gateway.drafts import Market
from tradepit.gateway.fields import time_field
from tradepit.gateway.instrument_statements import newest_instrument_body
from tradepit.gateway.listing import Instrument
from tradepit.gateway.problems import refused
from tradepit.gateway.shapes import DefineInstrument


def define_instrument_draft(
    market: Market, body: DefineInstrument, key: bytes | None
) -> AdminDraft:
    """A new instrument, with the assets that are missing."""
    plan = InstrumentPlan(market, body, optional_key(key))
    return AdminDraft(
        market,
        plan.records,
        plan.texts,
        EventKind.INSTRUMENT_RULES_CHANGED,
        lambda _: newest_instrument_body(market, body.symbol),
        status=201,
    )


def remove_instrument_draft(
    market: Market, symbol: str, key: bytes | None, valid_until: str | None
) -> AdminDraft:
    """The end of an instrument in which nothing rests."""
    record = commands.remove_instrument(
        instrument=find_instrument(market, symbol).number,
        key=optional_key(key),
        valid_until=time_field(valid_until, "valid_until"),
    )
    return AdminDraft(
        market,
        [record],
        b"",
        EventKind.INSTRUMENT_REMOVED,
        lambda _: newest_instrument_body(market, symbol, is_removed=True),
    )


def find_instrument(market: Market, symbol: str) -> Instrument:
    """The instrument that a path names; raises `Refused` with 404."""
    instrument = market.listing.by_symbol.get(symbol)
    if instrument is None:
        raise refused("unknown_instrument", f"there is no instrument {symbol!r}", status=404)
    return instrument
