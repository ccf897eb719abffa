"""Named records for what the native door says about firms and the safety of accounts.

Units: quantity in lots, price in ticks, budgets and limits of firms in units of 10^-8, time in ns
since the epoch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from tradepit._native import Replica


class FirmRow(NamedTuple):
    """A firm with what its reservations hold of its budgets; `position_limit` 0 = none."""

    account: int
    account_id: str
    budget_bid: int
    budget_ask: int
    used_bid: int
    used_ask: int
    position_limit: int
    lease_ns: int


class MakerRow(NamedTuple):
    """A live maker of a firm."""

    maker: int
    name: str
    epoch: int
    lease_until_ns: int
    instruments: list[int]


class SymbolRow(NamedTuple):
    """An instrument that a firm makes; `maker` 0 = nobody."""

    instrument: int
    maker: int


class SideRow(NamedTuple):
    """A side of an exposure: asked for, still held of the budget; the quote as it was set (0 = no
    such side); what of its order rests now."""

    requested: int
    granted: int
    price: int
    quantity: int
    order_id: int
    leaves: int


class ExposureRow(NamedTuple):
    """A reservation with its quote, or the quote of an account that is no firm (status 0)."""

    instrument: int
    status: int
    maker: int
    expires_at_ns: int
    bid: SideRow
    ask: SideRow


class SessionRow(NamedTuple):
    """A live session; it lapses at `lease_until_ns` unless its holder writes a frame."""

    session: int
    name: str
    cancels_on_disconnect: bool
    binding: int
    holder: int
    lease_until_ns: int


class GuardRow(NamedTuple):
    """An account's guard, bounds of 0 = none, and what counts in this second and this window;
    `dead_man_at_ns` 0 = off."""

    messages_max: int
    repeats_max: int
    window_ns: int
    traded_max: int
    traded_asset: int
    messages: int
    repeats: int
    traded: int
    dead_man_at_ns: int


class OrderLimitsRow(NamedTuple):
    """Bounds of one order of an account in an instrument; 0 = none."""

    instrument: int
    quantity_max: int
    value_max: int


def firms(replica: Replica) -> list[FirmRow]:
    """All firms, by account."""
    return [FirmRow._make(row) for row in replica.firms()]


def makers(replica: Replica, account: int) -> list[MakerRow]:
    """A firm's live makers, by number; none when the account is no firm."""
    return [MakerRow._make(row) for row in replica.makers(account)]


def firm_symbols(replica: Replica, account: int) -> list[SymbolRow]:
    """The instruments that a firm makes, by number."""
    return [SymbolRow._make(row) for row in replica.firm_symbols(account)]


def exposures(replica: Replica, account: int) -> list[ExposureRow]:
    """An account's reservations and quotes, by instrument."""
    return [
        ExposureRow(*row[:4], SideRow._make(row[4]), SideRow._make(row[5]))
        for row in replica.exposures(account)
    ]


def sessions(replica: Replica, account: int) -> list[SessionRow]:
    """An account's sessions, by name."""
    return [SessionRow._make(row) for row in replica.sessions(account)]


def guard(replica: Replica, account: int) -> GuardRow:
    """An account's guard; one without bounds when it has none."""
    return GuardRow._make(replica.guard(account))


def order_limits(replica: Replica, account: int) -> list[OrderLimitsRow]:
    """Bounds of an account's orders, by instrument; only where there are some."""
    return [OrderLimitsRow._make(row) for row in replica.order_limits(account)]
