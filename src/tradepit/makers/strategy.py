"""What a market-making strategy hears and says: one interface for live, replay and simulation.

The driver owns the clock, all input and output, and how much of a quote it may really place. It
tells the strategy what happened, in the order in which it happened, and asks for the quote that
should stand now. Prices are whole ticks, quantities whole lots, times nanoseconds since the Unix
epoch that never go back. A strategy answers from what it heard alone, so the same calls give the
same quotes everywhere.

A maker that starts again builds a new strategy from its position (`OwnPosition`) and goes on with
the next book. What else a strategy had learnt is lost; each says what that is.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import Final, Protocol

from msgspec import Struct

from tradepit.domain.wire import Side

NEVER: Final = -1
"""Version of a position that no fill has made yet."""


class BookView(Struct, frozen=True, kw_only=True, gc=False):
    """The best of the book without the maker's own orders, and the last trade.

    A price with 0 lots is only an indication: nobody stands there.
    """

    time_ns: int
    bid_ticks: int | None = None
    bid_lots: int = 0
    ask_ticks: int | None = None
    ask_lots: int = 0
    last_ticks: int | None = None

    @property
    def mid_half_ticks(self) -> int | None:
        """The middle of bid and ask in half ticks; None unless both are there."""
        if self.bid_ticks is None or self.ask_ticks is None:
            return None
        return self.bid_ticks + self.ask_ticks


class PublicTrade(Struct, frozen=True, kw_only=True, gc=False):
    """A trade as everybody sees it; also those of the maker itself."""

    time_ns: int
    price_ticks: int
    quantity_lots: int
    taker_side: Side


class OwnFill(Struct, frozen=True, kw_only=True, gc=False):
    """A fill of one of the maker's own orders."""

    time_ns: int
    side: Side
    """Of the maker: `BUY` when its bid was hit."""
    price_ticks: int
    quantity_lots: int
    position_lots: int
    """After the fill."""
    version: int
    """Of the position after the fill; one that is not newer than the last is a repeat."""


class OwnPosition(Struct, frozen=True, kw_only=True, gc=False):
    """Where a maker stands in a symbol: all that a strategy needs to start again."""

    position_lots: int = 0
    version: int = NEVER
    last_fill_ticks: int | None = None


class TwoSided(Struct, frozen=True, kw_only=True, gc=False):
    """A quote. A quantity of 0 leaves its side empty; the price is then only where it would be.

    Raises:
        ValueError: bid not below ask, a price below one tick, a negative quantity.
    """

    bid_ticks: int
    bid_lots: int
    ask_ticks: int
    ask_lots: int

    def __post_init__(self) -> None:
        if not 1 <= self.bid_ticks < self.ask_ticks:
            raise ValueError(f"no quote: bid {self.bid_ticks}, ask {self.ask_ticks} ticks")
        if self.bid_lots < 0 or self.ask_lots < 0:
            raise ValueError(f"no quote: {self.bid_lots} and {self.ask_lots} lots")

    @property
    def is_two_sided(self) -> bool:
        """Both sides have something in them."""
        return self.bid_lots > 0 and self.ask_lots > 0


class Strategy(Protocol):
    """Decides one symbol's quote. Subclass it and override what the strategy listens to."""

    def on_book(self, book: BookView) -> None:
        """Hear how the best of the book stands now."""

    def on_trade(self, trade: PublicTrade) -> None:
        """Hear of a trade in the instrument."""

    def on_fill(self, fill: OwnFill) -> None:
        """Hear of an own fill. The same trade also comes by `on_trade`, in either order."""

    def on_position(self, position: OwnPosition) -> None:
        """Hear how the position stands, apart from any fill: after a gap, or a transfer."""

    def on_reference(self, price_ticks: int, time_ns: int) -> None:
        """Hear a price from elsewhere: another instrument's feed, or a recorded session.

        `Referenced` makes quotes of any strategy follow it; a strategy needs to override this
        only if it remembers a price of its own, which then has to move along.
        """

    @abstractmethod
    def quote(self, now_ns: int) -> TwoSided | None:
        """The quote that should stand now; None: none at all.

        It keeps to the strategy's own position limit. It may lie at or through the other side of
        the book: the driver keeps it `passive`.
        """


class Inventory:
    """The maker's position as its fills and positions tell it; repeats change nothing."""

    __slots__ = ("last_fill_ticks", "lots", "version")

    def __init__(self, position: OwnPosition) -> None:
        self.lots = position.position_lots
        self.version = position.version
        self.last_fill_ticks = position.last_fill_ticks

    def take_fill(self, fill: OwnFill) -> bool:
        """Take over a fill; False if it is a repeat or older than what is known."""
        if fill.version <= self.version:
            return False
        self.lots = fill.position_lots
        self.version = fill.version
        self.last_fill_ticks = fill.price_ticks
        return True

    def take_position(self, position: OwnPosition) -> bool:
        """Take over a position; False if it is older. A transfer changes lots, not the version."""
        if position.version < self.version:
            return False
        self.lots = position.position_lots
        self.version = position.version
        if position.last_fill_ticks is not None:
            self.last_fill_ticks = position.last_fill_ticks
        return True
