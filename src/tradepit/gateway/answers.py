"""JSON of orders, fills and trades, written by hand: the answers of the hot path.

Each function returns text; the caller encodes once. Everything is rendered from the replica's rows,
so that an answer, its repetition under the same key and a later read come from one place.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

import msgspec

from tradepit.domain.decimals import format_average
from tradepit.domain.wire import (
    CloseReason,
    Option,
    OrderStatus,
    OrderType,
    SelfTradePrevention,
    Side,
    TimeInForce,
)
from tradepit.engine.rows import FillTuple, OrderTuple
from tradepit.gateway.listing import Instrument, Listing
from tradepit.gateway.ports import MarketNode
from tradepit.gateway.times import format_time

SIDE_TEXT: Final = [side.name.lower() for side in Side]
TYPE_TEXT: Final = [kind.name.lower() for kind in OrderType]
TIME_IN_FORCE_TEXT: Final = [mode.name.lower() for mode in TimeInForce]
PREVENTION_TEXT: Final = [mode.name.lower() for mode in SelfTradePrevention]
STATUS_TEXT: Final = [status.name.lower() for status in OrderStatus]
REASON_TEXT: Final = [reason.name.lower() for reason in CloseReason]

ACCOUNTS_REMEMBERED_MAX: Final = 65_536
"""Account ids kept as JSON, about 100 bytes each."""

FILLS_MAX: Final = 1_000_000
"""Every fill of an order is shown; the bound only keeps a broken count from asking for more."""

_LIVE: Final = (OrderStatus.NEW, OrderStatus.PARTIALLY_FILLED)
_encode: Final = msgspec.json.encode


def json_text(text: str | None) -> str:
    """JSON of a string or null."""
    return "null" if text is None else _encode(text).decode()


class Renderer:
    """Rows of the replica to JSON."""

    def __init__(self, node: MarketNode, listing: Listing) -> None:
        self._node = node
        self.listing = listing
        self._accounts: dict[int, str] = {}

    def order_at(self, order_id: int, sequence: int) -> str | None:
        """The order right after a sequence, as its command was answered; None when the history
        no longer reaches back to it."""
        row = self._node.replica.order_at(order_id, sequence)
        if row is None:
            return None
        fills = self._node.replica.fills(order_id, FILLS_MAX) if row[13] else ()
        if fills and fills[-1][1] > sequence:
            fills = [fill for fill in fills if fill[1] <= sequence]
        return self._order(row, fills, "")

    def order(self, order_id: int) -> str | None:
        """The order as it stands now, with its place in the queue while it rests."""
        row = self._node.replica.order(order_id)
        return None if row is None else self.order_row(row)

    def order_row(self, row: OrderTuple) -> str:
        """An order row that was just read, with its place in the queue while it rests."""
        order_id = row[0]
        extra = ""
        if row[8] in _LIVE:
            ahead = self._node.replica.queue_ahead(order_id)
            if ahead is not None:
                instrument = self.listing.by_number[row[2]]
                extra = (
                    f',"queue_ahead":"{instrument.quantity_text(ahead[0])}"'
                    f',"orders_ahead":{ahead[1]}'
                )
        return self._order(
            row, self._node.replica.fills(order_id, FILLS_MAX) if row[13] else (), extra
        )

    def _order(
        self,
        row: OrderTuple,
        fills: Sequence[FillTuple],
        extra: str,
    ) -> str:
        (
            order_id, account, number, side, order_type, time_in_force, prevention, options,
            status, reason, price, quantity, leaves, filled, filled_value, expires_at,
            created_at, updated_at, client_order_id, _,
        ) = row  # fmt: skip
        instrument = self.listing.by_number[number]
        quantities = instrument.quantities
        client_id = self._accounts.get(account) or self._account_json(account)
        price_json = "null"
        if price:
            price_json = f'"{instrument.prices.get(price) or instrument.price_text(price)}"'
        total = quantities.get(quantity) or instrument.quantity_text(quantity)
        rest = total
        if leaves != quantity:
            rest = quantities.get(leaves) or instrument.quantity_text(leaves)
        done = quantities.get(filled) or instrument.quantity_text(filled)
        created = format_time(created_at)
        updated = created if updated_at == created_at else format_time(updated_at)
        if options or expires_at or reason or prevention != 1:
            extra += _unusual(options, expires_at, reason, prevention)
        average = "null"
        fills_json = ""
        if filled:
            average = f'"{self._average(instrument, filled_value, filled)}"'
            fills_json = ",".join(fill_texts(instrument, fills))
        return (
            f'{{"id":"{order_id}","order_id":"{order_id}"'
            f',"client_id":{client_id}'
            f',"client_order_id":{json_text(client_order_id) if client_order_id else "null"}'
            f',"instrument":{instrument.symbol_json},"side":"{SIDE_TEXT[side]}"'
            f',"type":"{TYPE_TEXT[order_type]}"'
            f',"time_in_force":"{TIME_IN_FORCE_TEXT[time_in_force]}"'
            f',"price":{price_json},"quantity":"{total}","remaining":"{rest}"'
            f',"filled_quantity":"{done}","average_price":{average}'
            f',"status":"{STATUS_TEXT[status]}"{extra},"fills":[{fills_json}]'
            f',"created_at":"{created}","updated_at":"{updated}"}}'
        )

    def _account_json(self, account: int) -> str:
        if len(self._accounts) >= ACCOUNTS_REMEMBERED_MAX:
            self._accounts.clear()
        text = json_text(self._node.replica.account_id(account))
        self._accounts[account] = text
        return text

    def _average(self, instrument: Instrument, value: int, filled: int) -> str:
        ticks, remainder = divmod(value, filled)
        if not remainder:
            return instrument.price_text(ticks)
        row = instrument.row
        return format_average(value, filled, row.tick_mantissa, row.tick_exponent)


def _unusual(options: int, expires_at: int, reason: int, prevention: int) -> str:
    """Fields that only some orders have."""
    text = ""
    if prevention != SelfTradePrevention.CANCEL_TAKER:
        text += f',"self_trade_prevention":"{PREVENTION_TEXT[prevention]}"'
    if options & Option.POST_ONLY:
        text += ',"post_only":true'
    if options & Option.POST_ONLY_REPRICE:
        text += ',"post_only":"reprice"'
    if options & Option.REDUCE_ONLY:
        text += ',"reduce_only":true'
    if expires_at:
        text += f',"expires_at":"{format_time(expires_at)}"'
    if reason:
        text += f',"close_reason":"{REASON_TEXT[reason]}"'
    return text


def fill_texts(instrument: Instrument, fills: Iterable[FillTuple]) -> list[str]:
    """One order's fills, each as JSON."""
    return [
        f'{{"trade_id":"{trade_id}","price":"{instrument.price_text(price)}"'
        f',"quantity":"{instrument.quantity_text(quantity)}","fee":"{instrument.quote_text(fee)}"'
        f',"liquidity":"{"maker" if is_maker else "taker"}"'
        f',"executed_at":"{format_time(time_ns)}"}}'
        for trade_id, _, time_ns, price, quantity, fee, is_maker in fills
    ]


def trade_text(
    instrument: Instrument,
    *,
    trade_id: int,
    price: int,
    quantity: int,
    maker_order_id: int,
    taker_order_id: int,
    taker_side: int,
    time_ns: int,
) -> str:
    """A public trade as JSON: no accounts, no fees."""
    if taker_side == Side.BUY:
        buy, sell = taker_order_id, maker_order_id
    else:
        buy, sell = maker_order_id, taker_order_id
    return (
        f'{{"id":"{trade_id}","instrument":{instrument.symbol_json}'
        f',"price":"{instrument.price_text(price)}"'
        f',"quantity":"{instrument.quantity_text(quantity)}"'
        f',"maker_order_id":"{maker_order_id}","taker_order_id":"{taker_order_id}"'
        f',"buy_order_id":"{buy}","sell_order_id":"{sell}"'
        f',"taker_side":"{SIDE_TEXT[taker_side]}","executed_at":"{format_time(time_ns)}"}}'
    )
