"""Bodies of the trade store's answers, as msgspec structs: what the OpenAPI document describes."""

from __future__ import annotations

from typing import Annotated

from msgspec import UNSET, Meta, Struct, UnsetType

from tradepit.gateway.results import AsOf, Cursor, DecimalText, TimeText

TookMs = Annotated[float, Meta(description="milliseconds that the answer took here")]
LineNumber = Annotated[int, Meta(description="counted from 1, blank lines too", ge=1)]


class Rejection(Struct):
    """Why a line was not stored."""

    line: LineNumber
    code: str
    detail: str
    field: str | None


class Ingested(Struct):
    """What became of the lines of a body. Those in neither list are stored."""

    lines: Annotated[int, Meta(description="lines that are not blank")]
    stored: int
    duplicates: int
    rejected: int
    duplicate_lines: Annotated[
        list[LineNumber], Meta(description="their trade_id was there before; they change nothing")
    ]
    rejections: list[Rejection]
    took_ms: TookMs


class ContractSummary(Struct):
    """What a contract's trades come to."""

    ticker: str
    volume: DecimalText
    value: Annotated[DecimalText, Meta(description="sum of price times volume")]
    highest_price: DecimalText | None
    lowest_price: DecimalText | None
    last_trade_time: TimeText | None
    trades: int
    vwap: Annotated[DecimalText, Meta(description="value by volume, half-even")] | None
    as_of: AsOf
    took_ms: TookMs
    price: Annotated[DecimalText, Meta(description="when one was asked for")] | UnsetType = UNSET


class Contracts(Struct):
    """Contracts in the order of their tickers."""

    items: list[ContractSummary]
    as_of: AsOf
    next: Cursor | None
    took_ms: TookMs


class ContractVolume(Struct):
    """Volume of a contract, or at one of its prices."""

    ticker: str
    volume: DecimalText
    as_of: AsOf
    took_ms: TookMs


class ContractHighestPrice(Struct):
    """Highest price of a contract."""

    ticker: str
    highest_price: DecimalText | None
    as_of: AsOf
    took_ms: TookMs


class ContractLastTradeTime(Struct):
    """Most recent trade time of a contract, or at one of its prices."""

    ticker: str
    last_trade_time: TimeText | None
    as_of: AsOf
    took_ms: TookMs
