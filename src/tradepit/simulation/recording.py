"""A recorded session as the day of a simulation: one instrument, at the recording's own times."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Final, NamedTuple

from msgspec.structs import replace

from tradepit.flow.recorded_survey import survey
from tradepit.marketdata.recorded_events import RecordedEvent, read_events, read_symbols
from tradepit.marketdata.records import PRICE_SCALE
from tradepit.simulation.opening import LEAD_NS, NS_PER_HOUR, Clock
from tradepit.simulation.scenario import Faults, Instrument, Safety, Scenario, ScenarioError
from tradepit.simulation.sources import time_of

TAIL_NS: Final = LEAD_NS
"""The market stands so long after the last event."""


class Recording(NamedTuple):
    """What a simulation needs of a recorded session."""

    events: list[RecordedEvent]
    symbol: str
    tick_size: Decimal
    first_price: Decimal
    begins_ns: int
    """The first event that is no snapshot."""
    trades_ns: int
    """The first trade."""
    ends_ns: int

    @property
    def tick_nanos(self) -> int:
        """Tick size in 1e-9 of the quote currency."""
        return int(self.tick_size * PRICE_SCALE)

    @property
    def clock(self) -> Clock:
        """Its times; the snapshot that it begins with goes in at once."""
        starts, ends = self.begins_ns - LEAD_NS, self.ends_ns + TAIL_NS
        return Clock(starts, starts, starts, self.trades_ns, self.ends_ns, self.ends_ns, ends)


def read_recording(path: Path, instrument_id: int | None = None) -> Recording:
    """Read a DBN file of MBO records. Raises: RecordingError, ScenarioError."""
    found = survey(path, instrument_id)
    events = list(read_events(path, instrument_id=instrument_id))
    live = [event for event in events if not event.is_snapshot]
    trades = [
        (time_of(event), record.price)
        for event in live
        for record in event.records
        if record.action == "T" and record.price is not None
    ]
    if not trades:
        raise ScenarioError(f"{path}: a recording without trades says nothing about makers")
    symbols = read_symbols(path)
    return Recording(
        events=events,
        symbol=symbols[0] if len(symbols) == 1 else path.name.split("-")[0].upper(),
        tick_size=Decimal(found.tick_size),
        first_price=Decimal(trades[0][1]) / PRICE_SCALE,
        begins_ns=time_of(live[0]),
        trades_ns=trades[0][0],
        ends_ns=time_of(live[-1]),
    )


def recorded_scenario(scenario: Scenario, recording: Recording) -> Scenario:
    """The scenario's firms in the recording's instrument; no bands, faults only if wished."""
    instrument = Instrument(
        symbol=recording.symbol, price=recording.first_price, tick_size=recording.tick_size
    )
    pump = scenario.pump
    if pump.symbol:
        pump = replace(pump, symbol=recording.symbol)
    firms = [replace(firm, symbols=[]) for firm in scenario.firms]
    return replace(
        scenario,
        session_hours=(recording.ends_ns - recording.trades_ns) / NS_PER_HOUR,
        instruments=[instrument],
        safety=Safety(band_percent=0.0),
        faults=replace(scenario.faults, operator_halts=0) if scenario.faults else Faults(),
        firms=firms,
        pump=pump,
    )
