"""Routes of instruments: list, define, remove, halt and resume."""

from __future__ import annotations

from typing import Final

from litestar import Response, delete, get, post, put
from litestar.params import FromPath

from tradepit.domain.wire import Phase
from tradepit.engine.rows import InstrumentRow
from tradepit.gateway.gateway import GatewayGiven
from tradepit.gateway.instrument_drafts import (
    define_instrument_draft,
    phase_draft,
    remove_instrument_draft,
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
from tradepit.gateway.shapes import DefineInstrument, SetPhase
from tradepit.gateway.statements import instrument_body, newest_instrument_body


@get("/instruments")
async def list_instruments(request: AnyRequest, gateway: GatewayGiven) -> Response[bytes]:
    await gateway.waiters.reach(request)
    replica = gateway.node.replica
    rows = [InstrumentRow._make(values) for values in replica.instruments()]
    items = [
        instrument_body(gateway.desk.market, row).decode()
        for row in rows
        if row.phase != Phase.REMOVED
    ]
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


HANDLERS: Final = (
    list_instruments,
    read_instrument,
    define_instrument,
    remove_instrument,
    set_phase,
)
