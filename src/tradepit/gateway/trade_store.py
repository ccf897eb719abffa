"""Routes of the trade store: trades that outsiders bring, and what all trades add up to.

They need a database and no market: a node serves them, and so does a store worker alone.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal, localcontext
from typing import Final

from litestar import Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath

from tradepit.gateway import store_results as results
from tradepit.gateway.problems import Refused, problem_of, refused
from tradepit.gateway.requests import (
    AnyRequest,
    json_response,
    number_parameter,
    read_body,
)
from tradepit.gateway.times import format_time
from tradepit.gateway.trade_lines import (
    BODY_MAX,
    BadValue,
    Lines,
    decimal_of,
    inflate,
    read_lines,
)
from tradepit.observe.metrics import LatencyHistogram, Sample, Source
from tradepit.projections.database import within
from tradepit.projections.exact import EXACT, text_of
from tradepit.projections.store import StoreUnavailable, Totals, TradeStore
from tradepit.projections.store.recording import Batch

INGEST_PATH: Final = "/trades/ingest"
SMALL_BODY: Final = 16 << 10
"""Up to here a body is read at once; a larger one in a thread, so that the loop stays free."""

BYTES_IN_WORK_MAX: Final = 4 * BODY_MAX
"""Bodies that are being stored at once; what comes above that is told to come back."""

INFLATION: Final = 16
"""Reserved per byte of a compressed body; trades shrink to about a tenth."""

RETRY_AFTER_S: Final = 1
PAGE_SIZE: Final = 50
PAGE_SIZE_MAX: Final = 1000
VWAP_EXTRA_DIGITS: Final = 6
"""An average is shown with this many digits more than its prices."""

SHARD_MAX: Final = 2**31 - 1
MS_PER_SECOND: Final = 1e3
US_PER_SECOND: Final = 1e6
ZERO: Final = Decimal(0)

STORE_SECONDS: Final = 30.0
ANSWER_SECONDS: Final = 5.0
"""How long the database may take to store, and to answer; then 503 `database_unavailable`."""


class StoreDesk:
    """The store of a process, and how much is being stored right now."""

    def __init__(self, store: TradeStore) -> None:
        self.store = store
        self.latency = LatencyHistogram(
            "tradepit_store_write_seconds", "Storing a batch of trades, until it is committed."
        )
        self._bytes_in_work = 0

    async def ingest(self, batch: Batch) -> frozenset[str]:
        """Store a batch; a caller that goes away does not undo it. Raises `Refused`."""
        begin = time.perf_counter()
        try:
            known = await within(STORE_SECONDS, self.store.ingest(batch))
        except TimeoutError as error:
            problem = problem_of("database_unavailable", str(error), outcome="unknown")
            raise Refused(problem) from error
        except StoreUnavailable as error:
            outcome = "rejected" if error.was_undone else "unknown"
            problem = problem_of("database_unavailable", str(error), outcome=outcome)
            raise Refused(problem) from error
        self.latency.add((time.perf_counter() - begin) * US_PER_SECOND)
        return known

    @contextmanager
    def reserve(self, request: AnyRequest, *, is_gzip: bool) -> Iterator[None]:
        """Hold room for a request's body; raises `Refused` overloaded."""
        length = request.headers.get("content-length", "")
        size = int(length) * (INFLATION if is_gzip else 1) if length.isdigit() else BODY_MAX
        size = min(size, BODY_MAX)
        if self._bytes_in_work + size > BYTES_IN_WORK_MAX:
            problem = problem_of("overloaded", "too much is being stored", outcome="rejected")
            raise Refused(problem, retry_after=RETRY_AFTER_S)
        self._bytes_in_work += size
        try:
            yield
        finally:
            self._bytes_in_work -= size


StoreGiven = NamedDependency[StoreDesk]
"""The store's desk, as an argument of a route handler."""


