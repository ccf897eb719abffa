"""Candles of the stored lengths, kept from trade to trade. Longer ones are merged when read."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final

from tradepit.projections.rows import Row

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

    def add(self, price: int, quantity: int) -> None:
        self.close = price
        if price > self.high:
            self.high = price
        elif price < self.low:
            self.low = price
        self.volume += quantity
        self.value += price * quantity
        self.trades += 1


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

    def add(self, trades: Iterable[Row]) -> list[Row]:
        """Count trades (rows of the table, in order); the candles that changed are returned."""
        changed: dict[tuple[Key, int], _Candle] = {}
        newest = self._newest
        for _, _, time_ns, instrument, version, price, quantity, *_ in trades:
            for seconds in STORED_SECONDS:
                key = (instrument, seconds, version)
                start_ns = time_ns - time_ns % (seconds * NS_PER_SECOND)
                candle = newest.get(key)
                if candle is None or candle.start_ns != start_ns:
                    candle = newest[key] = _Candle(start_ns, price)
                candle.add(price, quantity)
                changed[key, start_ns] = candle
        return [
            (
                *key[:2],
                start_ns,
                key[2],
                candle.open,
                candle.high,
                candle.low,
                candle.close,
                candle.volume,
                candle.value,
                candle.trades,
            )
            for (key, start_ns), candle in changed.items()
        ]
