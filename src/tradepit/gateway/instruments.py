"""Routes of instruments: list, define, remove, phases and what sets them."""

from __future__ import annotations

from typing import Final

from litestar import Response, delete, get, post, put
from litestar.params import FromPath

from tradepit.gateway.gateway import GatewayGiven
from tradepit.gateway.instrument_drafts import (
    define_instrument_draft,
    remove_instrument_draft,
)
from tradepit.gateway.instrument_statements import (
    auction_body,
    instrument_bodies,
    newest_instrument_body,
)
from tradepit.gateway.phase_drafts import (
    market_phase_draft,
    phase_draft,
    safety_draft,
    schedule_draft,
)
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
from tradepit.gateway.shapes import (
    DefineInstrument,
    SetInstrumentSafety,
    SetPhase,
    SetSchedule,
)


@get("/instruments")
async def list_instruments(request: AnyRequest, gateway: GatewayGiven) -> Response[bytes]:
    await gateway.waiters.reach(request)
    replica = gateway.node.replica
    items = [body.decode() for body in instrument_bodies(gateway.desk.market)]
    return json_response(page_body(items, replica.sequence, None))


@get("/instruments/{symbol:str}")
async def read_instrument(
    request: AnyRequest, gateway: GatewayGiven, symbol: FromPath[str]
) -> Response[bytes]:
    await gateway.waiters.reach(request)
    body = newest_instrument_body(gateway.desk.market, symbol)
    if body is None:
        raise refused("unknown_instrument", f"there is no instrument {symbol!r}", status=404)
    return json_response(body)


@post("/instruments")
async def define_instrument(request: AnyRequest, gateway: GatewayGiven) -> Response[bytes]:
    body = decode(await read_body(request, gateway.config.order_body_max), DefineInstrument)
    key = idempotency_key(request)
    market = gateway.desk.market
    async with gateway.definition_lock:
        return await answered(
            lambda reply: gateway.desk.write(
                lambda: define_instrument_draft(market, body, key), reply
            )
        )


@delete("/instruments/{symbol:str}", status_code=200)
async def remove_instrument(
    request: AnyRequest, gateway: GatewayGiven, symbol: FromPath[str]
) -> Response[bytes]:
    key = idempotency_key(request)
    until = request.query_params.get("valid_until")
    market = gateway.desk.market
    return await answered(
        lambda reply: gateway.desk.write(
            lambda: remove_instrument_draft(market, symbol, key, until), reply
        )
    )


@put("/instruments/{symbol:str}/phase")
async def set_phase(
    request: AnyRequest, gateway: GatewayGiven, symbol: FromPath[str]
) -> Response[bytes]:
    body = decode(await read_body(request, gateway.config.order_body_max), SetPhase)
    key = idempotency_key(request)
    market = gateway.desk.market
    return await answered(
        lambda reply: gateway.desk.write(lambda: phase_draft(market, symbol, body, key), reply)
    )


@put("/market/phase")
async def set_market_phase(request: AnyRequest, gateway: GatewayGiven) -> Response[bytes]:
    body = decode(await read_body(request, gateway.config.order_body_max), SetPhase)
    key = idempotency_key(request)
    market = gateway.desk.market
    return await answered(
        lambda reply: gateway.desk.write(lambda: market_phase_draft(market, body, key), reply)
    )


@put("/instruments/{symbol:str}/schedule")
async def set_schedule(
    request: AnyRequest, gateway: GatewayGiven, symbol: FromPath[str]
) -> Response[bytes]:
    body = decode(await read_body(request, gateway.config.order_body_max), SetSchedule)
    key = idempotency_key(request)
    market = gateway.desk.market
    return await answered(
        lambda reply: gateway.desk.write(lambda: schedule_draft(market, symbol, body, key), reply)
    )


@put("/instruments/{symbol:str}/safety")
async def set_safety(
    request: AnyRequest, gateway: GatewayGiven, symbol: FromPath[str]
) -> Response[bytes]:
    body = decode(await read_body(request, gateway.config.order_body_max), SetInstrumentSafety)
    key = idempotency_key(request)
    market = gateway.desk.market
    return await answered(
        lambda reply: gateway.desk.write(lambda: safety_draft(market, symbol, body, key), reply)
    )


@get("/instruments/{symbol:str}/auction")
async def read_auction(
    request: AnyRequest, gateway: GatewayGiven, symbol: FromPath[str]
) -> Response[bytes]:
    await gateway.waiters.reach(request)
    return json_response(auction_body(gateway.desk.market, symbol))


HANDLERS: Final = (
    list_instruments,
    read_instrument,
    define_instrument,
    remove_instrument,
    set_phase,
    set_market_phase,
    set_schedule,
    set_safety,
    read_auction,
)
