"""Bodies of answers, as msgspec structs: what the OpenAPI document describes.

Orders, fills and trades are written by hand in `answers`; a contract test decodes what was written
as these structs, so the two cannot part.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

DecimalText = Annotated[str, Meta(description="exact decimal", pattern=r"^-?[0-9]+(\.[0-9]+)?$")]
TimeText = Annotated[str, Meta(description="RFC 3339 in UTC, nine fractional digits")]
AsOf = Annotated[int, Meta(description="journal sequence that this answer reflects", ge=0)]
Cursor = Annotated[str, Meta(description="give it as `cursor` for the next page")]
Sides = Literal["buy", "sell"]
Statuses = Literal["new", "partially_filled", "filled", "cancelled", "expired", "rejected"]


AccountStates = Literal["active", "suspended", "killed", "cancel_only"]


class Fill(Struct):
    """One order's view of a trade."""

    trade_id: str
    price: DecimalText
    quantity: DecimalText
    fee: Annotated[DecimalText, Meta(description="in the quote asset; negative = rebate")]
    liquidity: Literal["maker", "taker"]
    executed_at: TimeText


class Order(Struct):
    """An order as it stands, or stood right after the write that is answered."""

    id: str
    order_id: str
    client_id: str
    client_order_id: str | None
    instrument: str
    side: Sides
    type: str
    time_in_force: str
    price: DecimalText | None
    quantity: DecimalText
    remaining: DecimalText
    filled_quantity: DecimalText
    average_price: DecimalText | None
    status: Statuses
    fills: list[Fill]
    created_at: TimeText
    updated_at: TimeText
    queue_ahead: (
        Annotated[str, Meta(description="quantity before it at its price; reads of resting orders")]
        | UnsetType
    ) = UNSET
    orders_ahead: int | UnsetType = UNSET
    self_trade_prevention: str | UnsetType = UNSET
    post_only: bool | Literal["reprice"] | UnsetType = UNSET
    reduce_only: bool | UnsetType = UNSET
    display_quantity: (
        Annotated[DecimalText, Meta(description="largest part that the book shows of it")]
        | UnsetType
    ) = UNSET
    stop_price: (
        Annotated[DecimalText, Meta(description="of a trailing stop where it is now")] | UnsetType
    ) = UNSET
    trail_amount: (
        Annotated[DecimalText, Meta(description="distance of a trailing stop")] | UnsetType
    ) = UNSET
    triggered: (
        Annotated[bool, Meta(description="stop types: it no longer waits for its stop price")]
        | UnsetType
    ) = UNSET
    quote: Annotated[bool, Meta(description="true: a side of a quote")] | UnsetType = UNSET
    expires_at: TimeText | UnsetType = UNSET
    close_reason: (
        Annotated[str, Meta(description="why it ended without being filled")] | UnsetType
    ) = UNSET


class ForgottenOrder(Struct):
    """Answer to a repeated write when the history no longer holds the original answer."""

    id: str
    order_id: str
    status: None


class AcceptedOrder(Struct):
    """Answer to a write with `Prefer: respond-async`."""

    order_id: str
    status: str
    reject_reason: str | UnsetType = UNSET


class Cancelled(Struct):
    """Answer to a mass cancel."""

    cancelled: int


class BatchResult(Struct):
    """One operation's answer: an order, a result, or a problem."""

    status: int
    order: dict[str, Any] | UnsetType = UNSET
    result: Cancelled | UnsetType = UNSET
    quote: dict[str, Any] | UnsetType = UNSET
    reservation: dict[str, Any] | UnsetType = UNSET
    released: dict[str, Any] | UnsetType = UNSET
    maker: dict[str, Any] | UnsetType = UNSET
    problem: dict[str, Any] | UnsetType = UNSET
    replayed: bool | UnsetType = UNSET


class BatchResults(Struct):
    """Answers in the order of the operations."""

    results: list[BatchResult]


class Trade(Struct):
    """One trade, as everybody sees it."""

    id: str
    instrument: str
    price: DecimalText
    quantity: DecimalText
    maker_order_id: str
    taker_order_id: str
    buy_order_id: str
    sell_order_id: str
    taker_side: Sides
    executed_at: TimeText


