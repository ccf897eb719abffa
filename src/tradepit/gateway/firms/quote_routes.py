"""Routes of quotes, reservations, exposure and positions of firms."""

from __future__ import annotations

from typing import Final

import msgspec
from litestar import Response, delete, get, post, put
from litestar.params import FromPath

from tradepit.gateway.authentication import confine
from tradepit.gateway.firms.quoting import QuoteDraft, ReleaseDraft, ReserveDraft
from tradepit.gateway.firms.shapes import EPOCH_MAX, Release, Reserve, SetQuote
from tradepit.gateway.firms.statements import (
    exposure_of,
    firm_position,
    firm_positions,
    known_firm,
    quote_now,
    reservations_of,
    speaking_for,
)
from tradepit.gateway.gateway import GatewayGiven
from tradepit.gateway.instrument_drafts import find_instrument
from tradepit.gateway.requests import (
    AnyRequest,
    answered,
    decode,
    idempotency_key,
    json_response,
    number_parameter,
    own_account,
    page_body,
    read_body,
)


@put("/quotes/{symbol:str}")
async def set_quote(
    request: AnyRequest, gateway: GatewayGiven, symbol: FromPath[str]
) -> Response[bytes]:
    body = decode(await read_body(request, gateway.config.order_body_max), SetQuote)
    named = body.client_id or request.query_params.get("client_id")
    body.client_id = confine(named, own_account(request))
    key = idempotency_key(request)
    market = gateway.desk.market
    find_instrument(market, symbol)
    return await answered(
        lambda reply: gateway.desk.write(lambda: QuoteDraft(market, symbol, body, key), reply)
    )


@get("/quotes/{symbol:str}")
async def read_quote(
    request: AnyRequest, gateway: GatewayGiven, symbol: FromPath[str]
) -> Response[bytes]:
    await gateway.waiters.reach(request)
    market = gateway.desk.market
    client_id = request.query_params.get("client_id")
    return json_response(quote_now(market, find_instrument(market, symbol), client_id))


@delete("/quotes/{symbol:str}", status_code=200)
async def end_quote(
    request: AnyRequest, gateway: GatewayGiven, symbol: FromPath[str]
) -> Response[bytes]:
    query = request.query_params
    body = Release(
        client_id=query.get("client_id"),
        maker=query.get("maker"),
        epoch=number_parameter(request, "epoch", 0, least=0, most=EPOCH_MAX) or None,
        valid_until=query.get("valid_until"),
    )
    return await _release(request, gateway, symbol, body)


async def _release(
    request: AnyRequest, gateway: GatewayGiven, symbol: str, body: Release
) -> Response[bytes]:
    key = idempotency_key(request)
    market = gateway.desk.market
    find_instrument(market, symbol)
    return await answered(
        lambda reply: gateway.desk.write(lambda: ReleaseDraft(market, symbol, body, key), reply)
    )


@post("/reservations", status_code=200)
async def reserve(request: AnyRequest, gateway: GatewayGiven) -> Response[bytes]:
    body = decode(await read_body(request, gateway.config.order_body_max), Reserve)
    body.client_id = confine(body.client_id, own_account(request))
    key = idempotency_key(request)
    market = gateway.desk.market
    return await answered(
        lambda reply: gateway.desk.write(
            lambda: ReserveDraft(market, body.symbol, body, key), reply
        )
    )


@get("/reservations")
async def list_reservations(request: AnyRequest, gateway: GatewayGiven) -> Response[bytes]:
    await gateway.waiters.reach(request)
    market = gateway.desk.market
    firm_id = speaking_for(market, request.query_params.get("client_id"))
    items = [msgspec.json.encode(each).decode() for each in reservations_of(market, firm_id)]
    return json_response(page_body(items, market.replica.sequence, None))


@post("/reservations/{symbol:str}/release", status_code=200)
async def release_reservation(
    request: AnyRequest, gateway: GatewayGiven, symbol: FromPath[str]
) -> Response[bytes]:
    content = await read_body(request, gateway.config.order_body_max)
    body = decode(content or b"{}", Release)
    named = body.client_id or request.query_params.get("client_id")
    body.client_id = confine(named, own_account(request))
    return await _release(request, gateway, symbol, body)


@get("/exposure")
async def read_exposure(request: AnyRequest, gateway: GatewayGiven) -> Response[bytes]:
    await gateway.waiters.reach(request)
    market = gateway.desk.market
    firm_id = speaking_for(market, request.query_params.get("client_id"))
    return json_response(exposure_of(market, firm_id))


@get("/positions")
async def list_positions(request: AnyRequest, gateway: GatewayGiven) -> Response[bytes]:
    await gateway.waiters.reach(request)
    market = gateway.desk.market
    firm_id = speaking_for(market, request.query_params.get("client_id"))
    positions = firm_positions(market, known_firm(market, firm_id).account)
    items = [msgspec.json.encode(each).decode() for each in positions]
    return json_response(page_body(items, market.replica.sequence, None))


@get("/positions/{symbol:str}")
async def read_position(
    request: AnyRequest, gateway: GatewayGiven, symbol: FromPath[str]
) -> Response[bytes]:
    await gateway.waiters.reach(request)
    market = gateway.desk.market
    firm_id = speaking_for(market, request.query_params.get("client_id"))
    return json_response(firm_position(market, firm_id, find_instrument(market, symbol)))


HANDLERS: Final = (
    set_quote,
    read_quote,
    end_quote,
    reserve,
    list_reservations,
    release_reservation,
    read_exposure,
    list_positions,
    read_position,
)
