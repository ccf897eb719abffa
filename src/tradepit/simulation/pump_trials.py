"""Does pumping and dumping pay? The bot over many seeds, and what the makers earned meanwhile."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from math import sqrt
from statistics import fmean, stdev

from msgspec import Struct
from msgspec.structs import replace

from tradepit.simulation.recording import Recording
from tradepit.simulation.scenario import Scenario
from tradepit.simulation.simulation import Progress, Simulation


class Trial(Struct, frozen=True, kw_only=True):
    """One seed. Money in the quote asset, before fees."""

    seed: int
    profit: float
    """Of the bot, what is left at the last price."""
    lots: float
    """Bought and sold."""
    makers_profit: dict[str, float]
    """Of each firm."""
    state_hash: str
    holds: bool
    """All checks of the day do."""


class Summary(Struct, frozen=True, kw_only=True):
    """All seeds."""

    trials: list[Trial]
    mean: float
    standard_error: float
    """Of the mean; 0 with a single seed."""
    losing: int
    """Seeds in which the bot lost."""
    makers_mean: dict[str, float]

    @property
    def errors_below_zero(self) -> float:
        """How many standard errors the mean lies below zero."""
        return -self.mean / self.standard_error if self.standard_error else 0.0


def pump_scenario(scenario: Scenario, *, times: int | None) -> Scenario:
    """The scenario with a bot in its first instrument, unless it names one."""
    pump = scenario.pump
    if not pump.symbol:
        pump = replace(pump, symbol=scenario.instruments[0].symbol)
    if times is not None:
        pump = replace(pump, times=times)
    return replace(scenario, pump=pump)


def run_trials(
    scenario: Scenario,
    seeds: Iterable[int],
    recording: Recording | None = None,
    progress: Progress | None = None,
) -> Iterator[Trial]:
    """One day per seed."""
    for seed in seeds:
        report = Simulation(scenario, seed, recording=recording).run(progress)
        assert report.pump is not None
        yield Trial(
            seed=seed,
            profit=report.pump.profit,
            lots=report.pump.bought + report.pump.sold,
            makers_profit={firm.name: firm.profit for firm in report.firms},
            state_hash=report.state_hash,
            holds=report.holds,
        )


def summarise(trials: list[Trial]) -> Summary:
    """Means over seeds. Raises: StatisticsError without any."""
    profits = [trial.profit for trial in trials]
    names = trials[0].makers_profit if trials else {}
    return Summary(
        trials=trials,
        mean=fmean(profits),
        standard_error=stdev(profits) / sqrt(len(profits)) if len(profits) > 1 else 0.0,
        losing=sum(profit < 0 for profit in profits),
        makers_mean={name: fmean(trial.makers_profit[name] for trial in trials) for name in names},
    )
