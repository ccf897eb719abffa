"""The part of a configuration that governs the phases of an instrument: schedule and safety."""

from __future__ import annotations

from decimal import Decimal
from typing import Final, NamedTuple

import msgspec

from tradepit.domain.schedule import ScheduleError, entry_of, ordered
from tradepit.engine.rows import TradingSessionRow

PPM_PER_PERCENT: Final = 10_000
NS_PER_SECOND: Final = 1_000_000_000
PPM_MAX: Final = 1_000_000
SPAN_NS_MAX: Final = 86_400 * NS_PER_SECOND
PROTECTION_PPM: Final = 50_000
"""What the engine gives a new instrument."""


class DefinitionRefused(Exception):
    """The configuration cannot be made true for this market; the text says what and why."""


class ScheduledPhase(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A phase that is set at a time of day, every day or on some."""

    at: str
    """UTC, such as 08:00."""
    phase: str
    days: list[str] | None = None


class Safety(NamedTuple):
    """SET_INSTRUMENT_SAFETY in engine units."""

    band_ppm: int = 0
    protection_ppm: int = PROTECTION_PPM
    halt_ns: int = 0
    auction_ns: int = 0

    @classmethod
    def of(cls, row: TradingSessionRow) -> Safety:
        """As an instrument has it."""
        return cls(row.band_ppm, row.protection_ppm, row.halt_ns, row.auction_ns)

    def changed(self, name: str, **wanted: Decimal | None) -> Safety:
        """Return it with what is configured of an instrument; None stays.

        Raises:
            DefinitionRefused: a value is out of range.
        """
        for key, value in wanted.items():
            if value is not None:
                field, factor, units_max = _UNITS[key]
                units = _units(f"{name}.{key}", value, factor, units_max)
                self = self._replace(**{field: units})
        return self


_UNITS: Final = {
    "band_percent": ("band_ppm", PPM_PER_PERCENT, PPM_MAX),
    "protection_percent": ("protection_ppm", PPM_PER_PERCENT, PPM_MAX),
    "halt_seconds": ("halt_ns", NS_PER_SECOND, SPAN_NS_MAX),
    "auction_seconds": ("auction_ns", NS_PER_SECOND, SPAN_NS_MAX),
}


def schedule_words(name: str, entries: list[ScheduledPhase]) -> list[int]:
    """Return a configured schedule as entries of SET_SCHEDULE.

    Raises:
        DefinitionRefused: it is no schedule.
    """
    try:
        found = ordered(entry_of(entry.at, entry.phase, entry.days) for entry in entries)
    except ScheduleError as error:
        raise DefinitionRefused(f"{name}.schedule: {error}") from None
    return [entry.word for entry in found]


def _units(name: str, value: Decimal, factor: int, units_max: int) -> int:
    units = value * factor
    if units != int(units) or not 0 <= units <= units_max:
        bound = units_max // factor
        raise DefinitionRefused(f"{name} = {value} is not among 0 to {bound}, or too fine")
    return int(units)