@post(INGEST_PATH, status_code=200, request_max_body_size=None)
async def ingest(request: AnyRequest, trade_store: StoreGiven) -> Response[bytes]:
    begin = time.perf_counter()
    encoding = request.headers.get("content-encoding", "identity").strip().lower()
    if encoding not in ("identity", "gzip", "x-gzip"):
        raise refused("unsupported_media_type", "Content-Encoding must be gzip, or absent")
    is_gzip = encoding != "identity"
    with trade_store.reserve(request, is_gzip=is_gzip):
        body = await read_body(request, BODY_MAX)
        if is_gzip or len(body) > SMALL_BODY:
            lines = await asyncio.to_thread(_read, body, is_gzip)
        else:
            lines = read_lines(body)
        del body
        known = await trade_store.ingest(lines.batch)
    return json_response(_outcome(lines, known, took_ms=_since(begin)))


def _read(body: bytes, is_gzip: bool) -> Lines:
    return read_lines(inflate(body) if is_gzip else body)


def _outcome(lines: Lines, known: frozenset[str], *, took_ms: float) -> results.Ingested:
    duplicates = sorted(
        [lines.line_of[trade_id] for trade_id in known] + [number for number, _ in lines.repeated]
    )
    return results.Ingested(
        lines=lines.total,
        stored=lines.total - len(duplicates) - len(lines.refused),
        duplicates=len(duplicates),
        rejected=len(lines.refused),
        duplicate_lines=duplicates,
        rejections=[
            results.Rejection(number, problem.code, problem.detail, problem.field)
            for number, problem in lines.refused
        ],
        took_ms=took_ms,
    )


@get("/contracts")
async def list_contracts(request: AnyRequest, trade_store: StoreGiven) -> Response[bytes]:
    begin = time.perf_counter()
    limit = number_parameter(request, "limit", PAGE_SIZE, most=PAGE_SIZE_MAX)
    after = request.query_params.get("cursor", "")
    try:
        page = trade_store.store.contracts(after=after, limit=limit + 1)
        found, as_of = await within(ANSWER_SECONDS, page)
    except (StoreUnavailable, TimeoutError) as error:
        raise _unavailable(error) from error
    took_ms = _since(begin)
    items = [
        _summary(ticker, totals, as_of, took_ms) for ticker, totals in list(found.items())[:limit]
    ]
    following = items[-1].ticker if len(found) > limit else None
    return json_response(results.Contracts(items, as_of, following, took_ms))


@get("/contracts/{ticker:str}/summary")
async def read_summary(
    request: AnyRequest, trade_store: StoreGiven, ticker: FromPath[str]
) -> Response[bytes]:
    begin = time.perf_counter()
    totals, as_of = await _find(request, trade_store.store, ticker)
    return json_response(_summary(ticker, totals, as_of, _since(begin)))


@get("/contracts/{ticker:str}/prices/{price:str}")
async def read_price(
    request: AnyRequest, trade_store: StoreGiven, ticker: FromPath[str], price: FromPath[str]
) -> Response[bytes]:
    begin = time.perf_counter()
    at = _price(price)
    totals, as_of = await _find(request, trade_store.store, ticker, at)
    summary = _summary(ticker, totals, as_of, _since(begin))
    summary.price = text_of(at)
    return json_response(summary)


@get(["/contracts/{ticker:str}/volume", "/contracts/{ticker:str}/prices/{price:str}/volume"])
async def read_volume(
    request: AnyRequest, trade_store: StoreGiven, ticker: FromPath[str]
) -> Response[bytes]:
    begin = time.perf_counter()
    totals, as_of = await _find(request, trade_store.store, ticker, _asked_price(request))
    volume = text_of(totals.volume if totals else ZERO)
    return json_response(results.ContractVolume(ticker, volume, as_of, _since(begin)))


