"""The fair value of each instrument: a drifting random walk with sudden jumps, from a seed.

The public's orders stand around it; makers that follow an outside price hear it, late.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from tradepit.simulation.scenario import DAY_HOURS, NS_PER_SECOND, Scenario

CHUNK_S: Final = 10
"""Seconds that are drawn at once."""

CHUNK_NS: Final = CHUNK_S * NS_PER_SECOND
DAY_S: Final = DAY_HOURS * 3_600
BPS: Final = 10_000
LOWEST_TICKS: Final = 10.0
"""Fair values do not fall below."""

Floats = NDArray[np.float64]


class FairValue:
    """Values of all instruments, a second apart, in ticks.

    Args:
        starts_ns: where the walk begins, at the instruments' prices.
    """

    def __init__(self, scenario: Scenario, rng: np.random.Generator, *, starts_ns: int) -> None:
        instruments = scenario.instruments
        prices = [float(each.spec.in_ticks(each.price)) for each in instruments]
        volatility = np.array([each.volatility_bps for each in instruments]) / BPS
        drift = np.array([each.drift_bps for each in instruments]) / BPS
        self._rng = rng
        self._deviation = volatility / np.sqrt(DAY_S)
        self._drift = drift / DAY_S
        self._jump_chance = scenario.flow.jumps_per_day / DAY_S / len(instruments)
        self._jump_scale = scenario.flow.jump_percent / 100
        self._end_ns = starts_ns
        self._path: Floats = np.repeat(np.array(prices)[:, None], CHUNK_S + 1, axis=1)
        self._before = self._path

    def advance(self, towards: Floats | None = None, share: float = 0.0) -> Floats:
        """Draw the next chunk: a row per instrument, from its beginning to its end.

        Args:
            towards: prices in ticks that the walk first moves to, by `share` of the way.
        """
        self._before = self._path
        start = self._path[:, -1]
        if towards is not None and share:
            start = start + share * (towards - start)
        shape = (len(start), CHUNK_S)
        steps = self._drift[:, None] + self._deviation[:, None] * self._rng.standard_normal(shape)
        jumps = self._rng.random(shape) < self._jump_chance
        if jumps.any():
            sizes = self._jump_scale * self._rng.choice((-1.0, 1.0), shape)
            steps += np.where(jumps, sizes * self._rng.uniform(0.5, 1.5, shape), 0.0)
        path = np.cumsum(np.log1p(np.maximum(steps, -0.5)), axis=1)
        walked = np.maximum(LOWEST_TICKS, start[:, None] * np.exp(path))
        self._path = np.concatenate((start[:, None], walked), axis=1)
        self._end_ns += CHUNK_NS
        return self._path

    def at(self, time_ns: int) -> Floats:
        """Values at a time within the last two chunks, to the second; the nearest otherwise."""
        second = (time_ns - self._end_ns) // NS_PER_SECOND + CHUNK_S
        if second < 0:
            return self._before[:, max(0, second + CHUNK_S)]
        return self._path[:, min(second, CHUNK_S)]
