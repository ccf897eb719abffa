"""Accounts and what they hold, as JSON: bodies of answers and of reads."""

from __future__ import annotations

import msgspec

from tradepit.domain.decimals import format_average
from tradepit.domain.wire import AccountState, AccountType, Side
from tradepit.engine.firm_rows import GuardRow, OrderLimitsRow, SessionRow
from tradepit.engine.rows import AccountRow, BalanceRow, InstrumentRow, PositionRow, TradeRow
from tradepit.gateway.answers import SIDE_TEXT, Texts
from tradepit.gateway.drafts import Market
from tradepit.gateway.listing import Instrument
from tradepit.gateway.results import (
    Account,
    AccountLimits,
    Balance,
    BoundSession,
    InstrumentLimits,
    Position,
)
from tradepit.gateway.times import format_time, seconds_text


def account_body(market: Market, account_id: str) -> bytes | None:
    """An account as JSON, None when there is none."""
    replica = market.replica
    number = replica.account_number(account_id)
    values = replica.account(number) if number else None
    if values is None:
        return None
    row = AccountRow._make(values)
    dead_man_at = dead_man_text(market, number)
    return msgspec.json.encode(
        Account(
            id=row.account_id,
            name=row.name,
            type="credit" if row.account_type == AccountType.CREDIT else "cash",
            state=AccountState(row.account_state).name.lower(),  # type: ignore[arg-type]
            open_orders=row.open_orders,
            open_orders_max=row.open_orders_max,
            balances=balances_of(market, number),
            as_of=replica.sequence,
            dead_man_at=dead_man_at or msgspec.UNSET,
        )
    )


def balances_of(market: Market, account: int) -> list[Balance]:
    """The account's money, asset by asset."""
    listing = market.listing
    balances: list[Balance] = []
    for values in market.replica.balances(account):
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


def position_of(market: Market, row: PositionRow) -> Position:
    """One position, valued at the mid, else at the last trade."""
    instrument = market.listing.by_number[row.instrument]
    unit = instrument.row.unit
    average = None
    if row.net:
        average = format_average(
            row.cost, row.net, instrument.row.tick_mantissa, instrument.row.tick_exponent
        )
    double_mark = mark_twice(market, instrument)
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


def mark_twice(market: Market, instrument: Instrument) -> int:
    """Twice the mark in ticks (a mid can be half a tick): the mid, else the last trade, else 0."""
    replica = market.replica
    bid, _, ask, _ = replica.top(instrument.number)
    if bid and ask:
        return bid + ask
    rows = (InstrumentRow._make(values) for values in replica.instruments())
    return next((2 * row.last_price for row in rows if row.instrument == instrument.number), 0)


def own_fills(market: Market, trade: TradeRow, account: int) -> list[str]:
    """The account's side of a trade as JSON; both sides when it traded with itself."""
    return own_fill_texts(market.listing.by_number[trade.instrument], trade, account)


def own_fill_texts(instrument: Texts, trade: TradeRow, account: int) -> list[str]:
    """`own_fills`, in the words of a definition."""
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


def dead_man_text(market: Market, account: int) -> str | None:
    """When an account's dead-man timer is due, None when it is off."""
    due = GuardRow._make(market.replica.guard(account)).dead_man_at_ns
    return format_time(due) if due else None


def session_texts(market: Market, account: int) -> list[str]:
    """Live sessions of an account, each as JSON."""
    rows = sorted(SessionRow._make(values) for values in market.replica.sessions(account))
    return [
        msgspec.json.encode(
            BoundSession(
                session=str(row.session),
                name=row.name,
                binding=str(row.binding),
                cancel_on_disconnect=row.cancels_on_disconnect,
            )
        ).decode()
        for row in rows
    ]


def limits_body(market: Market, account_id: str, account: int) -> bytes:
    """All limits of an account as JSON."""
    replica, listing = market.replica, market.listing
    values = replica.account(account)
    positions = [PositionRow._make(row) for row in replica.positions(account)]
    balances = [BalanceRow._make(row) for row in replica.balances(account)]
    guard = GuardRow._make(replica.guard(account))
    asset = listing.assets.get(guard.traded_asset)
    bounds = {row.instrument: row.position_max for row in positions if row.position_max}
    return msgspec.json.encode(
        AccountLimits(
            id=account_id,
            open_orders_max=values[5] if values else 0,
            positions={
                listing.by_number[number].row.symbol: listing.by_number[number].quantity_text(lots)
                for number, lots in bounds.items()
            },
            credit={
                listing.assets[row.asset].code: listing.amount_text(row.asset, row.credit)
                for row in balances
                if row.credit
            },
            instruments=_instrument_limits(market, account, bounds),
            messages_per_second=guard.messages_max,
            repeats_max=guard.repeats_max,
            window_seconds=seconds_text(guard.window_ns),
            traded_max=listing.amount_text(asset.asset, guard.traded_max)
            if asset and guard.traded_max
            else None,
            traded_asset=asset.code if asset else None,
        )
    )


def _instrument_limits(
    market: Market, account: int, positions: dict[int, int]
) -> list[InstrumentLimits]:
    """Limits of an account by instrument, where there are some."""
    rows = [OrderLimitsRow._make(values) for values in market.replica.order_limits(account)]
    orders = {row.instrument: row for row in rows}
    found = []
    for number in sorted({*orders, *positions}):
        instrument = market.listing.by_number[number]
        row = orders.get(number) or OrderLimitsRow(number, 0, 0)
        lots, value, position = row.quantity_max, row.value_max, positions.get(number, 0)
        found.append(
            InstrumentLimits(
                instrument=instrument.row.symbol,
                max_quantity=instrument.quantity_text(lots) if lots else None,
                max_value=instrument.quote_text(value) if value else None,
                position_max=instrument.quantity_text(position) if position else None,
            )
        )
    return found
