"""Named records for the tuples of the native door, field by field as `_native.pyi` lists them.

Units: price in ticks, quantity in lots, money in minor units, time in ns since the epoch.
"""

from __future__ import annotations

from typing import NamedTuple


class AssetRow(NamedTuple):
    """One asset: `scale` is the number of decimal places of a minor unit."""

    asset: int
    code: str
    scale: int


class InstrumentRow(NamedTuple):
    """One instrument with its rules; `unit` is the value of one tick times one lot."""

    instrument: int
    symbol: str
    phase: int
    base_asset: int
    quote_asset: int
    tick_mantissa: int
    tick_exponent: int
    lot_mantissa: int
    lot_exponent: int
    definition_version: int
    quantity_min: int
    quantity_max: int
    value_max: int
    reference_price: int
    collar_ppm: int
    maker_fee_ppm: int
    taker_fee_ppm: int
    last_price: int
    unit: int


class TradingSessionRow(NamedTuple):
    """What governs an instrument's phases; a time of 0 = none."""

    instrument: int
    is_held: bool
    next_at: int
    reopens_at: int
    reopens_phase: int
    band_ppm: int
    protection_ppm: int
    halt_ns: int
    auction_ns: int
    band_reference: int
    schedule: list[int]


class CrossingRow(NamedTuple):
    """What a round of uncrossing would come to; the surplus is bids less asks."""

    price: int
    volume: int
    surplus: int


class AccountRow(NamedTuple):
    """One account."""

    account_id: str
    name: str
    account_type: int
    account_state: int
    open_orders: int
    open_orders_max: int


class BalanceRow(NamedTuple):
    """Money of one account in one asset."""

    asset: int
    total: int
    held: int
    credit: int


class PositionRow(NamedTuple):
    """One account in one instrument; cost and realised in ticks times lots."""

    instrument: int
    net: int
    cost: int
    realised: int
    version: int
    open_buy: int
    open_sell: int
    position_max: int


OrderTuple = tuple[
    int, int, int, int, int, int, int, int, int, int,
    int, int, int, int, int, int, int, int, str | None, int,
    int, int,
]  # fmt: skip
"""An order as the native door gives it, before it is named `OrderRow`."""

FillTuple = tuple[int, int, int, int, int, int, bool]
"""A fill as the native door gives it, before it is named `FillRow`."""


class OrderRow(NamedTuple):
    """One order as it stands, or as it stood after a sequence."""

    order_id: int
    account: int
    instrument: int
    side: int
    order_type: int
    time_in_force: int
    self_trade_prevention: int
    options: int
    status: int
    close_reason: int
    price: int
    quantity: int
    leaves: int
    filled: int
    filled_value: int
    expires_at: int
    created_at_ns: int
    updated_at_ns: int
    client_order_id: str | None
    first_quantity: int
    display_quantity: int
    """Of an iceberg; the distance of a trailing stop, in ticks; else 0."""
    stop_price: int
    """As an event told it last; 0 = no stop order."""


class FillRow(NamedTuple):
    """One order's view of a trade; the fee is in minor units of the quote asset."""

    trade_id: int
    sequence: int
    time_ns: int
    price: int
    quantity: int
    fee: int
    is_maker: bool


class TradeRow(NamedTuple):
    """One trade."""

    trade_id: int
    sequence: int
    time_ns: int
    instrument: int
    price: int
    quantity: int
    maker_order_id: int
    taker_order_id: int
    maker_account: int
    taker_account: int
    taker_side: int
    maker_fee: int
    taker_fee: int


class TopRow(NamedTuple):
    """Best bid and offer; a price and quantity of 0 mean an empty side."""

    bid_price: int
    bid_quantity: int
    ask_price: int
    ask_quantity: int


class LevelRow(NamedTuple):
    """One price level."""

    price: int
    quantity: int
    orders: int


class QueuedRow(NamedTuple):
    """One resting order in its place."""

    order_id: int
    price: int
    leaves: int
    account: int
