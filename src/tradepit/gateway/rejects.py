"""What the engine refused, told to the one who asked: reject events to problems."""

from __future__ import annotations

from typing import Final, NamedTuple

import msgspec

from tradepit.domain.wire import COMMAND_REJECTED, RejectReason
from tradepit.gateway.listing import Instrument, Listing
from tradepit.gateway.problems import REJECT_CODES, Problem, problem_of

RETRY_AFTER_S: Final = 1
"""Advice with 429: keys and accounts free up slowly, queues within milliseconds."""


class Reject:
    """A COMMAND_REJECTED event, or the reject that a COMMAND_REPEATED repeats."""

    __slots__ = ("asset", "available", "order_id", "reason", "required")

    def __init__(
        self,
        reason: int,
        *,
        asset: int = 0,
        required: int = 0,
        available: int = 0,
        order_id: int = 0,
    ) -> None:
        self.reason = reason
        self.asset = asset
        self.required = required
        self.available = available
        self.order_id = order_id


def read_reject(events: bytes, position: int) -> Reject:
    """Read the COMMAND_REJECTED event at a position."""
    fields = COMMAND_REJECTED.unpack_from(events, position)
    return Reject(
        fields[11], asset=fields[12], required=fields[13], available=fields[14], order_id=fields[15]
    )


class _Amounts(NamedTuple):
    """What a rule compared, in words and by itself."""

    detail: str
    required: str
    available: str
    asset: str | None = None


def reject_problem(reject: Reject, listing: Listing, instrument: Instrument | None) -> Problem:
    """Return the problem of a reject, with the amounts that the rule compared."""
    code = REJECT_CODES[reject.reason]
    amounts = _amounts(reject, listing, instrument)
    if amounts is None:
        return problem_of(code)
    return msgspec.structs.replace(
        problem_of(code, amounts.detail),
        asset=amounts.asset,
        required=amounts.required,
        available=amounts.available,
    )


def _amounts(reject: Reject, listing: Listing, instrument: Instrument | None) -> _Amounts | None:
    reason, required, available = reject.reason, reject.required, reject.available
    if not required and not available:
        return None
    if reason == RejectReason.INSUFFICIENT_FUNDS and reject.asset in listing.assets:
        code = listing.assets[reject.asset].code
        needs = listing.amount_text(reject.asset, required)
        has = listing.amount_text(reject.asset, available)
        return _Amounts(f"this needs {needs} {code}, {has} {code} is available", needs, has, code)
    wording = _WORDINGS.get(reason)
    if instrument is None or wording is None:
        return None
    if reason == RejectReason.ACCOUNT_MAX_VALUE:
        given, bound = instrument.quote_text(required), instrument.quote_text(available)
        return _Amounts(wording.format(given, bound), given, bound, instrument.quote.code)
    text = instrument.quantity_text if reason in _QUANTITIES else instrument.price_text
    given, bound = text(required), text(available)
    return _Amounts(wording.format(given, bound), given, bound)


_QUANTITIES: Final = (
    RejectReason.MIN_QUANTITY,
    RejectReason.MAX_QUANTITY,
    RejectReason.ACCOUNT_MAX_QUANTITY,
)
_WORDINGS: Final = {
    int(RejectReason.PRICE_COLLAR): "price {} is outside the collar; nearest is {}",
    int(RejectReason.POST_ONLY_WOULD_TAKE): "price {} would take; opposite best is {}",
    int(RejectReason.MIN_QUANTITY): "quantity {} is below the minimum of {}",
    int(RejectReason.MAX_QUANTITY): "quantity {} is above the maximum of {}",
    int(RejectReason.ACCOUNT_MAX_QUANTITY): "quantity {} is above the account's maximum of {}",
    int(RejectReason.ACCOUNT_MAX_VALUE): "a value of {} is above the account's maximum of {}",
}
