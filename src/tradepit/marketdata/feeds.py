"""Live channels from engine events: what changed for whom, in numbers.

One board per node follows the channels that somebody watches and does nothing for the others. Its
output is the same on every node, because it depends on the events alone.

Feed sequences. Every change has a number made of its place in the journal: the sequence of the
command, the index of the event among those of the command, and a part (a replaced order touches two
levels). It grows along a channel, and each change names the number before it, so a reader can tell
that nothing is missing; it survives restarts and snapshots without a counter.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from typing import Final, NamedTuple, Protocol

import numpy as np

from tradepit.domain.wire import (
    EVENT_HEADER_DTYPE,
    ORDER_ACCEPTED,
    ORDER_CANCELLED,
    ORDER_REDUCED,
    ORDER_REPLACED,
    TRADE,
    EventKind,
    Option,
    Side,
)

COMMAND_SPAN: Final = 1_000_000
"""Feed sequences of one command: 500,000 events of two parts. Up to 9 billion commands the numbers
are exact in JSON readers that know doubles only."""

EVENT_BYTES: Final = 96

LEVELS_MAX: Final = 2**31
"""A mirror begins with every level there is."""

_ACCEPTED: Final = int(EventKind.ORDER_ACCEPTED)
_REPLACED: Final = int(EventKind.ORDER_REPLACED)
_TRADE: Final = int(EventKind.TRADE)
_CANCELLED: Final = int(EventKind.ORDER_CANCELLED)
_REDUCED: Final = int(EventKind.ORDER_REDUCED)
_REJECTED: Final = int(EventKind.COMMAND_REJECTED)
_BOOK_KINDS: Final = np.isin(np.arange(256), [_ACCEPTED, _REPLACED, _TRADE, _CANCELLED, _REDUCED])
_REPORT_KINDS: Final = np.isin(
    np.arange(256), [_REJECTED, _ACCEPTED, _REPLACED, _TRADE, _CANCELLED, _REDUCED]
)


Table = np.ndarray[tuple[int], np.dtype[np.void]]
Column = np.ndarray[tuple[int], np.dtype[np.integer]]


class BookReader(Protocol):
    """The part of the replica that is read here."""

    @property
    def sequence(self) -> int: ...
    def top(self, instrument: int) -> tuple[int, int, int, int]: ...
    def depth(self, instrument: int, side: int, levels: int) -> list[tuple[int, int, int]]: ...


class LevelChange(NamedTuple):
    """A price level as it is now; a quantity of 0 means it is gone."""

    feed_sequence: int
    instrument: int
    side: int
    price: int
    quantity: int
    orders: int


class TopChange(NamedTuple):
    """Best bid and offer as they are now; price and quantity 0 = an empty side."""

    feed_sequence: int
    instrument: int
    bid_price: int
    bid_quantity: int
    ask_price: int
    ask_quantity: int


class TradePrint(NamedTuple):
    """One trade."""

    feed_sequence: int
    instrument: int
    trade_id: int
    price: int
    quantity: int
    maker_order_id: int
    taker_order_id: int
    taker_side: int
    sequence: int


class Report(NamedTuple):
    """Something happened to an order of an account; the event's bytes say what."""

    feed_sequence: int
    account: int
    kind: int
    order_id: int
    sequence: int
    event: bytes


class Changes(NamedTuple):
    """What one frame changed for the watched channels, each list in feed order."""

    levels: list[LevelChange]
    tops: list[TopChange]
    trades: list[TradePrint]
    reports: list[Report]


NOTHING: Final = Changes([], [], [], [])


def now_feed_sequence(sequence: int) -> int:
    """The feed sequence after everything that commands up to this one caused."""
    return (sequence + 1) * COMMAND_SPAN - 1


