"""The recording as the policy sees it: the recorded book, and what each event did to it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final, NamedTuple

from tradepit.flow.level_quantities import BestQuote, LevelQuantities
from tradepit.flow.operations import Side, opposite
from tradepit.marketdata.recorded_events import MboRecord, RecordedEvent

SIDES: Final[dict[str, Side]] = {"B": "buy", "A": "sell"}
"""Sides of a recording that name one; others (N) say nothing."""


@dataclass(slots=True)
class RecordedOrder:
    """An order of the recording as it rests now."""

    side: Side
    price: int
    size: int


class HiddenFill(NamedTuple):
    """Quantity that an order traded beyond what it showed."""

    order_id: int
    price: int
    quantity: int


@dataclass(slots=True)
class Aggressor:
    """A run of consecutive trades of one aggressor within an event.

    `side` is None when neither the trade nor the orders that it hit tell it; `order_id` is 0 when
    the venue does not name the aggressor. `hidden` is what it took beyond the shown size of the
    orders that it hit (icebergs, and orders that the recording never showed).
    """

    order_id: int
    side: Side | None
    quantity: int
    worst_price: int
    hidden: list[HiddenFill] = field(default_factory=list)


@dataclass(slots=True)
class EventFacts:
    """What an event did: orders named, fills per order, and what people did, in record order.

    `actions` holds the id of an order that somebody entered, changed or cancelled, or an aggressor.
    """

    named: dict[int, None] = field(default_factory=dict)
    fills: dict[int, int] = field(default_factory=dict)
    actions: list[int | Aggressor] = field(default_factory=list)

    def add_fill(self, order_id: int, quantity: int) -> None:
        """Add to the recorded fills of an order; 0 names nobody."""
        if order_id:
            self.named[order_id] = None
            self.fills[order_id] = self.fills.get(order_id, 0) + quantity


class RecordedBook:
    """Orders that rest in the recording.

    A cancel or change of an order never seen (a recording that starts mid-session) is ignored, or
    taken as its first sight. A snapshot replaces everything.
    """

    def __init__(self) -> None:
        self._orders: dict[int, RecordedOrder] = {}
        self._levels = LevelQuantities()

    @property
    def is_crossed(self) -> bool:
        """Whether the best bid is at or above the best offer: no continuous trading."""
        return self._levels.best().is_crossed

    @property
    def best(self) -> BestQuote:
        """Best bid and offer."""
        return self._levels.best()

    def order(self, order_id: int) -> RecordedOrder | None:
        """The order as it rests now, or None."""
        return self._orders.get(order_id)

    def take_in(self, event: RecordedEvent) -> EventFacts:
        """Apply an event; what it did."""
        facts = EventFacts()
        if event.is_snapshot:
            self._clear(facts)
        run: Aggressor | None = None
        for record in event.records:
            match record.action:
                case "R":
                    self._clear(facts)
                case "A" | "M" | "C":
                    self._change(record)
                    facts.named[record.order_id] = None
                    facts.actions.append(record.order_id)
                case "T" | "F" if record.price is not None:
                    run = self._trade(record, record.price, run, facts)
            if run is not None and run.side is None and record.action in "CM":
                # An order never seen before was hit; its cancel or change tells its side.
                maker = SIDES.get(record.side)
                run.side = opposite(maker) if maker and record.order_id in facts.fills else None
        traded = facts.fills
        facts.actions = [a for a in facts.actions if isinstance(a, Aggressor) or a not in traded]
        return facts

    def _clear(self, facts: EventFacts) -> None:
        for order_id, order in self._orders.items():
            self._levels.add(order.side, order.price, -order.size)
            facts.named[order_id] = None
        self._orders.clear()

    def _change(self, record: MboRecord) -> None:
        old = self._orders.pop(record.order_id, None)
        if old is not None:
            self._levels.add(old.side, old.price, -old.size)
        new = _changed(old, record)
        if new is not None:
            self._orders[record.order_id] = new
            self._levels.add(new.side, new.price, new.size)

    def _trade(
        self, record: MboRecord, price: int, run: Aggressor | None, facts: EventFacts
    ) -> Aggressor:
        """Add a trade or fill record to the run of its aggressor, or start a new run."""
        side = SIDES.get(record.side)
        if record.action == "F":
            if run is None:  # a venue that reports fills without the aggressor
                run = Aggressor(0, opposite(side) if side else None, record.size, price)
                facts.actions.append(run)
            if record.order_id == run.order_id:  # the aggressor's own view of the trade
                return run
            self._hit(record.order_id, price, record.size, run, facts)
            return run
        if run is None or run.order_id != record.order_id or side not in (run.side, None):
            run = Aggressor(record.order_id, side, 0, price)
            facts.actions.append(run)
        run.quantity += record.size
        run.worst_price = (max if run.side == "buy" else min)(run.worst_price, price)
        facts.add_fill(record.order_id, record.size)
        return run

    def _hit(
        self, order_id: int, price: int, quantity: int, run: Aggressor, facts: EventFacts
    ) -> None:
        """Note a fill of a resting order."""
        maker = self._orders.get(order_id)
        if run.side is None and maker is not None:
            run.side = opposite(maker.side)
        shown = maker.size - facts.fills.get(order_id, 0) if maker is not None else 0
        hidden = quantity - max(0, shown)
        if hidden > 0:
            run.hidden.append(HiddenFill(order_id, price, hidden))
        facts.add_fill(order_id, quantity)


def _changed(old: RecordedOrder | None, record: MboRecord) -> RecordedOrder | None:
    if record.action == "C":  # a cancel may be partial; it names the quantity taken away
        if old is None or record.size >= old.size:
            return None
        return RecordedOrder(old.side, old.price, old.size - record.size)
    side = SIDES.get(record.side)
    if side is None or record.price is None or record.size <= 0:
        return None
    return RecordedOrder(side, record.price, record.size)
