"""Market time of a market in process."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Final

from tradepit.gateway.times import parse_time

NS_PER_SECOND: Final = 1_000_000_000
US_PER_SECOND: Final = 1_000_000
START: Final = "2026-01-01T00:00:00Z"
"""When a market begins that is not told otherwise."""


class ManualClock:
    """Stands still until it is moved."""

    def __init__(self, time_ns: int) -> None:
        self.time_ns = time_ns

    def __call__(self) -> int:
        return self.time_ns


Clock = Callable[[], int]
"""Nanoseconds since the epoch."""


def clock_of(clock: str | Clock | None, start: str) -> Clock:
    """The clock of a market: one that stands still, the wall's, or the caller's own."""
    if clock is None:
        return ManualClock(ns_of_text(start))
    if clock == "wall":
        return time.time_ns
    if isinstance(clock, str):
        raise ValueError(f"clock is None, 'wall' or a function, not {clock!r}")
    return clock


def ns_of_text(text: str) -> int:
    """Nanoseconds of an RFC 3339 time."""
    time_ns = parse_time(text)
    if time_ns is None:
        raise ValueError(f"{text!r} is no RFC 3339 time, such as {START}")
    return time_ns


def ns_of_seconds(seconds: float | Decimal | timedelta) -> int:
    """Nanoseconds of a duration, exactly as written."""
    if isinstance(seconds, timedelta):
        return int(seconds / timedelta(microseconds=1)) * 1_000
    return int(Decimal(str(seconds)) * NS_PER_SECOND)


def datetime_of(time_ns: int) -> datetime:
    """The time in UTC, to the microsecond that `datetime` knows."""
    seconds, rest_ns = divmod(time_ns, NS_PER_SECOND)
    return datetime.fromtimestamp(seconds, UTC) + timedelta(microseconds=rest_ns // 1_000)
