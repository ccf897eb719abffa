"""What a maker did in one symbol: position, profit, spread captured, mark-out, uptime.

Fed with the same events as the strategy, plus the quote that really stands. All of it is counted
in whole numbers; a report turns them into decimals.
"""

from __future__ import annotations

from collections import deque
from decimal import Decimal
from typing import Final

from msgspec import Struct

from tradepit.domain.wire import Side
from tradepit.makers.estimates import SECOND_NS
from tradepit.makers.instrument import InstrumentSpec
from tradepit.makers.profit import PositionCost
from tradepit.makers.strategy import BookView, OwnFill, OwnPosition, PublicTrade, TwoSided

AVERAGE_PLACES: Final = 10
"""Decimals of averages."""

PENDING_MAX: Final = 10_000
"""Fills that wait for their mark-out; a maker that has more in a second skips the oldest."""


class MakerReport(Struct, frozen=True, kw_only=True):
    """A maker in one symbol. Money is in the quote asset, before fees; None: nothing to measure."""

    maker: str
    symbol: str
    time_ns: int
    inventory: Decimal
    average_cost: Decimal | None
    mark: Decimal | None
    """The middle of the book, else the last trade."""
    realised_pnl: Decimal
    unrealised_pnl: Decimal | None
    fills: int
    buy_fills: int
    sell_fills: int
    bought: Decimal
    sold: Decimal
    unexplained: Decimal
    """Net change of the inventory that no fill told of: missed fills, transfers. Not zero means
    that profit is an estimate, with that much counted as if traded at the price of the time."""
    spread_captured: Decimal
    """Sum of quantity × how much better than the mid the fill was."""
    fills_with_mid: int
    """Fills of `spread_captured`: those at which the book had two sides."""
    adverse_selection: Decimal
    """Sum of quantity × how far the mid had moved against the fill after the horizon."""
    fills_marked_out: int
    """Fills of `adverse_selection`: those whose horizon has passed, with two sides then."""
    horizon_s: Decimal
    observed_s: Decimal
    """Since the first quote, or the first word that there is none."""
    quote_uptime: float | None
    """Share of that time with both sides quoted."""
    quoted_spread: float | None
    """Mean over that time, in units of price."""


class _Pending(Struct, frozen=True, gc=False):
    """A fill until its mark-out."""

    due_ns: int
    signed_lots: int
    mid_half_ticks: int


