"""Firms, makers, quotes and reservations, as typed records. See `models`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import TypedDict

from msgspec import Struct

from tradepit.client.values import LastFill, Number, Side

ZERO = Decimal(0)


class FirmPosition(Struct, frozen=True):
    """A firm's position in one instrument. Realised profit is before fees."""

    symbol: str
    net_quantity: Decimal
    realised_pnl: Decimal
    average_price: Decimal | None = None
    unrealised_pnl: Decimal | None = None
    version: int = 0
    """Grows with every fill; a lower or equal one is old news."""
    last_fill: LastFill | None = None


class Maker(Struct, frozen=True):
    """A live maker of a firm."""

    name: str
    number: int
    epoch: int
    lease_until: str
    symbols: tuple[str, ...] = ()


class MakerLease(Struct, frozen=True):
    """What a heartbeat came to: what the maker owns now, and until when."""

    name: str
    epoch: int
    lease_ms: int
    maker: int | None = None
    """Its number; None when it is not live."""
    lease_until: str | None = None
    symbols: tuple[str, ...] = ()


class Firm(Struct, frozen=True):
    """A firm: budgets and what is used of them, makers and what they make, positions."""

    id: str
    state: str
    budget_bid: Decimal
    budget_ask: Decimal
    bid_usage: Decimal
    ask_usage: Decimal
    position_limit: Decimal
    """Per instrument; 0 = none."""
    lease_ms: int
    name: str = ""
    symbols: tuple[str, ...] = ()
    makers: tuple[Maker, ...] = ()
    unassigned: tuple[str, ...] = ()
    """Symbols that nobody makes now."""
    positions: tuple[FirmPosition, ...] = ()
    as_of: int = 0


class FirmSymbols(Struct, frozen=True):
    """What adding or removing a symbol came to; both are False when nothing changed."""

    firm: str
    symbol: str
    symbols: tuple[str, ...] = ()
    added: bool = False
    removed: bool = False


class Exposure(Struct, frozen=True):
    """What the quotes and reservations of a firm hold of its budgets."""

    firm: str
    bid_usage: Decimal
    ask_usage: Decimal
    bid_capacity: Decimal
    ask_capacity: Decimal
    active_reservations: int
    as_of: int = 0


class QuoteFill(Struct, frozen=True):
    """A fill of a quote's side in the moment when it was set."""

    side: Side
    order_id: str
    trade_id: str
    price: Decimal
    quantity: Decimal
    fee: Decimal
    liquidity: str
    executed_at: str


class Quote(Struct, frozen=True):
    """A two-sided quote. A side that is not quoted has no price and no order."""

    instrument: str
    client_id: str
    status: str | None = None
    """GRANTED, PARTIAL or DENIED; None: a repeated quote whose answer the node has forgotten."""
    bid_price: Decimal | None = None
    ask_price: Decimal | None = None
    requested_bid_quantity: Decimal = ZERO
    requested_ask_quantity: Decimal = ZERO
    granted_bid_quantity: Decimal = ZERO
    granted_ask_quantity: Decimal = ZERO
    remaining_bid_quantity: Decimal = ZERO
    remaining_ask_quantity: Decimal = ZERO
    bid_order_id: str | None = None
    ask_order_id: str | None = None
    maker: int | None = None
    expires_at: str | None = None
    fills: tuple[QuoteFill, ...] = ()
    as_of: int = 0


class Reservation(Struct, frozen=True):
    """What a firm has reserved in an instrument: as granted, or in lists what is still held."""

    symbol: str
    id: str
    status: str | None = None
    """GRANTED, PARTIAL or DENIED; None: a repeated one whose answer the node has forgotten."""
    requested_bid_quantity: Decimal = ZERO
    requested_ask_quantity: Decimal = ZERO
    granted_bid_quantity: Decimal = ZERO
    granted_ask_quantity: Decimal = ZERO
    expires_at: str | None = None
    maker: int | None = None


class Released(Struct, frozen=True):
    """What a release gave back."""

    symbol: str
    freed_capacity: Decimal
    freed_bid_quantity: Decimal
    freed_ask_quantity: Decimal


class ClusterNode(Struct, frozen=True):
    """A replica of the market."""

    id: str
    role: str
    sequence: int
    is_ready: bool
    market_time: str | None = None
    state_hash: str | None = None


class Partition(Struct, frozen=True):
    """Instruments that share one journal."""

    id: int
    sequence: int
    writer: str
    symbols: tuple[str, ...] = ()


class FirmMakers(Struct, frozen=True):
    """Who makes what for a firm."""

    id: str
    makers: tuple[Maker, ...] = ()
    unassigned: tuple[str, ...] = ()

    def owner_of(self, symbol: str) -> Maker | None:
        """Who makes a symbol; None: nobody."""
        return next((maker for maker in self.makers if symbol in maker.symbols), None)


class Cluster(Struct, frozen=True):
    """Nodes, partitions, and the makers of every firm."""

    nodes: tuple[ClusterNode, ...]
    partitions: tuple[Partition, ...]
    firms: tuple[FirmMakers, ...]
    as_of: int = 0


class SetQuote(Struct, frozen=True, omit_defaults=True, tag_field="op", tag="quote", kw_only=True):
    """Batch operation: a two-sided quote; a side without quantity is not quoted."""

    instrument: str
    bid_price: Number | None = None
    bid_quantity: Number | None = None
    ask_price: Number | None = None
    ask_quantity: Number | None = None
    ttl_ms: int | None = None
    client_id: str | None = None
    maker: str | int | None = None
    epoch: int | None = None
    valid_until: str | None = None


class Reserve(Struct, frozen=True, omit_defaults=True, tag_field="op", tag="reserve", kw_only=True):
    """Batch operation: exposure in an instrument, in place of what the firm had there."""

    instrument: str
    bid_quantity: Number
    ask_quantity: Number
    ttl_ms: int | None = None
    client_id: str | None = None
    maker: str | int | None = None
    epoch: int | None = None
    valid_until: str | None = None


class Release(Struct, frozen=True, omit_defaults=True, tag_field="op", tag="release", kw_only=True):
    """Batch operation: the end of a quote and its reservation."""

    instrument: str
    client_id: str | None = None
    maker: str | int | None = None
    epoch: int | None = None
    valid_until: str | None = None


class BudgetFields(TypedDict, total=False):
    """Budgets of a firm as arguments: sums of quantities, and the lease of its makers."""

    budget_bid: Number
    budget_ask: Number
    position_limit: Number
    lease_ms: int


class FirmFields(BudgetFields, total=False):
    """A new firm as arguments."""

    name: str
    credit: Mapping[str, Number]
    symbols: Sequence[str]


class SpeakerFields(TypedDict, total=False):
    """Who speaks: the firm (needed unless there is only one), and which run of which maker."""

    client_id: str
    maker: str | int
    epoch: int


class QuoteFields(SpeakerFields, total=False):
    """A quote as arguments."""

    bid_price: Number
    bid_quantity: Number
    ask_price: Number
    ask_quantity: Number
    ttl_ms: int


class _ReserveRequired(TypedDict):
    bid_quantity: Number
    ask_quantity: Number


class ReserveFields(_ReserveRequired, SpeakerFields, total=False):
    """A reservation as arguments."""

    ttl_ms: int
