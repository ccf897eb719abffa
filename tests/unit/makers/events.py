"""A small day for strategies: short names for events, a spec, strategies from parameters."""

from __future__ import annotations

from decimal import Decimal
from typing import Any, Final

from tradepit.domain.wire import Side
from tradepit.makers import (
    BookView,
    InstrumentSpec,
    OwnFill,
    OwnPosition,
    PublicTrade,
    Strategy,
    StrategyChoice,
    build,
)
from tradepit.makers.referenced import ReferenceParameters

SECOND: Final = 1_000_000_000
UNITS: Final = InstrumentSpec("ACME", Decimal("0.01"), Decimal(1))
FINE: Final = InstrumentSpec("COIN", Decimal("0.05"), Decimal("0.5"))
NAMES: Final = ("inventory-skew", "avellaneda-stoikov", "book-pegged")


def make(
    name: str,
    spec: InstrumentSpec = UNITS,
    *,
    position: OwnPosition | None = None,
    reference: ReferenceParameters | None = None,
    **parameters: Any,
) -> Strategy:
    """A strategy by name, as a configuration would make it."""
    choice = StrategyChoice(name=name, parameters=parameters, reference=reference)
    return build(choice, spec, position)


def book(bid: int | None, ask: int | None, *, at: int = 0, last: int | None = None) -> BookView:
    """A book with one lot on each side that has a price."""
    return BookView(
        time_ns=at,
        bid_ticks=bid,
        bid_lots=0 if bid is None else 1,
        ask_ticks=ask,
        ask_lots=0 if ask is None else 1,
        last_ticks=last,
    )


def trade(price: int, side: Side, *, at: int = 0, lots: int = 1) -> PublicTrade:
    """A trade; the side is the taker's."""
    return PublicTrade(time_ns=at, price_ticks=price, quantity_lots=lots, taker_side=side)


class Fills:
    """Own fills one after the other, with the position and version that follow from them."""

    def __init__(self, position: OwnPosition | None = None) -> None:
        begin = OwnPosition() if position is None else position
        self.lots = begin.position_lots
        self.version = begin.version

    def buy(self, price: int, lots: int, *, at: int = 0) -> OwnFill:
        """The maker's bid was hit."""
        return self._fill(Side.BUY, price, lots, at)

    def sell(self, price: int, lots: int, *, at: int = 0) -> OwnFill:
        """The maker's ask was lifted."""
        return self._fill(Side.SELL, price, lots, at)

    def _fill(self, side: Side, price: int, lots: int, at: int) -> OwnFill:
        self.lots += lots if side is Side.BUY else -lots
        self.version += 1
        return OwnFill(
            time_ns=at,
            side=side,
            price_ticks=price,
            quantity_lots=lots,
            position_lots=self.lots,
            version=self.version,
        )
