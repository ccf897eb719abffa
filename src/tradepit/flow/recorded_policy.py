"""The policy that turns a recorded session into orders of a living market.

Adds become limit orders, cancels and amends likewise, and each aggressive trade becomes a
marketable order, so that the market's own matching makes the fills. Then each order of the event
is brought to its recorded state where matching has not done so already. The rules, in full:

- **Which orders an event owns**: those its records name, and those its own marketable orders hit.
  Nothing is found by comparing whole books.
- **Target** of an order: its recorded size, less what outsiders took from it (`kept_by_outsiders`).
  What an outsider took is not given back; when the recording later fills the same order, the fill
  counts as having happened already. If the recording's aggressor then hits another order in its
  place, the loss moves to that order: the book stays short by what the outsider took.
- **Trim**: an order that stands above its target after a recorded trade, because an outsider was
  hit in its place or the queue differed, is cut to it. Trims are counted.
- **Refresh**: an order that stands below its target (an iceberg shows its next part, the queue
  differed) is raised or placed anew; it goes to the back of the queue, as at the venue.
- **Hidden quantity**: what an aggressor took beyond the shown size trades second; until then the
  hidden part is shown at the end of its queue.
- **Cancels go first** in an event: a venue that prevents self-matches records them after the order
  that would have hit them.
- **Auction**: while the recorded book is crossed (pre-open, closing) nothing is sent; when it
  uncrosses, each order touched meanwhile is brought to its recorded state.

No clock, no randomness, no I/O: the same events and reports give the same operations.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from tradepit.flow.level_quantities import BestQuote
from tradepit.flow.operations import Cancel, Operation, Place, Replace, Side, Trade, opposite
from tradepit.flow.recorded_book import Aggressor, EventFacts, HiddenFill, RecordedBook
from tradepit.marketdata.recorded_events import RecordedEvent

OWNERS_SLACK: Final = 10_000
"""Handles of finished orders kept before they are swept; a sweep costs one pass over all."""


@dataclass(slots=True)
class PolicyCounts:
    """How often the policy had to step in, and what outsiders did. Quantities in lots."""

    events: int = 0
    held_events: int = 0
    """Events at whose end the recorded book was crossed, so that nothing was sent."""
    trimmed_orders: int = 0
    trimmed_quantity: int = 0
    refreshed_orders: int = 0
    refreshed_quantity: int = 0
    outsider_hits: int = 0
    """Trades in which an order of the recording hit an outsider's resting order."""
    outsider_hit_quantity: int = 0
    hit_by_outsider: int = 0
    """Trades in which an outsider hit a resting order of the recording."""
    hit_by_outsider_quantity: int = 0
    lost_orders: int = 0
    """Orders that the market no longer had although no trade explains it."""


@dataclass(slots=True)
class _Line:
    """One recorded order in the market: its latest order there, and the tally of fills.

    `total` and `filled` are of the latest order; `recorded_filled`, `actual_filled` and
    `outsider_filled` of all orders that stood for this recorded order.
    """

    side: Side
    price: int = 0
    handle: int | None = None
    total: int = 0
    filled: int = 0
    recorded_filled: int = 0
    actual_filled: int = 0
    outsider_filled: int = 0
    stood_in: int = 0

    @property
    def leaves(self) -> int:
        return max(0, self.total - self.filled) if self.handle is not None else 0

    @property
    def kept_by_outsiders(self) -> int:
        """Quantity that outsiders took and the recording has not traded (yet)."""
        excess = max(0, self.actual_filled - self.recorded_filled)
        return min(self.outsider_filled, excess)

    def is_retreat(self, price: int) -> bool:
        """Whether a new price is less willing to trade."""
        return price < self.price if self.side == "buy" else price > self.price


