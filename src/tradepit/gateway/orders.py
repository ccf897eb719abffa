"""Routes of orders. Writes go to the desk, exactly as on the hot path; reads to the replica."""

from __future__ import annotations

from typing import Final

from litestar import Response, delete, get, patch, post
from litestar.params import FromPath

from tradepit.gateway import past
from tradepit.gateway.authentication import confine, operations_in
from tradepit.gateway.changing import MassCancelDraft
from tradepit.gateway.fields import check_key, order_number, statuses_field
from tradepit.gateway.gateway import Gateway, GatewayGiven
from tradepit.gateway.problems import Refused, refused
from tradepit.gateway.requests import (
    AnyRequest,
    answered,
    decode,
    idempotency_key,
    json_response,
    own_account,
    page_body,
    read_body,
)
from tradepit.gateway.shapes import AmendOrder
from tradepit.projections.reads import Page


@post("/orders")
async def place_order(request: AnyRequest, gateway: GatewayGiven) -> Response[bytes]:
    body = await read_body(request, gateway.config.order_body_max)
    key = idempotency_key(request)
    is_async = "respond-async" in request.headers.get("prefer", "")
    own = own_account(request)
    return await answered(
        lambda reply: gateway.desk.place(body, key, reply, own, is_async=is_async)
    )


@post("/orders/batch")
async def place_batch(request: AnyRequest, gateway: GatewayGiven) -> Response[bytes]:
    body = await read_body(request, gateway.config.batch_body_max)
    key = idempotency_key(request)
    gateway.charge(request, operations_in(body))
    own = own_account(request)
    return await answered(lambda reply: gateway.desk.batch(body, key, reply, own))


@delete("/orders/{order_id:str}", status_code=200)
async def cancel_order(
    request: AnyRequest, gateway: GatewayGiven, order_id: FromPath[str]
) -> Response[bytes]:
    key = idempotency_key(request)
    client_id = request.query_params.get("client_id")
    until = request.query_params.get("valid_until")
    return await answered(
        lambda reply: gateway.desk.cancel(order_id, client_id, key, reply, valid_until=until)
    )


@patch("/orders/{order_id:str}")
async def amend_order(
    request: AnyRequest, gateway: GatewayGiven, order_id: FromPath[str]
) -> Response[bytes]:
    amend = decode(await read_body(request, gateway.config.order_body_max), AmendOrder)
    key = idempotency_key(request)
    named = amend.client_id or request.query_params.get("client_id")
    client_id = confine(named, own_account(request))
    return await answered(
        lambda reply: gateway.desk.replace(order_id, client_id, key, amend, reply)
    )


@delete("/orders", status_code=200)
async def cancel_orders(request: AnyRequest, gateway: GatewayGiven) -> Response[bytes]:
    key = idempotency_key(request)
    query = request.query_params
    return await answered(
        lambda reply: gateway.desk.write(
            lambda: MassCancelDraft(
                gateway.desk.market,
                client_id=query.get("client_id"),
                instrument=query.get("instrument"),
                side=query.get("side"),
                client_order_id=query.get("client_order_id"),
                key=None if key is None else check_key(key),
                valid_until=query.get("valid_until"),
            ),
            reply,
        )
    )


@get("/orders/{order_id:str}")
async def read_order(
    request: AnyRequest, gateway: GatewayGiven, order_id: FromPath[str]
) -> Response[bytes]:
    await gateway.waiters.reach(request)
    number = order_number(order_id)
    replica = gateway.node.replica
    row = replica.order(number)
    floor, _ = replica.history_floor()
    if number < floor and gateway.history is not None:
        # A resting order is still known; its oldest fills may be in the history only.
        asked_at = replica.sequence
        try:
            stored = await past.ask(gateway, request, lambda history: history.order(number))
        except Refused:
            if row is None:
                raise
            stored = None
        if stored is not None and stored.rows and (row is None or stored.as_of >= asked_at):
            return _stored_order(request, stored)
    client_id = request.query_params.get("client_id")
    if row is None or (client_id is not None and row[1] != replica.account_number(client_id)):
        raise refused("unknown_order")
    text = gateway.desk.market.renderer.order_row(row)
    return json_response(f'{text[:-1]},"as_of":{replica.sequence}}}'.encode())


def _stored_order(request: AnyRequest, page: Page) -> Response[bytes]:
    order = page.rows[0]
    client_id = request.query_params.get("client_id")
    if client_id is not None and client_id != order.account_id:
        raise refused("unknown_order")
    text = past.order_text(order)
    return json_response(f'{text[:-1]},"as_of":{page.as_of}}}'.encode())


@get("/orders")
async def list_orders(request: AnyRequest, gateway: GatewayGiven) -> Response[bytes]:
    await gateway.waiters.reach(request)
    wanted = gateway.slice(request)
    statuses = statuses_field(request.query_params.get("status"))
    replica = gateway.node.replica
    market = gateway.desk.market
    account = instrument = 0
    client_id = request.query_params.get("client_id")
    if client_id is not None:
        account = replica.account_number(client_id)
        if not account:
            return json_response(page_body([], replica.sequence, None))
    symbol = request.query_params.get("instrument")
    if symbol is not None:
        instrument = market.listing.find(symbol).number
    name = request.query_params.get("client_order_id")
    if name is not None and not account:
        detail = "client_order_id needs client_id beside it"
        raise refused("invalid_parameter", detail, field="client_order_id")
    rows = []
    if name is None:
        rows = replica.orders(account, instrument, statuses, wanted.before, wanted.rows)
    floor, _ = replica.history_floor()
    is_whole = len(rows) == wanted.rows and rows[-1][0] >= floor
    if (floor and not is_whole) or name is not None:
        page = await past.ask(
            gateway,
            request,
            lambda history: history.orders(
                account=account,
                instrument=instrument,
                statuses=statuses,
                client_order_id=name,
                before=wanted.before,
                limit=wanted.rows,
            ),
        )
        if page is not None:
            return past.page_response(
                wanted, page, lambda order: [past.order_text(order)], lambda row: row.order_id
            )
    if name is not None:
        return _by_client_order_id(gateway, account, name, instrument, statuses)
    remembered = rows[wanted.skip : wanted.skip + wanted.limit]
    following = str(remembered[-1][0]) if len(rows) == wanted.rows else None
    items = [market.renderer.order_row(row) for row in remembered]
    return json_response(page_body(items, replica.sequence, following))


def _by_client_order_id(
    gateway: Gateway, account: int, client_order_id: str, instrument: int, statuses: int
) -> Response[bytes]:
    """The newest order of that name that the node remembers."""
    replica = gateway.node.replica
    items: list[str] = []
    order_id = replica.order_by_client_id(account, client_order_id)
    row = replica.order(order_id) if order_id else None
    if row is not None and instrument in (0, row[2]) and (not statuses or statuses & (1 << row[8])):
        items.append(gateway.desk.market.renderer.order_row(row))
    return json_response(page_body(items, replica.sequence, None))


HANDLERS: Final = (
    place_order,
    place_batch,
    cancel_order,
    amend_order,
    cancel_orders,
    read_order,
    list_orders,
)
