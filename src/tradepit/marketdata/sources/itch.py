"""NASDAQ TotalView-ITCH 5.0 files: every order of every stock of one exchange day.

Messages come one after the other, each behind two bytes with its length or, in some files, with
zeros there or without them: the length follows from the type. An execution becomes a trade, a fill
and the cancel of what was filled; a replace is the cancel of the old order and the new one.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import date, datetime, timedelta
from pathlib import Path
from struct import Struct
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

import numpy as np

from tradepit.marketdata.records import (
    ACTION_ADD,
    ACTION_CANCEL,
    ACTION_FILL,
    ACTION_NONE,
    ACTION_TRADE,
    FLAG_LAST,
    MBO_DTYPE,
    MBO_LENGTH_WORDS,
    MBO_RTYPE,
    PRICE_NONE,
    SIDE_ASK,
    SIDE_BID,
    SIDE_NONE,
)
from tradepit.marketdata.sources.source import (
    CHUNK_RECORDS,
    Mapping,
    MboRecords,
    Progress,
    RecordingError,
    SourceInfo,
)

EXCHANGE_ZONE: Final = ZoneInfo("America/New_York")
PRICE_UNITS: Final = 100_000
"""Prices are given in 1e-4 dollars; a record's unit is 1e-9."""
PUBLISHER_ID: Final = 2
"""NASDAQ TotalView-ITCH in the format's list of publishers."""

READ_BYTES: Final = 1 << 20

LENGTHS: Final = {
    ord(kind): length
    for kind, length in {
        "S": 12, "R": 39, "H": 25, "Y": 20, "L": 26, "V": 35, "W": 12, "K": 28, "J": 35, "h": 21,
        "A": 36, "F": 40, "E": 31, "C": 36, "X": 23, "D": 19, "U": 35, "P": 44, "Q": 40, "B": 19,
        "I": 50, "N": 20, "O": 48,
    }.items()
}  # fmt: skip
"""Bytes of each message, its type included."""

_HEADER: Final = Struct(">xHxxHI")
"""Stock locate, and the upper and lower part of the ns after midnight."""
_REFERENCE: Final = Struct(">11xQ")
_ADD: Final = Struct(">11xQcI8sI")
_EXECUTED: Final = Struct(">11xQIQ")
_EXECUTED_AT: Final = Struct(">11xQIQcI")
_REDUCED: Final = Struct(">11xQI")
_REPLACED: Final = Struct(">11xQQII")
_TRADED: Final = Struct(">11xQcI8sI")
_CROSSED: Final = Struct(">11xQ8sI")

_DATES: Final = (
    (re.compile(r"(?<!\d)((?:19|20)\d{6})(?!\d)"), "%Y%m%d"),
    (re.compile(r"(?<!\d)(\d{4}(?:19|20)\d{2})(?!\d)"), "%m%d%Y"),
    (re.compile(r"(?<!\d)(\d{6})(?!\d)"), "%m%d%y"),
)

Row = tuple[int, ...]


class Live(NamedTuple):
    """A resting order. Price in 1e-9 dollars, size in shares."""

    side: int
    price: int
    size: int


_UNKNOWN: Final = Live(SIDE_NONE, PRICE_NONE, 0)
"""What stands for an order that began before the file."""


