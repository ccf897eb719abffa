"""Small recorded sessions made from a seed, for tests and for trying things without a file.

A session starts with a snapshot, may have a crossed pre-open with an uncross, and goes on with
adds, cancels, amends, aggressive orders (some leave a rest, some trigger a second aggressor), size
hidden behind icebergs and cancels by self-match prevention: what real files contain, in the record
forms of CME. The venue behind it is written here on its own: it shares no matching code with the
markets that the session is played into.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from databento_dbn import (
    F_LAST,
    F_SNAPSHOT,
    UNDEF_PRICE,
    Action,
    MBOMsg,
    Metadata,
    Schema,
    Side,
    SType,
)

from tradepit.marketdata.recorded_events import MboRecord, RecordedEvent, group_events

TICK: Final = 250_000_000
START_NS: Final = 1_700_000_000_000_000_000
LEVELS: Final = 12
"""Distance from the touch, in ticks, within which orders are entered."""


@dataclass(slots=True)
class _Order:
    order_id: int
    side: str
    price: int
    shown: int
    hidden: int = 0
    """Quantity behind the shown part."""
    peak: int = 0
    """Shown part of an iceberg after a refresh."""
    listed: int = 0
    """Size that the records gave last; a cancel after a fill names it in full."""


class _Venue:
    """A venue that writes down what happens, one event at a time."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)
        self._queues: dict[str, list[_Order]] = {"B": [], "A": []}
        self._next_id = 1000
        self._time_ns = START_NS
        self._pending: list[MboRecord] = []
        self.records: list[MboRecord] = []
        self._middle = 4000

    def snapshot(self, orders: int) -> None:
        for _ in range(orders):
            order = self._new_order(iceberg=False)
            self._enter(order)
            self._note("A", order, order.shown, flags=F_SNAPSHOT | 8)
        self.records += self._pending
        self._pending = []

    def pre_open(self, orders: int) -> None:
        """A crossed book, and the uncross that empties the crossed part."""
        for _ in range(orders):
            side = self._random.choice("BA")
            towards = 3 if side == "B" else -3
            order = _Order(self._id(), side, (self._middle + towards) * TICK, 2)
            self._enter(order)
            self._note("A", order, order.shown)
            self._close()
        while (bid := self._best("B")) and (ask := self._best("A")) and bid.price >= ask.price:
            for order in (bid, ask):
                self._queues[order.side].remove(order)
                self._note("C", order, order.shown)
        if self._pending:
            self._close()

    def act(self) -> None:
        """One event of continuous trading."""
        choice = self._random.random()
        if choice < 0.40 or min(len(queue) for queue in self._queues.values()) < 15:
            self._add()
        elif choice < 0.62:
            self._cancel()
        elif choice < 0.78:
            self._amend()
        elif choice < 0.80:
            self._self_match()
        else:
            self._aggress()
        self._close()

    def _add(self) -> None:
        order = self._new_order(iceberg=self._random.random() < 0.1)
        self._enter(order)
        self._note("A", order, order.shown)

    def _cancel(self) -> None:
        order = self._pick()
        self._queues[order.side].remove(order)
        self._note("C", order, order.shown)

    def _amend(self) -> None:
        order = self._pick()
        if order.shown > 1 and self._random.random() < 0.5:
            order.shown -= 1
        else:
            self._queues[order.side].remove(order)
            order.price = self._passive_price(order.side)
            order.shown += self._random.randint(0, 3)
            self._enter(order)
        self._note("M", order, order.shown)

    def _self_match(self) -> None:
        """An order that would hit its own firm's order alone: that one is cancelled instead."""
        maker = self._pick()
        best = self._best(maker.side)
        if best is None or sum(o.price == best.price for o in self._queues[maker.side]) != 1:
            self._add()
            return
        self._queues[maker.side].remove(best)
        order = _Order(self._id(), "A" if best.side == "B" else "B", best.price, 1)
        self._enter(order)
        self._note("A", order, order.shown)
        self._note("C", best, best.shown)

    def _aggress(self) -> None:
        side = self._random.choice("BA")
        aggressors = 2 if self._random.random() < 0.1 else 1
        after: dict[int, MboRecord] = {}
        for _ in range(aggressors):
            quantity = self._random.choice((1, 1, 2, 3, 5, 8, 20))
            self._sweep(_Order(self._id(), side, 0, quantity), after)
        for record in after.values():
            self._list(record)
        self._pending += after.values()

    def _sweep(self, taker: _Order, after: dict[int, MboRecord]) -> None:
        other = "A" if taker.side == "B" else "B"
        best = self._best(other)
        assert best is not None
        reach = self._random.choice((0, 0, 1, 2)) * TICK
        taker.price = best.price + (reach if taker.side == "B" else -reach)
        while taker.shown and (maker := self._best(other)) and self._crosses(taker, maker):
            at_price = [o for o in self._queues[other] if o.price == maker.price]
            want = min(taker.shown, sum(o.shown + o.hidden for o in at_price))
            self._note("T", taker, want, price=maker.price)
            while want:
                want -= self._hit(taker, want, after)
        if taker.shown and self._random.random() < 0.5:
            self._enter(taker)
            after[taker.order_id] = self._record("A", taker, taker.shown)

    def _hit(self, taker: _Order, want: int, after: dict[int, MboRecord]) -> int:
        maker = self._best("A" if taker.side == "B" else "B")
        assert maker is not None
        quantity = min(want, maker.shown)
        self._note("F", maker, quantity)
        maker.shown -= quantity
        taker.shown -= quantity
        queue = self._queues[maker.side]
        if maker.shown == 0:
            queue.remove(maker)
            after[maker.order_id] = self._record("C", maker, maker.listed)
            if maker.hidden:
                maker.shown = min(maker.peak, maker.hidden)
                maker.hidden -= maker.shown
                self._enter(maker)
        if maker.shown:
            after[maker.order_id] = self._record("M", maker, maker.shown)
        return quantity

    def _list(self, record: MboRecord) -> None:
        for order in self._queues[record.side]:
            if order.order_id == record.order_id:
                order.listed = record.size

    def _new_order(self, *, iceberg: bool) -> _Order:
        side = self._random.choice("BA")
        shown = self._random.randint(1, 6)
        hidden = self._random.randint(3, 12) if iceberg else 0
        return _Order(self._id(), side, self._passive_price(side), shown, hidden, shown)

    def _passive_price(self, side: str) -> int:
        """A price that does not trade, near the other side's best."""
        away = self._random.randint(1, LEVELS)
        best = self._best("A" if side == "B" else "B")
        middle = best.price // TICK if best else self._middle
        return (middle + (-away if side == "B" else away)) * TICK

    def _enter(self, order: _Order) -> None:
        self._queues[order.side].append(order)

    def _best(self, side: str) -> _Order | None:
        better = max if side == "B" else min
        return better(self._queues[side], key=lambda order: order.price, default=None)

    def _crosses(self, taker: _Order, maker: _Order) -> bool:
        if taker.side == "B":
            return taker.price >= maker.price
        return taker.price <= maker.price

    def _pick(self) -> _Order:
        return self._random.choice(self._queues[self._random.choice("BA")])

    def _id(self) -> int:
        self._next_id += 1
        return self._next_id

    def _note(
        self, action: str, order: _Order, size: int, *, price: int | None = None, flags: int = 0
    ) -> None:
        record = self._record(action, order, size)._replace(flags=flags)
        if action in "AM":
            order.listed = size
        self._pending.append(record._replace(price=price) if price is not None else record)

    def _record(self, action: str, order: _Order, size: int) -> MboRecord:
        return MboRecord(
            action,
            order.side,
            order.price,
            size,
            order.order_id,
            0,
            0,
            self._time_ns,
            self._time_ns,
        )

    def _close(self) -> None:
        self._time_ns += self._random.randint(1, 40) * 1_000_000
        last = self._pending.pop()
        self._pending.append(last._replace(flags=last.flags | F_LAST))
        self.records += self._pending
        self._pending = []


