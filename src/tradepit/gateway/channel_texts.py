"""Data of the channels that are written here: execution reports, positions, and where they begin.

The others are written natively (`crates/core/src/feed/`).
"""

from __future__ import annotations

from typing import Final

import msgspec

from tradepit.domain.wire import COMMAND_REJECTED, TRADE, EventKind, OrderStatus, Side
from tradepit.engine.rows import PositionRow, TradeRow
from tradepit.gateway.answers import SIDE_TEXT, fill_texts
from tradepit.gateway.drafts import Market
from tradepit.gateway.problems import REJECT_CODES
from tradepit.gateway.results import LastFill
from tradepit.gateway.statements import position_of
from tradepit.gateway.times import format_time
from tradepit.marketdata.feeds import Fill, Report

SNAPSHOT_ORDERS: Final = 10_000

_OPEN: Final = 1 << OrderStatus.NEW | 1 << OrderStatus.PARTIALLY_FILLED
_REPORTS: Final = {
    int(EventKind.ORDER_ACCEPTED): "accepted",
    int(EventKind.ORDER_REPLACED): "replaced",
    int(EventKind.TRADE): "fill",
    int(EventKind.ORDER_CANCELLED): "cancelled",
    int(EventKind.ORDER_REDUCED): "reduced",
    int(EventKind.ORDER_TRIGGERED): "triggered",
}

LAST_FILLS_LOOKED_AT: Final = 1000
"""Newest trades of an account in which a snapshot looks for the last of each instrument."""


def report_text(market: Market, report: Report) -> str:
    """An execution report: what happened, and the order as it stood after the command."""
    if report.kind == EventKind.COMMAND_REJECTED:
        reason = COMMAND_REJECTED.unpack(report.event)[11]
        named = f'"{report.order_id}"' if report.order_id else "null"
        return (
            f'{{"report":"rejected","sequence":{report.sequence},"order_id":{named}'
            f',"reject_reason":"{REJECT_CODES[reason]}"}}'
        )
    known = market.renderer.order_at(report.order_id, report.sequence)
    order = "null" if known is None else known.decode()
    fill = ""
    if report.kind == EventKind.TRADE:
        fill = f',"fill":{_fill_text(market, report)}'
    what = _REPORTS[report.kind]
    if what == "cancelled" and report.event[7] == OrderStatus.EXPIRED:
        what = "expired"
    return f'{{"report":"{what}","sequence":{report.sequence}{fill},"order":{order}}}'


def _fill_text(market: Market, report: Report) -> str:
    fields = TRADE.unpack(report.event)
    is_maker = report.order_id == fields[14]
    fee = fields[17] if is_maker else fields[18]
    time_ns = market.replica.market_time_ns
    row = (fields[11], report.sequence, time_ns, fields[12], fields[13], fee, is_maker)
    return fill_texts(market.listing.by_number[fields[10]], [row])[0]


def position_text(market: Market, fill: Fill) -> str:
    """A position right after one fill, valued as of now, with the fill."""
    row = PositionRow(*fill[2:7], 0, 0, 0)
    side = Side.BUY if fill.lots > 0 else Side.SELL
    last = _last_fill(market, row.instrument, fill.trade_id, side, *fill[8:])
    return _position_text(market, row, last)


def _last_fill(
    market: Market,
    instrument: int,
    trade_id: int,
    side: int,
    lots: int,
    price: int,
    time_ns: int,
) -> LastFill:
    texts = market.listing.by_number[instrument]
    return LastFill(
        trade_id=str(trade_id),
        side=SIDE_TEXT[side],  # type: ignore[arg-type]
        quantity=texts.quantity_text(abs(lots)),
        price=texts.price_text(price),
        executed_at=format_time(time_ns),
    )


def _position_text(market: Market, row: PositionRow, last_fill: LastFill | None) -> str:
    position = position_of(market, row)
    position.last_fill = last_fill
    return msgspec.json.encode(position).decode()


def open_orders_text(market: Market, account: int) -> str:
    """The open orders of an account."""
    rows = market.replica.orders(account, 0, _OPEN, 0, SNAPSHOT_ORDERS)
    return f'{{"orders":[{",".join([market.renderer.order_row(row) for row in rows])}]}}'


def positions_text(market: Market, account: int) -> str:
    """All positions of an account."""
    rows = [PositionRow._make(row) for row in market.replica.positions(account)]
    last = last_fills(market, account)
    texts = [_position_text(market, row, last.get(row.instrument)) for row in rows]
    return f'{{"positions":[{",".join(texts)}]}}'


def last_fills(
    market: Market, account: int, instrument: int = 0, limit: int = LAST_FILLS_LOOKED_AT
) -> dict[int, LastFill]:
    """The newest fill of each instrument, by number, among the account's newest trades; an
    `instrument` asks for its trades alone."""
    found: dict[int, LastFill] = {}
    for values in market.replica.trades(instrument, account, 0, limit):
        trade = TradeRow._make(values)
        if trade.instrument not in found:
            is_taker = trade.taker_account == account
            side = trade.taker_side if is_taker else Side.BUY + Side.SELL - trade.taker_side
            numbers = (trade.quantity, trade.price, trade.time_ns)
            found[trade.instrument] = _last_fill(
                market, trade.instrument, trade.trade_id, side, *numbers
            )
    return found
