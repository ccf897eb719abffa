"""Books from order-by-order data: many instruments and publishers, queue order kept.

The typed face of the native builder (`crates/core/src/mbo`). A, C, M and R records change a book;
T, F and N never do. What is wrong with a record is counted by kind and never fatal. Crossed states
are reported, never repaired.

A recording that starts in mid-session changes orders that were never seen. By default such a change
(M) adds the order at the back of its level, because it says all about the order but its place;
with `add_unknown_modifies=False` it changes nothing. Both count it as `unknown_modify`.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tradepit._native import Books as NativeBooks
from tradepit.marketdata.records import BBO_DTYPE, EFFECT_DTYPE, ERROR_NAMES

Buffer = bytes | bytearray | memoryview
Records = NDArray[np.void] | Buffer
"""`MBO_DTYPE` as a contiguous array, or its bytes."""

ACTION_NAMES: Final = ("A", "C", "M", "R", "T", "F", "N", "other")


class BookKey(NamedTuple):
    """What names one book."""

    publisher_id: int
    instrument_id: int


class Applied(NamedTuple):
    """What one call applied; `errors` are records that were wrong in some way."""

    records: int
    events: int
    errors: int


class AppliedWithEffects(NamedTuple):
    """`effects` is `EFFECT_DTYPE`, one for each record."""

    applied: Applied
    effects: NDArray[np.void]


class AppliedWithBest(NamedTuple):
    """`best` is `BBO_DTYPE`, in the order of the events."""

    applied: Applied
    best: NDArray[np.void]


class Level(NamedTuple):
    """One price level; price in units of 1e-9."""

    price: int
    size: int
    orders: int


class Best(NamedTuple):
    """Best bid and offer, None for an empty side.

    `in_event`: an event has begun and not ended, so this may be a state that never was.
    """

    bid: Level | None
    ask: Level | None
    in_event: bool


class QueuedOrder(NamedTuple):
    """One order of a level's queue."""

    order_id: int
    size: int


class LevelQueue(NamedTuple):
    """One price level with its orders, first in the queue first."""

    price: int
    size: int
    orders: tuple[QueuedOrder, ...]


class RestingOrder(NamedTuple):
    """A live order and its place in the queue of its level. `side` is SIDE_BID or SIDE_ASK."""

    order_id: int
    side: int
    price: int
    size: int
    orders_ahead: int
    size_ahead: int


class SideTotals(NamedTuple):
    """How much rests on one side."""

    orders: int
    levels: int


class CrossedPhase(NamedTuple):
    """Events after which best bid >= best ask; times are their `ts_event` (0 = none)."""

    events: int
    first_ns: int
    last_ns: int


class Crossed(NamedTuple):
    """Crossed states of one book by phase: an auction's book is crossed, a trading one is not."""

    before_first_trade: CrossedPhase
    after_first_trade: CrossedPhase


class Counts(NamedTuple):
    """Everything seen so far; `errors` by name of kind, `actions` by letter."""

    records: int
    events: int
    actions: dict[str, int]
    errors: dict[str, int]


