"""Bounds of orders, message rate, runaway guard, dead-man timer. Rulebook section 16."""

from __future__ import annotations

from tradepit.domain.wire import (
    AccountGuardChanged,
    AccountState,
    AccountStateChanged,
    CloseReason,
    DeadManSet,
    MassCancelled,
    OrderLimitsChanged,
    PlaceOrder,
    RejectReason,
    SetAccountGuard,
    SetDeadMan,
    SetOrderLimits,
    Trade,
)
from tradepit.testing.oracle.market import Account, Market, Rejected
from tradepit.testing.oracle.order_events import close_order
from tradepit.testing.oracle.parties import Guard, OrderLimits

SECOND_NS = 10**9
WINDOW_NS_MIN, WINDOW_NS_MAX = 10**6, 86_400 * SECOND_NS
TIMEOUT_NS_MAX = 86_400 * SECOND_NS
LIMIT_MAX = 2**62
SHOWN_MAX = 2**63 - 1


class RunsAway(Rejected):
    """Refused by the runaway guard, which also stops the account."""

    def __init__(self) -> None:
        super().__init__(RejectReason.RUNAWAY_GUARD)


STATE_REASONS = {
    AccountState.SUSPENDED: RejectReason.ACCOUNT_SUSPENDED,
    AccountState.KILLED: RejectReason.ACCOUNT_KILLED,
    AccountState.CANCEL_ONLY: RejectReason.ACCOUNT_CANCEL_ONLY,
}


def check_account_state(account: Account) -> None:
    if account.state in STATE_REASONS:
        raise Rejected(STATE_REASONS[account.state])


def require_limit(within: bool) -> None:
    if not within:
        raise Rejected(RejectReason.INVALID_LIMIT)


def set_order_limits(market: Market, command: SetOrderLimits) -> None:
    account = market.known_account(command.account)
    instrument = market.known_instrument(command.instrument)
    require_limit(0 <= command.quantity_max <= LIMIT_MAX)
    require_limit(0 <= command.value_max <= LIMIT_MAX)
    account.order_limits[instrument.number] = OrderLimits(command.quantity_max, command.value_max)
    market.emit(
        OrderLimitsChanged(
            account=account.number,
            instrument=instrument.number,
            quantity_max=command.quantity_max,
            value_max=command.value_max,
        )
    )


def check_quantity(account: Account, instrument: int, quantity: int) -> None:
    bound = account.order_limits.get(instrument, OrderLimits()).quantity_max
    if bound and quantity > bound:
        reason = RejectReason.ACCOUNT_MAX_QUANTITY
        raise Rejected(reason, required=quantity, available=bound)


def check_value(account: Account, instrument: int, value: int) -> None:
    bound = account.order_limits.get(instrument, OrderLimits()).value_max
    if bound and value > bound:
        reason = RejectReason.ACCOUNT_MAX_VALUE
        raise Rejected(reason, required=min(value, SHOWN_MAX), available=bound)


def set_account_guard(market: Market, command: SetAccountGuard) -> None:
    account = market.known_account(command.account)
    if command.repeats_max or command.traded_max:
        require_limit(WINDOW_NS_MIN <= command.window_ns <= WINDOW_NS_MAX)
    require_limit(command.traded_max >= 0)
    require_limit(command.traded_max == 0 or command.traded_asset in market.assets)
    account.guard = Guard(
        messages_max=command.messages_max,
        repeats_max=command.repeats_max,
        window_ns=command.window_ns,
        traded_max=command.traded_max,
        traded_asset=command.traded_asset,
    )
    market.emit(
        AccountGuardChanged(
            account=account.number,
            messages_max=command.messages_max,
            repeats_max=command.repeats_max,
            window_ns=command.window_ns,
            traded_max=command.traded_max,
            traded_asset=command.traded_asset,
        )
    )


def count_message(market: Market, account: Account) -> None:
    """One more message in this second, refused when that is too many."""
    guard = account.guard
    second = market.time_ns // SECOND_NS
    if guard.second != second:
        guard.second, guard.messages = second, 0
    guard.messages += 1
    if guard.messages_max and guard.messages > guard.messages_max:
        raise Rejected(RejectReason.MESSAGE_RATE)


def count_repeat(market: Market, account: Account, command: PlaceOrder) -> None:
    """The last check of PLACE_ORDER; counts what it lets through."""
    guard = account.guard
    if not guard.repeats_max:
        return
    window = market.time_ns // guard.window_ns
    order = (command.instrument, command.side, command.order_type, command.quantity)
    near = abs(command.price - guard.run_price) * 1_000 <= guard.run_price
    near = near or command.price == guard.run_price
    repeats = guard.run == order and near and guard.run_window == window
    number = guard.run_length + 1 if repeats else 1
    if number > guard.repeats_max:
        raise RunsAway
    guard.run, guard.run_price = order, command.price
    guard.run_window, guard.run_length = window, number


def count_traded(market: Market, number: int, trade: Trade) -> None:
    """Add a trade to what the account traded in this window; too much stops the account."""
    account = market.accounts[number]
    guard = account.guard
    instrument = market.instruments[trade.instrument]
    if not guard.traded_max or instrument.quote_asset != guard.traded_asset:
        return
    window = market.time_ns // guard.window_ns
    if guard.traded_window != window:
        guard.traded_window, guard.traded = window, 0
    guard.traded += trade.price * trade.quantity * instrument.unit
    if guard.traded > guard.traded_max:
        stop_account(market, account)


def stop_account(market: Market, account: Account) -> None:
    """An active account may only cancel until SET_ACCOUNT_STATE."""
    if account.state != AccountState.ACTIVE:
        return
    account.state = AccountState.CANCEL_ONLY
    market.emit(AccountStateChanged(account=account.number, status=account.state))


def set_dead_man(market: Market, command: SetDeadMan) -> None:
    require_limit(0 <= command.timeout_ns <= TIMEOUT_NS_MAX)
    account = market.accounts[command.account]
    account.dead_man_at = market.time_ns + command.timeout_ns if command.timeout_ns else 0
    market.emit(DeadManSet(account=account.number, expires_at=account.dead_man_at))


def strike_dead_man(market: Market, account: Account) -> None:
    """The timer ran out: all live orders leave."""
    account.dead_man_at = 0
    orders = market.live_of(account.number)
    for order in orders:
        close_order(market, order, CloseReason.DEAD_MAN)
    market.emit(MassCancelled(account=account.number, count=len(orders)))
