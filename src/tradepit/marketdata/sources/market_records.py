"""Engine events to order-by-order records.

An order that rests is an A, at the end of its command, with what is left of it then. A trade is T,
F and a C of what was filled. What leaves is a C; what shrinks in its place is a partial C; what
loses its place is an M, or, where an M would keep the place, a C and an A. The book made of the
records is the engine's at the end of every command, and never crossed within one.
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
    ORDER_REDUCED_DTYPE,
    ORDER_REPLACED_DTYPE,
    TRADE_DTYPE,
    EventKind,
    Option,
    Side,
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
"""Places of an event's records: three, and one for what stands at the end of its command."""


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


def _pieces(events: bytes, table: Ints) -> list[_Piece]:
    kinds, sequences = table["kind"], table["sequence"]

    def of(kind: EventKind, dtype: np.dtype[Any]) -> tuple[Ints, Ints]:
        at = np.flatnonzero(kinds == kind)
        return at, np.frombuffer(events, dtype)[at]

    def end(at: Ints) -> Ints:
        """The place behind everything that the commands of these events caused."""
        return np.searchsorted(sequences, sequences[at], side="right") * _PARTS - 1

    accepted_at, accepted = of(EventKind.ORDER_ACCEPTED, ORDER_ACCEPTED_DTYPE)
    replaced_at, replaced = of(EventKind.ORDER_REPLACED, ORDER_REPLACED_DTYPE)
    kept = (replaced["options"] & Option.KEPT_PRIORITY) != 0
    lost_at, lost = replaced_at[~kept], replaced[~kept]
    takers = _Takers(accepted, lost)
    pieces = _trades(*of(EventKind.TRADE, TRADE_DTYPE))
    rests = accepted["leaves"] > 0
    pieces.append(_orders(end(accepted_at[rests]), ACTION_ADD, accepted_at, accepted, rests))
    pieces += _lost(lost_at, lost, end(lost_at))
    kept_at, kept_rows = replaced_at[kept], replaced[kept]
    shrunk = kept_rows["previous_leaves"] - kept_rows["leaves"]
    pieces.append(_cancels(kept_at, kept_rows, shrunk, shrunk > 0))
    for at, rows, field in (
        (*of(EventKind.ORDER_CANCELLED, ORDER_CANCELLED_DTYPE), "cancelled_quantity"),
        (*of(EventKind.ORDER_REDUCED, ORDER_REDUCED_DTYPE), "reduced_by"),
    ):
        pieces.append(_cancels(at, rows, rows[field], ~takers.among(rows)))
    defined_at, defined = of(EventKind.INSTRUMENT_DEFINED, INSTRUMENT_DEFINED_DTYPE)
    nobody = np.zeros(len(defined), np.uint8)
    pieces.append(_Piece(defined_at * _PARTS, ACTION_CLEAR, defined_at, nobody))
    return pieces


def _trades(at: Ints, trades: Ints) -> list[_Piece]:
    makers = _OTHER[trades["side"]]
    price, size = trades["price"], trades["quantity"]
    return [
        _Piece(at * _PARTS + part, action, at, side, trades[order], price, size)
        for part, (action, side, order) in enumerate(
            (
                (ACTION_TRADE, trades["side"], "taker_order_id"),
                (ACTION_FILL, makers, "maker_order_id"),
                (ACTION_CANCEL, makers, "maker_order_id"),
            )
        )
    ]


def _lost(at: Ints, rows: Ints, ends: Ints) -> list[_Piece]:
    """Replaced orders that lost their place: gone, moved, or taken off and put on again."""
    rests = rows["leaves"] > 0
    stays = (rows["price"] == rows["previous_price"]) & (rows["leaves"] <= rows["previous_leaves"])
    moved, taken_off = rests & ~stays, ~rests | stays
    again = rests & stays
    return [
        _orders(ends[moved], ACTION_MODIFY, at, rows, moved),
        _orders(ends[again], ACTION_ADD, at, rows, again),
        _Piece(
            at[taken_off] * _PARTS,
            ACTION_CANCEL,
            at[taken_off],
            rows["side"][taken_off],
            rows["order_id"][taken_off],
            rows["previous_price"][taken_off],
            rows["previous_leaves"][taken_off],
        ),
    ]


def _orders(place: Ints, action: int, at: Ints, rows: Ints, chosen: Ints) -> _Piece:
    """Orders as they rest after their command."""
    rows = rows[chosen]
    return _Piece(
        place, action, at[chosen], rows["side"], rows["order_id"], rows["price"], rows["leaves"]
    )


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
    """The order that each command brought in; what happens to it there is in its own event."""

    def __init__(self, accepted: Ints, replaced: Ints) -> None:
        sequences = np.concatenate([accepted["sequence"], replaced["sequence"]])
        order = np.argsort(sequences, kind="stable")
        self._sequences = sequences[order]
        self._orders = np.concatenate([accepted["order_id"], replaced["order_id"]])[order]

    def among(self, rows: Ints) -> Ints:
        """Which rows are about the order that their command brought in."""
        if not len(self._sequences):
            return np.zeros(len(rows), bool)
        at = np.searchsorted(self._sequences, rows["sequence"])
        at = np.minimum(at, len(self._sequences) - 1)
        found = (self._sequences[at] == rows["sequence"]) & (self._orders[at] == rows["order_id"])
        return np.asarray(found)


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
