"""Lines of the ingest route become trades exactly, or are refused with a reason."""

from __future__ import annotations

import gzip
import json
import zlib
from decimal import Decimal
from typing import Any

import pytest

from tradepit.gateway.problems import Refused
from tradepit.gateway.trade_lines import (
    BODY_MAX,
    LINES_MAX,
    MEMBERS_MAX,
    inflate,
    read_lines,
    read_trade,
)

LINE = {"ticker": "A.COM", "price": 32.1234, "volume": 100, "timestamp": 1}
SECOND = 1_000_000_000


def line(**fields: str) -> bytes:
    """A line whose given fields are JSON texts."""
    texts = {name: json.dumps(value) for name, value in LINE.items()} | fields
    return ("{" + ",".join(f'"{name}":{text}' for name, text in texts.items()) + "}").encode()


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("32.1234", "32.1234"),
        ('"32.1234"', "32.1234"),
        ("0.1000000000000000055", None),
        ("0.100000000000000005", "0.100000000000000005"),
        ("123456789012345678.123456789012345678", "123456789012345678.123456789012345678"),
        ("1234567890123456789", None),
        ("1e3", "1000"),
        ("32.12340000000000000000000", "32.1234"),
        ('"+5"', "5"),
        ('".5"', "0.5"),
        ("-37.63", "-37.63"),
        ("0", "0"),
        ("1e-18", "0.000000000000000001"),
        ("1e-19", None),
        ("1e9999", None),
        ('"NaN"', None),
        ('"Infinity"', None),
        ('"1_000"', None),
        ('"١"', None),
        ('" 1"', None),
        ('""', None),
        ('"1\\u0030"', "10"),
        ("true", None),
        ("null", None),
        ("[1]", None),
        ('"' + "9" * 200 + '"', None),
    ],
)
def test_prices_are_read_exactly_or_not_at_all(text: str, value: str | None) -> None:
    found = read_lines(line(price=text))
    prices = [trade.price for trade in found.batch.trades]
    assert prices == ([] if value is None else [Decimal(value)])
    assert [problem.field for _, problem in found.refused] == ([] if value else ["price"])


@pytest.mark.parametrize(
    ("text", "time_ns"),
    [
        ("1700000000", 1_700_000_000 * SECOND),
        ("1700000000123", 1_700_000_000_123_000_000),
        ("1700000000123456", 1_700_000_000_123_456_000),
        ("1700000000123456789", 1_700_000_000_123_456_789),
        ("1700000000.123456789", 1_700_000_000_123_456_789),
        ("1700000000123.5", 1_700_000_000_123_500_000),
        ("1.7e12", 1_700_000_000 * SECOND),
        ('"1700000000"', 1_700_000_000 * SECOND),
        ("0", 0),
        ('"2023-11-14T22:13:20.123456789Z"', 1_700_000_000_123_456_789),
        ('"2023-11-14T23:13:20+01:00"', 1_700_000_000 * SECOND),
        ('"2262-04-11T23:47:16.854775807Z"', 2**63 - 1),
        ('"2262-04-11T23:47:16.854775808Z"', None),
        ("9223372036854775808", None),
        ("1e400", None),
        ("-1", None),
        ('"yesterday"', None),
        ('"2023-11-14"', None),
        ("null", None),
    ],
)
def test_times_are_rfc_3339_or_numbers_of_any_unit(text: str, time_ns: int | None) -> None:
    found = read_lines(line(timestamp=text))
    times = [trade.time_ns for trade in found.batch.trades]
    assert times == ([] if time_ns is None else [time_ns])
    assert all(problem.field == "timestamp" for _, problem in found.refused)


