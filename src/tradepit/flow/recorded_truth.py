"""What the recording says happened: book, fills and volume, rebuilt from the records alone.

This side of the comparison knows nothing of the policy or of any market. A, C, M and R change the
book, T and F never do; the book is looked at only between events.
Units: price in 1e-9 of the quote currency, quantity in lots.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from dataclasses import dataclass, field
from typing import Final

from tradepit.flow.level_quantities import BestQuote
from tradepit.flow.operations import Side
from tradepit.marketdata.recorded_events import MboRecord, RecordedEvent

_SIDES: Final[dict[str, Side]] = {"B": "buy", "A": "sell"}


@dataclass(slots=True)
class TruthStep:
    """The recorded market right after an event.

    `is_continuous` is False while the book is crossed and for the event that uncrosses it: what
    trades there is an auction's doing. `fills` is per order named by the event's trades, the
    aggressor's own included once. `implied_volume` traded with no order of this book on the other
    side: the venue matched it against orders in spreads.
    """

    number: int
    quote: BestQuote
    is_continuous: bool
    is_uncross: bool
    fills: dict[int, int] = field(default_factory=dict)
    volume: dict[int, int] = field(default_factory=dict)
    implied_volume: int = 0


class _Half:
    """One side of the book: quantity and number of orders per price, prices sorted ascending."""

    def __init__(self) -> None:
        self.prices: list[int] = []
        self.quantities: dict[int, int] = {}
        self.orders: dict[int, int] = {}

    def change(self, price: int, quantity: int, orders: int) -> None:
        if price not in self.orders:
            insort(self.prices, price)
        self.quantities[price] = self.quantities.get(price, 0) + quantity
        self.orders[price] = self.orders.get(price, 0) + orders
        if self.orders[price] == 0:
            del self.orders[price], self.quantities[price]
            del self.prices[bisect_left(self.prices, price)]


class RecordedTruth:
    """Rebuilds the recorded session event by event."""

    def __init__(self) -> None:
        self._orders: dict[int, tuple[Side, int, int]] = {}
        self._halves: dict[Side, _Half] = {"buy": _Half(), "sell": _Half()}
        self._was_crossed = False

    def apply(self, event: RecordedEvent) -> TruthStep:
        """Apply one event; how the market stood after it."""
        if event.is_snapshot:
            self._clear()
        for record in event.records:
            if record.action == "R":
                self._clear()
            elif record.action in "ACM":
                self._change(record)
        quote = self._quote()
        step = TruthStep(
            event.number,
            quote,
            is_continuous=not (quote.is_crossed or self._was_crossed),
            is_uncross=self._was_crossed and not quote.is_crossed,
        )
        self._was_crossed = quote.is_crossed
        _tally(event, step)
        return step

    @property
    def is_crossed(self) -> bool:
        """Whether the recorded book stands crossed: in an auction."""
        return self._was_crossed

    def levels(self, side: Side) -> dict[int, tuple[int, int]]:
        """Quantity and number of orders by price."""
        half = self._halves[side]
        return {price: (half.quantities[price], half.orders[price]) for price in half.prices}

    def _change(self, record: MboRecord) -> None:
        old = self._orders.pop(record.order_id, None)
        if old is not None:
            self._halves[old[0]].change(old[1], -old[2], -1)
        if record.action == "C":
            left = old[2] - record.size if old is not None else 0
            new = (old[0], old[1], left) if old is not None and left > 0 else None
        elif record.side in _SIDES and record.price is not None and record.size:
            new = (_SIDES[record.side], record.price, record.size)
        else:
            new = None
        if new is not None:
            self._orders[record.order_id] = new
            self._halves[new[0]].change(new[1], new[2], 1)

    def _clear(self) -> None:
        self._orders.clear()
        self._halves = {"buy": _Half(), "sell": _Half()}

    def _quote(self) -> BestQuote:
        bids, asks = self._halves["buy"], self._halves["sell"]
        bid = bids.prices[-1] if bids.prices else 0
        ask = asks.prices[0] if asks.prices else 0
        return BestQuote(bid, bids.quantities.get(bid, 0), ask, asks.quantities.get(ask, 0))


def _tally(event: RecordedEvent, step: TruthStep) -> None:
    aggressor: int | None = None
    for record in event.records:
        if record.action == "T" and record.price is not None:
            aggressor = record.order_id
            step.volume[record.price] = step.volume.get(record.price, 0) + record.size
            step.implied_volume += record.size
        elif record.action != "F" or record.order_id == aggressor:
            continue
        else:
            step.implied_volume -= record.size
        if record.order_id:
            step.fills[record.order_id] = step.fills.get(record.order_id, 0) + record.size
