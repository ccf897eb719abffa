"""A simulated day: virtual time goes on in steps, and each step is a frame of the market.

What goes into a frame, in this order: what makers answer to the frame before, faults and the
operator, the bot, the public. The same scenario and seed give the same frames, bytes and all.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

import numpy as np

from tradepit.domain import commands
from tradepit.domain.wire import RECORD_BYTES
from tradepit.simulation.checks import Check, run_checks
from tradepit.simulation.fair_value import FairValue
from tradepit.simulation.faults import FaultPlan
from tradepit.simulation.fleet import Fleet
from tradepit.simulation.opening import Accounts, Clock, clock_of, open_market
from tradepit.simulation.public_flow import PublicFlow
from tradepit.simulation.pump import PumpBot
from tradepit.simulation.report import Report, make_report
from tradepit.simulation.sampling import Sampler
from tradepit.simulation.scenario import NS_PER_MS, Scenario
from tradepit.simulation.tape import Tape, mid_ticks
from tradepit.simulation.venue import Venue

PROGRESS_NS: Final = 60 * 1_000_000_000
"""Virtual time between two calls of the progress."""

Progress = Callable[[float], None]
"""Told which part of the day is over, 0 to 1."""


def streams(seed: int) -> dict[str, np.random.Generator]:
    """Random streams of a seed, one per purpose, so that none disturbs another."""
    names = ("fair", "flow", "faults", "pump")
    return {name: np.random.default_rng([seed, index]) for index, name in enumerate(names)}


class Simulation:
    """One day of one scenario.

    Args:
        journal: a data directory for the journal; none is written if left out.
    Raises:
        ScenarioError, DefinitionRefused, CommandRefused, JournalExists.
    """

    def __init__(self, scenario: Scenario, seed: int, *, journal: Path | None = None) -> None:
        self.scenario, self.seed = scenario, seed
        self.clock: Clock = clock_of(scenario)
        self.venue = Venue(journal=journal)
        self.accounts: Accounts = open_market(self.venue, scenario, self.clock)
        random = streams(seed)
        self.fair = FairValue(scenario, random["fair"], starts_ns=self.clock.pre_opens)
        self.flow = PublicFlow(scenario, self.clock, self.accounts, random["flow"], self.fair)
        self.fleet = Fleet(scenario, self.accounts, self.venue, self.clock.starts)
        window = (self.clock.opens, self.clock.closing)
        self.faults = FaultPlan(
            scenario.faults,
            makers=len(self.fleet.makers),
            symbols=[each.symbol for each in scenario.instruments],
            window=window,
            rng=random["faults"],
        )
        self.pump = pump_bot(scenario, self.accounts, window, random["pump"])
        count = len(scenario.instruments)
        self.tape = Tape(self.fleet, self.pump, instruments=count, firms=len(scenario.firms))
        symbols = [each.symbol for each in scenario.instruments]
        self.sampler = Sampler(
            self.fleet, self.accounts.firms, symbols, self.clock.opens, self.clock.closes
        )
        self._references_at = self.clock.pre_opens
        self._last_mids = np.array([float(e.spec.in_ticks(e.price)) for e in scenario.instruments])

    def run(self, progress: Progress | None = None) -> Report:
        """Let the day pass; the report."""
        began, began_cpu = time.perf_counter(), time.process_time()
        clock, step = self.clock, self.scenario.step_ms * NS_PER_MS
        now, told = clock.starts, clock.starts
        while now < clock.ends:
            now += step
            self._step(now)
            if progress is not None and now - told >= PROGRESS_NS:
                told = now
                progress((now - clock.starts) / (clock.ends - clock.starts))
        for seat in self.fleet.seats:
            seat.end(now)
        self.venue.close()
        seconds, cpu_seconds = time.perf_counter() - began, time.process_time() - began_cpu
        if progress is not None:
            progress(1.0)
        return make_report(self, self.checks(), seconds=seconds, cpu_seconds=cpu_seconds)

    def checks(self) -> list[Check]:
        """What must be true at the end of a day."""
        return run_checks(self.venue, self.fleet, self.tape)

    def _step(self, now_ns: int) -> None:
        """One frame, if there is anything for it."""
        if now_ns >= self._references_at:
            self._tell_references(now_ns)
        venue = self.venue
        first = venue.first_sequence(now_ns)
        makers = self.fleet.outgoing(now_ns, first)
        others = self.faults.due(self.fleet, now_ns) + self.pump.due(now_ns)
        head = makers.records + others
        at = first + len(head) // RECORD_BYTES
        records = head + self.flow.take(now_ns, at, self._mids)
        if not records:
            due = venue.replica.wakes_at_ns
            if due is None or due > now_ns:
                return
            records = commands.tick()
        events = venue.apply(records, now_ns, makers.texts)
        self.fleet.on_books(self.tape.read(events, now_ns), now_ns)
        if now_ns >= self.sampler.due_ns and now_ns < self.clock.closes:
            self._sample(now_ns)

    def _tell_references(self, now_ns: int) -> None:
        scenario = self.scenario
        self._references_at = now_ns + scenario.reference_ms * NS_PER_MS
        heard = self.fair.at(now_ns - scenario.reference_lag_ms * NS_PER_MS)
        self.fleet.on_reference(heard.tolist(), now_ns)

    def _mids(self) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
        tops = [self.venue.replica.top(n) for n in range(1, len(self.tape.trades) + 1)]
        mids = np.array(mid_ticks(tops, self.tape.last_ticks))
        self._last_mids = np.where(mids > 0, mids, self._last_mids)
        return self._last_mids

    def _sample(self, now_ns: int) -> None:
        fair = self.fair.at(now_ns).tolist()
        self.sampler.take(now_ns, self._mids().tolist(), fair, self.tape.trades.tolist())


def pump_bot(
    scenario: Scenario, accounts: Accounts, window: tuple[int, int], rng: np.random.Generator
) -> PumpBot:
    """The bot of a scenario."""
    numbers = {each.symbol: number for number, each in enumerate(scenario.instruments, 1)}
    number = numbers.get(scenario.pump.symbol, 0)
    spec = scenario.instruments[number - 1].spec
    return PumpBot(
        scenario.pump,
        account=accounts.pump,
        instrument=number,
        lots=spec.lots(scenario.pump.quantity) if number else 0,
        window=window,
        rng=rng,
    )