class BookMirror:
    """The price levels of one instrument, kept up by events."""

    __slots__ = ("_taker", "sides")

    def __init__(self, bids: list[tuple[int, int, int]], asks: list[tuple[int, int, int]]) -> None:
        self.sides: dict[int, dict[int, list[int]]] = {
            int(Side.BUY): {price: [quantity, orders] for price, quantity, orders in bids},
            int(Side.SELL): {price: [quantity, orders] for price, quantity, orders in asks},
        }
        self._taker = (0, 0)

    def apply(self, kind: int, event: bytes) -> Iterator[tuple[int, int]]:
        """Apply one event of this instrument; gives each (side, price) that it touched."""
        if kind == _ACCEPTED:
            fields = ORDER_ACCEPTED.unpack(event)
            self._taker = (fields[8], fields[11])
            if fields[14]:
                yield self._change(fields[2], fields[12], fields[14], 1)
        elif kind == _TRADE:
            fields = TRADE.unpack(event)
            side = Side.SELL if fields[2] == Side.BUY else Side.BUY
            yield self._change(side, fields[12], -fields[13], 0 if fields[16] else -1)
        elif kind == _CANCELLED:
            fields = ORDER_CANCELLED.unpack(event)
            if (fields[8], fields[11]) != self._taker:
                yield self._change(fields[2], fields[12], -fields[14], -1)
        elif kind == _REDUCED:
            fields = ORDER_REDUCED.unpack(event)
            if (fields[8], fields[11]) != self._taker:
                yield self._change(fields[2], fields[12], -fields[15], 0)
        elif kind == _REPLACED:
            yield from self._replace(event)

    def _replace(self, event: bytes) -> Iterator[tuple[int, int]]:
        fields = ORDER_REPLACED.unpack(event)
        side, options, sequence = fields[2], fields[6], fields[8]
        order_id, price, _, leaves, previous_price, previous_leaves = fields[11:17]
        if options & Option.KEPT_PRIORITY:
            yield self._change(side, price, leaves - previous_leaves, 0)
            return
        self._taker = (sequence, order_id)
        yield self._change(side, previous_price, -previous_leaves, -1)
        if leaves:
            yield self._change(side, price, leaves, 1)

    def _change(self, side: int, price: int, quantity: int, orders: int) -> tuple[int, int]:
        level = self.sides[side].setdefault(price, [0, 0])
        level[0] += quantity
        level[1] += orders
        return side, price

    def settle(self, side: int, price: int) -> tuple[int, int]:
        """Quantity and orders of a touched level; an empty one is forgotten."""
        quantity, orders = self.sides[side][price]
        if not orders:
            del self.sides[side][price]
        return quantity, orders


