"""Rows that need books: best prices after each event, and the levels of every second."""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tradepit.marketdata.books import Books, Level
from tradepit.marketdata.records import FLAG_LAST, SIDE_ASK, SIDE_BID
from tradepit.marketdata.sources.source import UNKNOWN_TIME, MboRecords

NS_PER_SECOND: Final = 1_000_000_000
_SECOND_BITS: Final = 35
"""Enough for the seconds of 64 bits of ns."""

Key = int
"""Publisher and, in its low 32 bits, instrument."""


class Sample(NamedTuple):
    """The levels of one book after its last event in a second; `second` is the one that ends it."""

    publisher_id: int
    instrument_id: int
    second: int
    bids: list[Level]
    asks: list[Level]


class _Moment(NamedTuple):
    """A place among the records of a chunk at which a book is looked at."""

    position: int
    key: Key
    second: int
    is_last: bool
    """Of its book in the chunk: only what follows tells whether the second is over."""


class Sampler:
    """Applies records to books and looks at them on the way.

    Time is each book's own: the highest event time that any of its records had. A second is over
    when an event of a later one ends.
    """

    def __init__(self, levels: int) -> None:
        self._levels = levels
        self._books = Books()
        self._clock: dict[Key, int] = {}
        self._open: dict[Key, Sample] = {}

    @property
    def seconds(self) -> dict[Key, int]:
        """Books whose last second is not over."""
        return {key: sample.second for key, sample in self._open.items()}

    def resume(self, snapshot: MboRecords, seconds: dict[Key, int]) -> None:
        """Begin with books as they were, and with the seconds that were not over then."""
        self._apply(snapshot)
        self._clock = {key: second - 1 for key, second in seconds.items()}
        self._open = {key: self._look(key, second) for key, second in seconds.items()}

    def apply(self, records: MboRecords) -> tuple[NDArray[np.void], list[Sample]]:
        """Apply a chunk.

        Returns: `BBO_DTYPE`, changes only, and the samples of the seconds that are over.
        """
        best, samples = [], []
        done = 0
        for moment in self._moments(records):
            if moment.position > done:
                best.append(self._apply(records[done : moment.position]))
                done = moment.position
            sample = self._look(moment.key, moment.second)
            if moment.is_last:
                self._open[moment.key] = sample
            else:
                samples.append(sample)
        best.append(self._apply(records[done:]))
        return np.concatenate(best), samples + self._over

    def finish(self) -> list[Sample]:
        """The samples of seconds that nothing followed."""
        return list(self._open.values())

    def _apply(self, records: MboRecords) -> NDArray[np.void]:
        return self._books.apply_with_best(records, changes_only=True).best

    def _look(self, key: Key, second: int) -> Sample:
        publisher, instrument = key >> 32, key & 0xFFFFFFFF
        bids, asks = (
            self._books.levels(instrument, publisher, side=side, count=self._levels)
            for side in (SIDE_BID, SIDE_ASK)
        )
        return Sample(publisher, instrument, second, bids, asks)

    def _moments(self, records: MboRecords) -> list[_Moment]:
        """Where books are to be looked at, in order; notes in `_over` what was open and is over."""
        self._over: list[Sample] = []
        keys, places, seconds = self._ends(records)
        if not len(keys):
            return []
        is_last = np.append(keys[1:] != keys[:-1], True)
        is_first = np.append(True, is_last[:-1])
        for key, second in zip(keys[is_first].tolist(), seconds[is_first].tolist(), strict=True):
            waiting = self._open.pop(key, None)
            if waiting is not None and waiting.second <= second:
                self._over.append(waiting)
        wanted = is_last | np.append(seconds[1:] != seconds[:-1], True)
        moments = zip(
            (places[wanted] + 1).tolist(),
            keys[wanted].tolist(),
            (seconds[wanted] + 1).tolist(),
            is_last[wanted].tolist(),
            strict=True,
        )
        return sorted(map(_Moment._make, moments))

    def _ends(
        self, records: MboRecords
    ) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
        """The records that end events, book by book: keys, places, seconds of the book's clock."""
        keys = records["publisher_id"].astype(np.int64) << 32 | records["instrument_id"]
        order = np.argsort(keys, kind="stable")
        keys = keys[order]
        times = np.where(records["ts_event"] == UNKNOWN_TIME, 0, records["ts_event"])[order]
        seconds = (times // NS_PER_SECOND).astype(np.int64)
        starts = np.flatnonzero(np.append(True, keys[1:] != keys[:-1])) if len(keys) else order[:0]
        for start in starts.tolist():
            seconds[start] = max(seconds[start], self._clock.get(int(keys[start]), 0))
        # The number of a book in front of its seconds, so that one pass does for all of them.
        rank = np.zeros(len(keys), np.int64)
        rank[starts] = 1
        rank = np.cumsum(rank) << _SECOND_BITS
        seconds = np.maximum.accumulate(rank | seconds) & ((1 << _SECOND_BITS) - 1)
        for end in [*(starts[1:] - 1).tolist(), len(keys) - 1] if len(keys) else []:
            self._clock[int(keys[end])] = int(seconds[end])
        ends = (records["flags"][order] & FLAG_LAST) != 0
        return keys[ends], order[ends], seconds[ends]
