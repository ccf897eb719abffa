"""The oracle's state: plain dataclasses in dicts, Python integers, nothing kept twice.

Held money, open leaves and the order of the book are computed anew whenever they are asked for.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from tradepit.domain.wire import (
    AccountState,
    AccountType,
    Option,
    OrderStatus,
    OrderType,
    Phase,
    RecordFlag,
    RejectReason,
    Side,
)
from tradepit.testing.frames import EVENT_KINDS, Event
from tradepit.testing.oracle.parties import Firm, Guard, OrderLimits, Session, StandingQuote

BALANCE_MAX = 2**62
QUANTITY_MAX = 2**40
STOP = int(Option.STOP)
TRAILING_STOP = int(OrderType.TRAILING_STOP)
GATHERING = (Phase.PRE_OPEN, Phase.AUCTION, Phase.CLOSING_AUCTION)


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
    band_ppm: int = 0
    band_reference: int = 0
    protection_ppm: int = 50_000
    halt_ns: int = 0
    auction_ns: int = 0
    is_held: bool = False
    """Whether the last SET_PHASE stopped it, so that its schedule has no effect."""
    reopens_at: int = 0
    schedule: tuple[int, ...] = ()
    next_transition: int = 0
    indicative: tuple[int, int, int] = (0, 0, 0)
    """Price, volume and surplus as last published."""
    triggered: list[int] = field(default_factory=list)
    """Stop orders whose turn to run has come, by order id."""

    @property
    def is_continuous(self) -> bool:
        return self.phase == Phase.CONTINUOUS

    @property
    def gathers(self) -> bool:
        return self.phase in GATHERING


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
    order_limits: dict[int, OrderLimits] = field(default_factory=dict)
    """By instrument."""
    guard: Guard = field(default_factory=Guard)
    dead_man_at: int = 0
    quotes: dict[int, StandingQuote] = field(default_factory=dict)
    """By instrument."""
    firm: Firm | None = None

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
    session: int = 0
    display: int = 0
    """What an iceberg shows at most; 0 for other orders."""
    visible: int = 0
    """The slice that an iceberg shows while it rests."""
    stop_price: int = 0
    distance: int = 0
    """Between a trailing stop and the best trade price seen."""

    @property
    def waits(self) -> bool:
        """Whether it waits for its stop price, on no book."""
        return self.options & STOP != 0

    @property
    def shown(self) -> int:
        """What a taker meets while the order rests."""
        return self.visible if self.display else self.leaves

    @property
    def is_trailing(self) -> bool:
        return self.order_type == TRAILING_STOP

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
    """Live orders: those that rest and those that wait."""
    sessions: dict[int, Session] = field(default_factory=dict)
    last_session: int = 0
    keys: dict[tuple[int, int, int], KeyEntry] = field(default_factory=dict)
    quarantined: set[int] = field(default_factory=set)
    last_trade_id: int = 0
    last_place: int = 0
    frame_account: int = 0
    """Account that 0xFFFFFFFF means; 0 = none."""
    frame_time_ns: int = 0
    """Market time at the stamp of the frame under way."""
    incarnation: int = 0
    """Writer of the frame under way."""
    follows_reserved_id: bool = False
    """Whether the command before, of this frame, was a RESERVE_ORDER_ID."""
    last_moment: int = 0
    """Market time / 100 ms at the last moment."""
    events: list[Event] = field(default_factory=list)

    @property
    def version(self) -> int:
        """Rules version in force."""
        return self.genesis.rules_version if self.genesis else 0

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

    def resting(self, instrument: int, side: Side) -> list[Order]:
        """Orders on one side of a book in priority order."""
        orders = [
            order
            for order in self.orders.values()
            if order.instrument == instrument and order.side == side and not order.waits
        ]
        return sorted(orders, key=priority)

    def waiting(self, instrument: int) -> list[Order]:
        """Orders of an instrument that wait for their stop price."""
        return [o for o in self.orders.values() if o.instrument == instrument and o.waits]

    def live_in(self, instrument: int) -> list[Order]:
        """Live orders of an instrument by order id."""
        orders = [o for o in self.orders.values() if o.instrument == instrument]
        return sorted(orders, key=lambda order: order.order_id)

    def is_resting(self, order: Order) -> bool:
        """Whether it is on a book; a taker is not."""
        return order.order_id in self.orders and not order.waits

    def live_of(self, account: int) -> list[Order]:
        """Live orders of an account by order id."""
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
