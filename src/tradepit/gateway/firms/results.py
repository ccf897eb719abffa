"""Bodies of answers about firms, reservations, quotes and makers. See `results`."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

from tradepit.gateway.results import AsOf, DecimalText, LastFill, Sides, TimeText

Grants = Literal["GRANTED", "PARTIAL", "DENIED"]
MakerNumber = Annotated[int, Meta(description="given by the market; a new run keeps it")]
Sequence = Annotated[int, Meta(ge=0)]


class FirmPosition(Struct):
    """A firm's position in one instrument. Realised profit is before fees."""

    symbol: str
    net_quantity: DecimalText
    average_price: DecimalText | None
    realised_pnl: DecimalText
    unrealised_pnl: DecimalText | None
    version: Annotated[int, Meta(description="grows with every fill; 0 before the first")]
    last_fill: LastFill | None


class FirmPositionNow(FirmPosition, kw_only=True):
    """One position, read by itself."""

    as_of: AsOf


class Maker(Struct):
    """A live maker of a firm."""

    name: str
    number: MakerNumber
    epoch: int
    lease_until: TimeText
    symbols: list[str]


class Exposure(Struct):
    """What the quotes and reservations of a firm hold of its budgets."""

    firm: str
    bid_usage: DecimalText
    ask_usage: DecimalText
    bid_capacity: DecimalText
    ask_capacity: DecimalText
    active_reservations: Annotated[int, Meta(description="those that hold something")]
    as_of: AsOf


class Firm(Struct):
    """A firm: budgets and what is used of them, makers and what they make, positions."""

    id: str
    name: str
    state: str
    budget_bid: DecimalText
    budget_ask: DecimalText
    bid_usage: DecimalText
    ask_usage: DecimalText
    position_limit: Annotated[DecimalText, Meta(description="per instrument; 0 = none")]
    lease_ms: int
    symbols: list[str]
    makers: list[Maker]
    unassigned: Annotated[list[str], Meta(description="symbols that nobody makes now")]
    positions: list[FirmPosition]
    as_of: AsOf


class FirmSymbols(Struct):
    """Answer to adding or removing a symbol."""

    firm: str
    symbol: str
    symbols: list[str]
    added: Annotated[bool, Meta(description="false: it was there")] | UnsetType = UNSET
    removed: Annotated[bool, Meta(description="false: it was not there")] | UnsetType = UNSET


class HeartbeatAnswer(Struct):
    """Answer to a heartbeat: what the maker owns now, and how long."""

    maker: Annotated[int | None, Meta(description="its number; null: it is not live")]
    name: str
    epoch: int
    lease_ms: int
    lease_until: TimeText | None
    symbols: list[str]


class QuoteFill(Struct):
    """A fill of a quote's side, at once."""

    side: Sides
    order_id: str
    trade_id: str
    price: DecimalText
    quantity: DecimalText
    fee: DecimalText
    liquidity: Literal["maker", "taker"]
    executed_at: TimeText


class Quote(Struct):
    """A two-sided quote: what was asked for, what was granted, what rests. A side that is not
    quoted has null for price and order."""

    instrument: str
    client_id: str
    status: Grants
    bid_price: DecimalText | None
    ask_price: DecimalText | None
    requested_bid_quantity: DecimalText
    requested_ask_quantity: DecimalText
    granted_bid_quantity: DecimalText
    granted_ask_quantity: DecimalText
    remaining_bid_quantity: DecimalText
    remaining_ask_quantity: DecimalText
    bid_order_id: str | None
    ask_order_id: str | None
    maker: MakerNumber | None
    expires_at: TimeText
    fills: Annotated[list[QuoteFill], Meta(description="what traded at once")] | UnsetType = UNSET
    as_of: AsOf | UnsetType = UNSET


class ForgottenQuote(Struct):
    """Answer to a repeated quote whose answer the node no longer has."""

    instrument: str
    client_id: str
    status: None


class Reservation(Struct):
    """What a firm has reserved in one instrument. `granted_*` is as it was granted in the answer,
    and what is still held in lists."""

    symbol: str
    id: Annotated[str, Meta(description="firm and symbol: there is one of each")]
    status: Grants
    requested_bid_quantity: DecimalText
    requested_ask_quantity: DecimalText
    granted_bid_quantity: DecimalText
    granted_ask_quantity: DecimalText
    expires_at: TimeText
    maker: MakerNumber | None


class ForgottenReservation(Struct):
    """Answer to a repeated reservation whose answer the node no longer has."""

    symbol: str
    id: str
    status: None


class Released(Struct):
    """What a release gave back; zeros when there was nothing."""

    symbol: str
    freed_capacity: Annotated[DecimalText, Meta(description="of both sides")]
    freed_bid_quantity: DecimalText
    freed_ask_quantity: DecimalText


class ClusterNode(Struct):
    """A replica of the market."""

    id: str
    role: Literal["writer", "feeds"]
    sequence: Sequence
    is_ready: bool
    market_time: TimeText | UnsetType = UNSET
    state_hash: (
        Annotated[str, Meta(description="at `sequence`, with `?state_hash=true`")] | UnsetType
    ) = UNSET


class Partition(Struct):
    """Instruments that share one journal."""

    id: int
    sequence: Sequence
    writer: str
    symbols: list[str]


class FirmMakers(Struct):
    """Who makes what for a firm."""

    id: str
    makers: list[Maker]
    unassigned: list[str]


class Cluster(Struct):
    """Nodes, partitions, and the makers of every firm that the caller may see."""

    nodes: list[ClusterNode]
    partitions: list[Partition]
    firms: list[FirmMakers]
    as_of: AsOf
