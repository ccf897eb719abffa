"""What the messages of channels carry, by kind of channel."""

from __future__ import annotations

from decimal import Decimal
from typing import Any, Final, Literal

from msgspec import Struct

from tradepit.client.models import Fill, Level, Order, Position, Side, Top, Trade


class BookSnapshot(Struct, frozen=True):
    """All levels of a book, best first."""

    bids: tuple[Level, ...]
    asks: tuple[Level, ...]


class LevelChange(Struct, frozen=True):
    """A price level as it is now; a quantity of 0 means it is gone."""

    side: Side
    price: Decimal
    quantity: Decimal
    orders: int


class RestingOrder(Struct, frozen=True):
    """An order in a queue of the book."""

    order_id: str
    price: Decimal
    quantity: Decimal
    own: bool = False


class QueuesSnapshot(Struct, frozen=True):
    """All resting orders, in the order in which they will trade."""

    bids: tuple[RestingOrder, ...]
    asks: tuple[RestingOrder, ...]


class OrderChange(Struct, frozen=True):
    """One change of one resting order. `quantity` is what is left of it afterwards."""

    action: Literal["add", "modify", "trade", "delete"]
    """`add`: last in the queue of its price. `trade` leaves nothing: gone."""
    order_id: str
    side: Side
    price: Decimal
    quantity: Decimal
    sequence: int
    """Of the command; changes of one command belong together."""
    own: bool = False
    priority: Literal["kept", "lost"] | None = None
    """Of `modify`: `lost` is last in the queue of the price it has now."""
    previous_price: Decimal | None = None
    trade_id: str | None = None
    traded_quantity: Decimal | None = None
    taker_order_id: str | None = None
    reason: str | None = None


class Trades(Struct, frozen=True):
    """Where a channel of trades begins: nothing yet."""

    trades: tuple[Trade, ...] = ()


class OpenOrders(Struct, frozen=True):
    """The open orders of an account."""

    orders: tuple[Order, ...]


class ExecutionReport(Struct, frozen=True):
    """What happened to an order, and how it stood after the command."""

    report: str
    """`accepted`, `replaced`, `triggered`, `fill`, `cancelled`, `expired`, `reduced` or
    `rejected`."""
    sequence: int
    order: Order | None = None
    fill: Fill | None = None
    order_id: str | None = None
    reject_reason: str | None = None


class Positions(Struct, frozen=True):
    """All positions of an account."""

    positions: tuple[Position, ...]


class Candle(Struct, frozen=True):
    """A candle as it is now."""

    start: str
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    volume: Decimal
    trades: int
    vwap: Decimal
    closed: bool
    """Market time has left it: it grows no more."""
    complete: bool = True
    """False: the node does not remember all of its trades."""


class Candles(Struct, frozen=True):
    """The running candle, if there were trades."""

    candles: tuple[Candle, ...]


class DayStatistics(Struct, frozen=True):
    """The last 24 hours of an instrument, to the minute."""

    instrument: str
    volume: Decimal
    trades: int
    last: Decimal | None = None
    open: Decimal | None = None
    high: Decimal | None = None
    low: Decimal | None = None
    change: Decimal | None = None
    change_percent: Decimal | None = None
    vwap: Decimal | None = None
    as_of: int = 0
    complete: bool = True
    """False: the node does not remember all trades of the day."""


class Uncrossing(Struct, frozen=True):
    """A round in which orders that had gathered traded at one price."""

    price: Decimal
    volume: Decimal
    surplus: Decimal
    """Bids less asks at the price."""
    trades: int
    executed_at: str


class Auction(Struct, frozen=True):
    """An instrument's phase, and what would trade if its auction ended now."""

    phase: str
    indicative_volume: Decimal
    surplus: Decimal
    indicative_price: Decimal | None = None
    """None while nothing would trade."""
    uncrossed: Uncrossing | None = None
    """The last one."""


SHAPES: Final[dict[str, tuple[Any, Any]]] = {
    "book": (BookSnapshot, LevelChange),
    "orders": (QueuesSnapshot, OrderChange),
    "bbo": (Top, Top),
    "trades": (Trades, Trade),
    "candles": (Candles, Candle),
    "statistics": (DayStatistics, DayStatistics),
    "auction": (Auction, Auction),
    "execution": (OpenOrders, ExecutionReport),
    "positions": (Positions, Position),
}
"""Snapshot and update of each kind of channel; others stay as they are in JSON."""
