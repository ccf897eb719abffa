"""Faults at named points of a maker, for tests: crash, stop, delay, drop, duplicate.

Nothing can be armed unless the process was started for it. What a point means:
docs/makers.md, section "Faults".
"""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable
from enum import Enum
from typing import Annotated, Final, Literal

from msgspec import Meta, Struct

ARMED_MAX: Final = 1_000


class Point(Enum):
    """Where a fault can strike."""

    BEFORE_HEARTBEAT = "before_heartbeat"
    BEFORE_RESERVATION = "before_reservation"
    AFTER_RESERVATION = "after_reservation"
    BETWEEN_CANCEL_AND_REPLACE = "between_cancel_and_replace"
    BEFORE_QUOTE = "before_quote"
    AFTER_QUOTE = "after_quote"
    """Its answer has come, and nobody has looked at it yet."""
    BEFORE_RELEASE = "before_release"
    BEFORE_POSITION_UPDATE = "before_position_update"
    AFTER_FILL_BEFORE_QUOTE = "after_fill_before_quote"


class Delay(Struct, frozen=True, forbid_unknown_fields=True):
    """Wait, then go on."""

    delay_ms: Annotated[int, Meta(ge=1, le=600_000)]


class Fault(Struct, kw_only=True, forbid_unknown_fields=True):
    """What happens at a point, the next `count` times."""

    at: Point
    do: Literal["crash", "stop", "drop", "duplicate"] | Delay
    symbol: str | None = None
    """Only there; None: anywhere."""
    count: Annotated[int, Meta(ge=1, le=1_000_000)] = 1


class FaultState(Struct, frozen=True):
    """What is armed and what has struck."""

    enabled: bool
    armed: tuple[Fault, ...]
    struck: dict[str, int]
    """Times, by point."""


class Faults:
    """The faults of one process."""

    def __init__(
        self, *, is_enabled: bool, strike: Callable[[signal.Signals], None] | None = None
    ) -> None:
        """
        Args:
            strike: sends the process a signal; tests give another one.
        """
        self.is_enabled = is_enabled
        self._strike = strike or _strike
        self._armed: list[Fault] = []
        self._struck: dict[str, int] = {}

    def arm(self, fault: Fault) -> None:
        """Let a fault happen. Raises: ValueError when the process was not started for it."""
        if not self.is_enabled:
            raise ValueError("this maker was not started with --fault-injection")
        if len(self._armed) >= ARMED_MAX:
            raise ValueError(f"{ARMED_MAX:,} faults are armed already")
        self._armed.append(fault)

    def clear(self) -> None:
        """Disarm everything."""
        self._armed.clear()

    def state(self) -> FaultState:
        """What is armed and what has struck."""
        return FaultState(self.is_enabled, tuple(self._armed), dict(self._struck))

    async def reach(self, point: Point, symbol: str | None = None) -> int:
        """Pass a point; how often what follows is to be done: 1, or 0 or 2 by a fault."""
        if not self._armed:
            return 1
        fault = self._take(point, symbol)
        if fault is None:
            return 1
        self._struck[point.value] = self._struck.get(point.value, 0) + 1
        match fault.do:
            case "crash":
                self._strike(signal.SIGKILL)
            case "stop":
                self._strike(signal.SIGSTOP)
            case "drop":
                return 0
            case "duplicate":
                return 2
            case Delay(delay_ms):
                await asyncio.sleep(delay_ms / 1000)
        return 1

    def _take(self, point: Point, symbol: str | None) -> Fault | None:
        for fault in self._armed:
            if fault.at is point and fault.symbol in (None, symbol):
                fault.count -= 1
                if not fault.count:
                    self._armed.remove(fault)
                return fault
        return None


def _strike(number: signal.Signals) -> None:
    os.kill(os.getpid(), number)
