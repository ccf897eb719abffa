"""Avellaneda-Stoikov: the closed form against the exact solution, warm-up, caps, lean."""

from __future__ import annotations

import random
from math import isfinite, log, log1p, sqrt

import numpy as np
import pytest
from tests.unit.makers.events import SECOND, UNITS, Fills, book, make, trade

from tradepit.domain.wire import Side
from tradepit.makers import OwnPosition, Strategy, StrategyError, TwoSided
from tradepit.makers.avellaneda_stoikov import stationary_spread

GAMMA, K, A, VARIANCE = 0.01, 0.3, 0.9, 4.0


def exact_distances(*, most: int) -> tuple[list[float], list[float]]:
    """Optimal distances of bid and ask far from the end, by position from -most to most.

    Straight from the control problem: its value function is a linear system, whose slowest mode
    remains. Rows are positions; `most` bounds them.
    """
    eta = A * (1 + GAMMA / K) ** -(1 + K / GAMMA)
    positions = np.arange(-most, most + 1, dtype=float)
    system = np.diag(K / 2 * GAMMA * VARIANCE * positions**2)
    system -= eta * (np.eye(2 * most + 1, k=1) + np.eye(2 * most + 1, k=-1))
    slowest = np.abs(np.linalg.eigh(system)[1][:, 0])
    fixed = log1p(GAMMA / K) / GAMMA
    bids = [log(slowest[i] / slowest[i + 1]) / K + fixed for i in range(1, 2 * most)]
    asks = [log(slowest[i] / slowest[i - 1]) / K + fixed for i in range(1, 2 * most)]
    return bids, asks


def test_the_closed_form_is_the_stationary_solution_near_a_flat_position() -> None:
    most = 60
    bids, asks = exact_distances(most=most)
    spread = stationary_spread(gamma=GAMMA, decay_per_tick=K, rate_per_s=A, variance=VARIANCE)
    for position in range(-5, 6):
        bid, ask = bids[most - 1 + position], asks[most - 1 + position]
        shift = position * spread.shift_ticks
        assert spread.half_ticks + shift == pytest.approx(bid, rel=0.02), position
        assert spread.half_ticks - shift == pytest.approx(ask, rel=0.02), position


def test_the_spread_is_that_of_the_finite_problem_with_the_stated_horizon() -> None:
    horizon = sqrt((1 + GAMMA / K) ** (1 + K / GAMMA) / (2 * K * A * GAMMA * VARIANCE))
    spread = stationary_spread(gamma=GAMMA, decay_per_tick=K, rate_per_s=A, variance=VARIANCE)
    assert spread.shift_ticks == pytest.approx(GAMMA * VARIANCE * horizon)
    assert spread.half_ticks == pytest.approx(
        log(1 + GAMMA / K) / GAMMA + GAMMA * VARIANCE * horizon / 2
    )


@pytest.mark.parametrize("gamma", [1e-12, 1e-6, 1.0, 1e9])
def test_extreme_risk_aversion_gives_finite_quotes(gamma: float) -> None:
    spread = stationary_spread(gamma=gamma, decay_per_tick=K, rate_per_s=A, variance=VARIANCE)
    assert isfinite(spread.half_ticks)
    assert spread.half_ticks > 0
    assert spread.shift_ticks >= 0


