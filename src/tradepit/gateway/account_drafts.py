"""Drafts of writes about accounts, whole: the routes and the market in process share them."""

from __future__ import annotations

import uuid
from typing import Final

import msgspec

from tradepit.domain.wire import AccountState, EventKind
from tradepit.gateway.account_limits import limits_records
from tradepit.gateway.administration import (
    AdminDraft,
    funds_record,
    known_account,
    open_account_records,
    optional_key,
    state_record,
    transfer_record,
)
from tradepit.gateway.drafts import Market
from tradepit.gateway.results import AccountStateResult
from tradepit.gateway.shapes import Limits, MoveFunds, OpenAccount, Transfer
from tradepit.gateway.statements import account_body, limits_body

STATES: Final = {
    "suspend": AccountState.SUSPENDED,
    "resume": AccountState.ACTIVE,
    "cancel-only": AccountState.CANCEL_ONLY,
    "kill": AccountState.KILLED,
}
"""What is done to an account, and the state it is in then."""

LIMITS_CHANGED: Final = frozenset(
    {
        EventKind.ACCOUNT_LIMITS_CHANGED,
        EventKind.ORDER_LIMITS_CHANGED,
        EventKind.ACCOUNT_GUARD_CHANGED,
    }
)


def open_account_draft(market: Market, body: OpenAccount, key: bytes | None) -> AdminDraft:
    """The opening of an account."""
    command_key = optional_key(key)
    # A made-up id follows from the key, so that the same request means the same account.
    made_up = uuid.UUID(int=command_key.high << 64 | command_key.low) if key else uuid.uuid4()
    account_id = body.id if body.id is not None else str(made_up)
    records, texts = open_account_records(market, body, account_id, command_key)
    return AdminDraft(
        market,
        records,
        texts,
        EventKind.ACCOUNT_OPENED,
        lambda _: account_body(market, account_id),
        status=201,
    )


def funds_draft(
    market: Market, account_id: str, body: MoveFunds, key: bytes | None, *, is_deposit: bool
) -> AdminDraft:
    """A deposit or a withdrawal."""
    account = known_account(market, account_id)
    record = funds_record(market, account, body, optional_key(key), is_deposit=is_deposit)
    return _funds_moved(market, account_id, record)


def transfer_draft(
    market: Market, account_id: str, body: Transfer, key: bytes | None
) -> AdminDraft:
    """A transfer to another account."""
    account = known_account(market, account_id)
    record = transfer_record(market, account, body, optional_key(key))
    return _funds_moved(market, account_id, record)


def _funds_moved(market: Market, account_id: str, record: bytes) -> AdminDraft:
    return AdminDraft(
        market,
        [record],
        b"",
        EventKind.FUNDS_MOVED,
        lambda _: account_body(market, account_id),
        status=201,
    )


def limits_draft(market: Market, account_id: str, body: Limits, key: bytes | None) -> AdminDraft:
    """New limits of an account."""
    account = known_account(market, account_id)
    records = limits_records(market, account, body, key)
    return AdminDraft(
        market,
        records,
        b"",
        LIMITS_CHANGED,
        lambda _: limits_body(market, account_id, account),
    )


def state_draft(
    market: Market, account_id: str, action: str, key: bytes | None, valid_until: str | None
) -> AdminDraft:
    """Suspend, resume, make cancel-only, or kill."""
    state = STATES[action]
    account = known_account(market, account_id)
    record = state_record(account, state, optional_key(key), valid_until)
    is_kill = state is AccountState.KILLED

    def render(cancelled: int) -> bytes:
        result = AccountStateResult(id=account_id, state=state.name.lower())
        if is_kill:
            result.cancelled = cancelled
        return msgspec.json.encode(result)

    last = EventKind.MASS_CANCELLED if is_kill else EventKind.ACCOUNT_STATE_CHANGED
    return AdminDraft(market, [record], b"", last, render, is_urgent=is_kill)
