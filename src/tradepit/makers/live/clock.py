"""The time of a maker process: it never goes back, and goes on while the process is paused."""

from __future__ import annotations

import time
from typing import Final

_CLOCK: Final = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
"""Linux's monotonic clock stands still while the machine sleeps; a lease does not."""


class LocalClock:
    """Nanoseconds since the Unix epoch, as the wall showed them when the process began."""

    def __init__(self) -> None:
        self._offset_ns = time.time_ns() - time.clock_gettime_ns(_CLOCK)

    def now_ns(self) -> int:
        """Now."""
        return time.clock_gettime_ns(_CLOCK) + self._offset_ns
