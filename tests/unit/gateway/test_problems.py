"""Problems: every code has a status and words, and a broken body names its field."""

from __future__ import annotations

import msgspec
import pytest

from tradepit.domain.wire import REJECTS, RejectReason
from tradepit.gateway.problems import (
    CODES,
    UNDECODABLE,
    Problem,
    bare_decimal,
    decoding_problem,
    encode_problem,
    problem_of,
)
from tradepit.gateway.problems import Refused as RefusedError
from tradepit.gateway.shapes import decode_place


def test_every_reject_reason_is_a_code_with_its_status() -> None:
    for number, (status, title) in REJECTS.items():
        assert CODES[RejectReason(number).name.lower()] == (status, title)


def test_statuses_are_those_of_the_contract() -> None:
    known = {400, 401, 403, 404, 405, 409, 413, 415, 422, 426, 429, 431, 500, 503}
    assert {meaning.status for meaning in CODES.values()} <= known


def test_a_problem_is_written_without_what_it_does_not_say() -> None:
    written = msgspec.json.decode(encode_problem(problem_of("tick_size", field="price")))
    assert written == {
        "type": "/docs#tick_size",
        "title": CODES["tick_size"].title,
        "status": 400,
        "code": "tick_size",
        "detail": CODES["tick_size"].title,
        "field": "price",
    }


@pytest.mark.parametrize(
    ("body", "code", "field"),
    [
        (b"{", "malformed", None),
        (b'{"instrument":"a","side":"b","quantity":1} x', "malformed", None),
        (b'{"side":"\xff"}', "malformed", None),
        (b'{"x":' + b"[" * 50_000, "malformed", None),
        (b"[]", "invalid_field", None),
        (b"{}", "invalid_field", "instrument"),
        (b'{"instrument":"a","side":5,"quantity":1}', "invalid_field", "side"),
    ],
)
def test_a_body_that_cannot_be_read_is_told(body: bytes, code: str, field: str | None) -> None:
    with pytest.raises(UNDECODABLE) as caught:
        decode_place(body)
    problem: Problem = decoding_problem(caught.value)
    assert (problem.code, problem.field) == (code, field)


def test_decimals_of_json_lose_their_quotes_only() -> None:
    assert bare_decimal(b'"1.50"', "price") == b"1.50"
    assert bare_decimal(b"-1.5e3", "price") == b"-1.5e3"
    assert bare_decimal(b"null", "price") is None
    for wrong in (b"[1]", b"{}", b"true"):
        with pytest.raises(RefusedError):
            bare_decimal(wrong, "price")