class RecordedPolicy:
    """Turns events into operations; hears of its trades; corrects at the end of each event.

    For each event, `play` yields operations step by step and wants a `report` of what each did.
    Reports may also come late (an outsider's trade, a foreseen fill that did not happen); then
    `revisit` gives the corrections, after `observe` told how the orders really stand. `settle` says
    that no more late reports can come.
    """

    def __init__(self) -> None:
        self.counts = PolicyCounts()
        self._next_handle = 1
        self.begin_anew()

    def begin_anew(self) -> None:
        """Forget the recording and all orders: none is in the market. Counts go on."""
        self._book = RecordedBook()
        self._lines: dict[int, _Line] = {}
        self._owners: dict[int, int] = {}
        self._facts = EventFacts()
        self._actual_fills: dict[int, int] = {}
        self._held: dict[int, None] = {}
        # Leaves of open orders given up because their fill had been foreseen, by handle.
        self._strays: dict[int, int] = {}
        self._touched: dict[int, None] = {}

    @property
    def recorded_best(self) -> BestQuote:
        """Best bid and offer of the recording, whatever outsiders did to the market."""
        return self._book.best

    @property
    def is_holding(self) -> bool:
        """Whether the recorded book is crossed, so that nothing is sent."""
        return bool(self._held)

    def play(self, event: RecordedEvent) -> Iterator[list[Operation]]:
        """Yield the operations of an event in steps.

        Before the next step is asked for, the trades of the step's operations are reported.
        """
        self.counts.events += 1
        self._facts = facts = self._book.take_in(event)
        self._actual_fills = {}
        if self._book.is_crossed:
            self.counts.held_events += 1
            self._held |= facts.named
            return
        if self._held or event.is_snapshot:
            facts.named, facts.fills = self._held | facts.named, {}
            self._held = {}
            yield self._corrections(facts.named, counted=False)
        else:
            yield self._withdraw(facts)
            for action in facts.actions:
                if isinstance(action, Aggressor):
                    yield from self._aggress(action)
                else:
                    yield self._bring(action)
            self._tally_recorded(facts.fills)
        yield self._end()
        self._facts, self._actual_fills = EventFacts(), {}

    def report(self, trades: Iterable[Trade]) -> None:
        """Hear of trades in which orders of the flow took part."""
        for trade in trades:
            self._count(trade, 1)
            self._fill(trade.taker, trade.quantity, from_outsider=trade.maker is None)
            self._fill(trade.maker, trade.quantity, from_outsider=trade.taker is None)

    def retract(self, trades: Iterable[Trade]) -> None:
        """Hear that trades reported before, because they were foreseen, did not happen."""
        for trade in trades:
            self._count(trade, -1)
            self._fill(trade.taker, -trade.quantity, from_outsider=trade.maker is None)
            self._fill(trade.maker, -trade.quantity, from_outsider=trade.taker is None)

    def revisit(self, handles: Iterable[int]) -> list[Operation]:
        """Corrections for orders about which reports came late, outside of any event."""
        self._facts = EventFacts()
        for handle in handles:
            if (owner := self._owners.get(handle)) is not None:
                self._facts.named[owner] = None
        self.counts.trimmed_orders += len(self._strays)
        self.counts.trimmed_quantity += sum(self._strays.values())
        cancels: list[Operation] = [Cancel(handle) for handle in self._strays]
        self._strays = {}
        corrections = cancels + self._end()
        self._facts, self._actual_fills = EventFacts(), {}
        return corrections

    def observe(self, handle: int, *, price: int, total: int, filled: int, is_open: bool) -> None:
        """Hear how an order really stands, after the trades about it have been reported.

        An order that is gone though it was not filled (an operator cancelled it) is not given back.
        `filled` may be ahead of the reports: trades go on while orders are looked up.
        """
        owner = self._owners.get(handle)
        line = self._lines.get(owner) if owner is not None else None
        if line is None or line.handle != handle:
            if is_open:
                self._strays[handle] = total - filled
            return
        line.price, line.total = price, total
        lost = 0 if is_open else total - filled
        if lost > 0:
            self.counts.lost_orders += 1
            line.outsider_filled += lost
            line.actual_filled += lost
            line.handle = None

    def settle(self) -> None:
        """Forget orders that are done; every report about what was sent so far has come."""
        for order_id in self._touched:
            line = self._lines.get(order_id)
            if line is not None and line.leaves == 0 and self._book.order(order_id) is None:
                del self._lines[order_id]
        self._touched = {}
        if len(self._owners) > 2 * len(self._lines) + OWNERS_SLACK:
            self._owners = {
                line.handle: order_id
                for order_id, line in self._lines.items()
                if line.handle is not None
            }

    def _end(self) -> list[Operation]:
        """The operations that bring the event's own orders to their recorded state."""
        owned = self._facts.named | dict.fromkeys(self._actual_fills)
        self._move_losses(owned)
        self._touched |= owned
        return self._corrections(owned, counted=True)

    # -- operations ------------------------------------------------------------------------------

    def _withdraw(self, facts: EventFacts) -> list[Operation]:
        """Cancels of the event, before anything that could hit the cancelled orders.

        They are recorded after what came in when the venue cancelled an order instead of letting it
        trade with its own firm (self-match prevention); here the orders have no firms.
        """
        operations: list[Operation] = []
        for action in facts.actions:
            if not isinstance(action, Aggressor) and self._book.order(action) is None:
                operations += self._bring(action)
        return operations

    def _aggress(self, aggressor: Aggressor) -> Iterator[list[Operation]]:
        """A marketable order for an aggressor; its remainder rests when the recording says so.

        What it took of hidden quantity comes second: the shown quantity trades first, then the
        hidden orders show their next part at the end of the queue and the aggressor goes on.
        """
        if aggressor.side is None:
            return
        hidden = min(aggressor.quantity, sum(fill.quantity for fill in aggressor.hidden))
        if not hidden:
            yield self._take(aggressor, aggressor.side, aggressor.quantity, rests=True)
            return
        shown = aggressor.quantity - hidden
        if shown:
            yield self._take(aggressor, aggressor.side, shown, rests=False)
        yield [self._show(fill, opposite(aggressor.side)) for fill in aggressor.hidden]
        yield self._take(aggressor, aggressor.side, hidden, rests=True)

    def _take(
        self, aggressor: Aggressor, side: Side, quantity: int, *, rests: bool
    ) -> list[Operation]:
        order_id = aggressor.order_id
        rest = self._book.order(order_id) if order_id and rests else None
        price = rest.price if rest else aggressor.worst_price
        line = self._lines.get(order_id)
        if line is not None and line.leaves:
            total = line.filled + quantity + (rest.size if rest else 0)
            return [self._amend(line, price, total)]
        if rest is not None and line is None:
            return [self._place(order_id, side, price, quantity + rest.size)]
        return [Place(self._new_handle(), order_id, side, price, quantity, immediate=True)]

    def _show(self, fill: HiddenFill, side: Side) -> Operation:
        """Let an order show hidden quantity, at the end of the queue."""
        line = self._lines.get(fill.order_id)
        if line is not None and line.leaves:
            return self._amend(line, fill.price, line.total + fill.quantity)
        return self._place(fill.order_id, side, fill.price, fill.quantity)

    def _corrections(self, order_ids: Iterable[int], *, counted: bool) -> list[Operation]:
        """Bring orders to their recorded state: first what makes room, then what comes in."""
        room: list[Operation] = []
        entries: list[Operation] = []
        for order_id in order_ids:
            line = self._lines.get(order_id)
            recorded = self._book.order(order_id)
            retreat = bool(line and recorded and line.is_retreat(recorded.price))
            if counted:
                self._count_correction(order_id)
            for operation in self._bring(order_id):
                first = retreat or isinstance(operation, Cancel)
                (room if first else entries).append(operation)
        return room + entries

    def _target(self, order_id: int) -> int:
        recorded, line = self._book.order(order_id), self._lines.get(order_id)
        size = recorded.size if recorded else 0
        return max(0, size - line.kept_by_outsiders) if line else size

    def _bring(self, order_id: int) -> list[Operation]:
        """The operations, if any, that bring one order to its recorded state."""
        recorded, line = self._book.order(order_id), self._lines.get(order_id)
        target = self._target(order_id)
        if recorded is None or target == 0:
            return [self._cancel(line)] if line and line.leaves else []
        if line is None or line.leaves == 0:
            return [self._place(order_id, recorded.side, recorded.price, target)]
        if recorded.side != line.side:
            cancel = self._cancel(line)
            return [cancel, self._place(order_id, recorded.side, recorded.price, target)]
        if recorded.price != line.price or target != line.leaves:
            return [self._amend(line, recorded.price, line.filled + target)]
        return []

    def _place(self, order_id: int, side: Side, price: int, quantity: int) -> Place:
        line = self._lines.setdefault(order_id, _Line(side))
        line.side, line.price = side, price
        line.handle, line.total, line.filled = self._new_handle(), quantity, 0
        self._owners[line.handle] = order_id
        return Place(line.handle, order_id, side, price, quantity, immediate=False)

    def _new_handle(self) -> int:
        handle = self._next_handle
        self._next_handle += 1
        return handle

    def _amend(self, line: _Line, price: int, total: int) -> Replace:
        assert line.handle is not None
        line.price, line.total = price, total
        return Replace(line.handle, price, total)

    def _cancel(self, line: _Line) -> Cancel:
        assert line.handle is not None
        cancel = Cancel(line.handle)
        line.handle = None
        return cancel

    # -- tallies ---------------------------------------------------------------------------------

    def _tally_recorded(self, fills: dict[int, int]) -> None:
        for order_id, quantity in fills.items():
            if (line := self._lines.get(order_id)) is not None:
                line.recorded_filled += quantity

    def _fill(self, handle: int | None, quantity: int, *, from_outsider: bool) -> None:
        owner = self._owners.get(handle) if handle is not None else None
        line = self._lines.get(owner) if owner is not None else None
        if owner is None or line is None:
            return
        line.actual_filled += quantity
        if from_outsider:
            line.outsider_filled += quantity
        else:
            self._actual_fills[owner] = self._actual_fills.get(owner, 0) + quantity
        if line.handle == handle:
            line.filled += quantity

    def _move_losses(self, owned: dict[int, None]) -> None:
        """Where an outsider's fill stands in for a recorded one, another order was hit instead.

        The loss moves to the orders hit beyond their recorded fills, so they are not made whole.
        """
        lines = {i: line for i in owned if (line := self._lines.get(i)) is not None}
        loss = 0
        for line in lines.values():
            stands_in = line.outsider_filled - line.kept_by_outsiders
            loss += max(0, stands_in - line.stood_in)
            line.stood_in = stands_in
        for order_id, line in lines.items():
            if loss == 0:
                return
            excess = self._actual_fills.get(order_id, 0) - self._facts.fills.get(order_id, 0)
            moved = min(loss, max(0, excess))
            line.outsider_filled += moved
            loss -= moved

    def _count(self, trade: Trade, sign: int) -> None:
        counts = self.counts
        if trade.maker is None:
            counts.outsider_hits += sign
            counts.outsider_hit_quantity += sign * trade.quantity
        elif trade.taker is None:
            counts.hit_by_outsider += sign
            counts.hit_by_outsider_quantity += sign * trade.quantity

    def _count_correction(self, order_id: int) -> None:
        line = self._lines.get(order_id)
        leaves, target = line.leaves if line else 0, self._target(order_id)
        if leaves > target:
            self.counts.trimmed_orders += 1
            self.counts.trimmed_quantity += leaves - target
        elif leaves < target:
            self.counts.refreshed_orders += 1
            self.counts.refreshed_quantity += target - leaves
