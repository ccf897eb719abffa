"""The quote of a maker that stands in the market, as granted and as fills left it."""

from __future__ import annotations

from msgspec.structs import replace

from tradepit.domain.wire import Side
from tradepit.makers.statistics import MakerStatistics
from tradepit.makers.strategy import OwnFill, TwoSided


class StandingQuote:
    """Follows a quote from its grant to its end, and tells the statistics."""

    __slots__ = ("_statistics", "expires_ns", "quote")

    def __init__(self, statistics: MakerStatistics) -> None:
        self._statistics = statistics
        self.quote: TwoSided | None = None
        """None: none, or nothing is left of it."""
        self.expires_ns = 0

    def set(self, quote: TwoSided | None, *, expires_ns: int, now_ns: int) -> None:
        """Another quote stands from now on; None: none."""
        self.quote = quote
        self.expires_ns = expires_ns if quote is not None else 0
        self._statistics.on_quote(quote, now_ns)

    def take(self, fill: OwnFill) -> None:
        """Lower the side that was filled."""
        quote = self.quote
        if quote is None:
            return
        if fill.side is Side.BUY:
            left = replace(quote, bid_lots=max(0, quote.bid_lots - fill.quantity_lots))
        else:
            left = replace(quote, ask_lots=max(0, quote.ask_lots - fill.quantity_lots))
        stands = left if left.bid_lots or left.ask_lots else None
        self.set(stands, expires_ns=self.expires_ns, now_ns=fill.time_ns)

    def end_if_expired(self, now_ns: int) -> bool:
        """Forget the quote if its time-to-live is over; True if so."""
        if self.quote is None or now_ns < self.expires_ns:
            return False
        self.set(None, expires_ns=0, now_ns=self.expires_ns)
        return True