class Books:
    """Any number of books, fed with records in the order of their sources.

    One call at a time: while `apply` runs (without the GIL) every other call raises RuntimeError.
    """

    def __init__(self, *, add_unknown_modifies: bool = True) -> None:
        self._native = NativeBooks(add_unknown_modifies=add_unknown_modifies)

    @property
    def native(self) -> NativeBooks:
        """The native side, for calls that take it."""
        return self._native

    def apply(self, records: Records) -> Applied:
        """Apply records in order.

        Raises: ValueError when these are not whole records; nothing was applied.
        """
        return Applied(*self._native.apply(_bytes(records)))

    def apply_with_effects(self, records: Records) -> AppliedWithEffects:
        """Apply records in order and say what each did to its book."""
        applied, effects = self._native.apply_with_effects(_bytes(records))
        return AppliedWithEffects(Applied(*applied), np.frombuffer(effects, EFFECT_DTYPE))

    def apply_with_best(self, records: Records, *, changes_only: bool = False) -> AppliedWithBest:
        """Apply records in order and note best bid and offer after each event.

        Args:
            changes_only: leave out what repeats the row before of the same book.
        """
        applied, best = self._native.apply_with_best(_bytes(records), changes_only)
        return AppliedWithBest(Applied(*applied), np.frombuffer(best, BBO_DTYPE))

    def start_source(self) -> None:
        """Say that what follows comes from another source: a snapshot in it is a new one, even
        when the source before ended in the middle of one."""
        self._native.start_source()

    def keys(self) -> list[BookKey]:
        """Every book that a record named, in ascending order."""
        return [BookKey(*key) for key in self._native.book_keys()]

    def best(self, instrument_id: int, publisher_id: int | None = None) -> Best:
        """Best bid and offer at one publisher, or over all of them (None)."""
        if publisher_id is None:
            bid, ask, in_event = self._native.best_of_all(instrument_id)
        else:
            bid, ask, in_event = self._native.best(publisher_id, instrument_id)
        return Best(bid and Level(*bid), ask and Level(*ask), in_event)

    def levels(
        self, instrument_id: int, publisher_id: int | None = None, *, side: int, count: int
    ) -> list[Level]:
        """The best levels of a side, best first, at one publisher or over all of them (None)."""
        if publisher_id is None:
            found = self._native.levels_of_all(instrument_id, side, count)
        else:
            found = self._native.levels(publisher_id, instrument_id, side, count)
        return [Level(*level) for level in found]

    def level(
        self, instrument_id: int, publisher_id: int, *, side: int, price: int
    ) -> LevelQueue | None:
        """One level and its queue; None when nothing rests at this price."""
        found = self._native.level(publisher_id, instrument_id, side, price)
        if found is None:
            return None
        price, size, orders = found
        return LevelQueue(price, size, tuple(QueuedOrder(*order) for order in orders))

    def order(self, instrument_id: int, publisher_id: int, *, order_id: int) -> RestingOrder | None:
        """A live order; None when there is none. Orders of top-of-book feeds cannot be found."""
        found = self._native.order(publisher_id, instrument_id, order_id)
        return None if found is None else RestingOrder(*found)

    def side_totals(self, instrument_id: int, publisher_id: int, *, side: int) -> SideTotals:
        """Number of orders and levels of one side."""
        return SideTotals(*self._native.size_of_side(publisher_id, instrument_id, side))

    def crossed(self, instrument_id: int, publisher_id: int) -> Crossed:
        """Crossed states of one book by phase."""
        before, after = self._native.crossed(publisher_id, instrument_id)
        return Crossed(CrossedPhase(*before), CrossedPhase(*after))

    def counts(self) -> Counts:
        """Records by action and errors by kind, over all books."""
        records, events, actions, errors = self._native.counts()
        by_action = dict(zip(ACTION_NAMES, actions, strict=True))
        by_kind = dict(zip(ERROR_NAMES[1:], errors[1:], strict=True))
        return Counts(records, events, by_action, by_kind)

    @property
    def live_orders(self) -> int:
        """Orders that rest, over all books."""
        return self._native.live_orders()

    @property
    def live_orders_max(self) -> int:
        """Orders that ever rested at once since the books were made or loaded: memory follows it,
        not the length of what was applied."""
        return self._native.live_orders_max()

    def save(self) -> bytes:
        """Return the whole state with counts and reports, orders in queue order."""
        return self._native.save()

    def load(self, saved: Buffer) -> None:
        """Replace the state by a saved one.

        Raises: ValueError when the bytes are no saved books, or damaged; the state is unchanged.
        """
        self._native.load(saved)

    def digest(self) -> str:
        """Fingerprint of what rests, in its order, and of where in its events each book is.

        Equal if, and only if, the same records will do the same from here on, however the books
        came about. A snapshot that goes on counts where something rests: the first record of
        another one would clear that. Counts and reports are no part of it, nor is whether a book
        has traded, which only they ask.
        """
        return self._native.digest()


def _bytes(records: Records) -> Buffer:
    """The memory of the records; the native side knows no structured arrays."""
    return records.view(np.uint8).data if isinstance(records, np.ndarray) else records
