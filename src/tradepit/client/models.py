"""What the API answers, as typed records. Prices, quantities and money are exact decimals."""

from __future__ import annotations

from decimal import Decimal
from typing import Generic, Literal, TypeVar

from msgspec import Struct

Side = Literal["buy", "sell"]


class Fill(Struct, frozen=True):
    """One order's view of a trade."""

    trade_id: str
    price: Decimal
    quantity: Decimal
    liquidity: str
    fee: Decimal = Decimal(0)


class Order(Struct, frozen=True):
    """An order as it stands, or stood when its command was answered."""

    id: str
    instrument: str
    side: Side
    type: str
    quantity: Decimal
    remaining: Decimal
    filled_quantity: Decimal
    status: str
    client_id: str | None = None
    client_order_id: str | None = None
    time_in_force: str | None = None
    price: Decimal | None = None
    average_price: Decimal | None = None
    queue_ahead: Decimal | None = None
    fills: tuple[Fill, ...] = ()
    created_at: str | None = None
    updated_at: str | None = None
    reject_reason: str | None = None

    @property
    def is_open(self) -> bool:
        """Whether it still rests in the book."""
        return self.status in {"new", "partially_filled"}


class Trade(Struct, frozen=True):
    """A public trade."""

    id: str
    instrument: str
    price: Decimal
    quantity: Decimal
    maker_order_id: str
    taker_order_id: str
    taker_side: Side
    executed_at: str | None = None


class Level(Struct, frozen=True):
    """Open quantity at one price."""

    price: Decimal
    quantity: Decimal
    orders: int


class OrderBook(Struct, frozen=True):
    """Levels of both sides, best first, as of a journal sequence."""

    instrument: str
    bids: tuple[Level, ...]
    asks: tuple[Level, ...]
    as_of: int = 0


class Balance(Struct, frozen=True):
    """What an account has of one asset."""

    asset: str
    total: Decimal
    held: Decimal
    available: Decimal


class Account(Struct, frozen=True):
    """An account and its balances."""

    id: str
    name: str | None = None
    type: str | None = None
    balances: tuple[Balance, ...] = ()


class Instrument(Struct, frozen=True):
    """What is traded, and in which steps."""

    symbol: str
    tick_size: Decimal
    lot_size: Decimal
    phase: str | None = None
    base_asset: str | None = None
    quote_asset: str | None = None
    reference_price: Decimal | None = None
    last_price: Decimal | None = None


T = TypeVar("T")


class Page(Struct, Generic[T], frozen=True):
    """Part of a list, newest first; `next` is the cursor of the following part."""

    items: tuple[T, ...]
    as_of: int = 0
    next: str | None = None


class Place(Struct, frozen=True, omit_defaults=True, tag_field="op", tag="place", kw_only=True):
    """Batch operation: a new order."""

    client_id: str
    instrument: str
    side: Side
    quantity: Decimal | str
    price: Decimal | str | None = None
    type: str = "limit"
    time_in_force: str | None = None
    post_only: bool = False
    client_order_id: str | None = None
    expires_at: str | None = None
    self_trade_prevention: str | None = None


class Cancel(Struct, frozen=True, omit_defaults=True, tag_field="op", tag="cancel", kw_only=True):
    """Batch operation: take an order off the book."""

    order_id: str
    client_id: str | None = None


class Replace(Struct, frozen=True, omit_defaults=True, tag_field="op", tag="replace", kw_only=True):
    """Batch operation: a new price, a new total quantity (fills included), or both."""

    order_id: str
    client_id: str | None = None
    price: Decimal | str | None = None
    quantity: Decimal | str | None = None


class MassCancel(
    Struct, frozen=True, omit_defaults=True, tag_field="op", tag="mass_cancel", kw_only=True
):
    """Batch operation: cancel the open orders that match."""

    client_id: str | None = None
    instrument: str | None = None
    side: Side | None = None


BatchOperation = Place | Cancel | Replace | MassCancel


class Problem(Struct, frozen=True):
    """An error document of RFC 9457; `code` is stable."""

    code: str
    status: int = 0
    title: str = ""
    detail: str = ""
    field: str | None = None
    outcome: str | None = None


class CancelCount(Struct, frozen=True):
    """How many orders a mass cancel took off the book."""

    cancelled: int


class BatchResult(Struct, frozen=True):
    """What one operation of a batch came to: an order, a count, or a problem."""

    status: int
    order: Order | None = None
    result: CancelCount | None = None
    problem: Problem | None = None


class BatchAnswer(Struct, frozen=True):
    """One result for each operation, in order."""

    results: tuple[BatchResult, ...]
