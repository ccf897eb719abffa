"""Routes of accounts: opening, reading, money, limits, safety."""

from __future__ import annotations

import uuid
from typing import Final

import msgspec
from litestar import Response, get, post, put
from litestar.params import FromPath

from tradepit.domain.decimals import format_average
from tradepit.domain.wire import AccountState, AccountType, EventKind, Side
from tradepit.engine.rows import AccountRow, BalanceRow, InstrumentRow, PositionRow, TradeRow
from tradepit.gateway.administration import (
    AdminDraft,
    funds_record,
    known_account,
    limits_records,
    open_account_records,
    optional_key,
    state_record,
    transfer_record,
)
from tradepit.gateway.answers import SIDE_TEXT
from tradepit.gateway.drafts import Draft
from tradepit.gateway.gateway import Gateway, GatewayGiven
from tradepit.gateway.listing import Instrument
from tradepit.gateway.requests import (
    AnyRequest,
    answered,
    decode,
    idempotency_key,
    json_response,
    page_body,
    read_body,
)
from tradepit.gateway.results import Account, AccountLimits, AccountStateResult, Balance, Position
from tradepit.gateway.shapes import Limits, MoveFunds, OpenAccount, Transfer
from tradepit.gateway.times import format_time

STATES: Final = {
    "suspend": AccountState.SUSPENDED,
    "resume": AccountState.ACTIVE,
    "kill": AccountState.KILLED,
}


@post("/accounts")
async def open_account(request: AnyRequest, gateway: GatewayGiven) -> Response[bytes]:
    body = decode(await read_body(request, gateway.config.order_body_max), OpenAccount)
    key = idempotency_key(request)

    def draft() -> Draft:
        command_key = optional_key(key)
        # A made-up id follows from the key, so that the same request means the same account.
        made_up = uuid.UUID(int=command_key.high << 64 | command_key.low) if key else uuid.uuid4()
        account_id = body.id if body.id is not None else str(made_up)
        records, texts = open_account_records(gateway.desk.market, body, account_id, command_key)
        return AdminDraft(
            gateway.desk.market,
            records,
            texts,
            EventKind.ACCOUNT_OPENED,
            lambda _: account_body(gateway, account_id),
            status=201,
        )

    return await answered(lambda reply: gateway.desk.write(draft, reply))


def account_body(gateway: Gateway, account_id: str) -> bytes | None:
    """An account as JSON, None when there is none."""
    replica = gateway.node.replica
    number = replica.account_number(account_id)
    values = replica.account(number) if number else None
    if values is None:
        return None
    row = AccountRow._make(values)
    return msgspec.json.encode(
        Account(
            id=row.account_id,
            name=row.name,
            type="credit" if row.account_type == AccountType.CREDIT else "cash",
            state=AccountState(row.account_state).name.lower(),  # type: ignore[arg-type]
            open_orders=row.open_orders,
            open_orders_max=row.open_orders_max,
            balances=balances_of(gateway, number),
            as_of=replica.sequence,
        )
    )


def balances_of(gateway: Gateway, account: int) -> list[Balance]:
    """The account's money, asset by asset."""
    listing = gateway.desk.market.listing
    balances: list[Balance] = []
    for values in gateway.node.replica.balances(account):
        asset, total, held, credit = BalanceRow._make(values)
        balance = Balance(
            asset=listing.assets[asset].code,
            total=listing.amount_text(asset, total),
            held=listing.amount_text(asset, held),
            available=listing.amount_text(asset, total - held + credit),
        )
        if credit:
            balance.credit = listing.amount_text(asset, credit)
        balances.append(balance)
    return balances


@get("/accounts/{account_id:str}")
async def read_account(
    request: AnyRequest, gateway: GatewayGiven, account_id: FromPath[str]
) -> Response[bytes]:
    await gateway.waiters.reach(request)
    known_account(gateway.desk.market, account_id)
    return json_response(account_body(gateway, account_id) or b"{}")