class FeedBoard:
    """Follows the watched channels from frame to frame.

    Callers say what: `trades` holds instruments, `accounts` accounts, `follow` names the rest.
    """

    def __init__(self, reader: Callable[[], BookReader]) -> None:
        self._reader = reader
        self.trades: set[int] = set()
        self.accounts: set[int] = set()
        self._books: dict[int, BookMirror] = {}
        self._tops: dict[int, tuple[int, int, int, int]] = {}

    def follow(self, *, books: set[int], tops: set[int]) -> None:
        """Follow the levels and the best of exactly these instruments, new ones as they are now."""
        reader = self._reader()
        self._books = {
            instrument: self._books.get(instrument) or _mirror(reader, instrument)
            for instrument in books
        }
        self._tops = {
            instrument: self._tops.get(instrument) or reader.top(instrument) for instrument in tops
        }

    def begin_empty(self, instrument: int) -> None:
        """Let an instrument that the coming frame defines begin with an empty book."""
        if instrument in self._books:
            self._books[instrument] = BookMirror([], [])
        if instrument in self._tops:
            self._tops[instrument] = (0, 0, 0, 0)

    def book(self, instrument: int) -> BookMirror:
        """The levels of a watched instrument."""
        return self._books[instrument]

    def on_frame(self, events: bytes) -> Changes:
        """Return what the events of one frame changed for the watched channels."""
        if not (self.trades or self.accounts or self._books or self._tops):
            return NOTHING
        table = np.frombuffer(events, EVENT_HEADER_DTYPE)
        places = _Places(table)
        levels = self._levels(events, table, places)
        tops = self._top_changes(table, places)
        trades = self._trade_prints(events, table, places)
        reports = self._reports(events, table, places)
        return Changes(levels, tops, trades, reports)

    def _levels(self, events: bytes, table: Table, places: _Places) -> list[LevelChange]:
        if not self._books:
            return []
        wanted = _BOOK_KINDS[table["kind"]] & _is_among(table["instrument"], self._books)
        touched: dict[tuple[int, int, int], int] = {}
        for index in np.flatnonzero(wanted).tolist():
            start = index * EVENT_BYTES
            instrument = int.from_bytes(events[start + 20 : start + 24], "little")
            mirror = self._books[instrument]
            changed = mirror.apply(events[start], events[start : start + EVENT_BYTES])
            for part, (side, price) in enumerate(changed):
                key = (instrument, side, price)
                touched.pop(key, None)
                touched[key] = places.feed_sequence(index, part)
        return [
            LevelChange(
                feed_sequence, instrument, side, price, *self._books[instrument].settle(side, price)
            )
            for (instrument, side, price), feed_sequence in touched.items()
        ]

    def _top_changes(self, table: Table, places: _Places) -> list[TopChange]:
        changes: list[TopChange] = []
        if not self._tops:
            return changes
        wanted = _BOOK_KINDS[table["kind"]] & _is_among(table["instrument"], self._tops)
        reader = self._reader()
        last = {int(table["instrument"][index]): int(index) for index in np.flatnonzero(wanted)}
        for instrument, index in last.items():
            top = reader.top(instrument)
            if top != self._tops[instrument]:
                self._tops[instrument] = top
                changes.append(TopChange(places.feed_sequence(index, 0), instrument, *top))
        return changes

    def _trade_prints(self, events: bytes, table: Table, places: _Places) -> list[TradePrint]:
        if not self.trades:
            return []
        wanted = (table["kind"] == _TRADE) & _is_among(table["instrument"], self.trades)
        prints: list[TradePrint] = []
        for index in np.flatnonzero(wanted).tolist():
            fields = TRADE.unpack_from(events, index * EVENT_BYTES)
            prints.append(
                TradePrint(
                    feed_sequence=places.feed_sequence(index, 0),
                    instrument=fields[10],
                    trade_id=fields[11],
                    price=fields[12],
                    quantity=fields[13],
                    maker_order_id=fields[14],
                    taker_order_id=fields[15],
                    taker_side=fields[2],
                    sequence=fields[8],
                )
            )
        return prints

    def _reports(self, events: bytes, table: Table, places: _Places) -> list[Report]:
        reports: list[Report] = []
        if not self.accounts:
            return reports
        wanted = _REPORT_KINDS[table["kind"]]
        for index in np.flatnonzero(wanted).tolist():
            start = index * EVENT_BYTES
            event = events[start : start + EVENT_BYTES]
            kind = event[0]
            sequence = int.from_bytes(event[8:16], "little")
            for part, (account, order_id) in enumerate(_concerned(kind, event)):
                if account in self.accounts:
                    feed_sequence = places.feed_sequence(index, part)
                    reports.append(Report(feed_sequence, account, kind, order_id, sequence, event))
        return reports


def _mirror(reader: BookReader, instrument: int) -> BookMirror:
    bids, asks = (reader.depth(instrument, side, LEVELS_MAX) for side in (Side.BUY, Side.SELL))
    return BookMirror(bids, asks)


def _concerned(kind: int, event: bytes) -> list[tuple[int, int]]:
    """The accounts that an event concerns, each with its order; both sides of a trade."""
    account = int.from_bytes(event[16:20], "little")
    if kind == _TRADE:
        fields = TRADE.unpack(event)
        return [(account, fields[15]), (fields[19], fields[14])]
    if kind == _REJECTED:
        return [(account, int.from_bytes(event[48:56], "little"))]
    return [(account, int.from_bytes(event[24:32], "little"))]


class _Places:
    """Where each event of a frame stands among the events of its command."""

    def __init__(self, table: Table) -> None:
        self._kinds = table["kind"]
        self._sequences = table["sequence"]

    def feed_sequence(self, index: int, part: int) -> int:
        sequence = self._sequences[index]
        first = int(np.searchsorted(self._sequences, sequence))
        # The event of the frame itself does not count: numbers do not depend on framing.
        first += int(self._kinds[first] == EventKind.FRAME_APPLIED)
        return int(sequence) * COMMAND_SPAN + 2 * (index - first) + part


def _is_among(column: Column, numbers: Collection[int]) -> np.ndarray:
    if len(numbers) == 1:
        return np.asarray(column == next(iter(numbers)))
    return np.isin(column, list(numbers))
