"""The clock of a recording: for each message the moment at which it is due, never going back.

Event time, the running maximum of `ts_event`, as the venue made the messages in this order. These
do not move it: records of a recovery snapshot, whose orders may be days old; times that are not
known; times far after the recorder had the message, since one of those would hold up the rest.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from tradepit.marketdata.records import FLAG_SNAPSHOT
from tradepit.marketdata.sources.source import MboRecords

AHEAD_NS_MAX: Final = 3_600 * 1_000_000_000
"""How long after its receipt a message can claim to have happened: clocks differ, but not by so
much. Sources without a time of receipt have 0 there and are not held against it."""


class EventClock:
    """Turns records, chunk by chunk, into times in ns since the Unix epoch."""

    def __init__(self) -> None:
        self.leading = 0
        """Messages before the first time that is known; theirs is `start_ns`."""
        self._last = 0
        self._start: int | None = None
        self._received = 0

    def times(self, records: MboRecords) -> NDArray[np.int64]:
        """The times of the next messages; 0 for leading ones."""
        events = records["ts_event"].astype(np.int64)
        received = records["ts_recv"].astype(np.int64)
        known = (records["flags"] & FLAG_SNAPSHOT) == 0
        known &= events > 0
        known &= (received <= 0) | (events - AHEAD_NS_MAX <= received)
        if self._start is None:
            self._look_for_start(events, received, known)
        events[~known] = self._last
        events[0] = max(events[0], self._last)
        times = np.maximum.accumulate(events)
        self._last = int(times[-1])
        return times

    def _look_for_start(
        self, events: NDArray[np.int64], received: NDArray[np.int64], known: NDArray[np.bool_]
    ) -> None:
        if known.any():
            first = int(known.argmax())
            self.leading += first
            self._start = int(events[first])
            return
        self.leading += len(events)
        if not self._received:
            self._received = max(0, int(received[0])) or max(0, int(events.max()))

    @property
    def start_ns(self) -> int:
        """The first time that is known; of a snapshot alone when it was received, else the latest
        time in it, else 0."""
        return self._received if self._start is None else self._start
