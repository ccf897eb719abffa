"""Command records of firms: budgets, reservations, quotes, makers. See `commands`.

Units: price in ticks, quantity in lots, budgets and position limits in units of 10^-8.
"""

from __future__ import annotations

from typing import Final

from tradepit.domain import wire
from tradepit.domain.commands import NO_KEY, Key
from tradepit.domain.wire import CommandKind, RecordFlag

ADD_SYMBOL: Final = 1
REMOVE_SYMBOL: Final = 2


def _header(
    kind: CommandKind,
    *,
    account: int = 0,
    instrument: int = 0,
    mode: int = 0,
    flags: int = 0,
    key: Key = NO_KEY,
    valid_until: int = 0,
) -> tuple[int, ...]:
    if key is not NO_KEY:
        flags |= RecordFlag.KEY
    return (
        kind, flags, 0, 0, 0, 0, 0, mode, account, instrument, key.low, key.high, valid_until
    )  # fmt: skip


def quote(
    *,
    account: int,
    instrument: int,
    bid_price: int,
    bid_quantity: int,
    ask_price: int,
    ask_quantity: int,
    definition_version: int,
    ttl_ns: int = 0,
    maker: int = 0,
    epoch: int = 0,
    key: Key = NO_KEY,
    valid_until: int = 0,
) -> bytes:
    """RESERVE_ORDER_ID and QUOTE, which belong together: two commands."""
    header = _header(
        CommandKind.QUOTE, account=account, instrument=instrument, key=key, valid_until=valid_until
    )
    return wire.RESERVE_ORDER_ID.pack(*_header(CommandKind.RESERVE_ORDER_ID)) + wire.QUOTE.pack(
        *header,
        bid_price,
        bid_quantity,
        ask_price,
        ask_quantity,
        ttl_ns,
        definition_version,
        maker,
        epoch,
    )


def reserve(
    *,
    account: int,
    instrument: int,
    bid_quantity: int,
    ask_quantity: int,
    definition_version: int,
    ttl_ns: int = 0,
    maker: int = 0,
    epoch: int = 0,
    key: Key = NO_KEY,
    valid_until: int = 0,
) -> bytes:
    """RESERVE: exposure of a firm, in place of what it had in the instrument."""
    header = _header(
        CommandKind.RESERVE,
        account=account,
        instrument=instrument,
        key=key,
        valid_until=valid_until,
    )
    return wire.RESERVE.pack(
        *header, bid_quantity, ask_quantity, ttl_ns, definition_version, maker, epoch
    )


def release(
    *,
    account: int,
    instrument: int,
    maker: int = 0,
    epoch: int = 0,
    key: Key = NO_KEY,
    valid_until: int = 0,
) -> bytes:
    """RELEASE: the end of quote and reservation."""
    header = _header(
        CommandKind.RELEASE,
        account=account,
        instrument=instrument,
        key=key,
        valid_until=valid_until,
    )
    return wire.RELEASE.pack(*header, maker, 0, epoch)


def maker_heartbeat(
    *,
    account: int,
    epoch: int,
    is_leaving: bool = False,
    key: Key = NO_KEY,
    valid_until: int = 0,
) -> bytes:
    """MAKER_HEARTBEAT; its text is the maker's name."""
    header = _header(
        CommandKind.MAKER_HEARTBEAT,
        account=account,
        mode=int(is_leaving),
        flags=RecordFlag.TEXT,
        key=key,
        valid_until=valid_until,
    )
    return wire.MAKER_HEARTBEAT.pack(*header, epoch)


def define_firm(
    *,
    account: int,
    budget_bid: int,
    budget_ask: int,
    position_limit: int,
    lease_ns: int,
    key: Key = NO_KEY,
    valid_until: int = 0,
) -> bytes:
    """DEFINE_FIRM: the account becomes a firm, or its budgets change."""
    header = _header(CommandKind.DEFINE_FIRM, account=account, key=key, valid_until=valid_until)
    return wire.DEFINE_FIRM.pack(*header, budget_bid, budget_ask, position_limit, lease_ns)


def set_firm_symbol(
    *, account: int, instrument: int, mode: int, key: Key = NO_KEY, valid_until: int = 0
) -> bytes:
    """SET_FIRM_SYMBOL: `ADD_SYMBOL` or `REMOVE_SYMBOL`."""
    header = _header(
        CommandKind.SET_FIRM_SYMBOL,
        account=account,
        instrument=instrument,
        mode=mode,
        key=key,
        valid_until=valid_until,
    )
    return wire.SET_FIRM_SYMBOL.pack(*header)
