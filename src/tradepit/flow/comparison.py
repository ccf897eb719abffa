"""How close the market came to the recording: tallies while it runs, and the report at the end.

The recorded side comes from `RecordedTruth`, the market's side from its answers, its trades and its
order book. The policy is not asked; its counts are only shown beside.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Final

import msgspec
from rich.table import Table

from tradepit.flow.level_quantities import BestQuote
from tradepit.flow.operations import Side
from tradepit.flow.recorded_truth import TruthStep

PRICE_TARGET: Final = 0.999
SIZE_TARGET: Final = 0.98
FILLS_TARGET: Final = 0.95
VOLUME_TARGET: Final = 0.01

LEVELS_MAX: Final = 1_000
"""Levels of a side that are compared: as many as a node shows in one answer."""

DIFFERENCES_MAX: Final = 20
"""Differing events kept by number, to look at; the rest are only counted."""

Levels = dict[int, tuple[int, int]]
"""Quantity and number of orders by price."""


class SideReport(msgspec.Struct, frozen=True):
    """Final levels of one side. Prices in 1e-9 of the quote currency; 0 = empty."""

    recorded_levels: int
    market_levels: int
    recorded_orders: int
    market_orders: int
    recorded_best: int
    recorded_best_quantity: int
    market_best: int
    market_best_quantity: int
    different_levels: int


class ComparisonReport(msgspec.Struct, frozen=True):
    """The comparison of one run. Shares are between 0 and 1, quantities in lots."""

    events_compared: int
    best_prices_equal: int
    best_sizes_equal: int
    orders_traded: int
    orders_filled_equal: int
    orders_filled_unrecorded: int
    volume_recorded: int
    volume_market: int
    volume_difference: int
    """Sum over prices of the absolute difference."""
    volume_difference_worst_price: int | None
    volume_implied: int
    """Part of the recorded volume that met no order of the book (orders in spreads): a market of
    this instrument alone cannot trade it."""
    bids: SideReport
    asks: SideReport
    first_different_events: list[int]

    @property
    def price_share(self) -> float:
        """Events after which best bid and offer had the recorded prices."""
        return _share(self.best_prices_equal, self.events_compared)

    @property
    def size_share(self) -> float:
        """Events after which they had the recorded sizes too."""
        return _share(self.best_sizes_equal, self.events_compared)

    @property
    def fills_share(self) -> float:
        """Orders that traded in the recording and filled as much in the market."""
        return _share(self.orders_filled_equal, self.orders_traded)

    @property
    def volume_share(self) -> float:
        """Volume at differing prices, as a share of the recorded volume."""
        return _share(self.volume_difference, self.volume_recorded, empty=0.0)

    @property
    def is_within_targets(self) -> bool:
        """Whether every target of an undisturbed run is met."""
        return (
            self.price_share >= PRICE_TARGET
            and self.size_share >= SIZE_TARGET
            and self.fills_share >= FILLS_TARGET
            and self.volume_share <= VOLUME_TARGET
            and self.bids.different_levels == self.asks.different_levels == 0
        )


class Comparison:
    """Counts agreement event by event."""

    def __init__(self) -> None:
        self.restart()

    def restart(self) -> None:
        """Forget everything: continuous trading opens now."""
        self._compared = 0
        self._prices_equal = 0
        self._sizes_equal = 0
        self._recorded_fills: Counter[int] = Counter()
        self._market_fills: Counter[int] = Counter()
        self._recorded_volume: Counter[int] = Counter()
        self._market_volume: Counter[int] = Counter()
        self._implied_volume = 0
        self._different_events: list[int] = []

    @property
    def has_traded(self) -> bool:
        """Whether the recording has traded since the start or the last restart."""
        return bool(self._recorded_volume)

    def observe_event(self, step: TruthStep, quote: BestQuote) -> None:
        """Compare after an event; the market stood at `quote`."""
        if not step.is_continuous:
            return
        self._compared += 1
        self._recorded_fills.update(step.fills)
        self._recorded_volume.update(step.volume)
        self._implied_volume += max(0, step.implied_volume)
        truth = step.quote
        if (quote.bid_price, quote.ask_price) == (truth.bid_price, truth.ask_price):
            self._prices_equal += 1
        if quote == truth:
            self._sizes_equal += 1
        elif len(self._different_events) < DIFFERENCES_MAX:
            self._different_events.append(step.number)

    def observe_fill(self, owner: int, quantity: int) -> None:
        """Take in what a recorded order filled in the market (negative: taken back)."""
        if owner:
            self._market_fills[owner] += quantity

    def observe_volume(self, price: int, quantity: int) -> None:
        """Take in a trade that an order of the recording made as the taker."""
        self._market_volume[price] += quantity

    def report(self, recorded: dict[Side, Levels], market: dict[Side, Levels]) -> ComparisonReport:
        """The comparison up to now, with the books as they stand on both sides."""
        fills, volume = self._recorded_fills, self._recorded_volume
        equal = sum(self._market_fills[owner] == filled for owner, filled in fills.items())
        unrecorded = sum(n != 0 and owner not in fills for owner, n in self._market_fills.items())
        prices = sorted(set(volume) | set(self._market_volume))
        differences = {p: abs(volume[p] - self._market_volume[p]) for p in prices}
        worst = max(prices, key=lambda price: differences[price], default=None)
        return ComparisonReport(
            events_compared=self._compared,
            best_prices_equal=self._prices_equal,
            best_sizes_equal=self._sizes_equal,
            orders_traded=len(fills),
            orders_filled_equal=equal,
            orders_filled_unrecorded=unrecorded,
            volume_recorded=volume.total(),
            volume_market=self._market_volume.total(),
            volume_difference=sum(differences.values()),
            volume_difference_worst_price=worst if worst and differences[worst] else None,
            volume_implied=self._implied_volume,
            bids=_side_report("buy", recorded["buy"], market["buy"]),
            asks=_side_report("sell", recorded["sell"], market["sell"]),
            first_different_events=list(self._different_events),
        )


def comparison_table(report: ComparisonReport, *, notes: Sequence[str] = ()) -> Table:
    """The report for a person: each figure beside its target, and what else to know."""
    notes = list(notes)
    if report.volume_implied:
        notes.append(
            f"{report.volume_implied:,} lots of the recorded volume met no order of this book "
            "(implied from spreads): no market of this instrument alone can trade them"
        )
    table = Table(
        title="Recording against market, after the open",
        title_justify="left",
        caption="\n".join(notes) or None,
        caption_justify="left",
    )
    for heading in ("what", "recorded", "market", "agreement", "target", ""):
        table.add_column(heading, justify="left" if heading == "what" else "right")
    compared = f"{report.events_compared:,}"
    rows: list[tuple[str, str, str, float, str, bool]] = [
        (
            "best bid and offer: prices, after each event",
            compared,
            f"{report.best_prices_equal:,}",
            report.price_share,
            f"≥ {PRICE_TARGET:.1%}",
            report.price_share >= PRICE_TARGET,
        ),
        (
            "best bid and offer: prices and sizes",
            compared,
            f"{report.best_sizes_equal:,}",
            report.size_share,
            f"≥ {SIZE_TARGET:.1%}",
            report.size_share >= SIZE_TARGET,
        ),
        (
            "filled quantity per order that traded",
            f"{report.orders_traded:,}",
            f"{report.orders_filled_equal:,}",
            report.fills_share,
            f"≥ {FILLS_TARGET:.1%}",
            report.fills_share >= FILLS_TARGET,
        ),
        (
            "volume per price (lots)",
            f"{report.volume_recorded:,}",
            f"{report.volume_market:,}",
            1 - report.volume_share,
            f"≥ {1 - VOLUME_TARGET:.1%}",
            report.volume_share <= VOLUME_TARGET,
        ),
    ]
    for what, recorded, market, share, target, met in rows:
        table.add_row(what, recorded, market, f"{share:.3%}", target, _mark(met))
    for name, side in (("bid", report.bids), ("ask", report.asks)):
        _add_side(table, name, side)
    return table


def _add_side(table: Table, name: str, side: SideReport) -> None:
    same = side.different_levels == 0
    table.add_row(
        f"final {name} levels / orders",
        f"{side.recorded_levels:,} / {side.recorded_orders:,}",
        f"{side.market_levels:,} / {side.market_orders:,}",
        f"{side.different_levels:,} differ",
        "0 differ",
        _mark(same),
    )
    table.add_row(
        f"final best {name} × size",
        f"{format_price(side.recorded_best)} × {side.recorded_best_quantity}",
        f"{format_price(side.market_best)} × {side.market_best_quantity}",
        "",
        "",
        "",
    )


def format_price(price: int) -> str:
    """A price in 1e-9 units as decimal text without needless zeros."""
    sign, units = ("-", -price) if price < 0 else ("", price)
    whole, fraction = divmod(units, 1_000_000_000)
    text = f"{fraction:09d}".rstrip("0")
    return f"{sign}{whole}.{text.ljust(2, '0')}"


def _side_report(side: Side, recorded: Levels, market: Levels) -> SideReport:
    best = max if side == "buy" else min
    recorded, market = _first_levels(side, recorded), _first_levels(side, market)
    recorded_best, market_best = best(recorded, default=0), best(market, default=0)
    prices = set(recorded) | set(market)
    return SideReport(
        recorded_levels=len(recorded),
        market_levels=len(market),
        recorded_orders=sum(orders for _, orders in recorded.values()),
        market_orders=sum(orders for _, orders in market.values()),
        recorded_best=recorded_best,
        recorded_best_quantity=recorded.get(recorded_best, (0, 0))[0],
        market_best=market_best,
        market_best_quantity=market.get(market_best, (0, 0))[0],
        different_levels=sum(recorded.get(price) != market.get(price) for price in prices),
    )


def _first_levels(side: Side, levels: Levels) -> Levels:
    prices = sorted(levels, reverse=side == "buy")[:LEVELS_MAX]
    return {price: levels[price] for price in prices}


def _share(part: int, whole: int, *, empty: float = 1.0) -> float:
    return part / whole if whole else empty


def _mark(met: bool) -> str:
    return "[green]yes[/]" if met else "[red]no[/]"
