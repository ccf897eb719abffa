"""Data of the channels that are written here: execution reports, positions, and where they begin.

The others are written natively (`crates/core/src/feed/`).
"""

from __future__ import annotations

from typing import Final

import msgspec

from tradepit.domain.wire import COMMAND_REJECTED, TRADE, EventKind, OrderStatus
from tradepit.engine.rows import PositionRow
from tradepit.gateway.answers import fill_texts
from tradepit.gateway.drafts import Market
from tradepit.gateway.problems import REJECT_CODES
from tradepit.gateway.statements import position_of
from tradepit.marketdata.feeds import Fill, Report

SNAPSHOT_ORDERS: Final = 10_000

_OPEN: Final = 1 << OrderStatus.NEW | 1 << OrderStatus.PARTIALLY_FILLED
_REPORTS: Final = {
    int(EventKind.ORDER_ACCEPTED): "accepted",
    int(EventKind.ORDER_REPLACED): "replaced",
    int(EventKind.TRADE): "fill",
    int(EventKind.ORDER_CANCELLED): "cancelled",
    int(EventKind.ORDER_REDUCED): "reduced",
}


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
    """A position right after one fill, valued as of now."""
    return _position_text(market, PositionRow(*fill[2:], 0, 0, 0))


def _position_text(market: Market, row: PositionRow) -> str:
    return msgspec.json.encode(position_of(market, row)).decode()


def open_orders_text(market: Market, account: int) -> str:
    """The open orders of an account."""
    rows = market.replica.orders(account, 0, _OPEN, 0, SNAPSHOT_ORDERS)
    return f'{{"orders":[{",".join([market.renderer.order_row(row) for row in rows])}]}}'


def positions_text(market: Market, account: int) -> str:
    """All positions of an account."""
    rows = [PositionRow._make(row) for row in market.replica.positions(account)]
    return f'{{"positions":[{",".join([_position_text(market, row) for row in rows])}]}}'