def feed(strategy: Strategy, *, seconds: int = 400, seed: int = 1) -> int:
    """A walk of the mid and orders that take from both sides; the time afterwards."""
    print(f"seed {seed}")
    draw, mid = random.Random(seed), 10_000
    for second in range(seconds):
        at = second * SECOND
        mid += draw.choice((-2, 0, 2))
        strategy.on_book(book(mid - 5, mid + 5, at=at))
        for side in (Side.BUY, Side.SELL):
            reach = 5 + round(draw.expovariate(0.2))
            price = mid + reach if side is Side.BUY else mid - reach
            strategy.on_trade(trade(price, side, at=at + SECOND // 2))
    strategy.on_book(book(9_995, 10_005, at=seconds * SECOND))
    return seconds * SECOND


def centre(quote: TwoSided | None) -> float:
    assert quote is not None
    return (quote.bid_ticks + quote.ask_ticks) / 2


def test_before_it_knows_a_price_it_does_not_quote() -> None:
    assert make("avellaneda-stoikov").quote(0) is None


def test_until_it_is_warm_it_quotes_the_widest_spread() -> None:
    strategy = make("avellaneda-stoikov", half_spread_max_bps=50)
    strategy.on_book(book(9_995, 10_005))
    quote = strategy.quote(0)
    assert quote == TwoSided(bid_ticks=9_950, bid_lots=10, ask_ticks=10_050, ask_lots=10)


def test_until_it_is_warm_it_leans_in_proportion_to_the_position() -> None:
    strategy = make("avellaneda-stoikov", position=OwnPosition(position_lots=50))
    strategy.on_book(book(9_995, 10_005))
    assert centre(strategy.quote(0)) == 9_975


def test_once_warm_the_quote_is_the_formula_of_its_estimates() -> None:
    strategy = make(
        "avellaneda-stoikov", risk_aversion=0.2, window_s=10_000, behind_best_ticks_max=99
    )
    now = feed(strategy)
    quote = strategy.quote(now)
    assert quote is not None
    # Steps of ±2 or 0 per second: a variance of 8/3. Reach 5 + Exp(0.2): 10 ticks, k = 0.1.
    # One order per second and side. gamma = 0.2 per unit of money × 0.01 × 10 lots.
    expected = stationary_spread(gamma=0.02, decay_per_tick=0.1, rate_per_s=1.0, variance=8 / 3)
    half = (quote.ask_ticks - quote.bid_ticks) / 2
    assert half == pytest.approx(expected.half_ticks, abs=1.5)
    assert centre(quote) == pytest.approx(10_000, abs=0.5)


def test_both_prices_fall_with_every_quote_bought() -> None:
    strategy, fills = make("avellaneda-stoikov", risk_aversion=1.0), Fills()
    now = feed(strategy)
    flat = strategy.quote(now)
    strategy.on_fill(fills.buy(9_990, 30, at=now))
    long = strategy.quote(now)
    assert flat is not None
    assert long is not None
    assert long.bid_ticks < flat.bid_ticks
    assert long.ask_ticks < flat.ask_ticks


def test_more_risk_aversion_leans_more() -> None:
    leans = []
    for risk_aversion in (0.01, 0.1, 1.0):
        position = OwnPosition(position_lots=50)
        strategy = make("avellaneda-stoikov", risk_aversion=risk_aversion, position=position)
        leans.append(10_000 - centre(strategy.quote(feed(strategy))))
    assert 0 < leans[0] < leans[1] < leans[2]


@pytest.mark.parametrize("behind", [0, 2])
def test_it_follows_the_best_of_the_others_and_not_the_model_away_from_it(behind: int) -> None:
    strategy = make("avellaneda-stoikov", risk_aversion=0.2, behind_best_ticks_max=behind)
    quote = strategy.quote(feed(strategy))
    assert quote is not None
    assert (quote.bid_ticks, quote.ask_ticks) == (9_995 - behind, 10_005 + behind)


@pytest.mark.parametrize("lots", [-1, 1])
def test_a_lean_of_less_than_half_a_tick_leaves_both_sides_at_the_best(lots: int) -> None:
    position = OwnPosition(position_lots=lots)
    strategy = make("avellaneda-stoikov", risk_aversion=0.01, position=position)
    quote = strategy.quote(feed(strategy))
    assert quote is not None
    assert (quote.bid_ticks, quote.ask_ticks) == (9_995, 10_005)


def test_after_a_fill_the_bid_is_never_above_the_ask_that_was_taken() -> None:
    strategy, fills = make("avellaneda-stoikov", risk_aversion=50.0), Fills()
    now = feed(strategy)
    before = strategy.quote(now)
    assert before is not None
    strategy.on_fill(fills.sell(before.ask_ticks, before.ask_lots, at=now))
    after = strategy.quote(now)
    assert after is not None
    assert before.bid_ticks < after.bid_ticks <= before.ask_ticks


def test_ten_times_the_quantity_is_ten_times_the_risk_aversion() -> None:
    quotes = []
    for risk_aversion, quantity in ((0.5, 10), (0.05, 100)):
        strategy = make(
            "avellaneda-stoikov",
            risk_aversion=risk_aversion,
            quantity=quantity,
            position_limit=1_000,
            position=OwnPosition(position_lots=2 * quantity),
        )
        quote = strategy.quote(feed(strategy))
        assert quote is not None
        quotes.append((quote.bid_ticks, quote.ask_ticks))
    assert quotes[0] == quotes[1]


def test_half_spread_and_lean_stay_within_their_caps() -> None:
    wild = make(
        "avellaneda-stoikov",
        risk_aversion=1e6,
        half_spread_max_bps=20,
        position=OwnPosition(position_lots=90),
    )
    quote = wild.quote(feed(wild))
    assert quote is not None
    assert quote.ask_ticks - quote.bid_ticks <= 2 * 20 + 1
    assert centre(quote) >= 10_000 - 20 - 1
    calm = make("avellaneda-stoikov", risk_aversion=1e-9, half_spread_min_bps=15)
    quote = calm.quote(feed(calm))
    assert quote is not None
    assert quote.ask_ticks - quote.bid_ticks >= 2 * 15


def test_an_empty_book_leaves_the_last_middle() -> None:
    strategy = make("avellaneda-stoikov")
    strategy.on_book(book(9_995, 10_005))
    before = strategy.quote(0)
    strategy.on_book(book(None, 10_500, at=SECOND))
    assert strategy.quote(SECOND) == before


def test_in_a_market_without_any_book_it_begins_at_the_first_trade() -> None:
    strategy = make("avellaneda-stoikov")
    strategy.on_trade(trade(8_000, Side.BUY))
    assert centre(strategy.quote(0)) == 8_000
    strategy.on_trade(trade(8_040, Side.BUY, at=SECOND))
    assert centre(strategy.quote(SECOND)) == 8_000


def test_caps_that_contradict_each_other_are_refused() -> None:
    with pytest.raises(StrategyError, match="half_spread_min_bps"):
        make("avellaneda-stoikov", UNITS, half_spread_min_bps=60, half_spread_max_bps=50)