class AccountFill(Struct):
    """One fill of an account."""

    trade_id: str
    order_id: str
    instrument: str
    side: Sides
    price: DecimalText
    quantity: DecimalText
    fee: DecimalText
    liquidity: Literal["maker", "taker"]
    executed_at: TimeText


class Balance(Struct):
    """Money of an account in one asset."""

    asset: str
    total: DecimalText
    held: DecimalText
    available: DecimalText
    credit: DecimalText | UnsetType = UNSET


class KeyFacts(Struct):
    """A key, without its secret."""

    id: str
    account: Annotated[str | None, Meta(description="null: the operator's")]
    permission: Literal["read", "trade", "admin"]
    label: str
    created_at: TimeText
    revoked_at: TimeText | None


class CreatedKey(KeyFacts, kw_only=True):
    """A key just made; its secret is shown this once."""

    api_key: str
    api_secret: str


class Nothing(Struct):
    """An empty object."""


class SessionFacts(Struct):
    """Who the caller is; the ticket is shown when it is made."""

    id: Annotated[str | None, Meta(description="of the session; null for a signed request")]
    key: str
    account: str | None
    permission: Literal["read", "trade", "admin"]
    expires_in: Annotated[int, Meta(description="seconds")] | UnsetType = UNSET
    ticket: str | UnsetType = UNSET


class Account(Struct):
    """An account with its money."""

    id: str
    name: str
    type: Literal["cash", "credit"]
    state: AccountStates
    open_orders: int
    open_orders_max: Annotated[int, Meta(description="0 = no limit")]
    balances: list[Balance]
    as_of: AsOf
    dead_man_at: (
        Annotated[TimeText, Meta(description="then all its orders leave, unless set anew")]
        | UnsetType
    ) = UNSET
    api_key: (
        Annotated[str, Meta(description="in key mode, when the account is opened")] | UnsetType
    ) = UNSET
    api_secret: Annotated[str, Meta(description="shown this once")] | UnsetType = UNSET


class LastFill(Struct):
    """The newest fill of an account in an instrument."""

    trade_id: str
    side: Sides
    quantity: DecimalText
    price: DecimalText
    executed_at: TimeText


class Position(Struct):
    """An account's position in one instrument. Realised profit is before fees."""

    instrument: str
    net_quantity: DecimalText
    average_price: DecimalText | None
    realised_pnl: DecimalText
    unrealised_pnl: DecimalText | None
    version: int
    position_max: DecimalText | UnsetType = UNSET
    last_fill: (
        Annotated[LastFill | None, Meta(description="in channels; null when it is not remembered")]
        | UnsetType
    ) = UNSET


class PerformancePoint(Struct):
    """An account in one instrument right after a fill: made to be plotted."""

    at: TimeText
    price: DecimalText
    average_buy_price: DecimalText | None
    average_sell_price: DecimalText | None
    net_quantity: DecimalText
    average_price: Annotated[DecimalText | None, Meta(description="of the open position")]
    realised_pnl: DecimalText
    realised_pnl_fifo: DecimalText
    fees: DecimalText


class AccountPerformance(Struct):
    """What an account's trading in one instrument came to. Profit is before fees; coins that were
    given or deposited are lots at the instrument's reference price."""

    instrument: str
    bought_quantity: DecimalText
    sold_quantity: DecimalText
    average_buy_price: DecimalText | None
    average_sell_price: DecimalText | None
    net_quantity: DecimalText
    average_price: DecimalText | None
    mark_price: Annotated[DecimalText | None, Meta(description="the mid, else the last trade")]
    realised_pnl: Annotated[DecimalText, Meta(description="by average cost")]
    realised_pnl_fifo: Annotated[DecimalText, Meta(description="oldest lots first")]
    unrealised_pnl: DecimalText | None
    unrealised_pnl_fifo: DecimalText | None
    fees: DecimalText
    fills: int
    points: list[PerformancePoint]


class CandleResult(Struct):
    """What happened in an interval."""

    start: TimeText
    open: DecimalText
    high: DecimalText
    low: DecimalText
    close: DecimalText
    volume: DecimalText
    trades: int
    vwap: DecimalText | None
    carried: (
        Annotated[bool, Meta(description="true: no trades; the close before, as asked for")]
        | UnsetType
    ) = UNSET


