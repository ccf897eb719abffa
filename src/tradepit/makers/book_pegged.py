"""Book-pegged: some ticks behind the best of the book, leaning against the position."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated

from msgspec import Meta, Struct

from tradepit.makers.bounds import within_limit
from tradepit.makers.instrument import InstrumentSpec
from tradepit.makers.parameters import require_positive, whole_lots
from tradepit.makers.sizes import leaning_sizes
from tradepit.makers.strategy import (
    BookView,
    Inventory,
    OwnFill,
    OwnPosition,
    PublicTrade,
    Strategy,
    TwoSided,
)


class BookPeggedParameters(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Of `book-pegged`; distances in ticks, quantities in units."""

    offset_ticks: Annotated[
        int, Meta(description="Behind the best; 0 joins it, below zero improves on it.")
    ] = 0
    lean_ticks: Annotated[
        int, Meta(ge=0, description="How far both prices move against a position at the limit.")
    ] = 5
    spread_min_ticks: Annotated[int, Meta(ge=1, description="Least ask minus bid.")] = 2
    spread_empty_ticks: Annotated[
        int, Meta(ge=1, description="Spread to assume where a side of the book is empty.")
    ] = 10
    quantity: Annotated[Decimal, Meta(description="Quantity on each side when flat.")] = Decimal(10)
    position_limit: Annotated[
        Decimal, Meta(description="Largest position, long or short, that quotes may lead to.")
    ] = Decimal(100)

    def __post_init__(self) -> None:
        require_positive(self, "quantity", "position_limit")


class BookPegged(Strategy):
    """Quotes relative to the best bid and ask of the others.

    Where a side is empty it assumes the configured spread from the other side, or around the last
    trade where both are; it does not quote before there is any price. Both prices move down in
    proportion to a long position and up for a short one, and sizes lean as well.

    Lost in a restart: nothing, the position and the next book are all it uses.
    """

    def __init__(
        self, spec: InstrumentSpec, parameters: BookPeggedParameters, position: OwnPosition
    ) -> None:
        self._inventory = Inventory(position)
        self._parameters = parameters
        self._default_lots = whole_lots(spec, parameters, "quantity")
        self._limit_lots = whole_lots(spec, parameters, "position_limit")
        self._bid_ticks: int | None = None
        self._ask_ticks: int | None = None
        self._last_ticks: int | None = None

    def on_book(self, book: BookView) -> None:
        self._bid_ticks, self._ask_ticks = book.bid_ticks, book.ask_ticks
        if book.last_ticks is not None:
            self._last_ticks = book.last_ticks

    def on_trade(self, trade: PublicTrade) -> None:
        self._last_ticks = trade.price_ticks

    def on_fill(self, fill: OwnFill) -> None:
        self._inventory.take_fill(fill)

    def on_position(self, position: OwnPosition) -> None:
        self._inventory.take_position(position)

    def quote(self, now_ns: int) -> TwoSided | None:
        best = self._best()
        if best is None:
            return None
        offset, lean = self._parameters.offset_ticks, self._lean_ticks()
        bid_ticks, ask_ticks = best[0] - offset - lean, best[1] + offset - lean
        lacking = max(0, self._parameters.spread_min_ticks - (ask_ticks - bid_ticks))
        bid_ticks = max(1, bid_ticks - (lacking + 1) // 2)
        ask_ticks = max(bid_ticks + self._parameters.spread_min_ticks, ask_ticks + lacking // 2)
        lots = self._inventory.lots
        sizes = leaning_sizes(
            default_lots=self._default_lots, position_lots=lots, limit_lots=self._limit_lots
        )
        quote = TwoSided(
            bid_ticks=bid_ticks,
            bid_lots=sizes.bid_lots,
            ask_ticks=ask_ticks,
            ask_lots=sizes.ask_lots,
        )
        return within_limit(quote, position_lots=lots, limit_lots=self._limit_lots)

    def _best(self) -> tuple[int, int] | None:
        """Best bid and ask, with what is assumed for an empty side."""
        bid, ask, empty = self._bid_ticks, self._ask_ticks, self._parameters.spread_empty_ticks
        if bid is not None:
            return bid, bid + empty if ask is None else ask
        if ask is not None:
            return ask - empty, ask
        if self._last_ticks is None:
            return None
        bid = self._last_ticks - empty // 2
        return bid, bid + empty

    def _lean_ticks(self) -> int:
        """Whole ticks, halves away from zero, so that long and short mirror each other."""
        limit, lots = self._limit_lots, self._inventory.lots
        size = (2 * self._parameters.lean_ticks * min(limit, abs(lots)) + limit) // (2 * limit)
        return size if lots > 0 else -size
