"""What version 2 remembers of accounts beside orders and money: sessions, guards, firms."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass
class Session:
    """A client's connection; `number` is of the market, the name of the account."""

    account: int
    number: int
    name: str
    cancels: bool
    """Whether its orders are cancelled when it ends."""
    binding: int
    holder: int
    """Incarnation of the node that holds it."""
    seen_at: int
    """Market time of the holder's last frame."""


@dataclass
class Guard:
    """Settings of SET_ACCOUNT_GUARD and what was counted under them."""

    messages_max: int = 0
    repeats_max: int = 0
    window_ns: int = 0
    traded_max: int = 0
    traded_asset: int = 0
    second: int = 0
    messages: int = 0
    run: tuple[int, int, int, int] | None = None
    """Instrument, side, type and quantity of the last accepted order."""
    run_price: int = 0
    run_window: int = 0
    run_length: int = 0
    traded_window: int = 0
    traded: int = 0

    def start_anew(self) -> None:
        """Forget everything that was counted."""
        self.second = self.messages = 0
        self.run = None
        self.run_price = self.run_window = self.run_length = 0
        self.traded_window = self.traded = 0


@dataclass
class OrderLimits:
    quantity_max: int = 0
    value_max: int = 0


@dataclass
class StandingQuote:
    """A quote and, of a firm, its reservation: they end together."""

    expires_at: int
    bid_id: int = 0
    ask_id: int = 0
    granted_bid: int = 0
    """Lots that the firm's reservation holds; 0 for accounts that are no firm."""
    granted_ask: int = 0


@dataclass
class Maker:
    number: int
    name: str
    epoch: int
    leased_until: int


@dataclass
class Firm:
    budget_bid: int
    budget_ask: int
    position_limit: int
    lease_ns: int
    last_maker: int = 0
    makers: dict[int, Maker] = field(default_factory=dict)
    """Those that are live."""
    owners: dict[int, int] = field(default_factory=dict)
    """Instruments that the firm makes, and the maker that owns each (0 = nobody)."""
