"""Firms of a configuration, compared with those of the journal.

What the configuration does not name is left alone: a symbol that was added through the API stays.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Annotated, Final, NamedTuple

import msgspec

from tradepit._native import Replica
from tradepit.domain import commands, firm_commands
from tradepit.domain.decimals import DecimalError, parse_units
from tradepit.domain.wire import AccountType
from tradepit.engine.firm_rows import FirmRow, firm_symbols, firms

UNIT_PLACES: Final = 8
"""Budgets are whole multiples of 10^-8."""

NS_PER_MS: Final = 1_000_000
CREDIT: Final = 2**61
"""Minor units of every asset: the engine's largest credit, so no bound."""


class FirmImpossible(Exception):
    """The configured firm cannot be made true; the text says why."""


class FirmDefinition(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A firm whose makers quote within budgets."""

    id: str
    """Of its account; a flat credit account is opened when there is none."""
    name: str = ""
    budget_bid: Decimal = Decimal(100)
    """Sum of what it may quote or reserve to buy, over all instruments."""
    budget_ask: Decimal = Decimal(100)
    position_limit: Decimal = Decimal(100)
    """Largest net quantity per instrument that its quotes may lead to. 0: none."""
    lease_ms: Annotated[int, msgspec.Meta(ge=100, le=3_600_000)] = 3_000
    """How long a maker lives without a heartbeat."""
    symbols: list[str] = []
    """What it makes."""


class FirmChange(NamedTuple):
    """One command, and what a person calls it."""

    what: str
    record: bytes
    text: bytes = b""


def firm_changes(
    replica: Replica, wanted: FirmDefinition, numbers: Mapping[str, int]
) -> list[FirmChange]:
    """Return what makes a firm as it is wanted, to be submitted together.

    Args:
        numbers: of the instruments, those included that are about to be defined.
    Raises:
        FirmImpossible: an unknown symbol, or a budget that is no multiple of 10^-8.
    """
    account = replica.account_number(wanted.id)
    known = next((row for row in firms(replica) if row.account == account), None)
    changes = []
    if not account:
        account = commands.OPENED_HERE
        changes = _opening(wanted)
    record = _definition(account, wanted)
    if known is None or record != _same_as(known):
        changes.append(FirmChange(f"budgets of {wanted.id}", record))
    made = {row.instrument for row in firm_symbols(replica, account)} if known else set()
    return changes + [
        FirmChange(f"{symbol} of {wanted.id}", _addition(account, number))
        for symbol in wanted.symbols
        if (number := _number(numbers, symbol)) not in made
    ]


def _opening(wanted: FirmDefinition) -> list[FirmChange]:
    record = commands.open_account(
        account_type=int(AccountType.CREDIT), starting_balances=False, if_absent=True
    )
    text = commands.account_text(wanted.id, wanted.name)
    credit = commands.set_credit(account=commands.OPENED_HERE, asset=0, credit=CREDIT)
    return [
        FirmChange(f"account {wanted.id}", record, text),
        FirmChange(f"credit of {wanted.id}", credit),
    ]


def _definition(account: int, wanted: FirmDefinition) -> bytes:
    return firm_commands.define_firm(
        account=account,
        budget_bid=_units(wanted, "budget_bid"),
        budget_ask=_units(wanted, "budget_ask"),
        position_limit=_units(wanted, "position_limit"),
        lease_ns=wanted.lease_ms * NS_PER_MS,
    )


def _same_as(known: FirmRow) -> bytes:
    return firm_commands.define_firm(
        account=known.account,
        budget_bid=known.budget_bid,
        budget_ask=known.budget_ask,
        position_limit=known.position_limit,
        lease_ns=known.lease_ns,
    )


def _addition(account: int, number: int) -> bytes:
    return firm_commands.set_firm_symbol(
        account=account, instrument=number, mode=firm_commands.ADD_SYMBOL
    )


def _units(wanted: FirmDefinition, name: str) -> int:
    value: Decimal = getattr(wanted, name)
    try:
        return parse_units(value, 1, UNIT_PLACES)
    except DecimalError as error:
        raise FirmImpossible(f"{name} = {value} {error}") from None


def _number(numbers: Mapping[str, int], symbol: str) -> int:
    if symbol not in numbers:
        raise FirmImpossible(f"there is no instrument {symbol}")
    return numbers[symbol]