def generate_records(*, seed: int, events: int, pre_open: int = 8) -> list[MboRecord]:
    """Return the records of a session: snapshot, pre-open with uncross, continuous trading.

    Args:
        events: events of continuous trading.
        pre_open: orders entered into the crossed book; 0 = none.
    """
    venue = _Venue(seed)
    venue.snapshot(120)
    if pre_open:
        venue.pre_open(pre_open)
    for _ in range(events):
        venue.act()
    return venue.records


def generate_session(*, seed: int, events: int, pre_open: int = 8) -> list[RecordedEvent]:
    """Return a session as events, as a file would give them."""
    return list(group_events(generate_records(seed=seed, events=events, pre_open=pre_open)))


def write_dbn(path: Path, records: list[MboRecord], *, symbol: str = "TEST") -> None:
    """Write records as an uncompressed DBN file of the MBO schema."""
    metadata = Metadata(
        dataset="GLBX.MDP3",
        start=records[0].time_event_ns,
        stype_in=SType.from_str("raw_symbol"),
        stype_out=SType.from_str("instrument_id"),
        schema=Schema.from_str("mbo"),
        symbols=[symbol],
        partial=[],
        not_found=[],
        mappings=[],
        end=records[-1].time_event_ns + 1,
    )
    with path.open("wb") as file:
        file.write(metadata.encode())
        for record in records:
            file.write(bytes(_message(record)))


def _message(record: MboRecord) -> MBOMsg:
    return MBOMsg(
        publisher_id=1,
        instrument_id=1,
        ts_event=record.time_event_ns,
        order_id=record.order_id,
        price=UNDEF_PRICE if record.price is None else record.price,
        size=record.size,
        action=Action.from_str(record.action),
        side=Side.from_str(record.side),
        ts_recv=record.time_received_ns,
        flags=record.flags,
        sequence=record.sequence,
    )
