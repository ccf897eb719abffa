"""The firm's promise: never is more granted on a side than its budget, over all symbols."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from tradepit.simulation.scenario import budget_units
from tradepit.simulation.seat import Seat


class Budget:
    """Adds up what a firm was granted, each time anew, from what the market said."""

    def __init__(self, budget: Decimal, seats: Sequence[Seat]) -> None:
        self._seats = seats
        self._lots = [budget_units(seat.spec.lot_size) for seat in seats]
        self.units = budget_units(budget)
        self.most_units = 0
        """Most that was granted at once on a side."""
        self.looks = 0
        self.exceeded = 0

    def look(self) -> None:
        """Compare, at a grant."""
        bid = ask = 0
        for seat, lot in zip(self._seats, self._lots, strict=True):
            bid += seat.granted_bid * lot
            ask += seat.granted_ask * lot
        most = bid if bid > ask else ask
        self.looks += 1
        if most > self.most_units:
            self.most_units = most
        if most > self.units:
            self.exceeded += 1