class MakerStatistics:
    """Counts what one maker does in one symbol. Fills before the position's version are repeats.

    Args:
        position: where the maker stands when counting begins; valued at `cost` (units of the
            quote asset, signed like the position), or at its last fill, or at zero.
        horizon_ns: of the mark-out.
    """

    def __init__(
        self,
        maker: str,
        spec: InstrumentSpec,
        *,
        position: OwnPosition | None = None,
        cost: Decimal | None = None,
        horizon_ns: int = SECOND_NS,
    ) -> None:
        self._maker = maker
        self._spec = spec
        self._horizon_ns = horizon_ns
        begin = OwnPosition() if position is None else position
        self._version = begin.version
        self._cost = PositionCost(
            lots=begin.position_lots, cost_tick_lots=_cost_tick_lots(spec, begin, cost)
        )
        self._mid_half_ticks: int | None = None
        self._last_ticks = begin.last_fill_ticks
        self._now_ns = 0
        self._pending: deque[_Pending] = deque(maxlen=PENDING_MAX)
        self._fills = {Side.BUY: 0, Side.SELL: 0}
        self._filled_lots = {Side.BUY: 0, Side.SELL: 0}
        self._unexplained_lots = 0
        self._captured_half_tick_lots = 0
        self._fills_with_mid = 0
        self._adverse_half_tick_lots = 0
        self._fills_marked_out = 0
        self._quoting = _Quoting()

    def on_book(self, book: BookView) -> None:
        """Hear how the best of the book stands now, without the maker's own orders."""
        self._advance(book.time_ns)
        self._mid_half_ticks = book.mid_half_ticks
        if book.last_ticks is not None:
            self._last_ticks = book.last_ticks

    def on_trade(self, trade: PublicTrade) -> None:
        """Hear of a trade in the instrument."""
        self._advance(trade.time_ns)
        self._last_ticks = trade.price_ticks

    def on_fill(self, fill: OwnFill) -> None:
        """Hear of an own fill; repeats change nothing."""
        if fill.version <= self._version:
            return
        self._version = fill.version
        self._advance(fill.time_ns)
        self._last_ticks = fill.price_ticks
        side, lots = fill.side, fill.quantity_lots
        before_lots = fill.position_lots - (lots if side is Side.BUY else -lots)
        self._adopt(before_lots, 2 * fill.price_ticks)
        self._cost.fill(side=side, price_ticks=fill.price_ticks, quantity_lots=lots)
        self._fills[side] += 1
        self._filled_lots[side] += lots
        mid = self._mid_half_ticks
        if mid is None:
            return
        signed = lots if side is Side.BUY else -lots
        self._captured_half_tick_lots += signed * (mid - 2 * fill.price_ticks)
        self._fills_with_mid += 1
        self._pending.append(_Pending(self._now_ns + self._horizon_ns, signed, mid))

    def on_position(self, position: OwnPosition) -> None:
        """Hear how the position stands, apart from any fill; what it adds is unexplained."""
        if position.version < self._version:
            return
        self._version = position.version
        if position.last_fill_ticks is not None:
            self._last_ticks = position.last_fill_ticks
        self._adopt(position.position_lots, self._mark_half_ticks() or 0)

    def _adopt(self, lots: int, mark_half_ticks: int) -> None:
        """Take over a position that the fills do not explain, as if traded at the mark."""
        lacking = lots - self._cost.lots
        if lacking:
            side = Side.BUY if lacking > 0 else Side.SELL
            self._cost.fill(side=side, price_ticks=mark_half_ticks // 2, quantity_lots=abs(lacking))
            self._unexplained_lots += lacking

    def on_quote(self, standing: TwoSided | None, time_ns: int) -> None:
        """Hear which quote stands from now on, as granted and as fills left it; None: none."""
        self._advance(time_ns)
        self._quoting.change(standing, self._now_ns)

    def report(self, now_ns: int) -> MakerReport:
        """How it stands. Time goes on to `now_ns`: the book and the quote stood until then."""
        self._advance(now_ns)
        spec, cost, money = self._spec, self._cost, self._spec.money_per_tick_lot
        mark = self._mark_half_ticks()
        unrealised = None if mark is None else cost.unrealised_half_tick_lots(mark) * money / 2
        uptime = self._quoting.until(self._now_ns)
        observed, quoted = uptime.observed_ns, uptime.both_ns
        spread = uptime.spread_tick_ns / quoted * float(spec.tick_size) if quoted else None
        average = None
        if cost.lots:
            average = _rounded(cost.cost_tick_lots * spec.tick_size / cost.lots)
        return MakerReport(
            maker=self._maker,
            symbol=spec.symbol,
            time_ns=self._now_ns,
            inventory=spec.quantity(cost.lots),
            average_cost=average,
            mark=None if mark is None else spec.price(mark) / 2,
            realised_pnl=cost.realised_tick_lots * money,
            unrealised_pnl=unrealised,
            fills=sum(self._fills.values()),
            buy_fills=self._fills[Side.BUY],
            sell_fills=self._fills[Side.SELL],
            bought=spec.quantity(self._filled_lots[Side.BUY]),
            sold=spec.quantity(self._filled_lots[Side.SELL]),
            unexplained=spec.quantity(self._unexplained_lots),
            spread_captured=self._captured_half_tick_lots * money / 2,
            fills_with_mid=self._fills_with_mid,
            adverse_selection=self._adverse_half_tick_lots * money / 2,
            fills_marked_out=self._fills_marked_out,
            horizon_s=Decimal(self._horizon_ns) / SECOND_NS,
            observed_s=Decimal(observed) / SECOND_NS,
            quote_uptime=quoted / observed if observed else None,
            quoted_spread=None if spread is None else round(spread, AVERAGE_PLACES),
        )

    def _mark_half_ticks(self) -> int | None:
        if self._mid_half_ticks is not None:
            return self._mid_half_ticks
        return None if self._last_ticks is None else 2 * self._last_ticks

    def _advance(self, time_ns: int) -> None:
        """Mark out the fills whose horizon ended before now, at the mid that stood until now."""
        self._now_ns = max(self._now_ns, time_ns)
        pending, mid = self._pending, self._mid_half_ticks
        while pending and pending[0].due_ns <= self._now_ns:
            fill = pending.popleft()
            if mid is not None:
                self._adverse_half_tick_lots += fill.signed_lots * (fill.mid_half_ticks - mid)
                self._fills_marked_out += 1


def _cost_tick_lots(spec: InstrumentSpec, position: OwnPosition, cost: Decimal | None) -> int:
    if cost is not None:
        return round(cost / spec.money_per_tick_lot)
    return position.position_lots * (position.last_fill_ticks or 0)


class _Uptime(Struct, frozen=True, gc=False):
    observed_ns: int
    both_ns: int
    spread_tick_ns: int


class _Quoting:
    """How long both sides were quoted, and how wide."""

    def __init__(self) -> None:
        self._began_ns: int | None = None
        self._since_ns = 0
        self._both_ns = 0
        self._spread_tick_ns = 0
        self._spread_ticks: int | None = None

    def change(self, standing: TwoSided | None, now_ns: int) -> None:
        """Another quote stands from now on."""
        if self._began_ns is None:
            self._began_ns = now_ns
        total = self.until(now_ns)
        self._both_ns, self._spread_tick_ns = total.both_ns, total.spread_tick_ns
        self._since_ns = now_ns
        both = standing is not None and standing.is_two_sided
        self._spread_ticks = (
            standing.ask_ticks - standing.bid_ticks if standing is not None and both else None
        )

    def until(self, now_ns: int) -> _Uptime:
        """The sums up to now."""
        if self._began_ns is None:
            return _Uptime(0, 0, 0)
        lasted = 0 if self._spread_ticks is None else now_ns - self._since_ns
        return _Uptime(
            observed_ns=now_ns - self._began_ns,
            both_ns=self._both_ns + lasted,
            spread_tick_ns=self._spread_tick_ns + lasted * (self._spread_ticks or 0),
        )


def _rounded(value: Decimal) -> Decimal:
    """An average without more decimals than anybody reads."""
    return Decimal(f"{round(value, AVERAGE_PLACES).normalize():f}")
