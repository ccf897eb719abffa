"""Routes of instruments: list, define, remove, halt and resume."""

from __future__ import annotations

from typing import Final

import msgspec
from litestar import Response, delete, get, post, put
from litestar.params import FromPath

from tradepit.domain import commands
from tradepit.domain.decimals import format_units
from tradepit.domain.wire import EventKind, Phase
from tradepit.engine.rows import InstrumentRow
from tradepit.gateway import results
from tradepit.gateway.administration import (
    PHASES,
    AdminDraft,
    InstrumentPlan,
    optional_key,
)
from tradepit.gateway.drafts import Draft
from tradepit.gateway.fields import choose, time_field
from tradepit.gateway.gateway import Gateway, GatewayGiven
from tradepit.gateway.listing import Instrument
from tradepit.gateway.problems import refused
from tradepit.gateway.requests import (
    AnyRequest,
    answered,
    decode,
    idempotency_key,
    json_response,
    page_body,
    read_body,
)
from tradepit.gateway.shapes import DefineInstrument, SetPhase


def instrument_body(gateway: Gateway, row: InstrumentRow) -> bytes:
    """An instrument with its rules as JSON."""
    view = gateway.desk.market.listing.by_number[row.instrument]
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
        )
    )


def _body_of(gateway: Gateway, symbol: str, *, is_removed: bool = False) -> bytes | None:
    """The newest instrument of a symbol as JSON."""
    rows = [InstrumentRow._make(values) for values in gateway.node.replica.instruments()]
    for row in reversed(rows):
        if row.symbol == symbol and (row.phase == Phase.REMOVED) == is_removed:
            gateway.desk.market.listing.refresh()
            return instrument_body(gateway, row)
    return None


@get("/instruments")
async def list_instruments(request: AnyRequest, gateway: GatewayGiven) -> Response[bytes]:
    await gateway.waiters.reach(request)
    replica = gateway.node.replica
    rows = [InstrumentRow._make(values) for values in replica.instruments()]
    items = [instrument_body(gateway, row).decode() for row in rows if row.phase != Phase.REMOVED]
    return json_response(page_body(items, replica.sequence, None))


@get("/instruments/{symbol:str}")
async def read_instrument(
    request: AnyRequest, gateway: GatewayGiven, symbol: FromPath[str]
) -> Response[bytes]:
    await gateway.waiters.reach(request)
    body = _body_of(gateway, symbol)
    if body is None:
        raise refused("unknown_instrument", f"there is no instrument {symbol!r}", status=404)
    return json_response(body)


@post("/instruments")
async def define_instrument(request: AnyRequest, gateway: GatewayGiven) -> Response[bytes]:
    body = decode(await read_body(request, gateway.config.order_body_max), DefineInstrument)
    key = idempotency_key(request)
    market = gateway.desk.market

    def draft() -> Draft:
        plan = InstrumentPlan(market, body, optional_key(key))
        return AdminDraft(
            market,
            plan.records,
            plan.texts,
            EventKind.INSTRUMENT_RULES_CHANGED,
            lambda _: _body_of(gateway, body.symbol),
            status=201,
        )

    async with gateway.definition_lock:
        return await answered(lambda reply: gateway.desk.write(draft, reply))


@delete("/instruments/{symbol:str}", status_code=200)
async def remove_instrument(
    request: AnyRequest, gateway: GatewayGiven, symbol: FromPath[str]
) -> Response[bytes]:
    key = idempotency_key(request)
    market = gateway.desk.market

    def draft() -> Draft:
        number = _find(gateway, symbol).number
        until = time_field(request.query_params.get("valid_until"), "valid_until")
        record = commands.remove_instrument(
            instrument=number, key=optional_key(key), valid_until=until
        )
        return AdminDraft(
            market,
            [record],
            b"",
            EventKind.INSTRUMENT_REMOVED,
            lambda _: _body_of(gateway, symbol, is_removed=True),
        )

    return await answered(lambda reply: gateway.desk.write(draft, reply))


@put("/instruments/{symbol:str}/phase")
async def set_phase(
    request: AnyRequest, gateway: GatewayGiven, symbol: FromPath[str]
) -> Response[bytes]:
    body = decode(await read_body(request, gateway.config.order_body_max), SetPhase)
    key = idempotency_key(request)
    market = gateway.desk.market

    def draft() -> Draft:
        record = commands.set_phase(
            instrument=_find(gateway, symbol).number,
            phase=choose(PHASES, body.phase, "phase"),
            key=optional_key(key),
            valid_until=time_field(body.valid_until, "valid_until"),
        )
        return AdminDraft(
            market,
            [record],
            b"",
            EventKind.PHASE_CHANGED,
            lambda _: _body_of(gateway, symbol),
            is_urgent=True,
        )

    return await answered(lambda reply: gateway.desk.write(draft, reply))


def _find(gateway: Gateway, symbol: str) -> Instrument:
    instrument = gateway.desk.market.listing.by_symbol.get(symbol)
    if instrument is None:
        raise refused("unknown_instrument", f"there is no instrument {symbol!r}", status=404)
    return instrument


HANDLERS: Final = (
    list_instruments,
    read_instrument,
    define_instrument,
    remove_instrument,
    set_phase,
)
