"""What happens in a recording as the flow hears of it: events, moves, lulls.

A source decides when; the flow acts at once. It sends what it has gathered when there is a lull.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass

from tradepit.marketdata.recorded_events import RecordedEvent


@dataclass(slots=True, frozen=True)
class Moved:
    """The recording goes on elsewhere; the event is the whole book there."""

    event: RecordedEvent


@dataclass(slots=True, frozen=True)
class Lull:
    """Nothing more happens at present."""


Happening = RecordedEvent | Moved | Lull


async def at_once(events: Iterable[RecordedEvent]) -> AsyncIterator[Happening]:
    """Events without a clock: each as soon as the one before is done."""
    for event in events:
        yield event
