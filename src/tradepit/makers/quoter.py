"""One symbol of one maker, between the market's events and a strategy: when a quote is to be sent.

There is no clock and no input or output here. A driver (a live maker, a simulation, a replay)
tells a `SymbolQuoter` what happened, asks it what it `wants`, sends that, and tells it the answer.
So what is tried in a simulation is what runs live.

A quote is wanted

- at once, when none stands;
- after an own fill, or when the position changed otherwise;
- when the market moved and the strategy's quote lies so many ticks from the one that stands;
- before the time-to-live of the one that stands ends, at `renew_before_ns` (the freshness keeper).

Never more than one is under way, never two within `interval_min_ns`. A refusal, and a grant of less
than was asked for, are tried again after a pause that doubles up to a bound. A strategy that
answers None withdraws what stands.
"""

from __future__ import annotations

from enum import Enum
from typing import Final

from msgspec import Struct

from tradepit.makers.bounds import passive
from tradepit.makers.standing import StandingQuote
from tradepit.makers.statistics import MakerStatistics
from tradepit.makers.strategy import (
    BookView,
    OwnFill,
    OwnPosition,
    PublicTrade,
    Strategy,
    TwoSided,
)

MILLISECOND_NS: Final = 1_000_000
NEVER_NS: Final = 2**63 - 1
"""A time that does not come: nothing is due by itself."""

DOUBLINGS_MAX: Final = 20
"""Of a pause; the bound of the pause is reached long before."""


class Reason(Enum):
    """Why a quote is sent."""

    FIRST = "first"
    """None stood: the symbol is new, the last one ended, or this is another try."""
    FILL = "fill"
    POSITION = "position"
    MARKET = "market"
    """The strategy's quote moved."""
    RENEWAL = "renewal"
    SHORTFALL = "shortfall"
    """Less was granted than asked for, and the pause is over."""
    WITHDRAWAL = "withdrawal"


class QuoterSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """When a quoter sends. Times in ns.

    Raises:
        ValueError: a renewal that would come before the quote, or a bound below its beginning.
    """

    ttl_ns: int = 30_000 * MILLISECOND_NS
    """Time-to-live of a quote."""
    renew_before_ns: int = 15_000 * MILLISECOND_NS
    """How long before its end a quote is renewed."""
    interval_min_ns: int = 100 * MILLISECOND_NS
    """Between two quotes."""
    move_ticks: int = 1
    """How far a side's price must move for the market to be a reason."""
    pause_ns: int = 100 * MILLISECOND_NS
    """After the first refusal; doubles with each in a row."""
    pause_ns_max: int = 10_000 * MILLISECOND_NS
    answer_ns_max: int = 5_000 * MILLISECOND_NS
    """A quote without an answer for so long is asked for anew; it may stand or not."""

    def __post_init__(self) -> None:
        if not 0 < self.renew_before_ns < self.ttl_ns:
            raise ValueError(f"renew_before_ns {self.renew_before_ns} is not below the ttl")
        if not 0 < self.pause_ns <= self.pause_ns_max:
            raise ValueError(f"pause_ns {self.pause_ns} is not within 1 and pause_ns_max")
        if self.interval_min_ns < 0 or self.move_ticks < 1 or self.answer_ns_max < 1:
            raise ValueError("interval_min_ns is below 0, or move_ticks or answer_ns_max below 1")


class QuoteWish(Struct, frozen=True, kw_only=True, gc=False):
    """What is to be sent now. It is under way until the quoter hears its answer."""

    number: int
    """From 1; an answer names it."""
    quote: TwoSided | None
    """None: release what stands."""
    ttl_ns: int
    reason: Reason


