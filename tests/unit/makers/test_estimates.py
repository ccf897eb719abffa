"""Estimates find the volatility, rate and decay that made the data, and forget old ones."""

from __future__ import annotations

import random
from collections.abc import Iterator
from math import exp, sqrt

import pytest
from tests.unit.makers.events import SECOND

from tradepit.makers.estimates import Arrivals, Volatility

SEEDS = range(4)
MID = 10_000.0


def walk(draw: random.Random, *, sigma: float, step_s: float, seconds: int) -> Iterator[tuple]:
    """Times and mids of a Brownian motion, seen every `step_s`."""
    mid, steps = MID, int(seconds / step_s)
    for step in range(steps):
        yield round(step * step_s * SECOND), mid
        mid += draw.gauss(0.0, sigma * sqrt(step_s))


def orders(draw: random.Random, *, rate: float, decay: float, seconds: int) -> Iterator[tuple]:
    """Times, distances and sides of taking orders that come at `rate` on each side."""
    time_s = 0.0
    while (time_s := time_s + draw.expovariate(2 * rate)) < seconds:
        yield round(time_s * SECOND), draw.expovariate(decay), draw.random() < 0.5


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("sigma", [0.7, 5.0, 40.0])
def test_volatility_of_a_known_walk_is_found(sigma: float, seed: int) -> None:
    print(f"seed {seed}")
    volatility = Volatility(window_s=2_000.0, sampling_ns=SECOND)
    for time_ns, mid in walk(random.Random(seed), sigma=sigma, step_s=0.25, seconds=8_000):
        volatility.observe(mid, time_ns)
    assert volatility.samples == 7_999
    assert sqrt(volatility.variance) == pytest.approx(sigma, rel=0.08)


def test_a_mid_that_jumps_to_and_fro_between_samples_is_no_movement() -> None:
    volatility = Volatility(window_s=300.0, sampling_ns=SECOND)
    for step in range(4_000):
        volatility.observe(MID + step % 2, step * SECOND // 2)
    assert sqrt(volatility.variance) < 0.1


def test_volatility_is_never_below_half_a_tick_per_window() -> None:
    volatility = Volatility(window_s=100.0, sampling_ns=SECOND)
    assert volatility.variance == 0.0025
    for step in range(100):
        volatility.observe(MID, step * SECOND)
    assert volatility.variance == 0.0025


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize(("rate", "decay"), [(0.5, 0.02), (2.0, 0.1), (5.0, 0.4)])
def test_rate_and_decay_of_known_arrivals_are_found(rate: float, decay: float, seed: int) -> None:
    print(f"seed {seed}")
    arrivals = Arrivals(window_s=2_000.0)
    arrivals.begin(0)
    for time_ns, distance, buys in orders(
        random.Random(seed), rate=rate, decay=decay, seconds=6_000
    ):
        price = MID + distance if buys else MID - distance
        arrivals.observe(price_ticks=round(price), mid_ticks=MID, taker_buys=buys, time_ns=time_ns)
    assert arrivals.rate_per_s(6_000 * SECOND) == pytest.approx(rate, rel=0.1)
    # Whole ticks, of which none counts below a half, are seen as slightly longer distances.
    assert arrivals.decay_per_tick() == pytest.approx(decay, rel=0.1)


def test_what_happened_a_window_ago_counts_a_third() -> None:
    arrivals = Arrivals(window_s=10.0)
    arrivals.begin(0)
    for time_ns in range(SECOND, 100 * SECOND + 1, SECOND):
        arrivals.observe(price_ticks=10_004, mid_ticks=MID, taker_buys=True, time_ns=time_ns)
    fresh = arrivals.rate_per_s(100 * SECOND)
    assert fresh == pytest.approx(0.5, rel=0.06)
    assert arrivals.rate_per_s(110 * SECOND) / fresh == pytest.approx(exp(-1), rel=0.01)
    assert arrivals.decay_per_tick() == pytest.approx(0.25)


def test_trades_of_one_order_reach_as_far_as_the_furthest() -> None:
    arrivals = Arrivals(window_s=100.0)
    for price, mid in ((10_001, MID), (10_003, 10_002.0), (10_002, 10_002.0)):
        arrivals.observe(price_ticks=price, mid_ticks=mid, taker_buys=True, time_ns=SECOND)
    assert arrivals.orders == 1
    assert arrivals.decay_per_tick() == pytest.approx(1 / 3)
    arrivals.observe(price_ticks=9_999, mid_ticks=MID, taker_buys=False, time_ns=SECOND)
    assert arrivals.orders == 2


def test_a_trade_at_or_behind_the_mid_counts_as_half_a_tick() -> None:
    arrivals = Arrivals(window_s=100.0)
    arrivals.observe(price_ticks=9_990, mid_ticks=MID, taker_buys=True, time_ns=0)
    assert arrivals.decay_per_tick() == 2.0


def test_silence_leaves_one_order_per_window() -> None:
    arrivals = Arrivals(window_s=50.0)
    assert arrivals.rate_per_s(SECOND) == 1 / 50
    arrivals.observe(price_ticks=10_001, mid_ticks=MID, taker_buys=True, time_ns=0)
    assert arrivals.rate_per_s(10_000 * SECOND) == 1 / 50


def test_estimates_are_the_same_for_the_same_feed() -> None:
    def run() -> tuple[float, float, float]:
        draw, volatility, arrivals = (
            random.Random(1),
            Volatility(window_s=60.0, sampling_ns=SECOND),
            Arrivals(window_s=60.0),
        )
        for time_ns, mid in walk(draw, sigma=3.0, step_s=0.5, seconds=200):
            volatility.observe(mid, time_ns)
        for time_ns, distance, buys in orders(draw, rate=1.0, decay=0.2, seconds=200):
            price = round(MID + distance if buys else MID - distance)
            arrivals.observe(price_ticks=price, mid_ticks=MID, taker_buys=buys, time_ns=time_ns)
        return volatility.variance, arrivals.decay_per_tick(), arrivals.rate_per_s(200 * SECOND)

    assert run() == run()
