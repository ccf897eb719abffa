"""What the auditor knows of orders and instruments, gathered from events."""

from __future__ import annotations

from dataclasses import dataclass, field

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
    maker_fee_ppm: int = 0
    taker_fee_ppm: int = 0

    @property
    def is_continuous(self) -> bool:
        return self.phase == Phase.CONTINUOUS


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
    trades_seen: int = 0
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
    fills: dict[int, int] = field(default_factory=dict)
