"""Volatility and arrivals, measured from the feed over exponential windows of event time.

What happened `t` seconds ago counts `exp(-t / window)`. Times are those of the events, so the same
feed gives the same estimates at any speed. Prices are ticks, and floats: nothing here is money.
"""

from __future__ import annotations

from math import exp
from typing import Final

SECOND_NS: Final = 1_000_000_000

HALF_TICK: Final = 0.5
"""Nearest to the middle that a trade counts as; also the resolution of a middle of two prices."""


class Volatility:
    """Arithmetic volatility of the mid: ticks per square root of a second.

        sigma^2 = sum of weighted squared changes / sum of weighted seconds

    Changes are taken between observations at least `sampling_ns` apart, so that a mid which
    jumps to and fro within that time does not count as movement. Never below one half-tick move
    per window, which is the least that the window could have seen.
    """

    def __init__(self, *, window_s: float, sampling_ns: int) -> None:
        self._window_s = window_s
        self._sampling_ns = sampling_ns
        self._last_ticks = 0.0
        self._last_ns: int | None = None
        self._squares = 0.0
        self._seconds = 0.0
        self.samples = 0

    def observe(self, mid_ticks: float, time_ns: int) -> None:
        """Hear where the mid stands."""
        if self._last_ns is not None:
            elapsed_ns = time_ns - self._last_ns
            if elapsed_ns < self._sampling_ns:
                return
            self._sample(mid_ticks - self._last_ticks, elapsed_ns / SECOND_NS)
        self._last_ticks = mid_ticks
        self._last_ns = time_ns

    def _sample(self, change_ticks: float, elapsed_s: float) -> None:
        kept = exp(-elapsed_s / self._window_s)
        self._squares = self._squares * kept + change_ticks * change_ticks
        self._seconds = self._seconds * kept + elapsed_s
        self.samples += 1

    @property
    def variance(self) -> float:
        """sigma^2, in square ticks per second."""
        least = HALF_TICK * HALF_TICK / self._window_s
        return max(least, self._squares / self._seconds) if self._seconds else least


class Arrivals:
    """Intensity of taking orders that reach a distance from the mid: `A exp(-k distance)`.

    A taking order reaches the furthest price at which it traded; trades of one time and side are
    one order. Distances beyond the mid are then exponential with mean `1 / k`, and what was seen is
    likeliest with

        k = weighted orders / sum of weighted distances     (per tick)
        A = weighted orders / effective seconds / 2         (per second, of each side)

    A distance counts as half a tick at least, and the rate never as below one order per window.
    """

    def __init__(self, *, window_s: float) -> None:
        self._window_s = window_s
        self._began_ns: int | None = None
        self._updated_ns = 0
        self._orders = 0.0
        self._distances = 0.0
        self._open: tuple[int, bool] | None = None
        self._open_mid = 0.0
        self._open_distance = 0.0
        self.orders = 0

    def begin(self, time_ns: int) -> None:
        """Start to watch, if not yet done: silence counts from here on."""
        if self._began_ns is None:
            self._began_ns = self._updated_ns = time_ns

    def observe(
        self, *, price_ticks: int, mid_ticks: float, taker_buys: bool, time_ns: int
    ) -> None:
        """Hear of a trade and of the mid as it stood before it."""
        self.begin(time_ns)
        same_order = self._open == (time_ns, taker_buys)
        mid = self._open_mid if same_order else mid_ticks
        distance = max(HALF_TICK, price_ticks - mid if taker_buys else mid - price_ticks)
        if same_order:
            further = max(0.0, distance - self._open_distance)
            self._distances += further
            self._open_distance += further
            return
        self._open, self._open_mid, self._open_distance = (time_ns, taker_buys), mid, distance
        kept = self._kept(time_ns)
        self._orders = self._orders * kept + 1.0
        self._distances = self._distances * kept + distance
        self._updated_ns = max(self._updated_ns, time_ns)
        self.orders += 1

    def _kept(self, time_ns: int) -> float:
        return exp(-max(0, time_ns - self._updated_ns) / SECOND_NS / self._window_s)

    def decay_per_tick(self) -> float:
        """k; the steepest that can be told apart, 2 per tick, while no order came."""
        return self._orders / self._distances if self._distances else 1.0 / HALF_TICK

    def rate_per_s(self, now_ns: int) -> float:
        """A: orders per second that take from one side, both sides being alike."""
        least = 1.0 / self._window_s
        if self._began_ns is None or now_ns <= self._began_ns:
            return least
        watched_s = (now_ns - self._began_ns) / SECOND_NS
        effective_s = self._window_s * (1.0 - exp(-watched_s / self._window_s))
        return max(least, self._orders * self._kept(now_ns) / effective_s / 2)
