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
from tradepit.domain.wire import Phase
from tradepit.simulation.checks import Check, run_checks
from tradepit.simulation.fair_value import FairValue, Floats
from tradepit.simulation.faults import FaultPlan
from tradepit.simulation.fleet import Fleet
from tradepit.simulation.opening import Accounts, clock_of, open_market
from tradepit.simulation.public_flow import PublicFlow
from tradepit.simulation.pump import PumpBot
from tradepit.simulation.recording import Recording
from tradepit.simulation.report import Report, make_report
from tradepit.simulation.sampling import Sampler
from tradepit.simulation.scenario import NS_PER_MS, Scenario
from tradepit.simulation.sources import GeneratedSource, RecordedSource, Source
from tradepit.simulation.tape import Tape, mid_ticks
from tradepit.simulation.venue import Venue

PROGRESS_NS: Final = 60 * 1_000_000_000
"""Virtual time between two calls of the progress."""

Progress = Callable[[float], None]
"""Told which part of the day is over, 0 to 1."""


Streams = dict[str, np.random.Generator]


def streams(seed: int) -> Streams:
    """Random streams of a seed, one per purpose, so that none disturbs another."""
    names = ("fair", "flow", "faults", "pump")
    return {name: np.random.default_rng([seed, index]) for index, name in enumerate(names)}


class Simulation:
    """One day of one scenario.

    Args:
        journal: a data directory for the journal; none is written if left out.
        recording: a recorded session in place of the drawn public; the scenario is then one of
            `recorded_scenario`.
    Raises:
        ScenarioError, DefinitionRefused, CommandRefused, JournalExists.
    """

    def __init__(
        self,
        scenario: Scenario,
        seed: int,
        *,
        journal: Path | None = None,
        recording: Recording | None = None,
    ) -> None:
        self.scenario, self.seed = scenario, seed
        self.clock = clock_of(scenario) if recording is None else recording.clock
        self.venue = Venue(journal=journal)
        self.accounts: Accounts = open_market(
            self.venue, scenario, self.clock, has_schedule=recording is None
        )
        random = streams(seed)
        self.fleet = Fleet(scenario, self.accounts, self.venue, self.clock.starts)
        self._symbols = [each.symbol for each in scenario.instruments]
        window = (self.clock.opens, self.clock.closing)
        self.faults = FaultPlan(
            scenario.faults,
            makers=len(self.fleet.makers),
            symbols=self._symbols,
            window=window,
            rng=random["faults"],
        )
        self.pump = pump_bot(scenario, self.accounts, window, random["pump"])
        self.tape = Tape(
            self.fleet, self.pump, instruments=len(self._symbols), firms=len(scenario.firms)
        )
        if recording is not None:
            for number in range(1, len(self._symbols) + 1):
                self.fleet.on_phase(number, Phase.CONTINUOUS)
        self.source = self._source(recording, random)
        self.sampler = Sampler(
            self.fleet, self.accounts.firms, self._symbols, self.clock.opens, self.clock.closes
        )
        self._references_at = self.clock.pre_opens
        self._last_mids = np.array([float(e.spec.in_ticks(e.price)) for e in scenario.instruments])

    def _source(self, recording: Recording | None, random: Streams) -> Source:
        if recording is not None:
            return RecordedSource(
                self.venue,
                recording.events,
                account=self.accounts.recorded,
                tick_nanos=recording.tick_nanos,
            )
        fair = FairValue(self.scenario, random["fair"], starts_ns=self.clock.pre_opens)
        flow = PublicFlow(self.scenario, self.clock, self.accounts, random["flow"], fair)
        return GeneratedSource(self.venue, flow, fair, self._mids)

    def run(self, progress: Progress | None = None) -> Report:
        """Let the day pass; the report."""
        began, began_cpu = time.perf_counter(), time.process_time()
        clock = self.clock
        now, told = clock.starts, clock.starts
        while now < clock.ends:
            now = self._next_step(now)
            self._step(now)
            if progress is not None and now - told >= PROGRESS_NS:
                told = now
                progress((now - clock.starts) / (clock.ends - clock.starts))
        for seat in self.fleet.seats:
            seat.end(now)
        self._sample(now, [float(ticks) for ticks in self.tape.last_ticks.tolist()])
        self.venue.close()
        seconds, cpu_seconds = time.perf_counter() - began, time.process_time() - began_cpu
        if progress is not None:
            progress(1.0)
        return make_report(self, self.checks(), seconds=seconds, cpu_seconds=cpu_seconds)

    def checks(self) -> list[Check]:
        """What must be true at the end of a day."""
        return run_checks(self.venue, self.fleet, self.tape)

    def _next_step(self, now_ns: int) -> int:
        """The end of the next step in which something may happen."""
        step = self.scenario.step_ms * NS_PER_MS
        soon = now_ns + step
        due = self.source.next_ns(now_ns)
        if due <= soon:
            return soon
        due = min(due, self.fleet.next_ns(), self._references_at, self.clock.ends)
        for other in (self.faults.next_ns, self.pump.next_ns, self.venue.replica.wakes_at_ns):
            if other is not None and other < due:
                due = other
        return soon if due <= soon else now_ns + -(-(due - now_ns) // step) * step

    def _step(self, now_ns: int) -> None:
        """One step: makers, faults, bot and public."""
        if now_ns >= self._references_at:
            self._tell_references(now_ns)
        makers = self.fleet.outgoing(now_ns, self.venue.first_sequence(now_ns))
        others = self.faults.due(self.fleet, now_ns) + self.pump.due(now_ns)
        if not self.source.step(now_ns, makers.records + others, makers.texts, self._apply):
            due = self.venue.replica.wakes_at_ns
            if due is not None and due <= now_ns:
                self._apply(commands.tick(), now_ns, b"")
        if self.sampler.due_ns <= now_ns < self.clock.closes:
            self._sample(now_ns, self._mids().tolist())

    def _apply(self, records: bytes, now_ns: int, texts: bytes) -> bytes:
        """A frame, and everybody hears of it."""
        events = self.venue.apply(records, now_ns, texts)
        self.fleet.on_books(self.tape.read(events, now_ns), now_ns)
        return events

    def _tell_references(self, now_ns: int) -> None:
        scenario = self.scenario
        self._references_at = now_ns + scenario.reference_ms * NS_PER_MS
        heard = self.source.fair_ticks(now_ns - scenario.reference_lag_ms * NS_PER_MS)
        if heard is not None:
            self.fleet.on_reference(heard, now_ns)

    def _mids(self) -> Floats:
        tops = [self.venue.replica.top(n) for n in range(1, len(self._symbols) + 1)]
        mids = np.array(mid_ticks(tops, self.tape.last_ticks))
        self._last_mids = np.where(mids > 0, mids, self._last_mids)
        return self._last_mids

    def _sample(self, now_ns: int, mids: list[float]) -> None:
        fair = self.source.fair_ticks(now_ns)
        self.sampler.take(now_ns, mids, fair, self.tape.trades.tolist())


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