class ItchSource:
    """One file of one exchange day."""

    def __init__(self, path: Path, *, day: date | None = None) -> None:
        """
        Args:
            day: the day of the file; otherwise it is read from the file's name.
        Raises:
            RecordingError: no day is given and the name has none.
        """
        self.path = path
        found = day or _day_of(path.name)
        if found is None:
            raise RecordingError(path, "the day of an ITCH file must be in its name (20240131)")
        self.day = found
        midnight = datetime(found.year, found.month, found.day, tzinfo=EXCHANGE_ZONE)
        self._midnight_ns = int(midnight.timestamp()) * 1_000_000_000
        self.info = self._new_info()

    def _new_info(self) -> SourceInfo:
        midnight = datetime.fromtimestamp(self._midnight_ns // 1_000_000_000, EXCHANGE_ZONE)
        return SourceInfo(
            format="itch",
            version="5.0",
            dataset="XNAS.ITCH",
            schema="mbo",
            start_ns=self._midnight_ns,
            end_ns=self._midnight_ns + 86_400_000_000_000,
            publishers={PUBLISHER_ID: "XNAS.ITCH"},
            notes=[
                f"times are after midnight in {EXCHANGE_ZONE.key}, the exchange's zone; "
                f"that midnight is {midnight.isoformat()}",
                "trades that were not printable, and crosses, change no volume of a price level",
            ],
        )

    def chunks(self, progress: Progress | None = None) -> Iterator[MboRecords]:
        """Yield the records of the file; see `Source.chunks`."""
        self.info = self._new_info()
        decoder = _Decoder(self._midnight_ns, self.day, self.info)
        size = self.path.stat().st_size
        done = 0
        rest = b""
        with self.path.open("rb") as file:
            while data := file.read(READ_BYTES):
                done += len(data)
                rest += data
                try:
                    used = decoder.take(rest)
                except _Malformed as error:
                    yield from decoder.chunks(everything=True)
                    at = done - len(rest) + error.at
                    raise RecordingError(self.path, f"at byte {at:,}: {error}") from error
                rest = rest[used:]
                yield from decoder.chunks(everything=False)
                if progress is not None:
                    progress(done, size)
        yield from decoder.chunks(everything=True)
        if rest:
            raise RecordingError(self.path, f"ends inside the message at byte {done - len(rest):,}")


class _Malformed(Exception):
    """The message at byte `at` of the buffer cannot be one."""

    def __init__(self, at: int, reason: str) -> None:
        super().__init__(reason)
        self.at = at


class _Decoder:
    """Messages to rows of records, one message being one event."""

    def __init__(self, midnight_ns: int, day: date, info: SourceInfo) -> None:
        self._midnight_ns = midnight_ns
        self._day = day
        self._info = info
        self._orders: dict[int, Live] = {}
        self._rows: list[Row] = []
        self._number = 0
        self._prefix: int | None = None
        """Bytes before each message; known from the first one."""
        self._event: tuple[int, int] = (0, 0)
        self._handlers: dict[int, Callable[[memoryview], None]] = {
            ord("A"): self._add,
            ord("F"): self._add,
            ord("E"): self._executed,
            ord("C"): self._executed_at,
            ord("X"): self._reduced,
            ord("D"): self._deleted,
            ord("U"): self._replaced,
            ord("P"): self._traded,
            ord("Q"): self._crossed,
            ord("B"): self._state,
            ord("H"): self._state,
            ord("h"): self._state,
            ord("R"): self._listed,
        }

    def take(self, data: bytes) -> int:
        """Decode the whole messages at the front; gives how many bytes they had."""
        view = memoryview(data)
        at = 0
        if self._prefix is None:
            self._prefix = 0 if data[0] in LENGTHS else 2
        prefix = self._prefix
        while at + prefix < len(data):
            start = at + prefix
            kind = data[start]
            length = LENGTHS.get(kind)
            if length is None:
                raise _Malformed(at, f"there is no ITCH 5.0 message of type {kind:#04x}")
            if prefix and (stated := int.from_bytes(data[at:start])) not in (0, length):
                raise _Malformed(at, f"a message {chr(kind)} has {length} bytes, not {stated}")
            if start + length > len(data):
                break
            self._message(kind, view[start : start + length])
            at = start + length
        return at

    def chunks(self, *, everything: bool) -> Iterator[MboRecords]:
        """What has been decoded; a small rest only when everything is asked for."""
        while len(self._rows) >= CHUNK_RECORDS or (everything and self._rows):
            yield np.array(self._rows[:CHUNK_RECORDS], MBO_DTYPE)
            del self._rows[:CHUNK_RECORDS]

    def _message(self, kind: int, message: memoryview) -> None:
        self._number += 1
        locate, upper, lower = _HEADER.unpack_from(message)
        self._event = (locate, self._midnight_ns + (upper << 32 | lower))
        handler = self._handlers.get(kind)
        if handler is None:
            name = f"message {chr(kind)}"
            self._info.skipped[name] = self._info.skipped.get(name, 0) + 1
        else:
            handler(message)

    def _row(
        self, action: int, live: Live, size: int, order_id: int = 0, *, flags: int = FLAG_LAST
    ) -> None:
        locate, time_ns = self._event
        self._rows.append(
            (
                MBO_LENGTH_WORDS,
                MBO_RTYPE,
                PUBLISHER_ID,
                locate,
                time_ns,
                order_id,
                live.price,
                size,
                flags,
                0,
                action,
                live.side,
                time_ns,
                0,
                self._number & 0xFFFFFFFF,
            )
        )

    def _add(self, message: memoryview) -> None:
        order_id, side, size, _, price = _ADD.unpack_from(message)
        self._enter(order_id, Live(_side(side), price * PRICE_UNITS, size))

    def _enter(self, order_id: int, live: Live) -> None:
        self._orders[order_id] = live
        self._row(ACTION_ADD, live, live.size, order_id)

    def _executed(self, message: memoryview) -> None:
        order_id, size, _ = _EXECUTED.unpack_from(message)
        live = self._orders.get(order_id, _UNKNOWN)
        self._fill(order_id, live, size, live.price, printable=True)

    def _executed_at(self, message: memoryview) -> None:
        order_id, size, _, printable, price = _EXECUTED_AT.unpack_from(message)
        live = self._orders.get(order_id, _UNKNOWN)
        self._fill(order_id, live, size, price * PRICE_UNITS, printable=printable == b"Y")

    def _fill(self, order_id: int, live: Live, size: int, price: int, *, printable: bool) -> None:
        aggressor = {SIDE_BID: SIDE_ASK, SIDE_ASK: SIDE_BID}.get(live.side, SIDE_NONE)
        if printable:
            self._row(ACTION_TRADE, Live(aggressor, price, 0), size, flags=0)
        self._row(ACTION_FILL, live._replace(price=price), size, order_id, flags=0)
        self._take_off(order_id, live, size)

    def _reduced(self, message: memoryview) -> None:
        order_id, size = _REDUCED.unpack_from(message)
        self._take_off(order_id, self._orders.get(order_id, _UNKNOWN), size)

    def _deleted(self, message: memoryview) -> None:
        (order_id,) = _REFERENCE.unpack_from(message)
        live = self._orders.get(order_id, _UNKNOWN)
        self._take_off(order_id, live, live.size)

    def _take_off(self, order_id: int, live: Live, size: int, *, flags: int = FLAG_LAST) -> None:
        self._row(ACTION_CANCEL, live, size, order_id, flags=flags)
        if size < live.size:
            self._orders[order_id] = live._replace(size=live.size - size)
        else:
            self._orders.pop(order_id, None)

    def _replaced(self, message: memoryview) -> None:
        old_id, new_id, size, price = _REPLACED.unpack_from(message)
        live = self._orders.get(old_id)
        if live is None:  # its side is known to nobody, so the new one cannot stand anywhere
            self._take_off(old_id, _UNKNOWN, 0)
            return
        self._take_off(old_id, live, live.size, flags=0)
        self._enter(new_id, Live(live.side, price * PRICE_UNITS, size))

    def _traded(self, message: memoryview) -> None:
        """A trade with an order that was never shown; given is that order's side."""
        _, side, size, _, price = _TRADED.unpack_from(message)
        aggressor = SIDE_ASK if _side(side) == SIDE_BID else SIDE_BID
        self._row(ACTION_TRADE, Live(aggressor, price * PRICE_UNITS, 0), size)

    def _crossed(self, message: memoryview) -> None:
        size, _, price = _CROSSED.unpack_from(message)
        self._row(ACTION_TRADE, Live(SIDE_NONE, price * PRICE_UNITS, 0), min(size, 0xFFFFFFFF))

    def _state(self, message: memoryview) -> None:
        """A halt, a resumption or a broken trade: something happened, the book stays."""
        self._row(ACTION_NONE, _UNKNOWN, 0)

    def _listed(self, message: memoryview) -> None:
        symbol = bytes(message[11:19]).decode("ascii", "replace").rstrip()
        mapping = Mapping(symbol, self._event[0], self._day, self._day + timedelta(days=1))
        if mapping not in self._info.mappings[-1:]:
            self._info.mappings.append(mapping)
            self._info.symbols.append(symbol)


def _side(letter: bytes) -> int:
    return SIDE_BID if letter == b"B" else SIDE_ASK


def _day_of(name: str) -> date | None:
    for pattern, form in _DATES:
        for text in pattern.findall(name):
            try:
                return datetime.strptime(text, form).date()
            except ValueError:
                continue
    return None
