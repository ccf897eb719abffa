"""JSON of orders, fills and trades.

Order objects are rendered by the native module (`crates/core/src/json.rs`), so that an answer, its
repetition under the same key and a later read come from one place, at a microsecond each.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, Protocol

import msgspec

from tradepit.domain.wire import Side
from tradepit.engine.rows import FillTuple, OrderTuple
from tradepit.gateway.listing import Listing
from tradepit.gateway.ports import MarketNode
from tradepit.gateway.times import format_time

SIDE_TEXT: Final = [side.name.lower() for side in Side]
_encode: Final = msgspec.json.encode


def json_text(text: str | None) -> str:
    """JSON of a string or null."""
    return "null" if text is None else _encode(text).decode()


class Renderer:
    """Rows of the replica to JSON."""

    def __init__(self, node: MarketNode, listing: Listing) -> None:
        self._node = node
        self.listing = listing

    def order_at(self, order_id: int, sequence: int) -> bytes | None:
        """The order right after a sequence, as its command was answered; None when the history
        no longer reaches back to it."""
        return self._node.replica.order_json(order_id, sequence)

    def order_row(self, row: OrderTuple) -> str:
        """An order that was just read, with its place in the queue while it rests."""
        return (self._node.replica.order_json(row[0], 0) or b"null").decode()


class Texts(Protocol):
    """What writes an instrument's numbers: the listing for those of now, a stored definition for
    older ones."""

    @property
    def symbol_json(self) -> str: ...
    def price_text(self, ticks: int, /) -> str: ...
    def quantity_text(self, lots: int, /) -> str: ...
    def quote_text(self, amount: int, /) -> str: ...


def fill_texts(instrument: Texts, fills: Iterable[FillTuple]) -> list[str]:
    """One order's fills, each as JSON."""
    return [
        f'{{"trade_id":"{trade_id}","price":"{instrument.price_text(price)}"'
        f',"quantity":"{instrument.quantity_text(quantity)}","fee":"{instrument.quote_text(fee)}"'
        f',"liquidity":"{"maker" if is_maker else "taker"}"'
        f',"executed_at":"{format_time(time_ns)}"}}'
        for trade_id, _, time_ns, price, quantity, fee, is_maker in fills
    ]


def trade_text(
    instrument: Texts,
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
