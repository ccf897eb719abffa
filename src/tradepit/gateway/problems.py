"""Refusals: RFC 9457 problem documents with a stable code.

Every code that the interface can answer is listed in `CODES`; the reject reasons of the engine
come from the schema, the rest are the gateway's own. The OpenAPI document prints the same table.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import msgspec

from tradepit.domain.wire import REJECTS, RejectReason


class Code(NamedTuple):
    """What a code stands for: its HTTP status, and what a person reads."""

    status: int
    title: str


_OWN: Final[dict[str, Code]] = {
    "malformed": Code(400, "the request is not well-formed"),
    "invalid_field": Code(400, "a field is missing or has the wrong form"),
    "invalid_number": Code(400, "not a finite decimal number in range"),
    "tick_size": Code(400, "price is not a multiple of the tick size"),
    "lot_size": Code(400, "quantity is not a multiple of the lot size"),
    "invalid_parameter": Code(400, "a query parameter has the wrong form"),
    "invalid_cursor": Code(400, "the cursor is not one that a list gave"),
    "invalid_key": Code(400, "an idempotency key is 1 to 64 visible ASCII characters"),
    "unauthenticated": Code(401, "no key, an unknown key, or a wrong signature"),
    "timestamp_outside_window": Code(401, "X-Timestamp is too far from the node's clock"),
    "nonce_used": Code(401, "the key has used this nonce before"),
    "forbidden": Code(403, "the key does not allow this"),
    "foreign_host": Code(403, "the Host is not one of this node's names"),
    "foreign_origin": Code(403, "requests from other web origins are refused"),
    "not_found": Code(404, "no such resource"),
    "unknown_contract": Code(404, "no trade of such a contract"),
    "unknown_firm": Code(404, "there is no such firm"),
    "unknown_quote": Code(404, "there is no such quote"),
    "unknown_key": Code(404, "there is no such key"),
    "unknown_replay": Code(404, "there is no such replay"),
    "unknown_recording": Code(404, "there is no such recording"),
    "method_not_allowed": Code(405, "the resource does not know this method"),
    "firm_exists": Code(409, "a firm with this id exists, and is another"),
    "replay_indexing": Code(409, "the recording is still being indexed"),
    "too_large": Code(413, "the request body is too large"),
    "unsupported_media_type": Code(415, "the body must be application/json"),
    "sequence_not_reached": Code(422, "the reader has not reached min_sequence in time"),
    "recording_unreadable": Code(422, "the recording cannot be replayed"),
    "no_such_place": Code(422, "the recording has no such place"),
    "too_many_replays": Code(422, "there are as many replays as there may be"),
    "upgrade_required": Code(426, "this is a WebSocket; ask for an upgrade"),
    "keys_limit": Code(422, "the account has as many keys as it may have"),
    "rate_limited": Code(429, "too many requests of this key or address"),
    "too_many_requests": Code(429, "too many requests in flight; retry later"),
    "headers_too_large": Code(431, "the request's head is too large"),
    "internal_error": Code(500, "the node failed to answer"),
    "overloaded": Code(503, "the node is overloaded; nothing was done"),
    "history_unavailable": Code(503, "the history's database does not answer; the market goes on"),
    "journal_full": Code(503, "the journal is full; only cancels are taken"),
    "not_available": Code(503, "the node takes no commands"),
    "database_unavailable": Code(503, "the database does not answer as it should"),
    "feeds_unavailable": Code(503, "the process of feeds and replays does not answer"),
    "unknown_outcome": Code(503, "whether the command took effect is unknown; retry with its key"),
}

CODES: Final[dict[str, Code]] = _OWN | {
    RejectReason(number).name.lower(): Code(status, title)
    for number, (status, title) in REJECTS.items()
}
"""Every code of the interface."""

REJECT_CODES: Final = {int(number): RejectReason(number).name.lower() for number in REJECTS}


class Problem(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """application/problem+json of RFC 9457."""

    type: str = ""
    title: str
    status: int
    code: str
    detail: str = ""
    field: str | None = None
    outcome: str | None = None
    asset: str | None = None
    """Of `required` and `available`, when they are money."""
    required: str | None = None
    """What the command asked for: money, a price or a quantity, by code."""
    available: str | None = None
    """What there is, or the nearest that the rule allows."""


class Refused(Exception):
    """A request is refused at the edge; `problem` is what its sender reads."""

    def __init__(self, problem: Problem, *, retry_after: int = 0) -> None:
        super().__init__(problem.code)
        self.problem = problem
        self.retry_after = retry_after


def problem_of(
    code: str,
    detail: str = "",
    *,
    field: str | None = None,
    status: int = 0,
    outcome: str | None = None,
) -> Problem:
    """Return the problem of a code; `status` overrides the usual one."""
    meaning = CODES[code]
    return Problem(
        type=f"/docs#{code}",
        title=meaning.title,
        status=status or meaning.status,
        code=code,
        detail=detail or meaning.title,
        field=field,
        outcome=outcome,
    )


def refused(
    code: str, detail: str = "", *, field: str | None = None, status: int = 0, retry_after: int = 0
) -> Refused:
    """Return the exception of a code, to be raised."""
    return Refused(problem_of(code, detail, field=field, status=status), retry_after=retry_after)


def bare_decimal(json: bytes, field: str) -> bytes | None:
    """Return the text of a decimal in JSON, a string or a number; None when it is null."""
    if json == b"null":
        return None
    first = json[0]
    if first == 0x22:
        return json[1:-1]
    if first in b"-0123456789":
        return json
    raise refused("invalid_field", f"{field} must be a string or a number", field=field)


encode_problem: Final = msgspec.json.Encoder().encode
"""Problem to JSON."""


UNDECODABLE: Final = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)
"""What msgspec raises over a body: bad JSON or shape, bad UTF-8 in a string, absurd nesting."""


def decoding_problem(error: Exception) -> Problem:
    """Return the problem of a body that msgspec refused: the field is named when it is known."""
    if isinstance(error, RecursionError):
        return problem_of("malformed", "nested too deeply")
    text = str(error)
    if not isinstance(error, msgspec.ValidationError):
        return problem_of("malformed", text)
    reason, _, place = text.partition(" - at `$")
    field = place.rstrip("`").removeprefix(".") or None
    if field is None and reason.startswith("Object missing required field"):
        field = reason.split("`")[1]
    return problem_of("invalid_field", reason, field=field)
