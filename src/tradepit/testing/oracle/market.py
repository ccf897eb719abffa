"""The oracle's state: plain dataclasses in dicts, Python integers, nothing kept twice.

Held money, open leaves and the order of the book are computed anew whenever they are asked for.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from tradepit.domain.wire import (
    AccountState,
    AccountType,
    OrderStatus,
    Phase,
    RecordFlag,
    RejectReason,
    Side,
)
from tradepit.testing.frames import EVENT_KINDS, Event

BALANCE_MAX = 2**62
QUANTITY_MAX = 2**40


class Rejected(Exception):
    """The command under way is refused; carries what COMMAND_REJECTED shows.

    An exception, so that the checks of a command read as the list that the rulebook gives.
    """

    def __init__(
        self, reason: RejectReason, *, asset: int = 0, required: int = 0, available: int = 0
    ) -> None:
        super().__init__(reason)
        self.reason = reason
        self.asset = asset
        self.required = required
        self.available = available


@dataclass
class Asset:
    number: int
    code: str
    scale: int
    deposits: int = 0
    withdrawals: int = 0
    fees: int = 0
    starting_balance: int = 0


@dataclass
class Instrument:
    number: int
    symbol: str
    phase: Phase
    base_asset: int
    quote_asset: int
    tick_mantissa: int
    tick_exponent: int
    lot_mantissa: int
    lot_exponent: int
    lot: int
    """Minor units of the base asset per lot."""
    unit: int
    """Minor units of the quote asset per tick and lot."""
    reference_price: int
    definition_version: int = 1
    quantity_min: int = 1
    quantity_max: int = QUANTITY_MAX
    value_max: int = 0
    collar_ppm: int = 0
    maker_fee_ppm: int = 0
    taker_fee_ppm: int = 0
    last_price: int = 0


@dataclass
class Position:
    net: int = 0
    cost: int = 0
    realised: int = 0
    version: int = 0
    limit: int = 0


@dataclass
class Account:
    number: int
    id: str
    name: str
    type: AccountType
    state: AccountState = AccountState.ACTIVE
    open_orders_max: int = 0
    balances: dict[int, int] = field(default_factory=dict)
    credits: dict[int, int] = field(default_factory=dict)
    credit_of_every_asset: int = 0
    positions: dict[int, Position] = field(default_factory=dict)

    def balance(self, asset: int) -> int:
        return self.balances.get(asset, 0)

    def credit(self, asset: int) -> int:
        return self.credits.get(asset, self.credit_of_every_asset)

    def position(self, instrument: int) -> Position:
        return self.positions.setdefault(instrument, Position())


@dataclass
class Order:
    order_id: int
    account: int
    instrument: int
    side: Side
    order_type: int
    time_in_force: int
    self_trade_prevention: int
    options: int
    price: int
    quantity: int
    leaves: int
    expires_at: int
    maker_fee_ppm: int
    taker_fee_ppm: int
    label: int = 0
    key: tuple[int, int, int] | None = None
    place: int = 0
    """Rank among all orders by when they came to rest at their price."""
    client_order_id: bytes | None = None

    @property
    def filled(self) -> int:
        return self.quantity - self.leaves

    @property
    def open_status(self) -> OrderStatus:
        return OrderStatus.PARTIALLY_FILLED if self.filled else OrderStatus.NEW


@dataclass
class KeyEntry:
    """What is remembered of a command under an idempotency key."""

    kind: int
    fingerprint: bytes
    """Empty for a tombstone, which stands for a command not seen yet."""
    sequence: int
    order_id: int = 0
    reason: int = 0
    result: int = 0
    finished_at: int | None = None
    """None while the order that the command created is open."""

    @property
    def is_tombstone(self) -> bool:
        return self.fingerprint == b""


@dataclass
class Genesis:
    key_window_ns: int
    key_capacity: int
    accounts_max: int
    market_id: int
    rules_version: int


@dataclass
class Market:
    """Everything the engine knows, and the events of the command under way."""

    sequence: int = 0
    time_ns: int = 0
    genesis: Genesis | None = None
    incarnations: dict[int, int] = field(default_factory=dict)
    assets: dict[int, Asset] = field(default_factory=dict)
    instruments: dict[int, Instrument] = field(default_factory=dict)
    accounts: dict[int, Account] = field(default_factory=dict)
    orders: dict[int, Order] = field(default_factory=dict)
    keys: dict[tuple[int, int, int], KeyEntry] = field(default_factory=dict)
    quarantined: set[int] = field(default_factory=set)
    last_trade_id: int = 0
    last_place: int = 0
    frame_account: int = 0
    """Account that 0xFFFFFFFF means; 0 = none."""
    events: list[Event] = field(default_factory=list)

    def emit(self, fields: Any, text: bytes | None = None) -> None:
        """Add an event of the command under way; kind, sequence and TEXT flag are filled in."""
        self.events.append(self.event(fields, text))

    def event(self, fields: Any, text: bytes | None = None) -> Event:
        flags = fields.flags | (RecordFlag.TEXT if text is not None else 0)
        kind = EVENT_KINDS[type(fields)]
        return Event(fields._replace(kind=kind, sequence=self.sequence, flags=flags), text)

    def known_account(self, number: int) -> Account:
        if number not in self.accounts:
            raise Rejected(RejectReason.UNKNOWN_ACCOUNT)
        return self.accounts[number]

    def known_asset(self, number: int) -> Asset:
        if number not in self.assets:
            raise Rejected(RejectReason.UNKNOWN_ASSET)
        return self.assets[number]

    def known_instrument(self, number: int) -> Instrument:
        instrument = self.instruments.get(number)
        if instrument is None or instrument.phase == Phase.REMOVED:
            raise Rejected(RejectReason.UNKNOWN_INSTRUMENT)
        return instrument

    def account_of_id(self, id: str) -> int:
        return next((a.number for a in self.accounts.values() if a.id == id), 0)

    def resting(self, instrument: int, side: Side | None = None) -> list[Order]:
        """Open orders of an instrument; of one side: in priority order."""
        orders = [o for o in self.orders.values() if o.instrument == instrument]
        if side is None:
            return orders
        return sorted((o for o in orders if o.side == side), key=priority)

    def resting_of(self, account: int) -> list[Order]:
        """Open orders of an account by order id."""
        orders = [o for o in self.orders.values() if o.account == account]
        return sorted(orders, key=lambda order: order.order_id)

    def open_leaves(self, account: int, instrument: int, side: Side) -> int:
        return sum(
            order.leaves
            for order in self.orders.values()
            if order.account == account and order.instrument == instrument and order.side == side
        )


def priority(order: Order) -> tuple[int, int]:
    """Smaller comes first: the better price, then the longer stay at it."""
    return (-order.price if order.side == Side.BUY else order.price, order.place)


def opposite(side: Side) -> Side:
    return Side.SELL if side == Side.BUY else Side.BUY


def truncate(numerator: int, denominator: int) -> int:
    """Division toward zero."""
    quotient = abs(numerator) // abs(denominator)
    return quotient if (numerator >= 0) == (denominator >= 0) else -quotient
