"""Candles of the stored lengths, kept from trade to trade. Longer ones are merged when read."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from typing import Any, Final, NamedTuple

from tradepit.projections.grouping import Groups
from tradepit.projections.rows import Row, TradeColumns

STORED_SECONDS: Final = (1, 60, 3_600, 86_400)
"""Any length from a second to a day is a multiple of one of these that divides it."""

NS_PER_SECOND: Final = 1_000_000_000

CandleRows = Sequence[Row]

Key = tuple[int, int, int]
"""Instrument, length in seconds, definition version."""


class _Candle:
    """A candle that may still grow."""

    __slots__ = ("close", "high", "low", "open", "start_ns", "trades", "value", "volume")

    def __init__(self, start_ns: int, price: int) -> None:
        self.start_ns = start_ns
        self.open = self.high = self.low = self.close = price
        self.volume = self.value = self.trades = 0

    def add(self, later: Candle) -> None:
        """Take in what was traded after this."""
        self.close = later.close
        self.high = max(self.high, later.high)
        self.low = min(self.low, later.low)
        self.volume += later.volume
        self.value += later.value
        self.trades += later.trades


class Candle(NamedTuple):
    """One candle: prices in ticks, volume in lots, value in ticks * lots."""

    start_ns: int
    open: int
    high: int
    low: int
    close: int
    volume: int
    value: int
    trades: int
    """0 = carried forward from the one before."""


def stored_length(seconds: int) -> int:
    """The longest stored length of which so many seconds are a multiple."""
    return max(stored for stored in STORED_SECONDS if seconds % stored == 0)


def merge(candles: Iterable[Candle], seconds: int) -> list[Candle]:
    """Return candles of a longer length from shorter ones, oldest first."""
    merged: list[Candle] = []
    length_ns = seconds * NS_PER_SECOND
    for candle in candles:
        start_ns = candle.start_ns - candle.start_ns % length_ns
        if not merged or merged[-1].start_ns != start_ns:
            merged.append(candle._replace(start_ns=start_ns))
            continue
        before = merged[-1]
        merged[-1] = Candle(
            start_ns,
            before.open,
            max(before.high, candle.high),
            min(before.low, candle.low),
            candle.close,
            before.volume + candle.volume,
            before.value + candle.value,
            before.trades + candle.trades,
        )
    return merged


def carry_forward(candles: Sequence[Candle], seconds: int, most: int) -> list[Candle]:
    """Return the candles with the gaps between them filled by the close before; of a result that
    would be longer than `most`, the newest."""
    filled: deque[Candle] = deque(maxlen=most)
    length_ns = seconds * NS_PER_SECOND
    for candle in candles:
        if filled and candle.start_ns - filled[-1].start_ns > most * length_ns:
            start_ns = candle.start_ns - most * length_ns
            close = filled[-1].close
            filled.append(Candle(start_ns, close, close, close, close, 0, 0, 0))
        while filled and filled[-1].start_ns + length_ns < candle.start_ns:
            close, start_ns = filled[-1].close, filled[-1].start_ns + length_ns
            filled.append(Candle(start_ns, close, close, close, close, 0, 0, 0))
        filled.append(candle)
    return list(filled)


class CandleKeeper:
    """The newest candle of each instrument and length. Market time never goes back, so no other
    one can change."""

    def __init__(self) -> None:
        self._newest: dict[Key, _Candle] = {}

    def load(self, rows: Iterable[Any]) -> None:
        """Take the newest stored candles; rows are those of the table."""
        for row in rows:
            candle = _Candle(row.start_ns, row.open)
            candle.high, candle.low, candle.close = row.high, row.low, row.close
            candle.volume, candle.value, candle.trades = row.volume, row.value, row.trades
            self._newest[row.instrument, row.seconds, row.definition_version] = candle

    def add(self, trades: TradeColumns | None) -> list[Row]:
        """Count trades; the rows of the candles that changed are returned."""
        if trades is None:
            return []
        rows: list[Row] = []
        values = trades.prices * trades.quantities
        for seconds in STORED_SECONDS:
            starts = trades.times - trades.times % (seconds * NS_PER_SECOND)
            groups = Groups(trades.instruments, trades.versions, starts)
            found = zip(
                *(key.tolist() for key in groups.keys),
                groups.first(trades.prices).tolist(),
                groups.highest(trades.prices).tolist(),
                groups.lowest(trades.prices).tolist(),
                groups.last(trades.prices).tolist(),
                groups.sums(trades.quantities),
                groups.sums(values),
                groups.counts.tolist(),
                strict=True,
            )
            for instrument, version, *rest in found:
                added = Candle(*rest)
                rows.append(self._grown((instrument, seconds, version), added))
        return rows

    def _grown(self, key: Key, added: Candle) -> Row:
        """The row of a candle after it took more trades in."""
        candle = self._newest.get(key)
        if candle is None or candle.start_ns != added.start_ns:
            candle = self._newest[key] = _Candle(added.start_ns, added.open)
        candle.add(added)
        return (
            *key[:2],
            candle.start_ns,
            key[2],
            candle.open,
            candle.high,
            candle.low,
            candle.close,
            candle.volume,
            candle.value,
            candle.trades,
        )
