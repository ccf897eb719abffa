"""Routes that look back: candles, statistics, an account's performance. Answered from SQL."""

from __future__ import annotations

from itertools import groupby
from typing import Any, Final

import msgspec
from litestar import Response, get
from litestar.params import FromPath

from tradepit.domain.decimals import format_average
from tradepit.domain.wire import Side
from tradepit.engine.rows import InstrumentRow
from tradepit.gateway import past
from tradepit.gateway.administration import known_account
from tradepit.gateway.gateway import Gateway, GatewayGiven
from tradepit.gateway.intervals import DAY_SECONDS, interval_seconds
from tradepit.gateway.listing import Instrument
from tradepit.gateway.problems import refused
from tradepit.gateway.requests import (
    NUMBER_MAX,
    AnyRequest,
    choice_parameter,
    json_response,
    number_parameter,
    page_body,
)
from tradepit.gateway.results import AccountPerformance, PerformancePoint, Statistics
from tradepit.gateway.statements import mark_twice
from tradepit.gateway.times import format_time, parse_time
from tradepit.projections.candles import (
    NS_PER_SECOND,
    Candle,
    carry_forward,
    merge,
    stored_length,
)
from tradepit.projections.performance import Move, Performance, Point, measure
from tradepit.projections.reads import Definition, Page, SqlHistory

MINUTE_NS: Final = 60 * NS_PER_SECOND
DAY_NS: Final = DAY_SECONDS * NS_PER_SECOND

TRADES_AT_A_TIME: Final = 5_000
POINTS: Final = 200
POINTS_MAX: Final = 2_000
CARRIED_MAX: Final = 20_000
"""Most candles that carrying forward may make of one request's."""


