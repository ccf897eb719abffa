"""Any strategy around a price from elsewhere: another instrument's feed, or a recorded session."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated

from msgspec import Meta, Struct

from tradepit.makers.estimates import SECOND_NS
from tradepit.makers.instrument import InstrumentSpec
from tradepit.makers.strategy import BookView, OwnFill, OwnPosition, PublicTrade, Strategy, TwoSided


class ReferenceParameters(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How an outside price is followed."""

    half_spread_ticks: Annotated[
        int, Meta(ge=1, description="Best bid and ask to assume while the own book lacks a side.")
    ] = 1
    basis: Annotated[
        Decimal, Meta(description="Added to the outside price, in units of the maker's price.")
    ] = Decimal(0)
    age_max_s: Annotated[
        float, Meta(gt=0, description="No quotes while the price is older than so many seconds.")
    ] = 10.0

    def __post_init__(self) -> None:
        if not self.basis.is_finite():
            raise ValueError(f"basis must be a number, not {self.basis}")


class Referenced(Strategy):
    """Shows the strategy the market's own book, moved so that its middle is the outside price.

    So what it measures of prices is the outside's, and what it knows of the others (how wide they
    quote, how far takers go) is this market's. It also hears the price itself, so that a strategy
    which remembers a price moves with it. Trades, fills and the position reach it as they are.
    Without a fresh outside price there is no quote.

    Lost in a restart: the outside price, until it comes again.
    """

    def __init__(
        self, inside: Strategy, spec: InstrumentSpec, parameters: ReferenceParameters
    ) -> None:
        self._inside = inside
        self._half_spread_ticks = parameters.half_spread_ticks
        self._basis_ticks = spec.nearest_ticks(parameters.basis)
        self._age_max_ns = round(parameters.age_max_s * SECOND_NS)
        self._price_ticks: int | None = None
        self._heard_ns = 0
        self._book = BookView(time_ns=0)

    def on_book(self, book: BookView) -> None:
        self._book = book
        self._show(book.time_ns)

    def on_trade(self, trade: PublicTrade) -> None:
        self._inside.on_trade(trade)

    def on_fill(self, fill: OwnFill) -> None:
        self._inside.on_fill(fill)

    def on_position(self, position: OwnPosition) -> None:
        self._inside.on_position(position)

    def on_reference(self, price_ticks: int, time_ns: int) -> None:
        self._price_ticks = price_ticks + self._basis_ticks
        self._heard_ns = time_ns
        self._inside.on_reference(self._price_ticks, time_ns)
        self._show(time_ns)

    def quote(self, now_ns: int) -> TwoSided | None:
        if self._price_ticks is None or now_ns - self._heard_ns > self._age_max_ns:
            return None
        return self._inside.quote(now_ns)

    def _show(self, time_ns: int) -> None:
        """Show the book around the outside price; without two sides as prices without lots."""
        if self._price_ticks is None:
            return
        own, half, bid_lots, ask_lots = self._book, self._half_spread_ticks, 0, 0
        if own.bid_ticks is not None and own.ask_ticks is not None:
            half = max(1, (own.ask_ticks - own.bid_ticks + 1) // 2)
            bid_lots, ask_lots = own.bid_lots, own.ask_lots
        self._inside.on_book(
            BookView(
                time_ns=time_ns,
                bid_ticks=self._price_ticks - half,
                bid_lots=bid_lots,
                ask_ticks=self._price_ticks + half,
                ask_lots=ask_lots,
                last_ticks=own.last_ticks,
            )
        )
