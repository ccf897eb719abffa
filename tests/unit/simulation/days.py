"""Short days for tests: few symbols, two firms, seconds instead of minutes."""

from __future__ import annotations

from decimal import Decimal
from typing import Any, Final

from msgspec.structs import replace

from tradepit.makers import StrategyChoice
from tradepit.makers.referenced import ReferenceParameters
from tradepit.simulation.scenario import Faults, Firm, Flow, Instrument, Scenario
from tradepit.simulation.simulation import Simulation

SECOND: Final = 1_000_000_000
MINUTE: Final = 60 * SECOND

QUIET: Final = Faults(kills=0, pauses=0, operator_halts=0)
PEGGED: Final = StrategyChoice(name="book-pegged")
SYMBOLS: Final = ("ACORN", "BIRCH", "CEDAR", "DAISY")


def small_scenario(**changes: Any) -> Scenario:
    """Four symbols, two firms with three makers, ten minutes."""
    skew = StrategyChoice(name="inventory-skew", reference=ReferenceParameters())
    scenario = Scenario(
        name="a short day",
        session_hours=1 / 6,
        step_ms=250,
        instruments=[Instrument(symbol=symbol, price=Decimal(100)) for symbol in SYMBOLS],
        flow=Flow(commands_per_second=15.0, accounts=20, jumps_per_day=0.0),
        firms=[
            Firm(name="skew", makers=2, strategy=skew, lease_seconds=3.0),
            Firm(name="pegged", strategy=PEGGED, lease_seconds=3.0),
        ],
        faults=QUIET,
    )
    return replace(scenario, **changes)


def passed(scenario: Scenario | None = None, *, seed: int = 1) -> Simulation:
    """A day that is over; all its checks hold."""
    print(f"seed {seed}")
    day = Simulation(scenario or small_scenario(), seed)
    report = day.run()
    assert report.holds, [check for check in report.checks if not check.holds]
    require_all_fills_told(day)
    return day


def require_all_fills_told(day: Simulation) -> None:
    """Each fill was either heard by the maker of its time, or counted as heard by nobody."""
    for seat in day.fleet.seats:
        assert sum(each.fills for each in seat.reports) + seat.unowned_fills == seat.fills
