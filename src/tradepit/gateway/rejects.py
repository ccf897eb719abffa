"""What the engine refused, told to the one who asked: reject events to problems."""

from __future__ import annotations

from typing import Final

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


def reject_problem(reject: Reject, listing: Listing, instrument: Instrument | None) -> Problem:
    """Return the problem of a reject, with the amounts that the rule compared."""
    return problem_of(REJECT_CODES[reject.reason], _detail(reject, listing, instrument))


def _detail(reject: Reject, listing: Listing, instrument: Instrument | None) -> str:
    reason, required, available = reject.reason, reject.required, reject.available
    if not required and not available:
        return ""
    if reason == RejectReason.INSUFFICIENT_FUNDS and reject.asset in listing.assets:
        code = listing.assets[reject.asset].code
        needs = listing.amount_text(reject.asset, required)
        has = listing.amount_text(reject.asset, available)
        return f"this needs {needs} {code}, {has} {code} is available"
    if instrument is None:
        return ""
    price, quantity = instrument.price_text, instrument.quantity_text
    if reason == RejectReason.PRICE_COLLAR:
        return f"price {price(required)} is outside the collar; nearest is {price(available)}"
    if reason == RejectReason.POST_ONLY_WOULD_TAKE:
        return f"price {price(required)} would take; opposite best is {price(available)}"
    if reason == RejectReason.MIN_QUANTITY:
        return f"quantity {quantity(required)} is below the minimum of {quantity(available)}"
    if reason == RejectReason.MAX_QUANTITY:
        return f"quantity {quantity(required)} is above the maximum of {quantity(available)}"
    return ""