@get("/contracts/{ticker:str}/highest-price")
async def read_highest_price(
    request: AnyRequest, trade_store: StoreGiven, ticker: FromPath[str]
) -> Response[bytes]:
    begin = time.perf_counter()
    totals, as_of = await _find(request, trade_store.store, ticker)
    highest = text_of(totals.highest_price) if totals else None
    return json_response(results.ContractHighestPrice(ticker, highest, as_of, _since(begin)))


@get(
    [
        "/contracts/{ticker:str}/last-trade-time",
        "/contracts/{ticker:str}/prices/{price:str}/last-trade-time",
    ]
)
async def read_last_trade_time(
    request: AnyRequest, trade_store: StoreGiven, ticker: FromPath[str]
) -> Response[bytes]:
    begin = time.perf_counter()
    totals, as_of = await _find(request, trade_store.store, ticker, _asked_price(request))
    last = format_time(totals.last_time_ns) if totals else None
    return json_response(results.ContractLastTradeTime(ticker, last, as_of, _since(begin)))


async def _find(
    request: AnyRequest, store: TradeStore, ticker: str, price: Decimal | None = None
) -> tuple[Totals | None, int]:
    """What a contract comes to, where the request asks; raises `Refused` unknown_contract."""
    shard = None
    if "shard" in request.query_params:
        shard = number_parameter(request, "shard", 0, least=0, most=SHARD_MAX)
    try:
        asked = store.contract(ticker, shard=shard, price=price)
        found = await within(ANSWER_SECONDS, asked)
    except (StoreUnavailable, TimeoutError) as error:
        raise _unavailable(error) from error
    if found is None:
        raise refused("unknown_contract", field="ticker")
    return found.totals, found.as_of


def _asked_price(request: AnyRequest) -> Decimal | None:
    """The price that the path names, if it does."""
    text: str | None = request.path_params.get("price")
    return None if text is None else _price(text)


def _price(text: str) -> Decimal:
    try:
        return decimal_of(text, "price")
    except BadValue as error:
        raise Refused(error.problem) from None


def _summary(
    ticker: str, totals: Totals | None, as_of: int, took_ms: float
) -> results.ContractSummary:
    if totals is None:
        return results.ContractSummary(ticker, "0", "0", None, None, None, 0, None, as_of, took_ms)
    return results.ContractSummary(
        ticker,
        text_of(totals.volume),
        text_of(totals.value),
        text_of(totals.highest_price),
        text_of(totals.lowest_price),
        format_time(totals.last_time_ns),
        totals.trades,
        text_of(vwap(totals)),
        as_of,
        took_ms,
    )


def vwap(totals: Totals) -> Decimal:
    """Value by volume, half-even to a few digits beyond those of the prices."""
    exponents = [
        EXACT.normalize(price).as_tuple().exponent
        for price in (totals.highest_price, totals.lowest_price)
    ]
    digits = max(-int(exponent) for exponent in exponents)
    with localcontext(EXACT) as context:
        context.clear_traps()
        places = Decimal(1).scaleb(-max(digits, 0) - VWAP_EXTRA_DIGITS)
        return (totals.value / totals.volume).quantize(places)


def _since(begin: float) -> float:
    return round((time.perf_counter() - begin) * MS_PER_SECOND, 3)


def _unavailable(error: Exception) -> Refused:
    return refused("database_unavailable", str(error))


def store_source(desk: StoreDesk) -> Source:
    """The store's metrics."""

    store = desk.store

    def samples() -> Iterator[Sample]:
        yield Sample("tradepit_store_trades", "Trades stored.", store.stored_count, True)
        yield Sample("tradepit_store_repeats", "Repeated trades.", store.repeated_count, True)
        yield Sample("tradepit_store_retries", "Writes tried again.", store.retried_count, True)

    return Source(samples, [desk.latency])


HANDLERS: Final = (
    ingest,
    list_contracts,
    read_summary,
    read_price,
    read_volume,
    read_highest_price,
    read_last_trade_time,
)
