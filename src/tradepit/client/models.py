"""What the API takes and answers, as typed records. Prices, quantities, money: exact decimals.

Fields that this version does not know are ignored, so that a newer node can be talked to.
"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Generic, TypedDict, TypeVar

from msgspec import Struct

from tradepit.client.firm_models import (
    MakerLease,
    Quote,
    Release,
    Released,
    Reservation,
    Reserve,
    SetQuote,
)
from tradepit.client.values import LastFill as LastFill
from tradepit.client.values import Number as Number
from tradepit.client.values import Side as Side


class Fill(Struct, frozen=True):
    """One order's view of a trade."""

    trade_id: str
    price: Decimal
    quantity: Decimal
    liquidity: str
    fee: Decimal = Decimal(0)
    executed_at: str | None = None


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
    """Quantity before it at its price, while it rests."""
    fills: tuple[Fill, ...] = ()
    created_at: str | None = None
    updated_at: str | None = None
    reject_reason: str | None = None
    close_reason: str | None = None
    """Why it ended without being filled."""
    display_quantity: Decimal | None = None
    """What an iceberg shows at most."""
    stop_price: Decimal | None = None
    trail_amount: Decimal | None = None
    triggered: bool | None = None
    """Of a stop order: False while it waits."""
    quote: bool = False
    """Whether it is a side of a quote."""

    @property
    def is_open(self) -> bool:
        """Whether it may still trade: it rests in the book, or waits for its stop price."""
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


class AccountFill(Struct, frozen=True):
    """One fill of an account."""

    trade_id: str
    order_id: str
    instrument: str
    side: Side
    price: Decimal
    quantity: Decimal
    fee: Decimal
    liquidity: str
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


class QueuedOrder(Struct, frozen=True):
    """One resting order, in its place."""

    order_id: str
    price: Decimal
    quantity: Decimal


class OrderQueue(Struct, frozen=True):
    """Resting orders of both sides, best price first, then by place in the queue."""

    instrument: str
    bids: tuple[QueuedOrder, ...]
    asks: tuple[QueuedOrder, ...]
    as_of: int = 0


class Top(Struct, frozen=True):
    """Best bid and offer; the price of an empty side is None."""

    bid_price: Decimal | None = None
    bid_quantity: Decimal = Decimal(0)
    ask_price: Decimal | None = None
    ask_quantity: Decimal = Decimal(0)


class Balance(Struct, frozen=True):
    """What an account has of one asset."""

    asset: str
    total: Decimal
    held: Decimal
    available: Decimal
    credit: Decimal = Decimal(0)


class Account(Struct, frozen=True):
    """An account and its balances."""

    id: str
    name: str | None = None
    type: str | None = None
    state: str | None = None
    open_orders: int = 0
    balances: tuple[Balance, ...] = ()
    dead_man_at: str | None = None
    """Then all its orders leave, unless the timer is set anew."""
    api_key: str | None = None
    """In key mode, once: when the account is opened."""
    api_secret: str | None = None

    def balance(self, asset: str) -> Balance:
        """What it has of an asset; nothing, when it never had any."""
        nothing = Balance(asset, Decimal(0), Decimal(0), Decimal(0))
        return next((each for each in self.balances if each.asset == asset), nothing)


class AccountState(Struct, frozen=True):
    """What suspending, resuming, killing an account, or making it cancel-only, came to."""

    id: str
    state: str
    cancelled: int = 0


class InstrumentLimits(Struct, frozen=True):
    """Limits of an account in one instrument; None = none."""

    instrument: str
    max_quantity: Decimal | None = None
    max_value: Decimal | None = None
    position_max: Decimal | None = None


class AccountLimits(Struct, frozen=True):
    """The limits of an account; 0, None, or not named = none."""

    id: str
    open_orders_max: int = 0
    positions: dict[str, Decimal] = {}
    credit: dict[str, Decimal] = {}
    instruments: tuple[InstrumentLimits, ...] = ()
    messages_per_second: int = 0
    repeats_max: int = 0
    window_seconds: Decimal = Decimal(0)
    traded_max: Decimal | None = None
    traded_asset: str | None = None


class DeadMan(Struct, frozen=True):
    """An account's dead-man timer; it is off when it expires at no time."""

    account: str
    timeout_ms: int
    expires_at: str | None = None


class BoundSession(Struct, frozen=True):
    """A live session: orders that leave with a connection."""

    session: str
    name: str
    binding: str
    cancel_on_disconnect: bool


class Position(Struct, frozen=True):
    """An account's position in one instrument. Realised profit is before fees."""

    instrument: str
    net_quantity: Decimal
    realised_pnl: Decimal
    average_price: Decimal | None = None
    unrealised_pnl: Decimal | None = None
    version: int = 0
    position_max: Decimal | None = None
    last_fill: LastFill | None = None
    """In messages of the channel `positions`, when the node remembers it."""


