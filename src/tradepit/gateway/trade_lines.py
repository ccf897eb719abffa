"""Bodies of the ingest route: newline-delimited JSON, maybe compressed, to trades and refusals."""

from __future__ import annotations

import re
import zlib
from collections.abc import Callable
from decimal import Decimal, InvalidOperation
from functools import lru_cache
from typing import Annotated, Final, NamedTuple

import msgspec
from msgspec import Meta

from tradepit.gateway.problems import UNDECODABLE, Problem, decoding_problem, problem_of, refused
from tradepit.gateway.times import parse_time
from tradepit.projections.exact import DIGITS_MAX, EXACT
from tradepit.projections.store.recording import Batch
from tradepit.projections.store.trades import Trade

BODY_MAX: Final = 16 << 20
"""Bytes of an ingest body, before and after inflating."""

LINES_MAX: Final = 100_000
"""Lines of one request, which is one transaction; a line takes about 600 bytes while it is one."""

LINE_BYTES_MAX: Final = 4096
"""A line is about 120 bytes; what is longer is no trade."""

MEMBERS_MAX: Final = 64
"""Parts of a gzip body: concatenated files have a few, an attack has a million empty ones."""

TIME_MAX_NS: Final = 2**63 - 1
EPOCH_DIGITS_MAX: Final = 19
"""Fewer digits are in range, whatever their unit."""
NUMBER_TEXT_MAX: Final = 128
_PLAIN: Final = re.compile(rb'("?)(-?[0-9]{1,18}(?:\.[0-9]{1,18})?)\1')
_NUMBER: Final = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]{1,4})?")
_TICKER: Final = re.compile(r"[!-.0-~]{1,64}")
_TRADE_ID: Final = re.compile(r"[!-~]{1,64}")
_EPOCHS: Final = ((10**11, 10**9), (10**14, 10**6), (10**17, 10**3))
"""A number below so much counts as s, ms, us; above all of them as ns. As seconds, the first bound
is the year 5138; as milliseconds it is March 1973."""


_DECIMAL: Final = {
    "type": ["string", "number"],
    "description": "exact decimal, at most 18 digits on each side of the point",
}


class TradeLine(msgspec.Struct):
    """One line of the body: a trade."""

    ticker: Annotated[str, Meta(description="1 to 64 visible ASCII characters, no slash")]
    price: Annotated[
        msgspec.Raw,
        Meta(extra_json_schema=_DECIMAL, examples=["32.1234"]),
    ]
    volume: Annotated[
        msgspec.Raw,
        Meta(extra_json_schema=_DECIMAL, examples=["1500"]),
    ]
    timestamp: Annotated[
        msgspec.Raw,
        Meta(
            description="RFC 3339, or a number since 1970: seconds below 10^11, milliseconds "
            "below 10^14, microseconds below 10^17, else nanoseconds",
            extra_json_schema={"type": ["string", "number"]},
            examples=["2026-01-05T10:00:00.123456789Z", 1767607200123],
        ),
    ]
    trade_id: Annotated[
        str | int | None, Meta(description="1 to 64 visible ASCII characters; stored once")
    ] = None


class BadValue(Exception):
    """A line's field cannot be used; carries what is said about it."""

    def __init__(self, code: str, detail: str, field: str | None) -> None:
        super().__init__(detail)
        self.problem = problem_of(code, detail, field=field)


class Lines(NamedTuple):
    """A body that was read; lines are counted from 1."""

    total: int
    """Lines that are not blank."""
    batch: Batch
    line_of: dict[str, int]
    """Where each trade id stood first."""
    repeated: list[tuple[int, str]]
    """Further lines with a trade id of this body."""
    refused: list[tuple[int, Problem]]


def inflate(body: bytes) -> bytes:
    """Return the content of a gzip body; raises `Refused` when there is more than `BODY_MAX`."""
    parts: list[bytes] = []
    size = 0
    for _ in range(MEMBERS_MAX):
        engine = zlib.decompressobj(zlib.MAX_WBITS | 16)
        try:
            parts.append(engine.decompress(body, BODY_MAX - size + 1))
        except zlib.error as error:
            raise refused("malformed", f"the body is not gzip: {error}") from None
        size += len(parts[-1])
        if size > BODY_MAX:
            raise refused("too_large", f"more than {BODY_MAX} bytes when inflated")
        if not engine.eof:
            raise refused("malformed", "the gzip body ends too early")
        body = engine.unused_data
        if not body:
            return b"".join(parts)
    raise refused("malformed", f"the gzip body has more than {MEMBERS_MAX} parts")


