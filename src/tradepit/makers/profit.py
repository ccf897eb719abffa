"""Exact profit and loss of one position, by the rule of the market's own positions.

Money is counted in tick-lots (ticks × lots), which are whole; `InstrumentSpec.money_per_tick_lot`
makes units of the quote asset of them. Fees are left out. Source: docs/rules.md, section 7.
"""

from __future__ import annotations

from tradepit.domain.wire import Side


class PositionCost:
    """Position, what it cost, and what closing earned."""

    __slots__ = ("cost_tick_lots", "lots", "realised_tick_lots")

    def __init__(self, *, lots: int = 0, cost_tick_lots: int = 0) -> None:
        self.lots = lots
        self.cost_tick_lots = cost_tick_lots
        """Signed like the position."""
        self.realised_tick_lots = 0

    def fill(self, *, side: Side, price_ticks: int, quantity_lots: int) -> None:
        """Take over a fill: it first closes what is open the other way, the rest opens."""
        signed = quantity_lots if side is Side.BUY else -quantity_lots
        closing = 0
        if self.lots * signed < 0:
            closing = min(abs(self.lots), quantity_lots)
            self._close(price_ticks, closing)
        opening = quantity_lots - closing
        sign = 1 if signed > 0 else -1
        self.lots += sign * quantity_lots
        self.cost_tick_lots += sign * opening * price_ticks

    def _close(self, price_ticks: int, closing: int) -> None:
        removed = abs(self.cost_tick_lots) * closing // abs(self.lots)
        if self.lots > 0:
            self.realised_tick_lots += price_ticks * closing - removed
            self.cost_tick_lots -= removed
        else:
            self.realised_tick_lots += removed - price_ticks * closing
            self.cost_tick_lots += removed

    def unrealised_half_tick_lots(self, mark_half_ticks: int) -> int:
        """What closing at the mark would earn, in half ticks × lots."""
        return mark_half_ticks * self.lots - 2 * self.cost_tick_lots
