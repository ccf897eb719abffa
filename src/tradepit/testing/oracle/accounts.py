"""Accounts, their limits and their money. Rulebook section 11."""

from __future__ import annotations

from tradepit.domain.wire import (
    AccountLimitsChanged,
    AccountOpened,
    AccountType,
    CommandKind,
    Deposit,
    FundsMoved,
    OpenAccount,
    RecordFlag,
    RejectReason,
    SetAccountLimits,
    SetCredit,
    SetPositionLimit,
    Transfer,
    Withdraw,
)
from tradepit.testing.oracle import positions
from tradepit.testing.oracle.funds import credit_balance, require
from tradepit.testing.oracle.market import BALANCE_MAX, Account, Market, Rejected

SEPARATOR = b"\x1f"
NAME_BYTES_MAX = 128
CREDIT_MAX = 2**61
POSITION_LIMIT_MAX = 2**62


def account_id_of(text: bytes | None) -> bytes:
    return (text or b"").split(SEPARATOR, 1)[0]


def id_and_name(text: bytes | None) -> tuple[str, str]:
    """Id and name of an OPEN_ACCOUNT, refused when they are not what they may be."""
    id, _, name = (text or b"").partition(SEPARATOR)
    visible = all(0x21 <= byte <= 0x7E for byte in id)
    if not 1 <= len(id) <= 64 or not visible or len(name) > NAME_BYTES_MAX:
        raise Rejected(RejectReason.INVALID_ACCOUNT_ID)
    return id.decode(), name.decode()


def open_account(market: Market, command: OpenAccount, text: bytes | None) -> None:
    assert market.genesis is not None
    id, name = id_and_name(text)
    if market.account_of_id(id):
        if command.flags & RecordFlag.IF_ABSENT:
            return
        raise Rejected(RejectReason.ACCOUNT_EXISTS)
    if len(market.accounts) >= market.genesis.accounts_max:
        raise Rejected(RejectReason.TOO_MANY_ACCOUNTS)
    if command.mode not in (0, AccountType.CASH, AccountType.CREDIT):
        raise Rejected(RejectReason.INVALID_COMBINATION)
    starting = [
        (asset.number, asset.starting_balance)
        for _, asset in sorted(market.assets.items())
        if command.flags & RecordFlag.STARTING_BALANCES and asset.starting_balance > 0
    ]
    if any(amount > BALANCE_MAX for _, amount in starting):
        raise Rejected(RejectReason.BALANCE_OVERFLOW)
    account = Account(
        len(market.accounts) + 1, id, name, AccountType(command.mode or AccountType.CASH)
    )
    market.accounts[account.number] = account
    opened = AccountOpened(account=account.number, status=account.type, time_ns=market.time_ns)
    market.emit(opened, text)
    for asset, amount in starting:
        market.assets[asset].deposits += amount
        move_funds(market, account, asset, amount, CommandKind.OPEN_ACCOUNT, counterpart=0)


def set_account_limits(market: Market, command: SetAccountLimits) -> None:
    account = market.known_account(command.account)
    account.open_orders_max = command.open_orders_max
    market.emit(
        AccountLimitsChanged(
            account=account.number,
            open_orders_max=command.open_orders_max,
            limit_kind=CommandKind.SET_ACCOUNT_LIMITS,
        )
    )


def set_position_limit(market: Market, command: SetPositionLimit) -> None:
    account = market.known_account(command.account)
    instrument = market.known_instrument(command.instrument)
    if not 0 <= command.position_max <= POSITION_LIMIT_MAX:
        raise Rejected(RejectReason.INVALID_LIMIT)
    account.position(instrument.number).limit = command.position_max
    market.emit(
        AccountLimitsChanged(
            account=account.number,
            instrument=instrument.number,
            position_max=command.position_max,
            limit_kind=CommandKind.SET_POSITION_LIMIT,
        )
    )


def set_credit(market: Market, command: SetCredit) -> None:
    account = market.known_account(command.account)
    if command.asset:
        market.known_asset(command.asset)
    if not 0 <= command.credit <= CREDIT_MAX:
        raise Rejected(RejectReason.INVALID_LIMIT)
    if account.type != AccountType.CREDIT:
        raise Rejected(RejectReason.NOT_CREDIT_ACCOUNT)
    if command.asset:
        account.credits[command.asset] = command.credit
    else:
        account.credits.clear()
        account.credit_of_every_asset = command.credit
    market.emit(
        AccountLimitsChanged(
            account=account.number,
            credit=command.credit,
            asset=command.asset,
            limit_kind=CommandKind.SET_CREDIT,
        )
    )


def deposit(market: Market, command: Deposit) -> None:
    account = market.known_account(command.account)
    asset = market.known_asset(command.asset)
    check_amount(command.amount)
    check_room(account, command.asset, command.amount)
    asset.deposits += command.amount
    move_funds(market, account, asset.number, command.amount, CommandKind.DEPOSIT, counterpart=0)
    positions.shrink_after_move(market, account, asset.number)


def withdraw(market: Market, command: Withdraw) -> None:
    account = market.known_account(command.account)
    asset = market.known_asset(command.asset)
    check_amount(command.amount)
    require(market, account, asset.number, command.amount)
    asset.withdrawals += command.amount
    move_funds(market, account, asset.number, -command.amount, CommandKind.WITHDRAW, counterpart=0)
    positions.shrink_after_move(market, account, asset.number)


def transfer(market: Market, command: Transfer) -> None:
    payer = market.known_account(command.account)
    payee = market.known_account(command.to_account)
    asset = market.known_asset(command.asset).number
    check_amount(command.amount)
    if payer is payee:
        raise Rejected(RejectReason.SAME_ACCOUNT)
    require(market, payer, asset, command.amount)
    check_room(payee, asset, command.amount)
    kind = CommandKind.TRANSFER
    move_funds(market, payer, asset, -command.amount, kind, counterpart=payee.number)
    move_funds(market, payee, asset, command.amount, kind, counterpart=payer.number)
    positions.shrink_after_move(market, payer, asset)
    positions.shrink_after_move(market, payee, asset)


def check_amount(amount: int) -> None:
    if amount <= 0:
        raise Rejected(RejectReason.INVALID_AMOUNT)


def check_room(account: Account, asset: int, amount: int) -> None:
    if account.balance(asset) + amount > BALANCE_MAX:
        raise Rejected(RejectReason.BALANCE_OVERFLOW)


def move_funds(
    market: Market,
    account: Account,
    asset: int,
    amount: int,
    kind: CommandKind,
    *,
    counterpart: int,
) -> None:
    """Change a balance and the position that follows it, and show it."""
    credit_balance(account, asset, amount)
    if amount > 0:
        positions.bring_in(market, account, asset, amount)
    else:
        positions.take_out(market, account, asset, -amount)
    market.emit(
        FundsMoved(
            status=kind,
            account=account.number,
            asset=asset,
            counterpart=counterpart,
            amount=amount,
            balance=account.balance(asset),
            time_ns=market.time_ns,
        )
    )
