"""Routes of firms and of the cluster: budgets, symbols, makers, safety."""

from __future__ import annotations

from typing import Final

import msgspec
from litestar import Response, delete, get, post, put
from litestar.params import FromPath

from tradepit.gateway.firms import results
from tradepit.gateway.firms.drafts import (
    HeartbeatDraft,
    SymbolDraft,
    budget_draft,
    cluster_symbol_draft,
    define_firm,
    firm_state_draft,
)
from tradepit.gateway.firms.shapes import AddSymbol, DefineFirm, Heartbeat, SetBudget
from tradepit.gateway.firms.statements import (
    cluster_of,
    firm_of,
    firm_rows,
    writer_of,
)
from tradepit.gateway.gateway import Gateway, GatewayGiven
from tradepit.gateway.requests import (
    AnyRequest,
    answered,
    choice_parameter,
    decode,
    idempotency_key,
    json_response,
    own_account,
    page_body,
    read_body,
)

ACTIONS: Final = ("kill", "resume")
FEEDS_NODE: Final = "feeds"


@post("/firms")
async def create_firm(request: AnyRequest, gateway: GatewayGiven) -> Response[bytes]:
    body = decode(await read_body(request, gateway.config.order_body_max), DefineFirm)
    key = idempotency_key(request)
    # Whether the firm exists is looked up before it is made, so one at a time.
    async with gateway.definition_lock:
        return await answered(lambda reply: define_firm(gateway.desk, body, key, reply))


@get("/firms")
async def list_firms(request: AnyRequest, gateway: GatewayGiven) -> Response[bytes]:
    await gateway.waiters.reach(request)
    market, own = gateway.desk.market, own_account(request)
    items = [
        msgspec.json.encode(firm_of(market, row.account_id)).decode()
        for row in firm_rows(market)
        if own in (None, row.account_id)
    ]
    return json_response(page_body(items, market.replica.sequence, None))


@get("/firms/{account_id:str}")
async def read_firm(
    request: AnyRequest, gateway: GatewayGiven, account_id: FromPath[str]
) -> Response[bytes]:
    await gateway.waiters.reach(request)
    return json_response(firm_of(gateway.desk.market, account_id))


@put("/firms/{account_id:str}/budget")
async def set_budget(
    request: AnyRequest, gateway: GatewayGiven, account_id: FromPath[str]
) -> Response[bytes]:
    body = decode(await read_body(request, gateway.config.order_body_max), SetBudget)
    key = idempotency_key(request)
    market = gateway.desk.market
    return await answered(
        lambda reply: gateway.desk.write(lambda: budget_draft(market, account_id, body, key), reply)
    )


@post("/firms/{account_id:str}/symbols", status_code=200)
async def add_symbol(
    request: AnyRequest, gateway: GatewayGiven, account_id: FromPath[str]
) -> Response[bytes]:
    body = decode(await read_body(request, gateway.config.order_body_max), AddSymbol)
    key = idempotency_key(request)
    market = gateway.desk.market
    return await answered(
        lambda reply: gateway.desk.write(
            lambda: SymbolDraft(
                market, account_id, body.symbol, key, body.valid_until, is_added=True
            ),
            reply,
        )
    )


@delete("/firms/{account_id:str}/symbols/{symbol:str}", status_code=200)
async def remove_symbol(
    request: AnyRequest, gateway: GatewayGiven, account_id: FromPath[str], symbol: FromPath[str]
) -> Response[bytes]:
    key = idempotency_key(request)
    until = request.query_params.get("valid_until")
    market = gateway.desk.market
    return await answered(
        lambda reply: gateway.desk.write(
            lambda: SymbolDraft(market, account_id, symbol, key, until, is_added=False), reply
        )
    )


@post([f"/firms/{{account_id:str}}/{action}" for action in ACTIONS], status_code=200)
async def change_firm_state(
    request: AnyRequest, gateway: GatewayGiven, account_id: FromPath[str]
) -> Response[bytes]:
    key = idempotency_key(request)
    until = request.query_params.get("valid_until")
    action = request.url.path.rstrip("/").rpartition("/")[2]
    market = gateway.desk.market
    return await answered(
        lambda reply: gateway.desk.write(
            lambda: firm_state_draft(market, account_id, action, key, until), reply
        )
    )


@post("/firms/{account_id:str}/makers/{name:str}/heartbeat", status_code=200)
async def beat(
    request: AnyRequest, gateway: GatewayGiven, account_id: FromPath[str], name: FromPath[str]
) -> Response[bytes]:
    body = decode(await read_body(request, gateway.config.order_body_max), Heartbeat)
    key = idempotency_key(request)
    market = gateway.desk.market
    return await answered(
        lambda reply: gateway.desk.write(
            lambda: HeartbeatDraft(market, account_id, name, body, key), reply
        )
    )


@get("/cluster")
async def read_cluster(request: AnyRequest, gateway: GatewayGiven) -> Response[bytes]:
    await gateway.waiters.reach(request)
    has_hash = choice_parameter(request, "state_hash", ("false", "true")) == "true"
    market = gateway.desk.market
    nodes = [writer_of(market, has_hash=has_hash), *_feeds(gateway)]
    return json_response(cluster_of(market, nodes, own_account(request)))


def _feeds(gateway: Gateway) -> list[results.ClusterNode]:
    """The process of the feeds, which has a replica of its own."""
    counted = gateway.feeds.counted
    if counted is None:
        return []
    sequence = max(0, gateway.node.replica.sequence - counted.lag)
    is_ready = gateway.feeds.is_open
    return [results.ClusterNode(id=FEEDS_NODE, role="feeds", sequence=sequence, is_ready=is_ready)]


@post("/cluster/symbols", status_code=200)
async def add_cluster_symbol(request: AnyRequest, gateway: GatewayGiven) -> Response[bytes]:
    body = decode(await read_body(request, gateway.config.order_body_max), AddSymbol)
    key = idempotency_key(request)
    market = gateway.desk.market
    return await answered(
        lambda reply: gateway.desk.write(
            lambda: cluster_symbol_draft(
                market, body.firm, body.symbol, key, body.valid_until, is_added=True
            ),
            reply,
        )
    )


@delete("/cluster/symbols/{symbol:str}", status_code=200)
async def remove_cluster_symbol(
    request: AnyRequest, gateway: GatewayGiven, symbol: FromPath[str]
) -> Response[bytes]:
    key = idempotency_key(request)
    query = request.query_params
    firm, until = query.get("firm"), query.get("valid_until")
    market = gateway.desk.market
    return await answered(
        lambda reply: gateway.desk.write(
            lambda: cluster_symbol_draft(market, firm, symbol, key, until, is_added=False), reply
        )
    )


HANDLERS: Final = (
    create_firm,
    list_firms,
    read_firm,
    set_budget,
    add_symbol,
    remove_symbol,
    change_firm_state,
    beat,
    read_cluster,
    add_cluster_symbol,
    remove_cluster_symbol,
)