@pytest.mark.parametrize(
    ("fields", "code", "field"),
    [
        ({"volume": "0"}, "invalid_number", "volume"),
        ({"volume": "-1"}, "invalid_number", "volume"),
        ({"ticker": '""'}, "invalid_field", "ticker"),
        ({"ticker": '"A COM"'}, "invalid_field", "ticker"),
        ({"ticker": '"A/COM"'}, "invalid_field", "ticker"),
        ({"ticker": '"' + "A" * 65 + '"'}, "invalid_field", "ticker"),
        ({"ticker": "5"}, "invalid_field", "ticker"),
        ({"trade_id": '""'}, "invalid_field", "trade_id"),
        ({"trade_id": '"' + "x" * 65 + '"'}, "invalid_field", "trade_id"),
        ({"trade_id": '"\\u0000"'}, "invalid_field", "trade_id"),
        ({"trade_id": "[]"}, "invalid_field", "trade_id"),
        ({"extra": '"' + "x" * 5000 + '"'}, "too_large", None),
        ({"price": "1,"}, "malformed", None),
        ({"ticker": '"\\ud800"'}, "malformed", None),
    ],
)
def test_what_is_no_trade_is_refused_with_its_field(
    fields: dict[str, str], code: str, field: str | None
) -> None:
    found = read_lines(line(**fields))
    assert [(problem.code, problem.field) for _, problem in found.refused] == [(code, field)]
    assert found.batch.trades == []


def test_a_bad_line_spoils_no_other_and_lines_are_counted_as_in_an_editor() -> None:
    body = b"\n".join([line(), b"", b"nonsense", b"\xff", b"  \r", line(volume="5") + b"\r", b""])
    found = read_lines(body)
    assert found.total == 4
    assert [trade.volume for trade in found.batch.trades] == [100, 5]
    assert [number for number, _ in found.refused] == [3, 4]


def test_the_first_line_of_a_trade_id_counts_and_numbers_are_ids_too() -> None:
    body = b"\n".join(line(trade_id=text, volume=f"{n}") for n, text in
                      enumerate(['"7"', "8", "7", '"8"', "null", "null"], 1))  # fmt: skip
    found = read_lines(body)
    assert sorted((trade.trade_id or "", int(trade.volume)) for trade in found.batch.trades) == [
        ("", 5), ("", 6), ("7", 1), ("8", 2),
    ]  # fmt: skip
    assert found.repeated == [(3, "7"), (4, "8")]
    assert found.line_of == {"7": 1, "8": 2}


def test_unknown_fields_are_ignored_even_nested_ones() -> None:
    trade = read_trade(line(note='{"a":[1,null]}'))
    assert trade.ticker == "A.COM"


def test_more_lines_than_a_transaction_holds_are_refused() -> None:
    with pytest.raises(Refused) as caught:
        read_lines(b"\n" * (LINES_MAX + 1))
    assert caught.value.problem.code == "too_large"


def test_gzip_bodies_are_inflated_whole_whatever_their_parts() -> None:
    assert inflate(gzip.compress(b"abc") + gzip.compress(b"") + gzip.compress(b"def")) == b"abcdef"
    assert len(inflate(gzip.compress(b"x" * BODY_MAX))) == BODY_MAX


def bomb() -> bytes:
    engine = zlib.compressobj(9, zlib.DEFLATED, zlib.MAX_WBITS | 16)
    return b"".join(engine.compress(bytes(1 << 20)) for _ in range(1 << 10)) + engine.flush()


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (gzip.compress(b"x" * (BODY_MAX + 1)), "too_large"),
        (gzip.compress(b"x" * BODY_MAX) + gzip.compress(b"y"), "too_large"),
        (b"no gzip", "malformed"),
        (b"", "malformed"),
        (gzip.compress(b"some lines")[:-4], "malformed"),
        (gzip.compress(b"x") + b"trailing", "malformed"),
        (gzip.compress(b"") * (MEMBERS_MAX + 1), "malformed"),
    ],
)
def test_gzip_bodies_that_are_damaged_or_too_large_are_refused(body: bytes, code: str) -> None:
    with pytest.raises(Refused) as caught:
        inflate(body)
    assert caught.value.problem.code == code


def test_a_bomb_is_not_inflated(monkeypatch: pytest.MonkeyPatch) -> None:
    sizes: list[int] = []
    real: Any = zlib.decompressobj

    class Engine:
        def __init__(self, wbits: int) -> None:
            self._engine = real(wbits)

        def decompress(self, body: bytes, most: int) -> bytes:
            found: bytes = self._engine.decompress(body, most)
            sizes.append(len(found))
            return found

    packed = bomb()
    monkeypatch.setattr(zlib, "decompressobj", Engine)
    with pytest.raises(Refused):
        inflate(packed)
    assert sizes == [BODY_MAX + 1]
