"""Inventory skew: a price of one's own that every fill moves, and sizes that lean.

Reference price, the first of these that there is: the middle of the own quote while it is
younger than its time-to-live; an outside reference; the last fill; the middle of the book; the
configured price. Own fills of `q` move it: up by `impact` × q after a sell, down after a buy.

**Why a side is no larger than spread / impact.** Whoever trades with this maker alone moves its
price r by what they hold. Buying q at once costs q (r + spread / 2), while the price at which they
could have bought it little by little goes from r to r + impact × q: a gain of
q / 2 × (impact × q - spread) over that path, and the same for a sell. The path itself gives
nothing on the way up and down. So nobody can gain by pushing the price up and selling into it, as
long as no side can be taken for more than spread / impact at one price.
"""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from math import ceil, lcm
from typing import Annotated, Final

from msgspec import Meta, Struct

from tradepit.domain.wire import Side
from tradepit.makers.bounds import within_grant, within_limit
from tradepit.makers.estimates import SECOND_NS
from tradepit.makers.instrument import InstrumentSpec
from tradepit.makers.parameters import require_not_negative, require_positive, whole_lots
from tradepit.makers.sizes import leaning_sizes
from tradepit.makers.strategy import BookView, Inventory, OwnFill, OwnPosition, Strategy, TwoSided

NANO: Final = 1_000_000_000
"""Size offsets are whole nanolots: a lot per second is then one of them per nanosecond."""


