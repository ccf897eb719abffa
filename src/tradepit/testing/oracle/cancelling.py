"""Cancels one by one, in mass, by key; kill. Rulebook section 10."""

from __future__ import annotations

from collections.abc import Iterable

from tradepit.domain.wire import (
    AccountState,
    AccountStateChanged,
    CancelByKey,
    CancelOrder,
    CloseReason,
    EndReason,
    KeyTombstoned,
    MassCancel,
    MassCancelled,
    RecordFlag,
    RejectReason,
    SetAccountState,
    Side,
)
from tradepit.testing.oracle.firms import end_quote
from tradepit.testing.oracle.market import KeyEntry, Market, Order, Rejected
from tradepit.testing.oracle.order_events import close_order
from tradepit.testing.oracle.replacing import find_order


def by_id(orders: Iterable[Order]) -> list[Order]:
    return sorted(orders, key=lambda order: order.order_id)


def cancel_order(market: Market, command: CancelOrder) -> None:
    order = find_order(market, command.account, command.order_id)
    close_order(market, order, CloseReason.REQUESTED)


def mass_cancel(market: Market, command: MassCancel) -> int:
    if command.instrument:
        market.known_instrument(command.instrument)
    matching = by_id(
        order
        for order in market.orders.values()
        if command.account in (0, order.account)
        and command.instrument in (0, order.instrument)
        and command.side in (Side.NONE, order.side)
    )
    for order in matching:
        close_order(market, order, CloseReason.MASS_CANCEL)
    market.emit(
        MassCancelled(
            side=command.side,
            account=command.account,
            instrument=command.instrument,
            count=len(matching),
        )
    )
    return len(matching)


def cancel_by_key(market: Market, command: CancelByKey) -> int:
    target = (command.account, command.target_low, command.target_high)
    has_key = bool(command.flags & RecordFlag.KEY)
    if has_key and target == (command.account, command.key_low, command.key_high):
        raise Rejected(RejectReason.INVALID_COMBINATION)
    order = order_of_target(market, command, target)
    count = 0
    if order is not None:
        close_order(market, order, CloseReason.REQUESTED)
        count = 1
    elif target not in market.keys:
        leave_tombstone(market, target, has_key=has_key)
    market.emit(MassCancelled(account=command.account, count=count))
    return count


def order_of_target(
    market: Market, command: CancelByKey, target: tuple[int, int, int]
) -> Order | None:
    """The open order with this key; without any entry of the key, the one with this label."""
    own = market.live_of(command.account)
    if target in market.keys:
        return next((order for order in own if order.key == target), None)
    labelled = (order for order in own if order.label and order.label == command.target_low)
    return next(labelled, None)


def leave_tombstone(market: Market, target: tuple[int, int, int], *, has_key: bool) -> None:
    """Room is needed beside the entry that the command itself will leave."""
    assert market.genesis is not None
    if len(market.keys) + has_key >= market.genesis.key_capacity:
        raise Rejected(RejectReason.KEYS_EXHAUSTED)
    market.keys[target] = KeyEntry(
        kind=0, fingerprint=b"", sequence=market.sequence, finished_at=market.time_ns
    )
    account, low, high = target
    market.emit(KeyTombstoned(account=account, target_low=low, target_high=high))


def set_account_state(market: Market, command: SetAccountState) -> int:
    account = market.known_account(command.account)
    known = set(AccountState)
    if market.version < 2:
        known.remove(AccountState.CANCEL_ONLY)
    if command.mode not in known:
        raise Rejected(RejectReason.INVALID_COMBINATION)
    account.state = AccountState(command.mode)
    account.guard.start_anew()
    market.emit(AccountStateChanged(account=account.number, status=command.mode))
    if account.state != AccountState.KILLED:
        return 0
    orders = market.live_of(account.number)
    for order in orders:
        close_order(market, order, CloseReason.KILL)
    for instrument in sorted(account.quotes):
        end_quote(market, account, instrument, EndReason.KILL)
    market.emit(MassCancelled(account=account.number, count=len(orders)))
    return len(orders)