class ScheduleEntry(Struct, frozen=True, omit_defaults=True):
    """A phase that is set at a time of day (UTC), every day or on some."""

    at: str
    phase: str
    days: tuple[str, ...] = ()
    """`mon` to `sun`; none: every day."""


class Transition(Struct, frozen=True):
    """A phase that will come by itself."""

    at: str
    phase: str


class Auction(Struct, frozen=True):
    """What an uncrossing would come to now; no price while the book is not crossed."""

    instrument: str
    phase: str
    indicative_price: Decimal | None
    indicative_volume: Decimal
    surplus: Decimal
    surplus_side: Side | None = None
    next_transition: Transition | None = None
    as_of: int = 0


class MarketPhase(Struct, frozen=True):
    """The phase that all instruments were set to."""

    phase: str
    instruments: tuple[str, ...] = ()


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
    quantity_min: Decimal | None = None
    quantity_max: Decimal | None = None
    value_max: Decimal | None = None
    price_collar_percent: Decimal | None = None
    maker_fee_bps: Decimal | None = None
    taker_fee_bps: Decimal | None = None
    schedule: tuple[ScheduleEntry, ...] = ()
    next_transition: Transition | None = None
    held: bool = False
    """Halted by hand: the schedule passes it by."""
    band_percent: Decimal | None = None
    protection_percent: Decimal | None = None
    halt_seconds: Decimal = Decimal(0)
    auction_seconds: Decimal = Decimal(0)


T = TypeVar("T")


class Page(Struct, Generic[T], frozen=True):
    """Part of a list, newest first; `next` is the cursor of the following part."""

    items: tuple[T, ...]
    as_of: int = 0
    next: str | None = None

    def __iter__(self) -> Iterator[T]:
        return iter(self.items)

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, index: int) -> T:
        return self.items[index]


class Place(Struct, frozen=True, omit_defaults=True, tag_field="op", tag="place", kw_only=True):
    """A new order; also an operation of a batch."""

    client_id: str
    instrument: str
    side: Side
    quantity: Number
    price: Number | None = None
    type: str = "limit"
    time_in_force: str | None = None
    post_only: bool | str = False
    client_order_id: str | None = None
    display_quantity: Number | None = None
    stop_price: Number | None = None
    trail_amount: Number | None = None
    expires_at: str | None = None
    self_trade_prevention: str | None = None
    reduce_only: bool = False
    valid_until: str | None = None


class _PlaceRequired(TypedDict):
    client_id: str
    instrument: str
    side: Side
    quantity: Number


class PlaceFields(_PlaceRequired, total=False):
    """The fields of `Place` as arguments."""

    price: Number | None
    type: str
    time_in_force: str | None
    post_only: bool | str
    client_order_id: str | None
    display_quantity: Number | None
    stop_price: Number | None
    trail_amount: Number | None
    expires_at: str | None
    self_trade_prevention: str | None
    reduce_only: bool
    valid_until: str | None


class Cancel(Struct, frozen=True, omit_defaults=True, tag_field="op", tag="cancel", kw_only=True):
    """Batch operation: take an order off the book."""

    order_id: str
    client_id: str | None = None
    valid_until: str | None = None


class Replace(Struct, frozen=True, omit_defaults=True, tag_field="op", tag="replace", kw_only=True):
    """Batch operation: a new price, total quantity (fills included), or stop price."""

    order_id: str
    client_id: str | None = None
    price: Number | None = None
    quantity: Number | None = None
    stop_price: Number | None = None
    valid_until: str | None = None


class MassCancel(
    Struct, frozen=True, omit_defaults=True, tag_field="op", tag="mass_cancel", kw_only=True
):
    """Batch operation: cancel the open orders that match."""

    client_id: str | None = None
    instrument: str | None = None
    side: Side | None = None
    client_order_id: str | None = None
    valid_until: str | None = None


BatchOperation = Place | Cancel | Replace | MassCancel | SetQuote | Reserve | Release


class Problem(Struct, frozen=True):
    """An error document of RFC 9457; `code` is stable."""

    code: str
    status: int = 0
    title: str = ""
    detail: str = ""
    field: str | None = None
    outcome: str | None = None
    asset: str | None = None
    required: Decimal | None = None
    """What was asked for: money of `asset`, a price or a quantity, by code."""
    available: Decimal | None = None
    """What there is, or the nearest that the rule allows."""


class CancelCount(Struct, frozen=True):
    """How many orders a mass cancel took off the book."""

    cancelled: int


class BatchResult(Struct, frozen=True):
    """What one operation of a batch came to, under its name, or a problem."""

    status: int
    order: Order | None = None
    result: CancelCount | None = None
    quote: Quote | None = None
    reservation: Reservation | None = None
    released: Released | None = None
    maker: MakerLease | None = None
    problem: Problem | None = None


class BatchAnswer(Struct, frozen=True):
    """One result for each operation, in order."""

    results: tuple[BatchResult, ...]
