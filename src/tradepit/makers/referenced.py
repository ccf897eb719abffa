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
        int, Meta(ge=1, description="The strategy sees a best bid and ask so far from the price.")
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
    """Shows the strategy inside a book around the outside price, in place of the market's own.

    The strategy also hears the price itself, so that one which remembers a price moves with it.
    Trades, fills and the position reach it as they are. Without a fresh outside price there is no
    quote. Lost in a restart: the outside price, until it comes again.
    """

    def __init__(
        self, inside: Strategy, spec: InstrumentSpec, parameters: ReferenceParameters
    ) -> None:
        self._inside = inside
        self._half_spread_ticks = parameters.half_spread_ticks
        self._basis_ticks = spec.nearest_ticks(parameters.basis)
        self._age_max_ns = round(parameters.age_max_s * SECOND_NS)
        self._heard_ns: int | None = None
        self._last_ticks: int | None = None

    def on_book(self, book: BookView) -> None:
        if book.last_ticks is not None:
            self._last_ticks = book.last_ticks

    def on_trade(self, trade: PublicTrade) -> None:
        self._last_ticks = trade.price_ticks
        self._inside.on_trade(trade)

    def on_fill(self, fill: OwnFill) -> None:
        self._inside.on_fill(fill)

    def on_position(self, position: OwnPosition) -> None:
        self._inside.on_position(position)

    def on_reference(self, price_ticks: int, time_ns: int) -> None:
        price_ticks += self._basis_ticks
        self._heard_ns = time_ns
        self._inside.on_reference(price_ticks, time_ns)
        self._inside.on_book(
            BookView(
                time_ns=time_ns,
                bid_ticks=price_ticks - self._half_spread_ticks,
                ask_ticks=price_ticks + self._half_spread_ticks,
                last_ticks=self._last_ticks,
            )
        )

    def quote(self, now_ns: int) -> TwoSided | None:
        if self._heard_ns is None or now_ns - self._heard_ns > self._age_max_ns:
            return None
        return self._inside.quote(now_ns)
