"""Avellaneda and Stoikov's market maker without an end of the day, measured from the feed.

The finite problem has the reservation price `r = mid - n gamma sigma^2 (T - t)` and the half spread
`ln(1 + gamma / k) / gamma + gamma sigma^2 (T - t) / 2`. Far from the end the optimal quotes settle,
and to first order the same formulas hold with a constant in place of `T - t`:

    horizon   = sqrt((1 + gamma / k) ^ (1 + k / gamma) / (2 k A gamma sigma^2))     seconds
    r         = mid - n gamma sigma^2 horizon
    half      = ln(1 + gamma / k) / gamma + gamma sigma^2 horizon / 2
    bid, ask  = r - half, r + half

`n` is the position in quotes (position / quantity), `sigma` the arithmetic volatility, and orders
that take from one side reach a distance `d` from the mid at rate `A exp(-k d)`.

Sources: M. Avellaneda, S. Stoikov, High-frequency trading in a limit order book, Quantitative
Finance 8 (2008) 217-224, for the model and the finite formulas; O. Guéant, C.-A. Lehalle, J.
Fernandez-Tapia, Dealing with the inventory risk: a solution to the market making problem,
Mathematics and Financial Economics 7 (2013) 477-507, for the limit and its closed form, which
there reads `ln(1 + gamma / k) / gamma + (1 ± 2n) / 2 * s`, with `s = gamma sigma^2 horizon`. The
2008 paper's own infinite horizon needs a discount rate; with the rate that it suggests the
volatility drops out of the quotes, so it is not used.
"""

from __future__ import annotations

from decimal import Decimal
from math import ceil, exp, floor, inf, log1p, sqrt
from typing import Annotated

from msgspec import Meta, Struct
from msgspec.structs import replace

from tradepit.domain.wire import Side
from tradepit.makers.bounds import within_limit
from tradepit.makers.estimates import HALF_TICK, SECOND_NS, Arrivals, Volatility
from tradepit.makers.instrument import InstrumentSpec
from tradepit.makers.parameters import require_positive, whole_lots
from tradepit.makers.strategy import (
    BookView,
    Inventory,
    OwnFill,
    OwnPosition,
    PublicTrade,
    Strategy,
    TwoSided,
)


