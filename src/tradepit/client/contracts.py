"""The trade store through the client: trades of elsewhere, and what all trades add up to."""

from __future__ import annotations

import gzip
import secrets
from collections.abc import Callable, Iterable
from decimal import Decimal
from typing import Final, TypeVar
from urllib.parse import quote

import msgspec
from msgspec import Struct

from tradepit.client.calls import BASE_PATH, Call

LINES_MAX: Final = 100_000
"""Lines that the ingest route takes at once; 16 MiB is the other bound."""

GZIP_BYTES_MIN: Final = 64 << 10
"""From here on a body is sent compressed: trades shrink to a sixth."""

GZIP_LEVEL: Final = 1

T = TypeVar("T")


class TradeLine(Struct, frozen=True, omit_defaults=True, kw_only=True):
    """A trade of elsewhere. Without a `trade_id` it gets one that nobody else has."""

    ticker: str
    price: Decimal | str
    volume: Decimal | str
    timestamp: str | int
    """RFC 3339, or ns since 1970."""
    trade_id: str | None = None


class Rejection(Struct, frozen=True):
    """Why a line was not stored."""

    line: int
    code: str
    detail: str
    field: str | None = None


class Ingested(Struct, frozen=True):
    """What became of the lines; they are counted from 1. Those in neither list are stored."""

    lines: int
    stored: int
    duplicates: int
    rejected: int
    duplicate_lines: tuple[int, ...]
    rejections: tuple[Rejection, ...]
    took_ms: float


class ContractSummary(Struct, frozen=True):
    """What a contract's trades come to, at all prices or at one."""

    ticker: str
    volume: Decimal
    value: Decimal
    highest_price: Decimal | None
    lowest_price: Decimal | None
    last_trade_time: str | None
    trades: int
    vwap: Decimal | None
    took_ms: float
    as_of: int = 0
    price: Decimal | None = None


class Contracts(Struct, frozen=True):
    """Contracts in the order of their tickers; `next` is the cursor of the following part."""

    items: tuple[ContractSummary, ...]
    took_ms: float
    next: str | None = None
    as_of: int = 0


class ContractVolume(Struct, frozen=True):
    """Answer to: how much was traded, at all prices or at one."""

    ticker: str
    volume: Decimal
    took_ms: float
    as_of: int = 0


class ContractHighestPrice(Struct, frozen=True):
    """Answer to: what was the highest price; None before the first trade."""

    ticker: str
    highest_price: Decimal | None
    took_ms: float
    as_of: int = 0


class ContractLastTradeTime(Struct, frozen=True):
    """Answer to: when was the most recent trade, at all prices or at one; RFC 3339."""

    ticker: str
    last_trade_time: str | None
    took_ms: float
    as_of: int = 0


def ingest_trades(lines: Iterable[TradeLine]) -> Call[Ingested]:
    """Store trades. Each has an id, so that repeating the call is safe."""
    run, encode = secrets.token_hex(12), msgspec.json.Encoder().encode
    texts = [
        encode(line if line.trade_id else msgspec.structs.replace(line, trade_id=f"{run}-{number}"))
        for number, line in enumerate(lines)
    ]
    if len(texts) > LINES_MAX:
        raise ValueError(f"{len(texts)} trades in a request, at most {LINES_MAX} fit")
    return ingest_body(b"\n".join(texts))


def ingest_body(body: bytes) -> Call[Ingested]:
    """Store trades that are lines of JSON already; with ids it may be repeated safely."""
    is_long = len(body) >= GZIP_BYTES_MIN
    return Call(
        "POST",
        f"{BASE_PATH}/trades/ingest",
        msgspec.json.Decoder(Ingested).decode,
        body=gzip.compress(body, GZIP_LEVEL) if is_long else body,
        more_headers={"Content-Type": "application/x-ndjson"}
        | ({"Content-Encoding": "gzip"} if is_long else {}),
    )


def list_contracts(limit: int, cursor: str | None) -> Call[Contracts]:
    """Summaries of contracts."""
    params = {"limit": str(limit)} | ({} if cursor is None else {"cursor": cursor})
    decode = msgspec.json.Decoder(Contracts).decode
    return Call("GET", f"{BASE_PATH}/contracts", decode, params=params)


def contract_summary(
    ticker: str, price: Decimal | str | None, shard: int | None
) -> Call[ContractSummary]:
    """What a contract's trades come to."""
    place = "summary" if price is None else _at(price)
    return _ask(ticker, place, shard, msgspec.json.Decoder(ContractSummary).decode)


def contract_volume(
    ticker: str, price: Decimal | str | None, shard: int | None
) -> Call[ContractVolume]:
    """How much was traded."""
    place = "volume" if price is None else f"{_at(price)}/volume"
    return _ask(ticker, place, shard, msgspec.json.Decoder(ContractVolume).decode)


def contract_highest_price(ticker: str, shard: int | None) -> Call[ContractHighestPrice]:
    """What the highest price was."""
    decode = msgspec.json.Decoder(ContractHighestPrice).decode
    return _ask(ticker, "highest-price", shard, decode)


def contract_last_trade_time(
    ticker: str, price: Decimal | str | None, shard: int | None
) -> Call[ContractLastTradeTime]:
    """When the most recent trade was."""
    place = "last-trade-time" if price is None else f"{_at(price)}/last-trade-time"
    return _ask(ticker, place, shard, msgspec.json.Decoder(ContractLastTradeTime).decode)


def _at(price: Decimal | str) -> str:
    text = f"{price:f}" if isinstance(price, Decimal) else price
    return f"prices/{quote(text, safe='')}"


def _ask(ticker: str, place: str, shard: int | None, decode: Callable[[bytes], T]) -> Call[T]:
    params = None if shard is None else {"shard": str(shard)}
    return Call(
        "GET", f"{BASE_PATH}/contracts/{quote(ticker, safe='')}/{place}", decode, params=params
    )
