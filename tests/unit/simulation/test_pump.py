"""The bot: its plan, what it earns, and that makers who react make it lose."""

from __future__ import annotations

from decimal import Decimal

import numpy as np
import pytest
from msgspec.structs import replace
from tests.unit.simulation.days import SECOND, small_scenario

from tradepit.domain import wire
from tradepit.domain.wire import RECORD_BYTES, Side
from tradepit.simulation.pump import PumpBot
from tradepit.simulation.pump_trials import pump_scenario, run_trials, summarise
from tradepit.simulation.scenario import Pump

PLAN = Pump(symbol="ACORN", times=3, quantity=Decimal(12), orders=4, every_seconds=1.0,
            wait_seconds=2.0)  # fmt: skip


def bot(seed: int = 1) -> PumpBot:
    return PumpBot(
        PLAN,
        account=9,
        instrument=1,
        lots=12,
        window=(0, 600 * SECOND),
        rng=np.random.default_rng(seed),
    )


def orders(data: bytes) -> list[tuple[int, int]]:
    """Side and quantity of each order."""
    rows = [wire.PLACE_ORDER.unpack_from(data, at) for at in range(0, len(data), RECORD_BYTES)]
    return [(row[2], row[14]) for row in rows]


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_each_pump_ends_flat_although_the_market_gave_less_than_was_asked_for(seed: int) -> None:
    made, pumps = bot(seed), []
    for now in range(0, 600 * SECOND, SECOND):
        for side, lots in orders(made.due(now)):
            filled = max(1, lots - 1)
            made.on_trade(Side(side), 100, filled if abs(made.position_lots) > 4 else lots, now)
            pumps.append(made.position_lots)
    assert made.next_ns is None
    assert pumps.count(0) == PLAN.times
    assert made.profit_tick_lots(100.0) == 0


def test_its_profit_is_what_it_sold_for_less_what_it_paid() -> None:
    made = bot()
    made.on_trade(Side.BUY, 100, 3, 0)
    made.on_trade(Side.SELL, 103, 2, 0)
    assert made.profit_tick_lots(101.0) == 2 * 103 - 3 * 100 + 101


def test_over_seeds_it_loses_to_makers_that_react_and_every_check_holds() -> None:
    scenario = pump_scenario(replace(small_scenario(), pump=PLAN), times=None)
    scenario = replace(scenario, session_hours=0.08)
    summary = summarise(list(run_trials(scenario, range(1, 5))))
    assert [trial.seed for trial in summary.trials] == [1, 2, 3, 4]
    assert all(trial.holds and trial.lots > 0 for trial in summary.trials)
    assert summary.mean < 0
    assert set(summary.makers_mean) == {"skew", "pegged"}


def test_the_bot_does_not_disturb_what_is_drawn_for_the_others() -> None:
    quiet = replace(small_scenario(), session_hours=0.05, firms=[])
    plain = pump_scenario(quiet, times=1)
    assert plain.pump.symbol == "ACORN"
    first, second = run_trials(plain, [1, 1])
    assert first == second