@get("/accounts/{account_id:str}/balances")
async def read_balances(
    request: AnyRequest, gateway: GatewayGiven, account_id: FromPath[str]
) -> Response[bytes]:
    await gateway.waiters.reach(request)
    account = known_account(gateway.desk.market, account_id)
    items = [msgspec.json.encode(item).decode() for item in balances_of(gateway, account)]
    return json_response(page_body(items, gateway.node.replica.sequence, None))


@get("/accounts/{account_id:str}/positions")
async def read_positions(
    request: AnyRequest, gateway: GatewayGiven, account_id: FromPath[str]
) -> Response[bytes]:
    await gateway.waiters.reach(request)
    replica = gateway.node.replica
    account = known_account(gateway.desk.market, account_id)
    rows = [PositionRow._make(values) for values in replica.positions(account)]
    items = [msgspec.json.encode(position_of(gateway, row)).decode() for row in rows]
    return json_response(page_body(items, replica.sequence, None))


def position_of(gateway: Gateway, row: PositionRow) -> Position:
    """One position, valued at the mid, else at the last trade."""
    instrument = gateway.desk.market.listing.by_number[row.instrument]
    unit = instrument.row.unit
    average = None
    if row.net:
        average = format_average(
            row.cost, row.net, instrument.row.tick_mantissa, instrument.row.tick_exponent
        )
    double_mark = mark_twice(gateway, instrument)
    unrealised = None
    if double_mark or not row.net:
        gain = (double_mark * row.net - 2 * row.cost) * unit
        unrealised = instrument.quote_text(gain // 2 if row.net else 0)
    position = Position(
        instrument=instrument.row.symbol,
        net_quantity=instrument.quantity_text(row.net),
        average_price=average,
        realised_pnl=instrument.quote_text(row.realised * unit),
        unrealised_pnl=unrealised,
        version=row.version,
    )
    if row.position_max:
        position.position_max = instrument.quantity_text(row.position_max)
    return position


def mark_twice(gateway: Gateway, instrument: Instrument) -> int:
    """Twice the mark in ticks (a mid can be half a tick): the mid, else the last trade, else 0."""
    replica = gateway.node.replica
    bid, _, ask, _ = replica.top(instrument.number)
    if bid and ask:
        return bid + ask
    rows = (InstrumentRow._make(values) for values in replica.instruments())
    return next((2 * row.last_price for row in rows if row.instrument == instrument.number), 0)


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
    shown = [TradeRow._make(values) for values in rows[wanted.skip : wanted.skip + wanted.limit]]
    following = str(shown[-1].trade_id) if len(rows) == wanted.rows else None
    items = [text for row in shown for text in own_fills(gateway, row, account)]
    return json_response(page_body(items, replica.sequence, following))


def own_fills(gateway: Gateway, trade: TradeRow, account: int) -> list[str]:
    """The account's side of a trade as JSON; both sides when it traded with itself."""
    instrument = gateway.desk.market.listing.by_number[trade.instrument]
    maker_side = Side.SELL if trade.taker_side == Side.BUY else Side.BUY
    sides = [
        (trade.taker_account, trade.taker_order_id, trade.taker_side, trade.taker_fee, "taker"),
        (trade.maker_account, trade.maker_order_id, maker_side, trade.maker_fee, "maker"),
    ]
    return [
        f'{{"trade_id":"{trade.trade_id}","order_id":"{order_id}"'
        f',"instrument":{instrument.symbol_json},"side":"{SIDE_TEXT[side]}"'
        f',"price":"{instrument.price_text(trade.price)}"'
        f',"quantity":"{instrument.quantity_text(trade.quantity)}"'
        f',"fee":"{instrument.quote_text(fee)}","liquidity":"{liquidity}"'
        f',"executed_at":"{format_time(trade.time_ns)}"}}'
        for owner, order_id, side, fee, liquidity in sides
        if owner == account
    ]


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

    def draft() -> Draft:
        account = known_account(market, account_id)
        record = funds_record(market, account, body, optional_key(key), is_deposit=is_deposit)
        return _funds_draft(gateway, account_id, record)

    return await answered(lambda reply: gateway.desk.write(draft, reply))


@post("/accounts/{account_id:str}/transfers")
async def transfer(
    request: AnyRequest, gateway: GatewayGiven, account_id: FromPath[str]
) -> Response[bytes]:
    body = decode(await read_body(request, gateway.config.order_body_max), Transfer)
    key = idempotency_key(request)
    market = gateway.desk.market

    def draft() -> Draft:
        account = known_account(market, account_id)
        record = transfer_record(market, account, body, optional_key(key))
        return _funds_draft(gateway, account_id, record)

    return await answered(lambda reply: gateway.desk.write(draft, reply))


def _funds_draft(gateway: Gateway, account_id: str, record: bytes) -> AdminDraft:
    return AdminDraft(
        gateway.desk.market,
        [record],
        b"",
        EventKind.FUNDS_MOVED,
        lambda _: account_body(gateway, account_id),
        status=201,
    )


@put("/accounts/{account_id:str}/limits")
async def set_limits(
    request: AnyRequest, gateway: GatewayGiven, account_id: FromPath[str]
) -> Response[bytes]:
    body = decode(await read_body(request, gateway.config.order_body_max), Limits)
    key = idempotency_key(request)
    market = gateway.desk.market

    def draft() -> Draft:
        account = known_account(market, account_id)
        records = limits_records(market, account, body, optional_key(key))
        return AdminDraft(
            market,
            records,
            b"",
            EventKind.ACCOUNT_LIMITS_CHANGED,
            lambda _: limits_body(gateway, account_id, account),
        )

    return await answered(lambda reply: gateway.desk.write(draft, reply))


def limits_body(gateway: Gateway, account_id: str, account: int) -> bytes:
    """All limits of an account as JSON."""
    replica, listing = gateway.node.replica, gateway.desk.market.listing
    values = replica.account(account)
    positions = [PositionRow._make(row) for row in replica.positions(account)]
    balances = [BalanceRow._make(row) for row in replica.balances(account)]
    return msgspec.json.encode(
        AccountLimits(
            id=account_id,
            open_orders_max=values[5] if values else 0,
            positions={
                listing.by_number[row.instrument].row.symbol: listing.by_number[
                    row.instrument
                ].quantity_text(row.position_max)
                for row in positions
                if row.position_max
            },
            credit={
                listing.assets[row.asset].code: listing.amount_text(row.asset, row.credit)
                for row in balances
                if row.credit
            },
        )
    )


@post([f"/accounts/{{account_id:str}}/{action}" for action in STATES], status_code=200)
async def change_state(
    request: AnyRequest, gateway: GatewayGiven, account_id: FromPath[str]
) -> Response[bytes]:
    key = idempotency_key(request)
    market = gateway.desk.market
    state = STATES[request.url.path.rstrip("/").rpartition("/")[2]]

    def render(cancelled: int) -> bytes:
        result = AccountStateResult(id=account_id, state=state.name.lower())
        if state is AccountState.KILLED:
            result.cancelled = cancelled
        return msgspec.json.encode(result)

    def draft() -> Draft:
        account = known_account(market, account_id)
        until = request.query_params.get("valid_until")
        record = state_record(account, state, optional_key(key), until)
        is_kill = state is AccountState.KILLED
        last = EventKind.MASS_CANCELLED if is_kill else EventKind.ACCOUNT_STATE_CHANGED
        return AdminDraft(market, [record], b"", last, render, is_urgent=is_kill)

    return await answered(lambda reply: gateway.desk.write(draft, reply))


HANDLERS: Final = (
    open_account,
    read_account,
    read_balances,
    read_positions,
    read_trades,
    deposit,
    withdraw,
    transfer,
    set_limits,
    change_state,
)