def read_lines(body: bytes) -> Lines:
    """Return the trades of a body; a bad line is remembered, and spoils no other.

    Raises:
        Refused: more than `LINES_MAX` lines.
    """
    if body.count(b"\n") > LINES_MAX:
        raise refused("too_large", f"more than {LINES_MAX} lines")
    total = 0
    trades: list[Trade] = []
    line_of: dict[str, int] = {}
    repeated: list[tuple[int, str]] = []
    problems: list[tuple[int, Problem]] = []
    for number, line in enumerate(body.split(b"\n"), 1):
        if not line or line.isspace():
            continue
        total += 1
        try:
            trade = read_trade(line)
        except BadValue as error:
            problems.append((number, error.problem))
            continue
        except UNDECODABLE as error:
            problems.append((number, decoding_problem(error)))
            continue
        trade_id = trade.trade_id
        if trade_id is not None and line_of.setdefault(trade_id, number) != number:
            repeated.append((number, trade_id))
        else:
            trades.append(trade)
    return Lines(total, Batch.of(trades), line_of, repeated, problems)


def read_trade(line: bytes) -> Trade:
    """Return the trade of one line; raises `BadValue` or what msgspec raises."""
    if len(line) > LINE_BYTES_MAX:
        raise BadValue("too_large", f"a line has at most {LINE_BYTES_MAX} bytes", None)
    found = _decode(line)
    if not _is_ticker(found.ticker):
        raise BadValue(
            "invalid_field", "ticker must be 1 to 64 visible ASCII characters, no slash", "ticker"
        )
    price = read_decimal(found.price, "price")
    volume = read_decimal(found.volume, "volume")
    if volume <= 0:
        raise BadValue("invalid_number", "volume must be positive", "volume")
    trade_id = found.trade_id
    if trade_id is not None:
        trade_id = str(trade_id)
        if _TRADE_ID.fullmatch(trade_id) is None:
            raise BadValue(
                "invalid_field", "trade_id must be 1 to 64 visible ASCII characters", "trade_id"
            )
    return Trade(found.ticker, price, volume, _read_time(found.timestamp), trade_id)


@lru_cache(1024)
def _is_ticker(text: str) -> bool:
    return _TICKER.fullmatch(text) is not None


_decode: Final[Callable[[bytes], TradeLine]] = msgspec.json.Decoder(TradeLine).decode


def read_decimal(raw: bytes | msgspec.Raw, field: str) -> Decimal:
    """Return a JSON string or number exactly; raises `BadValue`."""
    match = _PLAIN.fullmatch(raw)
    if match is not None:
        return Decimal(match[2].decode())
    return decimal_of(_text(raw, field), field)


def decimal_of(text: str, field: str) -> Decimal:
    """Return the number of a text exactly; raises `BadValue`."""
    if len(text) > NUMBER_TEXT_MAX or _NUMBER.fullmatch(text) is None:
        raise BadValue("invalid_number", f"{field} is not a decimal number", field)
    try:
        value = Decimal(text)
    except InvalidOperation:
        raise BadValue("invalid_number", f"{field} is not a decimal number", field) from None
    _, digits, exponent = EXACT.normalize(value).as_tuple()
    if isinstance(exponent, int) and -exponent <= DIGITS_MAX >= len(digits) + exponent:
        return value
    detail = f"{field} has more than {DIGITS_MAX} digits before or after the point"
    raise BadValue("invalid_number", detail, field)


def _text(raw: bytes | msgspec.Raw, field: str) -> str:
    """The characters of a JSON string or number."""
    data = bytes(raw)
    if data.startswith(b'"'):
        return msgspec.json.decode(data, type=str)
    if data[:1] in b"-0123456789":
        return data.decode()
    raise BadValue("invalid_field", f"{field} must be a string or a number", field)


def _read_time(raw: msgspec.Raw) -> int:
    """Return ns since the epoch of RFC 3339 text or of a number."""
    data = bytes(raw)
    if data.isdigit() and len(data) < EPOCH_DIGITS_MAX:
        number = int(data)
        return number * _unit(number)
    text = _text(raw, "timestamp")
    time_ns: int | None
    if _NUMBER.fullmatch(text) is None or len(text) > NUMBER_TEXT_MAX:
        time_ns = parse_time(text)
    elif text.isdigit():
        time_ns = int(text) * _unit(int(text))
    else:
        moment = Decimal(text)
        time_ns = int(moment * _unit(moment)) if moment.adjusted() < DIGITS_MAX + 1 else None
    if time_ns is None or not 0 <= time_ns <= TIME_MAX_NS:
        detail = "timestamp must be an RFC 3339 time, or a number since 1970, before 2262"
        raise BadValue("invalid_field", detail, "timestamp")
    return time_ns


def _unit(moment: Decimal | int) -> int:
    """Nanoseconds of the unit that a number of this size is in."""
    for bound, unit_ns in _EPOCHS:
        if moment < bound:
            return unit_ns
    return 1