@get("/candles")
async def list_candles(request: AnyRequest, gateway: GatewayGiven) -> Response[bytes]:
    query = request.query_params
    symbol = query.get("instrument")
    if symbol is None:
        raise refused("invalid_parameter", "instrument is missing", field="instrument")
    instrument = gateway.desk.market.listing.find(symbol)
    seconds = interval_seconds(query.get("interval", "1m"))
    stored = stored_length(seconds)
    wanted = gateway.slice(request)
    begin, end = _time(request, "from", 0), _time(request, "to", NUMBER_MAX)
    if wanted.before:
        end = min(end, wanted.before)
    # A candle belongs to the range in which it starts.
    length_ns = seconds * NS_PER_SECOND
    begin = -(-begin // length_ns) * length_ns
    most = (wanted.rows + 1) * (seconds // stored)
    page = await past.ask(
        gateway,
        request,
        lambda history: history.candles(instrument.number, stored, begin, end, most),
    )
    if page is None:
        raise refused("history_unavailable", "this node keeps no history")
    candles = _merged(page, seconds)
    if len(page.rows) == most:
        del candles[0]  # its first part may lie before what was read
    if choice_parameter(request, "gaps", ("leave", "carry")) == "carry":
        candles = _without_gaps(candles, seconds)
    candles.reverse()
    shown = candles[wanted.skip : wanted.skip + wanted.limit]
    has_more = len(candles) > wanted.skip + wanted.limit
    following = str(shown[-1][1].start_ns) if has_more else None
    items = [_candle_text(definition, candle) for definition, candle in shown]
    return json_response(page_body(items, page.as_of, following))


Defined = tuple[Definition, Candle]


def _merged(page: Page, seconds: int) -> list[Defined]:
    """Candles of the wanted length, oldest first; a tick size never changes within one."""
    candles: list[Defined] = []
    for definition, group in groupby(reversed(page.rows), key=lambda stored: stored.definition):
        rows = (stored.row for stored in group)
        merged = merge(
            (
                Candle(
                    row.start_ns,
                    row.open,
                    row.high,
                    row.low,
                    row.close,
                    row.volume,
                    row.value,
                    row.trades,
                )
                for row in rows
            ),
            seconds,
        )
        candles += [(definition, candle) for candle in merged]
    return candles


def _without_gaps(candles: list[Defined], seconds: int) -> list[Defined]:
    """Every gap filled with the close before it, up to a bound; the newest ones are kept."""
    filled: list[Defined] = []
    for definition, group in groupby(candles, key=lambda defined: defined[0]):
        run = carry_forward([candle for _, candle in group], seconds, CARRIED_MAX)
        filled += [(definition, candle) for candle in run]
    return filled


def _candle_text(definition: Definition, candle: Candle) -> str:
    price, quantity = definition.price_text, definition.quantity_text
    vwap = "null"
    if candle.volume:
        step = (definition.tick_mantissa, definition.tick_exponent)
        vwap = f'"{format_average(candle.value, candle.volume, *step)}"'
    carried = "" if candle.trades else ',"carried":true'
    return (
        f'{{"start":"{format_time(candle.start_ns)}","open":"{price(candle.open)}"'
        f',"high":"{price(candle.high)}","low":"{price(candle.low)}"'
        f',"close":"{price(candle.close)}"'
        f',"volume":"{quantity(candle.volume)}","trades":{candle.trades}'
        f',"vwap":{vwap}{carried}}}'
    )


def _time(request: AnyRequest, name: str, default: int) -> int:
    """A time of the query: RFC 3339, or nanoseconds since the epoch."""
    text = request.query_params.get(name)
    if text is None:
        return default
    if text.isascii() and text.isdigit():
        return number_parameter(request, name, default, least=0)
    time_ns = parse_time(text.replace(" ", "+"))
    if time_ns is None:
        raise refused("invalid_parameter", f"{name} is no RFC 3339 time", field=name)
    return time_ns


@get("/instruments/{symbol:str}/statistics")
async def read_statistics(
    request: AnyRequest, gateway: GatewayGiven, symbol: FromPath[str]
) -> Response[bytes]:
    instrument = gateway.desk.market.listing.find(symbol)
    now = gateway.node.replica.market_time_ns
    begin = (now - DAY_NS) // MINUTE_NS * MINUTE_NS + MINUTE_NS
    page = await past.ask(
        gateway,
        request,
        lambda history: history.candles(instrument.number, 60, begin, NUMBER_MAX, DAY_SECONDS),
    )
    if page is None:
        raise refused("history_unavailable", "this node keeps no history")
    version = instrument.version
    candles = [
        stored.row for stored in reversed(page.rows) if stored.row.definition_version == version
    ]
    rows = (row for row in gateway.node.replica.instruments() if row[0] == instrument.number)
    last = InstrumentRow._make(next(rows)).last_price
    return json_response(_statistics(instrument, candles, last, page.as_of))


def _statistics(instrument: Instrument, candles: list[Any], last: int, as_of: int) -> Statistics:
    price = instrument.price_text
    statistics = Statistics(
        instrument=instrument.row.symbol,
        last=price(last) if last else None,
        open=None,
        high=None,
        low=None,
        change=None,
        change_percent=None,
        volume=instrument.quantity_text(0),
        trades=0,
        vwap=None,
        as_of=as_of,
    )
    if candles:
        volume = sum(candle.volume for candle in candles)
        value = sum(candle.value for candle in candles)
        first, newest = candles[0].open, candles[-1].close
        step = (instrument.row.tick_mantissa, instrument.row.tick_exponent)
        statistics.open = price(first)
        statistics.high = price(max(candle.high for candle in candles))
        statistics.low = price(min(candle.low for candle in candles))
        statistics.change = price(newest - first)
        statistics.change_percent = format_average((newest - first) * 10_000, first, 1, 2)
        statistics.volume = instrument.quantity_text(volume)
        statistics.trades = sum(candle.trades for candle in candles)
        statistics.vwap = format_average(value, volume, *step)
    return statistics


@get("/accounts/{account_id:str}/performance")
async def read_performance(
    request: AnyRequest, gateway: GatewayGiven, account_id: FromPath[str]
) -> Response[bytes]:
    market = gateway.desk.market
    account = known_account(market, account_id)
    points_max = number_parameter(request, "points", POINTS, most=POINTS_MAX)
    symbol = request.query_params.get("instrument")
    if symbol is not None:
        instruments = [market.listing.find(symbol)]
    else:
        held = {row[0] for row in market.replica.positions(account)}
        instruments = [market.listing.by_number[number] for number in sorted(held)]
    texts: list[str] = []
    as_of = 0

    async def of_all(history: SqlHistory) -> Page:
        nonlocal as_of
        as_of = await history.sequence()
        for instrument in instruments:
            moves = await _moves(gateway, history, account, instrument)
            performance, points = measure(moves, points_max)
            body = _performance_body(gateway, instrument, performance, points)
            texts.append(msgspec.json.encode(body).decode())
        return Page(as_of, [])

    if await past.ask(gateway, request, of_all) is None:
        raise refused("history_unavailable", "this node keeps no history")
    return json_response(page_body(texts, as_of, None))


async def _moves(
    gateway: Gateway, history: SqlHistory, account: int, instrument: Instrument
) -> list[Move]:
    """Everything that changed the account's position, in order."""
    keyed: list[tuple[tuple[int, int], Move]] = []
    after = 0
    while True:
        page = await history.account_fills(
            account, instrument=instrument.number, after=after, limit=TRADES_AT_A_TIME
        )
        for row, _ in page.rows:
            after = row.trade_id
            for owner, side, fee in (
                (row.maker_account, _opposite(row.taker_side), row.maker_fee),
                (row.taker_account, row.taker_side, row.taker_fee),
            ):
                if owner == account:
                    lots = row.quantity if side == Side.BUY else -row.quantity
                    move = Move(row.time_ns, lots, row.price, fee, is_fill=True)
                    keyed.append(((row.sequence, row.trade_id), move))
        if len(page.rows) < TRADES_AT_A_TIME:
            break
    if _is_primary(gateway, instrument):
        lot = 10**instrument.base.scale * instrument.row.lot_mantissa
        lot //= 10**instrument.row.lot_exponent
        reference = instrument.row.reference_price
        for line in await history.coin_moves(account, instrument.base.asset):
            lots = abs(line.amount) // lot * (1 if line.amount > 0 else -1)
            move = Move(line.time_ns, lots, reference, 0, is_fill=False)
            keyed.append(((line.sequence, 0), move))
    keyed.sort(key=lambda pair: pair[0])
    return [move for _, move in keyed if move.lots]


def _opposite(side: int) -> int:
    return Side.SELL if side == Side.BUY else Side.BUY


def _is_primary(gateway: Gateway, instrument: Instrument) -> bool:
    """Coins are counted in the first instrument of their asset."""
    by_number = gateway.desk.market.listing.by_number
    same = [n for n, other in by_number.items() if other.base.asset == instrument.base.asset]
    return instrument.number == min(same)


def _performance_body(
    gateway: Gateway, instrument: Instrument, performance: Performance, points: list[Point]
) -> AccountPerformance:
    step = (instrument.row.tick_mantissa, instrument.row.tick_exponent)
    unit = instrument.row.unit

    def average(value: int, lots: int) -> str | None:
        return format_average(value, lots, *step) if lots else None

    def money(value: int) -> str:
        return instrument.quote_text(value * unit)

    double_mark = mark_twice(gateway.desk.market, instrument)
    unrealised: list[str | None] = [None, None]
    if double_mark or not performance.net:
        halves = performance.unrealised(double_mark)
        unrealised = [instrument.quote_text(half * unit // 2) for half in halves]
    return AccountPerformance(
        instrument=instrument.row.symbol,
        bought_quantity=instrument.quantity_text(performance.bought_lots),
        sold_quantity=instrument.quantity_text(performance.sold_lots),
        average_buy_price=average(performance.bought_value, performance.bought_lots),
        average_sell_price=average(performance.sold_value, performance.sold_lots),
        net_quantity=instrument.quantity_text(performance.net),
        average_price=average(performance.cost, performance.net),
        mark_price=None if not double_mark else format_average(double_mark, 2, *step),
        realised_pnl=money(performance.realised),
        realised_pnl_fifo=money(performance.realised_fifo),
        unrealised_pnl=unrealised[0],
        unrealised_pnl_fifo=unrealised[1],
        fees=instrument.quote_text(performance.fees),
        fills=performance.fills,
        points=[
            PerformancePoint(
                at=format_time(point.time_ns),
                price=instrument.price_text(point.price),
                average_buy_price=average(*point.bought),
                average_sell_price=average(*point.sold),
                net_quantity=instrument.quantity_text(point.net),
                average_price=average(point.cost, point.net),
                realised_pnl=money(point.realised),
                realised_pnl_fifo=money(point.realised_fifo),
                fees=instrument.quote_text(point.fees),
            )
            for point in points
        ],
    )


HANDLERS: Final = (list_candles, read_statistics, read_performance)