class AvellanedaStoikovParameters(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Of `avellaneda-stoikov`; quantities in units, money in the quote asset."""

    risk_aversion: Annotated[
        float, Meta(gt=0, description="gamma, per unit of money: more keeps the position smaller.")
    ] = 0.1
    quantity: Annotated[Decimal, Meta(description="Quantity on each side.")] = Decimal(10)
    position_limit: Annotated[
        Decimal, Meta(description="Largest position, long or short, that quotes may lead to.")
    ] = Decimal(100)
    window_s: Annotated[
        float, Meta(ge=1, description="Seconds after which an observation counts 1/e.")
    ] = 300.0
    sampling_ms: Annotated[
        int, Meta(ge=0, description="Least time between two mids of the volatility.")
    ] = 1_000
    warmup_samples: Annotated[
        int, Meta(ge=1, description="Changes of the mid to see before estimates are used.")
    ] = 20
    warmup_orders: Annotated[
        int, Meta(ge=1, description="Taking orders to see before estimates are used.")
    ] = 20
    behind_best_ticks_max: Annotated[
        int, Meta(ge=0, description="How far behind the best of the others it may quote when flat.")
    ] = 0
    half_spread_min_bps: Annotated[
        float, Meta(ge=0, description="Least half spread, in basis points of the mid.")
    ] = 0.5
    half_spread_max_bps: Annotated[
        float, Meta(gt=0, description="Most half spread, and most shift of the reservation price.")
    ] = 50.0

    def __post_init__(self) -> None:
        require_positive(self, "quantity", "position_limit")
        if self.half_spread_min_bps > self.half_spread_max_bps:
            raise ValueError("half_spread_min_bps must not be above half_spread_max_bps")


class Spread(Struct, frozen=True, gc=False):
    """What the model answers, in ticks."""

    half_ticks: float
    """Half the spread, around the reservation price."""
    shift_ticks: float
    """How far one quote of position moves the reservation price against itself."""


def stationary_spread(
    *, gamma: float, decay_per_tick: float, rate_per_s: float, variance: float
) -> Spread:
    """The stationary half spread and shift of the formulas above.

    Args:
        gamma: risk aversion per tick and quote.
        decay_per_tick: k.
        rate_per_s: A, of one side.
        variance: sigma^2, in square ticks per second.
    """
    ratio = gamma / decay_per_tick
    growth = exp((1 + 1 / ratio) * log1p(ratio))
    shift = sqrt(variance * gamma * growth / (2 * decay_per_tick * rate_per_s))
    return Spread(half_ticks=log1p(ratio) / gamma + shift / 2, shift_ticks=shift)


class AvellanedaStoikov(Strategy):
    """Quotes the stationary spread around the reservation price.

    Its middle is that of the book; without two sides the last that it saw, or the first trade. It
    does not quote before it knows any. A trade does not move it: else somebody could move a lone
    maker by a whole half spread with a single lot. Until enough mids and taking
    orders were seen it quotes the widest spread allowed, shifted in proportion to the position: by
    all of that half spread at the limit.

    Lost in a restart: the estimates; it warms up again.
    """

    def __init__(
        self, spec: InstrumentSpec, parameters: AvellanedaStoikovParameters, position: OwnPosition
    ) -> None:
        self._inventory = Inventory(position)
        self._parameters = parameters
        self._quantity_lots = whole_lots(spec, parameters, "quantity")
        self._limit_lots = whole_lots(spec, parameters, "position_limit")
        money_per_tick = float(spec.money_per_tick_lot) * self._quantity_lots
        self._gamma = parameters.risk_aversion * money_per_tick
        self._mid_ticks: float | None = None
        self._best_distance_ticks = inf
        window_s = parameters.window_s
        self._volatility = Volatility(
            window_s=window_s, sampling_ns=parameters.sampling_ms * SECOND_NS // 1_000
        )
        self._arrivals = Arrivals(window_s=window_s)

    def on_book(self, book: BookView) -> None:
        mid_half_ticks = book.mid_half_ticks
        if mid_half_ticks is None:
            return
        self._mid_ticks = mid_half_ticks / 2
        self._best_distance_ticks = _best_distance(book)
        self._volatility.observe(self._mid_ticks, book.time_ns)
        self._arrivals.begin(book.time_ns)

    def on_trade(self, trade: PublicTrade) -> None:
        if self._mid_ticks is None:
            self._mid_ticks = float(trade.price_ticks)
            return
        self._arrivals.observe(
            price_ticks=trade.price_ticks,
            mid_ticks=self._mid_ticks,
            taker_buys=trade.taker_side is Side.BUY,
            time_ns=trade.time_ns,
        )

    def on_fill(self, fill: OwnFill) -> None:
        self._inventory.take_fill(fill)

    def on_position(self, position: OwnPosition) -> None:
        self._inventory.take_position(position)

    @property
    def is_warm(self) -> bool:
        """Enough was seen for the estimates to be used."""
        enough = self._parameters
        return (
            self._volatility.samples >= enough.warmup_samples
            and self._arrivals.orders >= enough.warmup_orders
        )

    def quote(self, now_ns: int) -> TwoSided | None:
        mid = self._mid_ticks
        if mid is None:
            return None
        least = max(HALF_TICK, mid * self._parameters.half_spread_min_bps / 10_000)
        most = max(least, mid * self._parameters.half_spread_max_bps / 10_000)
        spread = self._spread(now_ns) if self.is_warm else self._unknown(most)
        shift = spread.shift_ticks * self._inventory.lots / self._quantity_lots
        reservation = mid - max(-most, min(most, shift))
        # With less than half a shift, a bid after a fill could pay more than the ask before took.
        half = min(most, max(least, spread.shift_ticks / 2, spread.half_ticks))
        lots = self._inventory.lots
        bid_ticks = max(1, ceil(reservation - half - 0.5))
        quote = TwoSided(
            bid_ticks=bid_ticks,
            bid_lots=self._quantity_lots,
            ask_ticks=max(bid_ticks + 1, floor(reservation + half + 0.5)),
            ask_lots=self._quantity_lots,
        )
        return within_limit(quote, position_lots=lots, limit_lots=self._limit_lots)

    def _spread(self, now_ns: int) -> Spread:
        """By the estimates, and no further behind the best of the others than allowed."""
        spread = stationary_spread(
            gamma=self._gamma,
            decay_per_tick=self._arrivals.decay_per_tick(),
            rate_per_s=self._arrivals.rate_per_s(now_ns),
            variance=self._volatility.variance,
        )
        competing = self._best_distance_ticks + self._parameters.behind_best_ticks_max
        return replace(spread, half_ticks=min(spread.half_ticks, competing))

    def _unknown(self, most: float) -> Spread:
        """Before the estimates count: wide, and shifted by all of that at the limit."""
        return Spread(half_ticks=most, shift_ticks=most * self._quantity_lots / self._limit_lots)


def _best_distance(book: BookView) -> float:
    """From the middle to the best of the others; infinite if that is only a price."""
    if book.bid_ticks is None or book.ask_ticks is None or not (book.bid_lots and book.ask_lots):
        return inf
    return (book.ask_ticks - book.bid_ticks) / 2
