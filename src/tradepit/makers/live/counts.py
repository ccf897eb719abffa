"""What a maker process counts, symbol by symbol, over all the times it owned the symbol."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Final

from tradepit.makers.quoter import Reason
from tradepit.makers.statistics import MakerReport

NS_PER_SECOND: Final = 1e9
BUCKETS_S: Final = (
    0.001, 0.002, 0.003, 0.005, 0.0075, 0.01, 0.015, 0.02, 0.03, 0.05, 0.1, 0.2, 0.5, 1.0, 5.0,
)  # fmt: skip
"""Upper bounds of the round trips' histogram, in seconds."""


class RoundTrips:
    """From a fill that was heard of to the answer of the quote sent after it."""

    def __init__(self) -> None:
        self.counts = [0] * (len(BUCKETS_S) + 1)
        self.total_s = 0.0

    def __call__(self, duration_ns: int) -> None:
        seconds = duration_ns / NS_PER_SECOND
        self.counts[bisect_left(BUCKETS_S, seconds)] += 1
        self.total_s += seconds


class SymbolCounts:
    """Counts of one symbol. `round_trips` is shared by all symbols."""

    def __init__(self, round_trips: RoundTrips) -> None:
        self.round_trips = round_trips
        self.by_reason: Counter[str] = Counter()
        """Quotes sent."""
        self.by_code: Counter[str] = Counter()
        """Quotes refused."""
        self.granted = 0
        self.unknown = 0
        """Quotes whose answer was lost."""
        self.fills = 0
        self.filled_quantity = 0.0
        self.past_profit = Decimal(0)
        """Realised and unrealised, of times that are over."""
        self.past_spread_captured = Decimal(0)

    def sent(self, reason: Reason) -> None:
        """A quote was sent."""
        self.by_reason[reason.value] += 1

    def refused(self, code: str) -> None:
        """A quote was refused."""
        self.by_code[code] += 1

    def retire(self, report: MakerReport) -> None:
        """A time as the symbol's maker is over."""
        self.past_profit += profit_of(report)
        self.past_spread_captured += report.spread_captured

    @property
    def quotes_sent(self) -> int:
        """Of all reasons."""
        return self.by_reason.total()

    @property
    def quotes_refused(self) -> int:
        """For all codes."""
        return self.by_code.total()


class Counts(Mapping[str, SymbolCounts]):
    """Counts by symbol; one that was never owned has zeros."""

    def __init__(self) -> None:
        self.round_trips = RoundTrips()
        self._symbols: dict[str, SymbolCounts] = {}

    def of(self, symbol: str) -> SymbolCounts:
        """The counts of a symbol, for whoever counts."""
        if symbol not in self._symbols:
            self._symbols[symbol] = SymbolCounts(self.round_trips)
        return self._symbols[symbol]

    def __getitem__(self, symbol: str) -> SymbolCounts:
        return self._symbols[symbol]

    def __iter__(self) -> Iterator[str]:
        return iter(self._symbols)

    def __len__(self) -> int:
        return len(self._symbols)


def profit_of(report: MakerReport) -> Decimal:
    """Realised and unrealised profit."""
    return report.realised_pnl + (report.unrealised_pnl or Decimal(0))
