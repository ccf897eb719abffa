"""Routes of accounts: opening, reading, money, limits, safety."""

from __future__ import annotations

from typing import Final

import msgspec
from litestar import Response, get, post, put
from litestar.params import FromPath

from tradepit.access.access import Access
from tradepit.access.principals import Permission
from tradepit.engine.rows import PositionRow, TradeRow
from tradepit.gateway import past
from tradepit.gateway.account_drafts import (
    STATES,
    funds_draft,
    limits_draft,
    open_account_draft,
    state_draft,
    transfer_draft,
)
from tradepit.gateway.administration import known_account
from tradepit.gateway.gateway import GatewayGiven
from tradepit.gateway.keys import create_key
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
from tradepit.gateway.safety_drafts import DeadManDraft
from tradepit.gateway.shapes import Limits, MoveFunds, OpenAccount, SetDeadMan, Transfer
from tradepit.gateway.statements import (
    account_body,
    balances_of,
    limits_body,
    own_fill_texts,
    own_fills,
    position_of,
    session_texts,
)


class Opened(msgspec.Struct):
    """What an opened account is called."""

    id: str


@post("/accounts")
async def open_account(request: AnyRequest, gateway: GatewayGiven) -> Response[bytes]:
    body = decode(await read_body(request, gateway.config.order_body_max), OpenAccount)
    key = idempotency_key(request)
    market = gateway.desk.market
    response = await answered(
        lambda reply: gateway.desk.write(lambda: open_account_draft(market, body, key), reply)
    )
    if gateway.access is not None and response.status_code == 201:
        await _give_key(gateway.access, response)
    return response


async def _give_key(access: Access, response: Response[bytes]) -> None:
    """Make the first key of an account that was just opened. A repeated request opens nothing and
    gets none: whoever lost the answer asks the operator for another key."""
    account_id = msgspec.json.decode(response.content, type=Opened).id
    made = await create_key(access, account_id, Permission.TRADE, "")
    given = f',"api_key":"{made.record.id}","api_secret":"{made.secret}"}}'
    response.content = response.content[:-1] + given.encode()


@get("/accounts/{account_id:str}")
async def read_account(
    request: AnyRequest, gateway: GatewayGiven, account_id: FromPath[str]
) -> Response[bytes]:
    await gateway.waiters.reach(request)
    known_account(gateway.desk.market, account_id)
    return json_response(account_body(gateway.desk.market, account_id) or b"{}")


@get("/accounts/{account_id:str}/balances")
async def read_balances(
    request: AnyRequest, gateway: GatewayGiven, account_id: FromPath[str]
) -> Response[bytes]:
    await gateway.waiters.reach(request)
    account = known_account(gateway.desk.market, account_id)
    items = [
        msgspec.json.encode(item).decode() for item in balances_of(gateway.desk.market, account)
    ]
    return json_response(page_body(items, gateway.node.replica.sequence, None))


@get("/accounts/{account_id:str}/positions")
async def read_positions(
    request: AnyRequest, gateway: GatewayGiven, account_id: FromPath[str]
) -> Response[bytes]:
    await gateway.waiters.reach(request)
    replica = gateway.node.replica
    account = known_account(gateway.desk.market, account_id)
    rows = [PositionRow._make(values) for values in replica.positions(account)]
    items = [msgspec.json.encode(position_of(gateway.desk.market, row)).decode() for row in rows]
    return json_response(page_body(items, replica.sequence, None))


@get("/accounts/{account_id:str}/trades")
async def read_trades(
    request: AnyRequest, gateway: GatewayGiven, account_id: FromPath[str]
) -> Response[bytes]:
    await gateway.waiters.reach(request)
    wanted = gateway.slice(request)
    replica, listing = gateway.node.replica, gateway.desk.market.listing
    account = known_account(gateway.desk.market, account_id)
    symbol = request.query_params.get("instrument")
    number = 0 if symbol is None else listing.find(symbol).number
    rows = replica.trades(number, account, wanted.before, wanted.rows)
    if replica.history_floor()[1] and len(rows) < wanted.rows:
        page = await past.ask(
            gateway,
            request,
            lambda history: history.trades(
                account=account, instrument=number, before=wanted.before, limit=wanted.rows
            ),
        )
        if page is not None:
            return past.page_response(
                wanted,
                page,
                lambda stored: own_fill_texts(stored.definition, stored.row, account),
                lambda row: row.trade_id,
            )
    shown = [TradeRow._make(values) for values in rows[wanted.skip : wanted.skip + wanted.limit]]
    following = str(shown[-1].trade_id) if len(rows) == wanted.rows else None
    items = [text for row in shown for text in own_fills(gateway.desk.market, row, account)]
    return json_response(page_body(items, replica.sequence, following))


