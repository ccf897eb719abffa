"""Engine events to order-by-order records.

An order that rests is an A, when its part of the command is over (the next order comes in, or the
command ends), with what is left of it then. A trade is T, F and a C of what was filled; an
auction's is T, and F and C of both orders, whose own prices stand in the C. What leaves is a C;
what shrinks in its place is a partial C; what loses its place is an M, or, where an M would keep
the place, a C and an A. Of an iceberg all this is the slice that it shows; the next slice is an A.
Orders that wait for their stop price are in no record. The book made of the records is what the
engine shows at the end of every command, and not crossed within one while orders match as they
come.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tradepit.domain.wire import (
    EVENT_HEADER_DTYPE,
    FRAME_APPLIED_DTYPE,
    INSTRUMENT_DEFINED_DTYPE,
    ORDER_ACCEPTED_DTYPE,
    ORDER_CANCELLED_DTYPE,
    ORDER_FILLED_DTYPE,
    ORDER_REDUCED_DTYPE,
    ORDER_REPLACED_DTYPE,
    ORDER_TRIGGERED_DTYPE,
    TRADE_DTYPE,
    EventKind,
    Option,
    Side,
    TradeKind,
)
from tradepit.engine.rows import InstrumentRow
from tradepit.marketdata.records import (
    ACTION_ADD,
    ACTION_CANCEL,
    ACTION_CLEAR,
    ACTION_FILL,
    ACTION_MODIFY,
    ACTION_TRADE,
    FLAG_LAST,
    MBO_DTYPE,
    PRICE_NONE,
    PRICE_SCALE,
    SIDE_ASK,
    SIDE_BID,
    SIDE_NONE,
)
from tradepit.marketdata.sources.source import MboRecords, new_records

PUBLISHER_ID: Final = 1
SIZE_MAX: Final = 2**32 - 1
"""Lots that a record can hold."""

Ints = NDArray[Any]
_SIDES: Final = np.array([SIDE_NONE, SIDE_BID, SIDE_ASK], np.uint8)
_OTHER: Final = np.array([Side.NONE, Side.SELL, Side.BUY], np.uint8)
_PARTS: Final = 4
"""Places of an event's records: three, and one for what rests when its order's part is over."""


class NotRepresentable(Exception):
    """A price or size has no exact place in a record; the text says which and why."""


class _Piece(NamedTuple):
    """Records of one kind: the events they come from, and what differs from event to event."""

    place: Ints
    """Order among all the records of the batch."""
    action: int
    events: Ints
    side: Ints
    order_id: Ints | None = None
    price: Ints | None = None
    """In ticks."""
    size: Ints | None = None


class EventRecords:
    """Turns the events of one market into records, batch by batch, in order."""

    def __init__(self, instruments: list[InstrumentRow]) -> None:
        self._units = np.zeros(0, np.int64)
        """Of a tick, in 1e-9 of the quote currency, by instrument; 0 = not whole."""
        self.symbols: dict[int, str] = {}
        for row in instruments:
            self._learn(row.instrument, row.tick_mantissa, row.tick_exponent)
            self.symbols[row.instrument] = row.symbol

    def records(self, events: bytes, *, after: int = 0) -> MboRecords:
        """Return the records of whole frames.

        Args:
            after: leave out what commands up to this sequence caused.
        Raises:
            NotRepresentable: a price or size does not fit into a record.
        """
        table = np.frombuffer(events, EVENT_HEADER_DTYPE)
        if not len(table):
            return np.empty(0, MBO_DTYPE)
        pieces = [piece for piece in _pieces(events, table) if len(piece.place)]
        defined = np.flatnonzero(table["kind"] == EventKind.INSTRUMENT_DEFINED)
        changes = np.frombuffer(events, INSTRUMENT_DEFINED_DTYPE)[defined]
        if not pieces:
            return np.empty(0, MBO_DTYPE)
        order = np.argsort(np.concatenate([piece.place for piece in pieces]), kind="stable")
        origin = np.concatenate([piece.events for piece in pieces])[order]
        records = self._filled(pieces, order, table, origin)
        self._scale(records, origin, defined, changes)
        records["ts_event"] = records["ts_recv"] = _times(events, table["kind"])[origin]
        sequences = table["sequence"][origin]
        records["sequence"] = sequences & 0xFFFFFFFF
        _mark_last(records, sequences)
        return records[sequences > after] if after else records

    def scaled(self, records: MboRecords) -> MboRecords:
        """Turn prices in ticks of finished records into 1e-9 units.

        Raises: NotRepresentable.
        """
        none = np.zeros(0, np.int64)
        self._scale(records, np.zeros(len(records), np.int64), none, none)
        return records

    def _filled(self, pieces: list[_Piece], order: Ints, table: Ints, origin: Ints) -> MboRecords:
        records = new_records(len(order), publisher_id=PUBLISHER_ID)
        start = 0
        sorted_place = np.empty(len(order), np.int64)
        sorted_place[order] = np.arange(len(order))
        for piece in pieces:
            at = sorted_place[start : start + len(piece.place)]
            start += len(piece.place)
            records["action"][at] = piece.action
            records["side"][at] = _SIDES[piece.side]
            if piece.price is not None:
                assert piece.order_id is not None
                assert piece.size is not None
                self._check_sizes(piece, table)
                records["order_id"][at] = piece.order_id
                records["price"][at] = piece.price
                records["size"][at] = piece.size
        records["instrument_id"] = table["instrument"][origin]
        return records

    def _check_sizes(self, piece: _Piece, table: Ints) -> None:
        assert piece.size is not None
        too_large = np.flatnonzero(piece.size > SIZE_MAX)
        if len(too_large):
            event = table[piece.events[too_large[0]]]
            raise NotRepresentable(
                f"sequence {event['sequence']}, instrument {event['instrument']}: "
                f"{piece.size[too_large[0]]} lots; a record holds at most {SIZE_MAX}"
            )

    def _scale(self, records: MboRecords, origin: Ints, defined: Ints, changes: Ints) -> None:
        """Ticks to 1e-9 units, each by the definition in force at its event."""
        instruments = records["instrument_id"]
        for change in changes:  # room in the table for new numbers
            self._reserve(int(change["instrument"]))
        units = self._units[instruments]
        for at, change in zip(defined.tolist(), changes, strict=True):
            number = int(change["instrument"])
            self._learn(number, int(change["tick_mantissa"]), int(change["tick_exponent"]))
            units[(instruments == number) & (origin > at)] = self._units[number]
        prices = records["price"]
        priced = prices != PRICE_NONE
        limit = np.where(units > 0, (PRICE_NONE - 1) // np.maximum(units, 1), -1)
        wrong = np.flatnonzero(priced & (np.abs(prices) > limit))
        if len(wrong):
            number, price = int(instruments[wrong[0]]), int(prices[wrong[0]])
            name = self.symbols.get(number, f"instrument {number}")
            raise NotRepresentable(
                f"{name}: a price of {price} ticks is no whole number of 1e-9 units, or too large"
            )
        prices[priced] *= units[priced]

    def _learn(self, number: int, tick_mantissa: int, tick_exponent: int) -> None:
        self._reserve(number)
        unit, rest = divmod(tick_mantissa * PRICE_SCALE, 10**tick_exponent)
        self._units[number] = 0 if rest or unit >= PRICE_NONE else unit

    def _reserve(self, number: int) -> None:
        if number >= len(self._units):
            self._units = np.append(
                self._units, np.zeros(2 * number + 2 - len(self._units), np.int64)
            )


class _Events:
    """The events of a batch by kind."""

    def __init__(self, events: bytes, table: Ints) -> None:
        self._events = events
        self.kinds = table["kind"]
        self.sequences = table["sequence"]
        self.count = len(table)

    def of(self, kind: EventKind, dtype: np.dtype[Any]) -> tuple[Ints, Ints]:
        """The places of the events of a kind, and the events."""
        at = np.flatnonzero(self.kinds == kind)
        return at, np.frombuffer(self._events, dtype)[at]


def _pieces(events: bytes, table: Ints) -> list[_Piece]:
    batch = _Events(events, table)
    accepted_at, accepted = batch.of(EventKind.ORDER_ACCEPTED, ORDER_ACCEPTED_DTYPE)
    triggered_at, triggered = batch.of(EventKind.ORDER_TRIGGERED, ORDER_TRIGGERED_DTYPE)
    replaced = _Replaced(batch)
    takes = ~_waits(accepted)
    accepted_at, accepted = accepted_at[takes], accepted[takes]
    takers = _Takers(
        batch,
        (accepted_at, accepted["order_id"]),
        (triggered_at, triggered["order_id"]),
        (replaced.lost.at, replaced.lost.rows["order_id"]),
    )
    pieces = _trades(batch)
    for at, rows in ((accepted_at, accepted), (triggered_at, triggered)):
        rests = rows["leaves"] > 0
        shown = _shown(rows)[rests]
        pieces.append(_orders(takers.end(at[rests]), ACTION_ADD, at[rests], rows[rests], shown))
    pieces += _lost(replaced.lost, takers.end(replaced.lost.at))
    kept = replaced.kept
    shrunk = kept.before - kept.after
    pieces.append(_cancels(kept.at, kept.rows, shrunk, shrunk > 0))
    cancelled_at, cancelled = batch.of(EventKind.ORDER_CANCELLED, ORDER_CANCELLED_DTYPE)
    slices = cancelled["visible"]
    sizes = np.where(slices != 0, slices, cancelled["cancelled_quantity"])
    rested = ~_waits(cancelled) & ~takers.among(cancelled_at, cancelled)
    pieces.append(_cancels(cancelled_at, cancelled, sizes, rested))
    reduced_at, reduced = batch.of(EventKind.ORDER_REDUCED, ORDER_REDUCED_DTYPE)
    slices = reduced["visible_before"]
    sizes = np.where(slices != 0, slices - reduced["visible"], reduced["reduced_by"])
    rested = (sizes > 0) & ~takers.among(reduced_at, reduced)
    pieces.append(_cancels(reduced_at, reduced, sizes, rested))
    defined_at, defined = batch.of(EventKind.INSTRUMENT_DEFINED, INSTRUMENT_DEFINED_DTYPE)
    nobody = np.zeros(len(defined), np.uint8)
    pieces.append(_Piece(defined_at * _PARTS, ACTION_CLEAR, defined_at, nobody))
    return pieces


def _waits(rows: Ints) -> Ints:
    """Which orders wait for their stop price, on no book."""
    return np.asarray((rows["options"] & Option.STOP) != 0)


def _shown(rows: Ints) -> Ints:
    """Lots that orders show when they come to rest."""
    if "display_quantity" not in (rows.dtype.names or ()):
        return np.asarray(rows["leaves"])
    display = rows["display_quantity"]
    return np.where(display > 0, np.minimum(display, rows["leaves"]), rows["leaves"])


def _trades(batch: _Events) -> list[_Piece]:
    at, trades = batch.of(EventKind.TRADE, TRADE_DTYPE)
    told = [
        _Piece(
            at * _PARTS,
            ACTION_TRADE,
            at,
            trades["side"],
            trades["taker_order_id"],
            trades["price"],
            trades["quantity"],
        )
    ]
    # An iceberg, and both orders of an auction's trade, have events of their own.
    whole = trades["status"] == TradeKind.RESTING
    told += _fills(
        at[whole],
        1,
        _OTHER[trades["side"][whole]],
        trades["maker_order_id"][whole],
        trades[whole],
        trades["price"][whole],
    )
    filled_at, filled = batch.of(EventKind.ORDER_FILLED, ORDER_FILLED_DTYPE)
    traded = filled["trade_id"] != 0
    filled_at, filled = filled_at[traded], filled[traded]
    by = trades[np.searchsorted(at, filled_at) - 1] if len(filled) else trades[:0]
    told += _fills(filled_at, 0, filled["side"], filled["order_id"], by, filled["price"])
    again = (filled["options"] & Option.KEPT_PRIORITY) == 0
    slices = filled[again]
    place = filled_at[again] * _PARTS + 2
    told.append(_orders(place, ACTION_ADD, filled_at[again], slices, slices["visible"]))
    return told


def _fills(
    at: Ints, part: int, side: Ints, order_id: Ints, trades: Ints, price: Ints
) -> list[_Piece]:
    """F and C of orders that traded. `price`: their own."""
    place, size = at * _PARTS + part, trades["quantity"]
    return [
        _Piece(place, ACTION_FILL, at, side, order_id, trades["price"], size),
        _Piece(place + 1, ACTION_CANCEL, at, side, order_id, price, size),
    ]


class _Changes(NamedTuple):
    """Replaced orders, with the lots that they showed before and show after."""

    at: Ints
    rows: Ints
    before: Ints
    after: Ints

    def of(self, chosen: Ints) -> _Changes:
        return _Changes(*(column[chosen] for column in self))


class _Replaced:
    """Orders on the book that were replaced: those that kept their place, and the others."""

    def __init__(self, batch: _Events) -> None:
        at, rows = batch.of(EventKind.ORDER_REPLACED, ORDER_REPLACED_DTYPE)
        filled_at, filled = batch.of(EventKind.ORDER_FILLED, ORDER_FILLED_DTYPE)
        before, after = rows["previous_leaves"].copy(), rows["leaves"].copy()
        # What an iceberg showed and shows stands in the event after.
        slices = filled["trade_id"] == 0
        of_them = np.searchsorted(at, filled_at[slices] - 1)
        before[of_them] = filled["visible_before"][slices]
        after[of_them] = filled["visible"][slices]
        changes = _Changes(at, rows, before, after).of(~_waits(rows))
        kept = (changes.rows["options"] & Option.KEPT_PRIORITY) != 0
        self.kept = changes.of(kept)
        self.lost = changes.of(~kept)


def _lost(changes: _Changes, ends: Ints) -> list[_Piece]:
    """Replaced orders that lost their place: gone, moved, or taken off and put on again."""
    at, rows, before, after = changes
    rests = after > 0
    stays = (rows["price"] == rows["previous_price"]) & (after <= before)
    moved, taken_off = rests & ~stays, ~rests | stays
    again = rests & stays
    return [
        _orders(ends[moved], ACTION_MODIFY, at[moved], rows[moved], after[moved]),
        _orders(ends[again], ACTION_ADD, at[again], rows[again], after[again]),
        _Piece(
            at[taken_off] * _PARTS,
            ACTION_CANCEL,
            at[taken_off],
            rows["side"][taken_off],
            rows["order_id"][taken_off],
            rows["previous_price"][taken_off],
            before[taken_off],
        ),
    ]


def _orders(place: Ints, action: int, at: Ints, rows: Ints, size: Ints) -> _Piece:
    """Orders as they rest from here on."""
    return _Piece(place, action, at, rows["side"], rows["order_id"], rows["price"], size)


def _cancels(at: Ints, rows: Ints, sizes: Ints, chosen: Ints) -> _Piece:
    rows, at = rows[chosen], at[chosen]
    return _Piece(
        at * _PARTS,
        ACTION_CANCEL,
        at,
        rows["side"],
        rows["order_id"],
        rows["price"],
        sizes[chosen],
    )


class _Takers:
    """The orders that came in, in the order in which they did. A command may bring several: what
    is left of one rests when the next comes."""

    def __init__(self, batch: _Events, *sources: tuple[Ints, Ints]) -> None:
        at = np.concatenate([at for at, _ in sources])
        order = np.argsort(at, kind="stable")
        self._at = at[order]
        self._orders = np.concatenate([orders for _, orders in sources])[order]
        self._sequences = batch.sequences

    def end(self, at: Ints) -> Ints:
        """The place behind everything that the orders that came in with these events did."""
        after = np.searchsorted(self._sequences, self._sequences[at], side="right")
        following = np.searchsorted(self._at, at, side="right")
        has_next = following < len(self._at)
        after[has_next] = np.minimum(after[has_next], self._at[following[has_next]])
        return after * _PARTS - 1

    def among(self, at: Ints, rows: Ints) -> Ints:
        """Which rows are about the order that came in last, and does not rest yet."""
        if not len(self._at):
            return np.zeros(len(rows), bool)
        last = np.searchsorted(self._at, at) - 1
        same = self._sequences[self._at[last]] == self._sequences[at]
        return np.asarray((last >= 0) & same & (self._orders[last] == rows["order_id"]))


def _times(events: bytes, kinds: Ints) -> Ints:
    """Market time at each event: that of its frame, or of a jump within it."""
    starts = np.isin(kinds, (EventKind.FRAME_APPLIED, EventKind.TIME_JUMPED))
    stamps = np.frombuffer(events, FRAME_APPLIED_DTYPE)["time_ns"][starts]
    return np.asarray(stamps[np.cumsum(starts) - 1])


def _mark_last(records: MboRecords, sequences: Ints) -> None:
    """Flag the last record of each command and instrument."""
    instruments = records["instrument_id"]
    order = np.lexsort((np.arange(len(records)), sequences, instruments))
    same = (instruments[order][1:] == instruments[order][:-1]) & (
        sequences[order][1:] == sequences[order][:-1]
    )
    records["flags"][order[np.append(~same, True)]] |= FLAG_LAST
