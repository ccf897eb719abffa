"""A firm in one instrument: its quote in the market, its position, its grant, and who makes it.

Kept from the market's events alone, whoever of the firm's makers is alive; a maker that takes over
begins from here, as a live one does from the market's answers.
"""

from __future__ import annotations

from decimal import Decimal

from tradepit.domain.wire import Side
from tradepit.makers import (
    BookView,
    InstrumentSpec,
    MakerReport,
    MakerStatistics,
    OwnFill,
    OwnPosition,
    StrategyChoice,
    SymbolQuoter,
    build,
)
from tradepit.makers.quoter import QuoterSettings
from tradepit.makers.strategy import NEVER

Levels = tuple[int, int, int, int]
"""Bid price and quantity, ask price and quantity; 0 for an empty side."""


class SideState:
    """One side of the firm's quote as it rests."""

    __slots__ = ("lots", "order_id", "ticks")

    def __init__(self) -> None:
        self.order_id = 0
        self.ticks = 0
        self.lots = 0

    def set(self, order_id: int, ticks: int, lots: int) -> None:
        """Another order rests; without lots none."""
        self.order_id, self.ticks, self.lots = (order_id, ticks, lots) if lots else (0, 0, 0)


class Seat:
    """A firm in one instrument."""

    def __init__(
        self,
        index: int,
        account: int,
        instrument: int,
        spec: InstrumentSpec,
        strategy: StrategyChoice,
        settings: QuoterSettings,
    ) -> None:
        self.index, self.account, self.instrument = index, account, instrument
        self.spec, self.choice, self.settings = spec, strategy, settings
        self.bid, self.ask = SideState(), SideState()
        self.granted_bid = self.granted_ask = 0
        self.position_lots = 0
        self.version = NEVER
        self.first_version = 0
        self.last_fill_ticks: int | None = None
        self.cash_tick_lots = 0
        self.traded_lots = 0
        self.fills = 0
        self.unowned_fills = 0
        """Fills while no maker of the firm was there to hear of them."""
        self.owner = 0
        """Number of the maker that the market says makes it; 0: nobody."""
        self.quoter: SymbolQuoter | None = None
        """Of the maker that is there; None while the owner is down."""
        self.maker_name = ""
        self.view: BookView | None = None
        self.wakes_ns = -1
        self.reports: list[MakerReport] = []

    @property
    def position(self) -> OwnPosition:
        """Where the firm stands."""
        return OwnPosition(
            position_lots=self.position_lots,
            version=self.version,
            last_fill_ticks=self.last_fill_ticks,
        )

    # Who makes it.

    def begin(self, maker_name: str, mark_half_ticks: int | None, *, can_quote: bool) -> None:
        """A maker takes over: a new strategy, from the position alone, valued at the mark."""
        position = self.position
        cost: Decimal | None = None
        if mark_half_ticks is not None:
            cost = self.position_lots * mark_half_ticks * self.spec.money_per_tick_lot / 2
        statistics = MakerStatistics(maker_name, self.spec, position=position, cost=cost)
        strategy = build(self.choice, self.spec, position)
        self.quoter = SymbolQuoter(strategy, statistics, settings=self.settings, position=position)
        self.quoter.on_phase(can_quote=can_quote)
        self.maker_name, self.view, self.wakes_ns = maker_name, None, -1

    def end(self, now_ns: int) -> None:
        """The maker's time here is over; what it did is kept."""
        if self.quoter is not None:
            self.retire(self.quoter, now_ns)
            self.quoter = None

    def retire(self, quoter: SymbolQuoter, now_ns: int) -> None:
        """Keep what a quoter did, and end it."""
        quoter.end(now_ns)
        self.reports.append(quoter.statistics.report(now_ns))

    # What happened to the quote.

    def on_fill(self, side: Side, price: int, lots: int, now_ns: int) -> None:
        """A side of the quote traded."""
        self.version = max(self.version, 0) + 1
        self.fills += 1
        self.traded_lots += lots
        self.last_fill_ticks = price
        state = self.bid if side is Side.BUY else self.ask
        state.lots = max(0, state.lots - lots)
        if side is Side.BUY:
            self.position_lots += lots
            self.cash_tick_lots -= price * lots
            self.granted_bid = max(0, self.granted_bid - lots)
        else:
            self.position_lots -= lots
            self.cash_tick_lots += price * lots
            self.granted_ask = max(0, self.granted_ask - lots)
        if self.quoter is None:
            self.unowned_fills += 1
            return
        self.quoter.on_fill(
            OwnFill(
                time_ns=now_ns,
                side=side,
                price_ticks=price,
                quantity_lots=lots,
                position_lots=self.position_lots,
                version=self.version,
            )
        )

    def on_shrunk(self, order_id: int, leaves: int) -> bool:
        """An order of the quote was cancelled or reduced; False if it is none of these."""
        if order_id == self.bid.order_id:
            self.granted_bid = max(0, self.granted_bid - self.bid.lots + leaves)
            self.bid.lots = leaves
            return True
        if order_id == self.ask.order_id:
            self.granted_ask = max(0, self.granted_ask - self.ask.lots + leaves)
            self.ask.lots = leaves
            return True
        return False

    def on_released(self) -> None:
        """Quote and reservation are over."""
        self.granted_bid = self.granted_ask = 0
        self.bid.set(0, 0, 0)
        self.ask.set(0, 0, 0)

    # What the others show.

    def others(self, bids: list[tuple[int, int, int]], asks: list[tuple[int, int, int]]) -> Levels:
        """The best of the book without the firm's own quote; two levels a side are enough."""
        bid_price, bid_lots = _without(bids, self.bid)
        ask_price, ask_lots = _without(asks, self.ask)
        return bid_price, bid_lots, ask_price, ask_lots


def _without(levels: list[tuple[int, int, int]], own: SideState) -> tuple[int, int]:
    for price, lots, _ in levels:
        others = lots - own.lots if own.lots and price == own.ticks else lots
        if others > 0:
            return price, others
    return 0, 0