@get("/accounts/{account_id:str}/ledger")
async def read_ledger(
    request: AnyRequest, gateway: GatewayGiven, account_id: FromPath[str]
) -> Response[bytes]:
    wanted = gateway.slice(request, cursor_is_number=False)
    market = gateway.desk.market
    account = known_account(market, account_id)
    code = request.query_params.get("asset")
    asset = 0 if code is None else market.listing.asset(code).asset
    before = None if wanted.cursor is None else past.line_of(wanted.cursor)
    page = await past.ask(
        gateway,
        request,
        lambda history: history.ledger(account, asset=asset, before=before, limit=wanted.rows),
    )
    if page is None:
        raise refused("history_unavailable", "this node keeps no history")
    return past.page_response(wanted, page, lambda line: [past.line_text(line)], past.line_id)


@post("/accounts/{account_id:str}/deposits")
async def deposit(
    request: AnyRequest, gateway: GatewayGiven, account_id: FromPath[str]
) -> Response[bytes]:
    return await _move_funds(request, gateway, account_id, is_deposit=True)


@post("/accounts/{account_id:str}/withdrawals")
async def withdraw(
    request: AnyRequest, gateway: GatewayGiven, account_id: FromPath[str]
) -> Response[bytes]:
    return await _move_funds(request, gateway, account_id, is_deposit=False)


async def _move_funds(
    request: AnyRequest, gateway: GatewayGiven, account_id: str, *, is_deposit: bool
) -> Response[bytes]:
    body = decode(await read_body(request, gateway.config.order_body_max), MoveFunds)
    key = idempotency_key(request)
    market = gateway.desk.market
    return await answered(
        lambda reply: gateway.desk.write(
            lambda: funds_draft(market, account_id, body, key, is_deposit=is_deposit), reply
        )
    )


@post("/accounts/{account_id:str}/transfers")
async def transfer(
    request: AnyRequest, gateway: GatewayGiven, account_id: FromPath[str]
) -> Response[bytes]:
    body = decode(await read_body(request, gateway.config.order_body_max), Transfer)
    key = idempotency_key(request)
    market = gateway.desk.market
    return await answered(
        lambda reply: gateway.desk.write(
            lambda: transfer_draft(market, account_id, body, key), reply
        )
    )


@put("/accounts/{account_id:str}/limits")
async def set_limits(
    request: AnyRequest, gateway: GatewayGiven, account_id: FromPath[str]
) -> Response[bytes]:
    body = decode(await read_body(request, gateway.config.order_body_max), Limits)
    key = idempotency_key(request)
    market = gateway.desk.market
    return await answered(
        lambda reply: gateway.desk.write(lambda: limits_draft(market, account_id, body, key), reply)
    )


@get("/accounts/{account_id:str}/limits")
async def read_limits(
    request: AnyRequest, gateway: GatewayGiven, account_id: FromPath[str]
) -> Response[bytes]:
    await gateway.waiters.reach(request)
    account = known_account(gateway.desk.market, account_id)
    return json_response(limits_body(gateway.desk.market, account_id, account))


@post("/accounts/{account_id:str}/dead-man", status_code=200)
async def set_dead_man(
    request: AnyRequest, gateway: GatewayGiven, account_id: FromPath[str]
) -> Response[bytes]:
    body = decode(await read_body(request, gateway.config.order_body_max), SetDeadMan)
    key = idempotency_key(request)
    market = gateway.desk.market
    return await answered(
        lambda reply: gateway.desk.write(lambda: DeadManDraft(market, account_id, body, key), reply)
    )


@get("/accounts/{account_id:str}/sessions")
async def list_sessions(
    request: AnyRequest, gateway: GatewayGiven, account_id: FromPath[str]
) -> Response[bytes]:
    await gateway.waiters.reach(request)
    account = known_account(gateway.desk.market, account_id)
    items = session_texts(gateway.desk.market, account)
    return json_response(page_body(items, gateway.node.replica.sequence, None))


@post([f"/accounts/{{account_id:str}}/{action}" for action in STATES], status_code=200)
async def change_state(
    request: AnyRequest, gateway: GatewayGiven, account_id: FromPath[str]
) -> Response[bytes]:
    key = idempotency_key(request)
    until = request.query_params.get("valid_until")
    action = request.url.path.rstrip("/").rpartition("/")[2]
    market = gateway.desk.market
    return await answered(
        lambda reply: gateway.desk.write(
            lambda: state_draft(market, account_id, action, key, until), reply
        )
    )


HANDLERS: Final = (
    open_account,
    read_account,
    read_balances,
    read_positions,
    read_trades,
    read_ledger,
    deposit,
    withdraw,
    transfer,
    set_limits,
    read_limits,
    set_dead_man,
    list_sessions,
    change_state,
)
