"""What the auditor knows of orders and instruments, gathered from events."""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction

from tradepit.domain.wire import Option, OrderType, Phase, SelfTradePrevention, Side


class AuditFailure(AssertionError):
    """The events of a command contradict each other, or what a market must keep."""

    def __init__(self, sequence: int, what: str) -> None:
        super().__init__(f"command {sequence}: {what}")
        self.sequence = sequence
        self.what = what


@dataclass
class AuditedInstrument:
    base_asset: int
    quote_asset: int
    lot: int
    unit: int
    phase: int
    lot_units: Fraction
    """Units of a firm's budget per lot."""
    reference_price: int
    maker_fee_ppm: int = 0
    taker_fee_ppm: int = 0
    last_price: int = 0
    band_ppm: int = 0
    band_reference: int = 0
    triggered: list[int] = field(default_factory=list)
    """Stop orders whose turn to run has come, by order id."""

    @property
    def is_continuous(self) -> bool:
        return self.phase == Phase.CONTINUOUS

    @property
    def gathers(self) -> bool:
        return self.phase in (Phase.PRE_OPEN, Phase.AUCTION, Phase.CLOSING_AUCTION)

    def band(self) -> range | None:
        """Prices at which a taker may trade now; None when any."""
        if self.band_ppm == 0 or self.band_reference == 0:
            return None
        reach = self.band_reference * self.band_ppm // 1_000_000
        return range(self.band_reference - reach, self.band_reference + reach + 1)


@dataclass
class AuditedOrder:
    order_id: int
    account: int
    instrument: int
    side: int
    order_type: int
    time_in_force: int
    self_trade_prevention: int
    options: int
    price: int
    quantity: int
    leaves: int
    expires_at: int
    fees_ppm: tuple[int, int]
    """Maker's and taker's."""
    display: int = 0
    visible: int = 0
    """The slice that an iceberg shows while it rests."""
    stop_price: int = 0
    distance: int = 0
    session: int = 0
    rests: bool = False

    @property
    def waits(self) -> bool:
        return bool(self.options & Option.STOP)

    @property
    def is_quoted(self) -> bool:
        return bool(self.options & Option.QUOTE)

    @property
    def shown(self) -> int:
        """What a taker meets."""
        return self.visible if self.display else self.leaves

    @property
    def slice(self) -> int:
        """What events tell of an iceberg's slice: 0 for what is none or does not rest."""
        return self.visible if self.display and self.rests else 0

    def lower(self, lots: int) -> None:
        """Leaves fall, of an iceberg the hidden part first."""
        self.leaves -= lots
        self.visible = min(self.visible, self.leaves)

    @property
    def filled(self) -> int:
        return self.quantity - self.leaves

    @property
    def limit(self) -> int | None:
        """Price beyond which it must not trade; None = none given."""
        if self.order_type == OrderType.MARKET and not self.options & Option.PRICE:
            return None
        return self.price

    @property
    def prevents_self_trade(self) -> bool:
        return self.self_trade_prevention != SelfTradePrevention.NONE

    def may_trade_at(self, price: int) -> bool:
        if self.limit is None:
            return True
        return price <= self.limit if self.side == Side.BUY else price >= self.limit


@dataclass
class Taker:
    """The order under way in a command, with what its first event promised."""

    order: AuditedOrder
    status: int
    leaves: int
    trade_count: int
    band: range | None = None
    """Prices at which it may trade."""
    visible: int | None = None
    """What a replaced iceberg was said to show in the end."""
    prices: list[int] = field(default_factory=list)
    """Of its trades."""
    touched_others: bool = False
    opposite_was_empty: bool = False
    ended_by: int | None = None
    """CloseReason of its ORDER_CANCELLED, once that was seen."""


@dataclass
class AuditedAccount:
    is_cash: bool
    state: int
    totals: dict[int, int] = field(default_factory=dict)
    nets: dict[int, int] = field(default_factory=dict)
    """By instrument, as are the fills."""
    fills: dict[int, int] = field(default_factory=dict)
