"""A second book builder, from the rules of order-by-order data alone: lists, clear, slow.

Rules. A adds to the back of its level. C takes size away, M changes price, size or side; an order
keeps its place when its price stays and its size does not grow. R clears the side that it names, or
the book. T, F and N change nothing. The first record of a snapshot clears the book, a top-of-book
record its side. What is wrong is counted, and changes nothing unless it says how much is left.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

NO_PRICE: Final = 2**63 - 1
LAST, TOP, SNAPSHOT = 128, 64, 32
HEAD: Final = (14, 0xA0)
BID, ASK = "B", "A"


class Message(NamedTuple):
    """The fields of a record that matter to a book."""

    head: tuple[int, int]
    publisher_id: int
    instrument_id: int
    ts_event: int
    order_id: int
    price: int
    size: int
    flags: int
    action: str
    side: str


class Standing(NamedTuple):
    """Where an order stands: side letter, price, size, orders and size before it."""

    side: str = "\0"
    price: int = 0
    size: int = 0
    orders_ahead: int = 0
    size_ahead: int = 0


NOWHERE: Final = Standing()


class Outcome(NamedTuple):
    """What one message did, in words."""

    kind: str
    error: str = ""
    old: Standing = NOWHERE
    new: Standing = NOWHERE
    cleared: int = 0


@dataclass(slots=True)
class NaiveOrder:
    order_id: int
    size: int
    has_name: bool = True


Queue = list[NaiveOrder]
Top = tuple[int, int, int]


@dataclass(slots=True)
class NaiveBook:
    """One book: per side a queue for each price."""

    sides: dict[str, dict[int, Queue]] = field(default_factory=lambda: {BID: {}, ASK: {}})
    in_event: bool = False
    in_snapshot: bool = False
    has_traded: bool = False
    crossed: dict[bool, list[int]] = field(default_factory=lambda: {False: [], True: []})

    def find(self, order_id: int) -> tuple[str, int, int] | None:
        """Side, price and place of a live order."""
        for side, levels in self.sides.items():
            for price, queue in levels.items():
                for place, order in enumerate(queue):
                    if order.has_name and order.order_id == order_id:
                        return side, price, place
        return None

    def standing(self, side: str, price: int, place: int) -> Standing:
        queue = self.sides[side][price]
        ahead = queue[:place]
        return Standing(side, price, queue[place].size, place, sum(o.size for o in ahead))

    def append(self, side: str, price: int, order: NaiveOrder) -> Standing:
        queue = self.sides[side].setdefault(price, [])
        queue.append(order)
        return self.standing(side, price, len(queue) - 1)

    def pop(self, side: str, price: int, place: int) -> NaiveOrder:
        queue = self.sides[side][price]
        order = queue.pop(place)
        if not queue:
            del self.sides[side][price]
        return order

    def clear(self, sides: str = BID + ASK) -> int:
        count = 0
        for side in sides:
            count += sum(len(queue) for queue in self.sides[side].values())
            self.sides[side].clear()
        return count

    def levels(self, side: str) -> list[tuple[int, list[tuple[int, int]]]]:
        """Price and queue (id, size) of every level, best first."""
        prices = sorted(self.sides[side], reverse=side == BID)
        return [(p, [(o.order_id, o.size) for o in self.sides[side][p]]) for p in prices]

    def best(self, side: str) -> Top | None:
        levels = self.levels(side)
        if not levels:
            return None
        price, queue = levels[0]
        return price, sum(size for _, size in queue), len(queue)

    @property
    def state(self) -> tuple[object, ...]:
        """What decides what records to come will do; see `NaiveBooks.state`."""
        rest = [
            (side, price, order.order_id, order.size, order.has_name)
            for side in (BID, ASK)
            for price in sorted(self.sides[side])
            for order in self.sides[side][price]
        ]
        # A new snapshot clears what rests, one that goes on does not.
        return self.in_event, self.in_snapshot and bool(rest), tuple(rest)

    @property
    def is_crossed(self) -> bool:
        bid, ask = self.best(BID), self.best(ASK)
        return bid is not None and ask is not None and bid[0] >= ask[0]


State = tuple[tuple[object, ...], ...]


class NaiveBooks:
    """Books by publisher and instrument."""

    def __init__(self, *, add_unknown_modifies: bool = True) -> None:
        self.books: dict[tuple[int, int], NaiveBook] = {}
        self.errors: Counter[str] = Counter()
        self.actions: Counter[str] = Counter()
        self.events = 0
        self._add_unknown = add_unknown_modifies

    def apply(self, message: Message) -> Outcome:
        """Apply one message and say what it did."""
        if message.head != HEAD:
            return self._counted(Outcome("error", "not_mbo"))
        self.actions[message.action if message.action in "ACMRTFN" else "other"] += 1
        key = (message.publisher_id, message.instrument_id)
        book = self.books.setdefault(key, NaiveBook())
        book.in_event = True
        cleared = 0
        is_snapshot = bool(message.flags & SNAPSHOT)
        if is_snapshot and not book.in_snapshot:
            cleared = book.clear()
        book.in_snapshot = is_snapshot
        outcome = self._change(book, message)
        outcome = self._counted(outcome._replace(cleared=outcome.cleared + cleared))
        if message.flags & LAST:
            self.events += 1
            book.in_event = book.in_snapshot = False
            if book.is_crossed:
                book.crossed[book.has_traded].append(message.ts_event)
        return outcome

    def start_source(self) -> None:
        for book in self.books.values():
            book.in_snapshot = False

    def state(self) -> State:
        """All that decides what the records to come will do; nothing of what is only reported."""
        return tuple((key, *book.state) for key, book in sorted(self.books.items()))

    def _counted(self, outcome: Outcome) -> Outcome:
        if outcome.error:
            self.errors[outcome.error] += 1
        return outcome

    def _change(self, book: NaiveBook, message: Message) -> Outcome:
        action, side = message.action, message.side
        if action in ("A", "C", "M") and message.flags & TOP:
            return self._replace_side(book, message)
        if action == "A":
            return self._add(book, message)
        if action == "C":
            return self._cancel(book, message)
        if action == "M":
            return self._modify(book, message)
        if action == "R":
            return Outcome("cleared", cleared=book.clear(side if side in (BID, ASK) else BID + ASK))
        if action == "T":
            book.has_traded = True
        return Outcome("none") if action in ("T", "F", "N") else Outcome("error", "unknown_action")

    def _replace_side(self, book: NaiveBook, message: Message) -> Outcome:
        if message.side not in (BID, ASK):
            return Outcome("error", "no_side")
        cleared = book.clear(message.side)
        if message.action == "C" or message.price == NO_PRICE or message.size == 0:
            return Outcome("cleared", cleared=cleared)
        order = NaiveOrder(message.order_id, message.size, has_name=False)
        return Outcome(
            "added", new=book.append(message.side, message.price, order), cleared=cleared
        )

    def _add(self, book: NaiveBook, message: Message) -> Outcome:
        if message.side not in (BID, ASK):
            return Outcome("error", "no_side")
        if message.price == NO_PRICE:
            return Outcome("error", "no_price")
        if message.size == 0:
            return Outcome("error", "no_size")
        if book.find(message.order_id):
            return Outcome("error", "duplicate_order")
        order = NaiveOrder(message.order_id, message.size)
        return Outcome("added", new=book.append(message.side, message.price, order))

    def _cancel(self, book: NaiveBook, message: Message) -> Outcome:
        found = book.find(message.order_id)
        if found is None:
            return Outcome("error", "unknown_cancel")
        if message.size == 0:
            return Outcome("error", "no_size")
        side, price, place = found
        old = book.standing(*found)
        if message.size < old.size:
            book.sides[side][price][place].size -= message.size
            return Outcome("reduced", old=old, new=book.standing(*found))
        book.pop(*found)
        error = "cancel_too_large" if message.size > old.size else ""
        return Outcome("removed", error, old=old)

    def _modify(self, book: NaiveBook, message: Message) -> Outcome:
        found = book.find(message.order_id)
        if found is None:
            if self._add_unknown:
                added = self._add(book, message)
                if not added.error:
                    return added._replace(error="unknown_modify")
            return Outcome("error", "unknown_modify")
        if message.price == NO_PRICE:
            return Outcome("error", "no_price")
        old = book.standing(*found)
        if message.size == 0:
            book.pop(*found)
            return Outcome("removed", "no_size", old=old)
        side = message.side if message.side in (BID, ASK) else old.side
        if (side, message.price) == (old.side, old.price) and message.size <= old.size:
            book.sides[side][message.price][found[2]].size = message.size
            return Outcome("modified_kept", old=old, new=book.standing(*found))
        order = book.pop(*found)
        order.size = message.size
        return Outcome("modified_lost", old=old, new=book.append(side, message.price, order))


def messages(records: NDArray[np.void]) -> Iterator[Message]:
    """The messages of an array of records."""
    fields = ["publisher_id", "instrument_id", "ts_event", "order_id", "price", "size", "flags"]
    rows = zip(
        records[["length", "rtype"]].tolist(),
        records[fields].tolist(),
        records[["action", "side"]].tolist(),
        strict=True,
    )
    for head, (publisher, instrument, ts, order, price, size, flags), (action, side) in rows:
        letters = chr(action), chr(side)
        yield Message(head, publisher, instrument, ts, order, price, size, flags, *letters)
