"""One symbol of one maker process: what the feed says goes in, quotes go out."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Final

import msgspec

from tradepit.client.channel_data import Auction, OrderChange, QueuesSnapshot
from tradepit.client.models import Instrument, Position, Trade
from tradepit.makers.instrument import InstrumentSpec
from tradepit.makers.live.clock import LocalClock
from tradepit.makers.live.counts import SymbolCounts
from tradepit.makers.live.holdings import SIDES, Holdings, own_fill, own_position
from tradepit.makers.live.others_book import OthersBook
from tradepit.makers.live.sender import Granted, Outcome, QuoteSender, Refused, Unknown, Withheld
from tradepit.makers.quoter import NEVER_NS, QuoterSettings, QuoteWish, SymbolQuoter
from tradepit.makers.registry import StrategyChoice, build
from tradepit.makers.statistics import MakerReport, MakerStatistics
from tradepit.makers.strategy import BookView, PublicTrade, TwoSided

QUOTING_PHASES: Final = frozenset({"continuous", "pre_open", "auction", "closing_auction"})

BLOCKED_SECONDS: Final = 0.05
"""How soon it looks again when it may not quote: the feed or the lease is not there."""

ENDED_IDS_MAX: Final = 64
"""Own orders that ended lately: one may end before the answer of its quote is read."""

NS_PER_SECOND: Final = 1e9


class Seat:
    """A symbol that this maker owns."""

    def __init__(
        self,
        maker: str,
        instrument: Instrument,
        choice: StrategyChoice,
        settings: QuoterSettings,
        holdings: Holdings,
        sender: QuoteSender,
        clock: LocalClock,
        counts: SymbolCounts,
        *,
        may_send: Callable[[str], bool],
        may_quote: Callable[[str], bool],
        on_refused: Callable[[str, str], None],
        on_ended: Callable[[str], None],
    ) -> None:
        """
        Args:
            may_send: whether the lease is held. may_quote: the feed is heard as well.
            on_refused: told symbol and code when the market does not take a quote.
            on_ended: told the symbol when the quote was ended by request, perhaps not this maker's.
        Raises:
            StrategyError: the strategy or its parameters do not fit the symbol.
        """
        self.spec = InstrumentSpec(instrument.symbol, instrument.tick_size, instrument.lot_size)
        self.choice, self.counts = choice, counts
        self._sender, self._clock = sender, clock
        self._may_send, self._may_quote = may_send, may_quote
        self._on_refused, self._on_ended = on_refused, on_ended
        position = holdings.position_in(self.spec)
        cost = holdings.cost_in(instrument.symbol)
        self.quoter = SymbolQuoter(
            build(choice, self.spec, position),
            MakerStatistics(maker, self.spec, position=position, cost=cost),
            settings=settings,
            position=position,
        )
        self.book = OthersBook(self.spec)
        self.last_reason: str | None = None
        self.last_refusal: str | None = None
        self._version = position.version
        self._lots = position.position_lots
        self._last_ticks = position.last_fill_ticks
        self._view: BookView | None = None
        self._order_ids: tuple[str | None, str | None] = (None, None)
        self._ended_ids: deque[str] = deque(maxlen=ENDED_IDS_MAX)
        self._fill_heard_ns: int | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._sending: asyncio.Task[None] | None = None

    # What the feed says. Each is followed by a `pump` once everything that waits was heard.

    def on_queues(self, snapshot: QueuesSnapshot) -> None:
        """Hear of every order that rests."""
        self.book.begin(snapshot)
        self._show_book()

    def on_order(self, change: OrderChange) -> None:
        """Hear of a change of one order."""
        self.book.apply(change)
        if not change.own:
            self._show_book()
        elif change.action == "delete" and change.reason not in ("quote", "replaced"):
            self._ended_ids.append(change.order_id)
            if change.reason == "requested":
                self._on_ended(self.spec.symbol)
            self._drop_side(change.order_id)

    def _show_book(self) -> None:
        best, before = self.book.best, self._view
        view = BookView(
            time_ns=self._clock.now_ns(),
            bid_ticks=best.bid_ticks,
            bid_lots=best.bid_lots,
            ask_ticks=best.ask_ticks,
            ask_lots=best.ask_lots,
            last_ticks=self._last_ticks,
        )
        if before is None or msgspec.structs.replace(before, time_ns=view.time_ns) != view:
            self._view = view
            self.quoter.on_book(view)

    def _drop_side(self, order_id: str) -> None:
        """An order of the quote ended otherwise than by a fill or another quote."""
        stands = self.quoter.standing
        if stands is None or order_id not in self._order_ids:
            return
        if order_id == self._order_ids[0]:
            left = msgspec.structs.replace(stands, bid_lots=0)
        else:
            left = msgspec.structs.replace(stands, ask_lots=0)
        self.quoter.on_standing(
            left, expires_ns=self.quoter.expires_ns, now_ns=self._clock.now_ns()
        )

    def on_trade(self, trade: Trade) -> None:
        """Hear of a trade."""
        self._last_ticks = self.spec.nearest_ticks(trade.price)
        self.quoter.on_trade(
            PublicTrade(
                time_ns=self._clock.now_ns(),
                price_ticks=self._last_ticks,
                quantity_lots=self.spec.lots(trade.quantity),
                taker_side=SIDES[trade.taker_side],
            )
        )

    def on_auction(self, auction: Auction) -> None:
        """Hear of the phase."""
        self.quoter.on_phase(can_quote=auction.phase in QUOTING_PHASES)

    def on_fill(self, position: Position) -> None:
        """Hear of an own fill, with the position after it."""
        now_ns = self._clock.now_ns()
        fill = own_fill(self.spec, position, time_ns=now_ns)
        if fill is None:
            self.on_position(position)
        elif self.quoter.on_fill(fill):
            self._version, self._lots = fill.version, fill.position_lots
            self.counts.fills += 1
            self.counts.filled_quantity += float(self.spec.quantity(fill.quantity_lots))
            if self._fill_heard_ns is None:
                self._fill_heard_ns = now_ns

    def on_position(self, position: Position) -> None:
        """Hear how the position stands, apart from a fill; old news changes nothing."""
        own = own_position(self.spec, position)
        is_news = own.version > self._version or (
            own.version == self._version and own.position_lots != self._lots
        )
        if is_news and self.quoter.on_position(own):
            self._version, self._lots = own.version, own.position_lots

    def on_reference(self, price_ticks: int) -> None:
        """Hear an outside price."""
        self.quoter.on_reference(price_ticks, self._clock.now_ns())

    # What is sent.

    def pump(self) -> None:
        """Send what is wanted now, and come back when something will be due."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self.quoter.has_ended:
            return
        if not self.book.is_known or not self._may_quote(self.spec.symbol):
            self._wake_in(BLOCKED_SECONDS)
            return
        now_ns = self._clock.now_ns()
        wish = None if self._sending is not None else self.quoter.wants(now_ns)
        if wish is not None:
            self._sending = asyncio.ensure_future(self._send(wish))
        if self._sending is None:
            due_ns = self.quoter.wakes_at_ns(now_ns)
            if due_ns != NEVER_NS:
                self._wake_in(max(0, due_ns - now_ns) / NS_PER_SECOND)

    def _wake_in(self, seconds: float) -> None:
        self._timer = asyncio.get_running_loop().call_later(seconds, self.pump)

    async def _send(self, wish: QuoteWish) -> None:
        heard_ns, self._fill_heard_ns = self._fill_heard_ns, None
        self.last_reason = wish.reason.value
        self.counts.sent(wish.reason)
        try:
            outcome = await self._sender.carry_out(
                self.spec,
                wish,
                replaces=self.quoter.standing is not None,
                is_ours=lambda: not self.quoter.has_ended and self._may_send(self.spec.symbol),
            )
        finally:
            self._sending = None
        if self.quoter.has_ended:
            return
        self._hear(wish, outcome, heard_ns)
        self.pump()

    def _hear(self, wish: QuoteWish, outcome: Outcome, fill_heard_ns: int | None) -> None:
        now_ns, number = self._clock.now_ns(), wish.number
        match outcome:
            case Granted():
                self._stands(wish, outcome, now_ns)
                if fill_heard_ns is not None:
                    self.counts.round_trips(now_ns - fill_heard_ns)
                return
            case Refused(code, is_old_gone):
                self.last_refusal = code
                self.counts.refused(code)
                if is_old_gone:
                    self.quoter.on_standing(None, expires_ns=0, now_ns=now_ns)
                self.quoter.on_refused(number, now_ns=now_ns)
                self._on_refused(self.spec.symbol, code)
            case Unknown():
                self.counts.unknown += 1
                self.quoter.on_unknown(number, now_ns=now_ns)
            case Withheld():
                self.quoter.on_unknown(number, now_ns=now_ns)
        if self._fill_heard_ns is None:
            self._fill_heard_ns = fill_heard_ns

    def _stands(self, wish: QuoteWish, granted: Granted, now_ns: int) -> None:
        self.counts.granted += 1
        self.last_refusal = None
        self._order_ids = granted.order_ids
        self.quoter.on_granted(
            wish.number, granted.quote, expires_ns=granted.sent_ns + wish.ttl_ns, now_ns=now_ns
        )
        for order_id in granted.order_ids:
            if order_id is not None and order_id in self._ended_ids:
                self._drop_side(order_id)

    # Its end, and what people see.

    def end(self) -> None:
        """The symbol is somebody else's; a quote under way is not waited for."""
        self.quoter.end(self._clock.now_ns())
        if self._timer is not None:
            self._timer.cancel()
        self.counts.retire(self.report())

    async def settle(self) -> None:
        """Wait for what is under way."""
        if self._sending is not None:
            await asyncio.gather(self._sending, return_exceptions=True)

    @property
    def standing(self) -> TwoSided | None:
        """The quote that stands, as far as is known."""
        return self.quoter.standing

    def report(self) -> MakerReport:
        """What the maker did here since it took the symbol over."""
        return self.quoter.statistics.report(self._clock.now_ns())
