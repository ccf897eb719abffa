"""Token buckets: how often a key, or an address, may ask."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

BUCKETS_MAX: Final = 50_000
"""Addresses and keys remembered; at the bound the full buckets, which mean nothing, are dropped."""


class RateExceeded(Exception):
    """Too many; worth another try after so many seconds."""

    def __init__(self, retry_after_s: int) -> None:
        super().__init__(f"retry after {retry_after_s} s")
        self.retry_after_s = retry_after_s


@dataclass(frozen=True, slots=True)
class Rate:
    """Tokens per second, and how many may be saved up."""

    per_second: float
    burst: float


KEY_RATE: Final = Rate(5_000, 10_000)
ADDRESS_RATE: Final = Rate(20_000, 40_000)
FAILURE_RATE: Final = Rate(1, 30)


class Buckets:
    """One bucket per name, all of one rate. Times are monotonic seconds."""

    def __init__(self, rate: Rate) -> None:
        self._rate = rate
        self._buckets: dict[str, tuple[float, float]] = {}
        """Tokens, and when that was."""

    def take(self, name: str, now_s: float, tokens: float = 1.0) -> None:
        """Take tokens; raises `RateExceeded`, and takes none, when there are too few.

        More tokens than a full bucket holds are given on a full bucket, as a debt."""
        left = self._left(name, now_s)
        wanted = min(tokens, self._rate.burst)
        if left < wanted:
            wait_s = (wanted - left) / self._rate.per_second
            raise RateExceeded(max(1, math.ceil(wait_s)))
        self._put(name, left - tokens, now_s)

    def require(self, name: str, now_s: float) -> None:
        """Raise `RateExceeded` when less than a token is left; takes nothing."""
        if name in self._buckets:
            left = self._left(name, now_s)
            if left < 1.0:
                raise RateExceeded(max(1, math.ceil((1.0 - left) / self._rate.per_second)))

    def spend(self, name: str, now_s: float) -> None:
        """Take a token if there is one."""
        self._put(name, max(0.0, self._left(name, now_s) - 1.0), now_s)

    def _left(self, name: str, now_s: float) -> float:
        found = self._buckets.get(name)
        if found is None:
            return self._rate.burst
        left, then_s = found
        return min(self._rate.burst, left + (now_s - then_s) * self._rate.per_second)

    def _put(self, name: str, left: float, now_s: float) -> None:
        if len(self._buckets) >= BUCKETS_MAX and name not in self._buckets:
            self._forget(now_s)
        self._buckets[name] = (left, now_s)

    def _forget(self, now_s: float) -> None:
        """Drop full buckets; when there are none, the older half."""
        burst = self._rate.burst
        kept = {n: b for n, b in self._buckets.items() if self._left(n, now_s) < burst}
        if len(kept) >= BUCKETS_MAX:
            ordered = sorted(kept.items(), key=lambda item: item[1][1])
            kept = dict(ordered[len(ordered) // 2 :])
        self._buckets = kept