class InventorySkewParameters(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Of `inventory-skew`; prices and quantities in units, not in ticks and lots."""

    spread: Annotated[Decimal, Meta(description="Ask minus bid.")] = Decimal("0.10")
    impact: Annotated[
        Decimal, Meta(description="How far a fill of quantity 1 moves the reference price.")
    ] = Decimal("0.01")
    quantity: Annotated[Decimal, Meta(description="Quantity on each side when flat.")] = Decimal(10)
    fill_gain: Annotated[
        Decimal, Meta(description="What a fill adds to the size of the side that was filled.")
    ] = Decimal(2)
    fill_loss: Annotated[
        Decimal, Meta(description="What a fill takes off the size of the other side.")
    ] = Decimal(1)
    recovery_per_s: Annotated[
        Decimal, Meta(description="How fast sizes forget what fills added and took, per second.")
    ] = Decimal(1)
    position_limit: Annotated[
        Decimal, Meta(description="Largest position, long or short, that quotes may lead to.")
    ] = Decimal(100)
    reference_price: Annotated[
        Decimal, Meta(description="Where to begin without a book, a fill or an own quote.")
    ] = Decimal(100)
    sweep_guard: Annotated[
        bool, Meta(description="Quote no more on a side than spread / impact, at least a lot.")
    ] = True
    quote_ttl_s: Annotated[
        int, Meta(ge=1, description="Seconds for which the middle of the own quote is believed.")
    ] = 30

    def __post_init__(self) -> None:
        require_positive(self, "spread", "quantity", "recovery_per_s", "position_limit")
        require_positive(self, "reference_price")
        require_not_negative(self, "impact", "fill_gain", "fill_loss")


class InventorySkew(Strategy):
    """Quotes a fixed spread around its own reference price.

    Sizes are the leaning sizes of the position, plus an offset: a fill adds `fill_gain` to its
    own side (which has just been emptied by it) and takes `fill_loss` off the other. Offsets are
    within ± the default size and run back to zero at `recovery_per_s`, so they never lock a side.
    The guard bounds what comes out; with the default numbers it is the default size.

    Lost in a restart: the way the reference came (it begins at the last fill) and the offsets.
    """

    def __init__(
        self, spec: InstrumentSpec, parameters: InventorySkewParameters, position: OwnPosition
    ) -> None:
        self._inventory = Inventory(position)
        self._default_lots = whole_lots(spec, parameters, "quantity")
        self._limit_lots = whole_lots(spec, parameters, "position_limit")
        self._gain_nanolots = whole_lots(spec, parameters, "fill_gain") * NANO
        self._loss_nanolots = whole_lots(spec, parameters, "fill_loss") * NANO
        self._recovery_lots_per_s = whole_lots(spec, parameters, "recovery_per_s")
        self._spread_ticks = ceil(spec.in_ticks(parameters.spread))
        impact_ticks = spec.in_ticks(parameters.impact) * Fraction(spec.lot_size)
        start_ticks = spec.in_ticks(parameters.reference_price)
        self._side_max_lots = (
            _sweepable_lots(self._spread_ticks, impact_ticks) if parameters.sweep_guard else None
        )
        # The reference is a whole number of parts of a tick, fine enough for every price here.
        self._parts = lcm(2, impact_ticks.denominator, start_ticks.denominator)
        self._impact = int(impact_ticks * self._parts)
        self._start = int(start_ticks * self._parts)
        self._lowest = self._parts + self._spread_ticks * self._parts // 2
        self._own: int | None = None
        self._own_ns = 0
        self._ttl_ns = parameters.quote_ttl_s * SECOND_NS
        self._book: BookView | None = None
        self._outside_ticks: int | None = None
        self._bid_offset_nanolots = 0
        self._ask_offset_nanolots = 0
        self._recovered_ns = 0

    def on_book(self, book: BookView) -> None:
        self._book = book

    def on_fill(self, fill: OwnFill) -> None:
        if not self._inventory.take_fill(fill):
            return
        sold = fill.side is Side.SELL
        self._move(fill, up=sold)
        self._recover(fill.time_ns)
        gain, loss = self._gain_nanolots, -self._loss_nanolots
        self._offset(bid=loss if sold else gain, ask=gain if sold else loss)

    def on_position(self, position: OwnPosition) -> None:
        self._inventory.take_position(position)

    def on_reference(self, price_ticks: int, time_ns: int) -> None:
        if self._outside_ticks is None:
            self._own = None
        elif self._own is not None:
            self._own += (price_ticks - self._outside_ticks) * self._parts
        self._outside_ticks = price_ticks

    def quote(self, now_ns: int) -> TwoSided | None:
        self._own, self._own_ns = max(self._lowest, self._reference(now_ns)), now_ns
        self._recover(now_ns)
        twice = 2 * self._own - self._spread_ticks * self._parts
        bid_ticks = (twice + self._parts) // (2 * self._parts)
        lots = self._inventory.lots
        sizes = leaning_sizes(
            default_lots=self._default_lots, position_lots=lots, limit_lots=self._limit_lots
        )
        quote = TwoSided(
            bid_ticks=bid_ticks,
            bid_lots=max(0, sizes.bid_lots + _lots(self._bid_offset_nanolots)),
            ask_ticks=bid_ticks + self._spread_ticks,
            ask_lots=max(0, sizes.ask_lots + _lots(self._ask_offset_nanolots)),
        )
        if self._side_max_lots is not None:
            most = self._side_max_lots
            quote = within_grant(quote, bid_lots=most, ask_lots=most)
        return within_limit(quote, position_lots=lots, limit_lots=self._limit_lots)

    def _move(self, fill: OwnFill, *, up: bool) -> None:
        """Move the own reference; around an outside one the position alone says where it is."""
        if self._own is None or fill.time_ns - self._own_ns >= self._ttl_ns:
            self._own = None
            if self._outside_ticks is not None:
                return
            self._own = fill.price_ticks * self._parts
        move = self._impact * fill.quantity_lots
        self._own += move if up else -move
        self._own_ns = fill.time_ns

    def _reference(self, now_ns: int) -> int:
        """The reference price, in parts of a tick."""
        if self._own is not None and now_ns - self._own_ns < self._ttl_ns:
            return self._own
        if self._outside_ticks is not None:
            return self._outside_ticks * self._parts - self._impact * self._inventory.lots
        if self._inventory.last_fill_ticks is not None:
            return self._inventory.last_fill_ticks * self._parts
        mid_half_ticks = self._book.mid_half_ticks if self._book is not None else None
        return self._start if mid_half_ticks is None else mid_half_ticks * self._parts // 2

    def _offset(self, *, bid: int, ask: int) -> None:
        most = self._default_lots * NANO
        self._bid_offset_nanolots = max(-most, min(most, self._bid_offset_nanolots + bid))
        self._ask_offset_nanolots = max(-most, min(most, self._ask_offset_nanolots + ask))

    def _recover(self, now_ns: int) -> None:
        """Let the offsets run towards zero for the time that has passed."""
        step = max(0, now_ns - self._recovered_ns) * self._recovery_lots_per_s
        self._bid_offset_nanolots = _towards_zero(self._bid_offset_nanolots, step)
        self._ask_offset_nanolots = _towards_zero(self._ask_offset_nanolots, step)
        self._recovered_ns = max(self._recovered_ns, now_ns)


def _sweepable_lots(spread_ticks: int, impact_ticks: Fraction) -> int | None:
    """The most of a side by the rule above; one tick of the spread is left for rounding."""
    if not impact_ticks:
        return None
    rounding = 0 if impact_ticks.denominator == 1 else 1
    return max(1, (spread_ticks - rounding) // impact_ticks)


def _towards_zero(value: int, step: int) -> int:
    return max(0, value - step) if value > 0 else min(0, value + step)


def _lots(nanolots: int) -> int:
    """Whole lots, toward zero."""
    return nanolots // NANO if nanolots >= 0 else -(-nanolots // NANO)