class Statistics(Struct):
    """The last 24 hours of an instrument, to the minute."""

    instrument: str
    last: DecimalText | None
    open: DecimalText | None
    high: DecimalText | None
    low: DecimalText | None
    change: DecimalText | None
    change_percent: DecimalText | None
    volume: DecimalText
    trades: int
    vwap: DecimalText | None
    as_of: AsOf


class LedgerLine(Struct):
    """One line of an account's double-entry ledger."""

    id: str
    sequence: int
    kind: Literal["trade", "fee", "starting_balance", "deposit", "withdrawal", "transfer"]
    asset: str
    amount: DecimalText
    trade_id: str | None
    at: TimeText


class InstrumentLimits(Struct):
    """Limits of an account in one instrument; null = none."""

    instrument: str
    max_quantity: DecimalText | None
    max_value: DecimalText | None
    position_max: DecimalText | None


class AccountLimits(Struct):
    """The limits of an account; 0, null, or not named = none."""

    id: str
    open_orders_max: int
    positions: dict[str, DecimalText]
    credit: dict[str, DecimalText]
    instruments: list[InstrumentLimits]
    messages_per_second: int
    repeats_max: int
    window_seconds: DecimalText
    traded_max: DecimalText | None
    traded_asset: str | None


class DeadMan(Struct):
    """Answer to setting the dead-man timer."""

    account: str
    timeout_ms: int
    expires_at: Annotated[TimeText | None, Meta(description="null: it is off")]


class BoundSession(Struct):
    """A live session of an account."""

    session: str
    name: str
    binding: Annotated[str, Meta(description="changes when the session is bound anew")]
    cancel_on_disconnect: bool


class AccountStateResult(Struct):
    """Answer to suspend, resume, cancel-only and kill."""

    id: str
    state: str
    cancelled: int | UnsetType = UNSET


class ScheduleEntry(Struct):
    """A phase that the schedule sets."""

    at: Annotated[str, Meta(description="time of day, UTC")]
    phase: str
    days: Annotated[list[str], Meta(description="absent: every day")] | UnsetType = UNSET


class Transition(Struct):
    """A phase that will come by itself."""

    at: TimeText
    phase: str


class MarketPhase(Struct):
    """Answer to setting the phase of all instruments."""

    phase: str
    instruments: list[str]


class Auction(Struct):
    """What an uncrossing would come to now; nulls and zeros while the book is not crossed."""

    instrument: str
    phase: str
    indicative_price: DecimalText | None
    indicative_volume: DecimalText
    surplus: Annotated[DecimalText, Meta(description="left over at that price")]
    surplus_side: Sides | None
    next_transition: Transition | None
    as_of: AsOf


class Instrument(Struct):
    """One instrument and its rules."""

    symbol: str
    phase: str
    base_asset: str
    quote_asset: str
    tick_size: DecimalText
    lot_size: DecimalText
    reference_price: DecimalText | None
    last_price: DecimalText | None
    quantity_min: DecimalText
    quantity_max: DecimalText
    value_max: DecimalText | None
    price_collar_percent: DecimalText | None
    maker_fee_bps: DecimalText
    taker_fee_bps: DecimalText
    definition_version: int
    schedule: list[ScheduleEntry]
    next_transition: Annotated[
        Transition | None, Meta(description="of the schedule, or the end of an automatic halt")
    ]
    held: Annotated[bool, Meta(description="halted by hand: the schedule passes it by")]
    band_percent: DecimalText | None
    protection_percent: DecimalText
    halt_seconds: DecimalText
    auction_seconds: DecimalText


class Level(Struct):
    """One price level."""

    price: DecimalText
    quantity: DecimalText
    orders: int


class QueuedOrder(Struct):
    """One resting order, in its place."""

    order_id: str
    price: DecimalText
    quantity: DecimalText


class Book(Struct):
    """The book by price level, best first."""

    instrument: str
    as_of: AsOf
    bids: list[Level]
    asks: list[Level]


class QueueBook(Struct):
    """The book order by order, best price first, then by place in the queue."""

    instrument: str
    as_of: AsOf
    bids: list[QueuedOrder]
    asks: list[QueuedOrder]


class Page(Struct):
    """Any list: newest first, in a stable order."""

    items: list[dict[str, Any]]
    as_of: AsOf
    next: Cursor | None


class Health(Struct):
    """Liveness or readiness."""

    status: str
    sequence: int
