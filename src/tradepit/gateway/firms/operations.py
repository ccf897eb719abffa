"""Operations of firms in a batch, or on a socket: the bodies of their routes, under an `op`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, TypeVar

import msgspec

from tradepit.gateway.drafts import Draft, Market
from tradepit.gateway.firms.drafts import HeartbeatDraft
from tradepit.gateway.firms.quoting import QuoteDraft, ReleaseDraft, ReserveDraft
from tradepit.gateway.firms.shapes import Epoch, Heartbeat, Release, Reserve, SetQuote, TtlMs
from tradepit.gateway.firms.statements import speaking_for
from tradepit.gateway.problems import Refused, decoding_problem, refused
from tradepit.gateway.shapes import Operation

Body = TypeVar("Body", bound=msgspec.Struct)
MakeDraft = Callable[[Market, Operation, bytes | None], Draft]


def firm_operation_draft(market: Market, operation: Operation, key: bytes | None) -> Draft:
    """Return the draft of one operation; raises `Refused`."""
    return _MAKERS[operation.op](market, operation, key)


def _quote(market: Market, operation: Operation, key: bytes | None) -> Draft:
    body = SetQuote(
        bid_price=operation.bid_price,
        bid_quantity=operation.bid_quantity,
        ask_price=operation.ask_price,
        ask_quantity=operation.ask_quantity,
        **_common(operation),
    )
    return QuoteDraft(market, _symbol(operation), _checked(body), key)


def _reserve(market: Market, operation: Operation, key: bytes | None) -> Draft:
    symbol = _symbol(operation)
    for field in ("bid_quantity", "ask_quantity"):
        if getattr(operation, field) is msgspec.UNSET:
            raise refused("invalid_field", f"{field} is missing", field=field)
    body = Reserve(
        symbol=symbol,
        bid_quantity=operation.bid_quantity,  # type: ignore[arg-type]
        ask_quantity=operation.ask_quantity,  # type: ignore[arg-type]
        **_common(operation),
    )
    return ReserveDraft(market, symbol, _checked(body), key)


def _release(market: Market, operation: Operation, key: bytes | None) -> Draft:
    fields = _common(operation)
    del fields["ttl_ms"]
    return ReleaseDraft(market, _symbol(operation), _checked(Release(**fields)), key)


def _heartbeat(market: Market, operation: Operation, key: bytes | None) -> Draft:
    name = operation.maker
    if not isinstance(name, str) or operation.epoch is None:
        field = "epoch" if isinstance(name, str) else "maker"
        raise refused("invalid_field", f"{field} is missing", field=field)
    body = Heartbeat(operation.epoch, operation.leaving, operation.valid_until)
    firm_id = speaking_for(market, operation.client_id)
    return HeartbeatDraft(market, firm_id, name, _checked(body), key)


_MAKERS: Final[dict[str, MakeDraft]] = {
    "quote": _quote,
    "reserve": _reserve,
    "release": _release,
    "heartbeat": _heartbeat,
}

FIRM_OPERATIONS: Final = frozenset(_MAKERS)


def _common(operation: Operation) -> dict[str, Any]:
    return {
        "client_id": operation.client_id,
        "ttl_ms": operation.ttl_ms,
        "maker": operation.maker,
        "epoch": operation.epoch,
        "valid_until": operation.valid_until,
    }


def _symbol(operation: Operation) -> str:
    if operation.instrument is None:
        raise refused("invalid_field", "instrument is missing", field="instrument")
    return operation.instrument


def _checked(body: Body) -> Body:
    """Hold numbers against the bounds of the route's body; raises `Refused`."""
    bounded = {
        name: value
        for name in ("ttl_ms", "epoch")
        if (value := getattr(body, name, None)) is not None
    }
    try:
        msgspec.convert(bounded, _Bounded)
    except msgspec.ValidationError as error:
        raise Refused(decoding_problem(error)) from None
    return body


class _Bounded(msgspec.Struct):
    """The bounds of numbers that several bodies have."""

    ttl_ms: TtlMs | None = None
    epoch: Epoch | None = None