class SymbolQuoter:
    """Says when which quote of one symbol is to be sent.

    Args:
        position: where the maker stands; the same that the strategy was made with.
        statistics: is told the same events, and the quote that stands.
    Times never go back. Prices in ticks, quantities in lots.
    """

    def __init__(
        self,
        strategy: Strategy,
        statistics: MakerStatistics,
        *,
        settings: QuoterSettings | None = None,
        position: OwnPosition | None = None,
    ) -> None:
        self.strategy = strategy
        self.statistics = statistics
        self.settings = settings or QuoterSettings()
        self._version = (position or OwnPosition()).version
        self._book: BookView | None = None
        self._standing = StandingQuote(statistics)
        self._reason: Reason | None = Reason.FIRST
        self._under_way: QuoteWish | None = None
        self._sent_ns = 0
        self._number = 0
        self._failures = 0
        self._not_before_ns = 0
        self._is_short = False
        self._can_quote = True
        self._has_ended = False

    @property
    def standing(self) -> TwoSided | None:
        """The quote that stands, as granted and as fills left it; None: none that is known of."""
        return self._standing.quote

    @property
    def expires_ns(self) -> int:
        """When the quote that stands ends by itself; 0: none stands."""
        return self._standing.expires_ns

    @property
    def under_way(self) -> QuoteWish | None:
        """What was sent and has no answer yet."""
        return self._under_way

    @property
    def has_ended(self) -> bool:
        """The symbol is not this maker's any more."""
        return self._has_ended

    # What happened.

    def on_book(self, book: BookView) -> None:
        """Hear how the best of the others stands now."""
        self._book = book
        self.strategy.on_book(book)
        self.statistics.on_book(book)
        self._want(Reason.MARKET)

    def on_trade(self, trade: PublicTrade) -> None:
        """Hear of a trade in the instrument, also of an own one."""
        self.strategy.on_trade(trade)
        self.statistics.on_trade(trade)
        self._want(Reason.MARKET)

    def on_reference(self, price_ticks: int, time_ns: int) -> None:
        """Hear an outside price."""
        self.strategy.on_reference(price_ticks, time_ns)
        self._want(Reason.MARKET)

    def on_fill(self, fill: OwnFill) -> bool:
        """Hear of an own fill; False for a repeat, or one older than what is known."""
        if fill.version <= self._version:
            return False
        self._version = fill.version
        self.strategy.on_fill(fill)
        self.statistics.on_fill(fill)
        self._standing.take(fill)
        self._want(Reason.FILL)
        return True

    def on_position(self, position: OwnPosition) -> bool:
        """Hear how the position stands, apart from a fill; False if it is older than known."""
        if position.version < self._version:
            return False
        self._version = position.version
        self.strategy.on_position(position)
        self.statistics.on_position(position)
        self._want(Reason.POSITION)
        return True

    def on_phase(self, *, can_quote: bool) -> None:
        """Hear whether the instrument's phase takes quotes; after a halt it is tried at once."""
        if can_quote and not self._can_quote:
            self._failures, self._not_before_ns = 0, 0
            self._want(Reason.FIRST)
        self._can_quote = can_quote

    # What became of the wishes.

    def on_granted(
        self, number: int, granted: TwoSided | None, *, expires_ns: int, now_ns: int
    ) -> None:
        """Hear that a wish was done.

        Args:
            granted: what stands now, sizes as granted; None: nothing (a withdrawal, or a grant of
                nothing).
        """
        wish = self._answered(number)
        if wish is None or self._has_ended:
            return
        stands = granted if granted is not None and _lots(granted) else None
        self._standing.set(stands, expires_ns=expires_ns, now_ns=now_ns)
        asked = wish.quote
        self._is_short = asked is not None and (
            stands is None or stands.bid_lots < asked.bid_lots or stands.ask_lots < asked.ask_lots
        )
        if self._is_short:
            self._pause(now_ns, holds_all=stands is None)
        else:
            self._failures, self._not_before_ns = 0, 0

    def on_refused(self, number: int, *, now_ns: int) -> None:
        """Hear that a wish was refused: what stood before still does."""
        if self._answered(number) is not None:
            self._is_short = False
            self._pause(now_ns, holds_all=True)
            self._want(Reason.FIRST if self.standing is None else Reason.MARKET)

    def on_unknown(self, number: int, *, now_ns: int) -> None:
        """Hear that nobody knows whether a wish was done: it is asked for anew, after a pause."""
        if self._answered(number) is not None:
            self._pause(now_ns, holds_all=True)
            self._want(Reason.FIRST)

    def on_standing(self, quote: TwoSided | None, *, expires_ns: int, now_ns: int) -> None:
        """Hear from the venue what stands, apart from an answer: after a gap, or at its end."""
        stands = quote if quote is not None and _lots(quote) else None
        self._standing.set(stands, expires_ns=expires_ns, now_ns=now_ns)
        if stands is None:
            self._want(Reason.FIRST)

    def end(self, now_ns: int) -> None:
        """The symbol is somebody else's from now on; nothing more is wanted."""
        self._has_ended = True
        self._under_way = None
        self._standing.set(None, expires_ns=0, now_ns=now_ns)

    # What is to be sent.

    def wants(self, now_ns: int) -> QuoteWish | None:
        """What is to be sent now; it counts as sent. None: nothing."""
        if self._has_ended:
            return None
        self._look_at_time(now_ns)
        if self._reason is None or not self._can_quote or not self._is_free(now_ns):
            return None
        reason, self._reason = self._reason, None
        quote = self._quote(now_ns)
        if quote is None:
            return self._send(None, Reason.WITHDRAWAL, now_ns) if self.standing else None
        if reason is Reason.MARKET and not self._is_moved(quote):
            return None
        return self._send(quote, reason, now_ns)

    def wakes_at_ns(self, now_ns: int) -> int:
        """When `wants` is to be asked again if nothing happens; `NEVER_NS`: not at all."""
        if self._has_ended or not self._can_quote:
            return NEVER_NS
        if self._under_way is not None:
            return self._sent_ns + self.settings.answer_ns_max
        times = [self._renews_ns()] if self.standing is not None else []
        if self._is_short:
            times.append(self._retries_ns())
        if self._reason is not None:
            times.append(now_ns)
        due = min(times, default=NEVER_NS)
        if due == NEVER_NS:
            return due
        return max(due, self._not_before_ns, self._sent_ns + self.settings.interval_min_ns)

    def _look_at_time(self, now_ns: int) -> None:
        """Find reasons that only time gives."""
        settings = self.settings
        if self._under_way is not None and now_ns - self._sent_ns >= settings.answer_ns_max:
            self.on_unknown(self._under_way.number, now_ns=now_ns)
        if self._standing.end_if_expired(now_ns):
            self._want(Reason.FIRST)
        if self.standing is not None and now_ns >= self._renews_ns():
            self._want(Reason.RENEWAL)
        if self._is_short and now_ns >= self._retries_ns():
            self._want(Reason.SHORTFALL)

    def _is_free(self, now_ns: int) -> bool:
        if self._under_way is not None or now_ns < self._not_before_ns:
            return False
        return not self._number or now_ns - self._sent_ns >= self.settings.interval_min_ns

    def _quote(self, now_ns: int) -> TwoSided | None:
        quote = self.strategy.quote(now_ns)
        if quote is None or self._book is None:
            return quote if quote is None or _lots(quote) else None
        quote = passive(quote, self._book)
        return quote if _lots(quote) else None

    def _is_moved(self, quote: TwoSided) -> bool:
        """Far enough from what stands, or a side that has come or gone."""
        stands = self.standing
        if stands is None:
            return True
        least = self.settings.move_ticks
        return _has_moved(
            stands.bid_ticks, stands.bid_lots, quote.bid_ticks, quote.bid_lots, least
        ) or _has_moved(stands.ask_ticks, stands.ask_lots, quote.ask_ticks, quote.ask_lots, least)

    def _send(self, quote: TwoSided | None, reason: Reason, now_ns: int) -> QuoteWish:
        self._number += 1
        self._sent_ns = now_ns
        self._is_short = False
        self._under_way = QuoteWish(
            number=self._number, quote=quote, ttl_ns=self.settings.ttl_ns, reason=reason
        )
        return self._under_way

    def _want(self, reason: Reason) -> None:
        """Remember why; the market's moves are the weakest reason, since they need a look."""
        if self._reason is None or self._reason is Reason.MARKET:
            self._reason = reason

    def _answered(self, number: int) -> QuoteWish | None:
        """The wish with this number, if it is the one under way."""
        wish = self._under_way
        if wish is None or wish.number != number:
            return None
        self._under_way = None
        return wish

    def _pause(self, now_ns: int, *, holds_all: bool) -> None:
        """Wait longer with each failure in a row; `holds_all`: whatever happens meanwhile."""
        self._failures = min(self._failures + 1, DOUBLINGS_MAX)
        if holds_all:
            self._not_before_ns = now_ns + self._pause_ns()

    def _pause_ns(self) -> int:
        doubled = self.settings.pause_ns << max(0, self._failures - 1)
        return min(doubled, self.settings.pause_ns_max)

    def _retries_ns(self) -> int:
        return self._sent_ns + self._pause_ns()

    def _renews_ns(self) -> int:
        return self._standing.expires_ns - self.settings.renew_before_ns


def _lots(quote: TwoSided) -> int:
    return quote.bid_lots + quote.ask_lots


def _has_moved(old_ticks: int, old_lots: int, ticks: int, lots: int, least: int) -> bool:
    if not old_lots or not lots:
        return bool(old_lots) != bool(lots)
    return abs(ticks - old_ticks) >= least
