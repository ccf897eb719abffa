"""What goes wrong in a simulated day: killed and paused makers, halts by an operator. Seeded."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from tradepit.domain import commands
from tradepit.domain.wire import Phase
from tradepit.simulation.fleet import Fleet
from tradepit.simulation.maker import Maker
from tradepit.simulation.scenario import Faults, nanoseconds


class Fault(NamedTuple):
    """One thing that goes wrong, or is mended."""

    time_ns: int
    what: str
    """`kill`, `pause`, `halt`, `resume`."""
    target: int
    """Index of a maker, or number of an instrument."""
    back_ns: int


class Happened(NamedTuple):
    """A fault as it was done."""

    time_ns: int
    what: str
    target: str
    back_ns: int


class FaultPlan:
    """Does what is due.

    Args:
        window: from when to when things go wrong, ns.
    """

    def __init__(
        self,
        faults: Faults,
        *,
        makers: int,
        symbols: list[str],
        window: tuple[int, int],
        rng: np.random.Generator,
    ) -> None:
        self._symbols = symbols
        self.happened: list[Happened] = []
        plan: list[Fault] = []
        down = nanoseconds(faults.down_seconds)
        for what, count in (("kill", faults.kills), ("pause", faults.pauses)):
            for _ in range(count if makers else 0):
                at = int(rng.integers(*window))
                back = at + down // 10 + int(rng.exponential(0.9) * down)
                plan.append(Fault(at, what, int(rng.integers(makers)), back))
        lasts = nanoseconds(faults.operator_halt_seconds)
        latest = max(window[0] + 1, window[1] - lasts)
        for _ in range(faults.operator_halts):
            at, number = int(rng.integers(window[0], latest)), int(rng.integers(len(symbols))) + 1
            plan.append(Fault(at, "halt", number, at + lasts))
            plan.append(Fault(at + lasts, "resume", number, 0))
        self._plan = sorted(plan)
        self._at = 0

    @property
    def next_ns(self) -> int | None:
        """When something goes wrong next."""
        return self._plan[self._at].time_ns if self._at < len(self._plan) else None

    def due(self, fleet: Fleet, now_ns: int) -> bytes:
        """Do what is due; what the operator sends."""
        records = []
        while self._at < len(self._plan) and self._plan[self._at].time_ns <= now_ns:
            fault = self._plan[self._at]
            self._at += 1
            if fault.what in ("kill", "pause"):
                self._strike(fault, fleet.makers[fault.target], fleet, now_ns)
                continue
            phase = Phase.HALTED if fault.what == "halt" else Phase.CONTINUOUS
            records.append(commands.set_phase(instrument=fault.target, phase=phase))
            self._note(fault, self._symbols[fault.target - 1])
        return b"".join(records)

    def _strike(self, fault: Fault, maker: Maker, fleet: Fleet, now_ns: int) -> None:
        if not maker.is_up:
            return
        if fault.what == "kill":
            fleet.kill(maker, fault.back_ns, now_ns)
        else:
            fleet.pause(maker, fault.back_ns)
        self._note(fault, maker.name)

    def _note(self, fault: Fault, target: str) -> None:
        self.happened.append(Happened(fault.time_ns, fault.what, target, fault.back_ns))
