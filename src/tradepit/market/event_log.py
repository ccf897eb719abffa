"""Events of a market in process as arrays of wire records."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from tradepit.domain import wire
from tradepit.domain.wire import EVENT_HEADER_DTYPE, FRAME_APPLIED_DTYPE, RECORD_BYTES, EventKind

EVENTS_MAX: Final = 4_000_000
"""Events kept, 384 MB; the oldest go first. All of them can be had again from the journal."""

Events = NDArray[np.void]
"""Records of 96 bytes; fields as in `tradepit.domain.wire`, units as there."""


class EventLog:
    """The last events, in cause order."""

    def __init__(self, chunks: list[bytes] | None = None, dropped: int = 0) -> None:
        self._chunks = chunks or []
        self._count = sum(len(chunk) for chunk in self._chunks) // RECORD_BYTES
        self.dropped = dropped
        """Events that were here once and are no longer."""

    def append(self, events: bytes) -> None:
        """Add the events of one frame."""
        self._chunks.append(events)
        self._count += len(events) // RECORD_BYTES
        if self._count > 2 * EVENTS_MAX:
            self._forget()

    def copy(self) -> EventLog:
        """A log that goes its own way."""
        return EventLog(list(self._chunks), self.dropped)

    def _forget(self) -> None:
        data = self._joined()[-EVENTS_MAX * RECORD_BYTES :]
        self.dropped += self._count - EVENTS_MAX
        self._chunks, self._count = [data], EVENTS_MAX

    def _joined(self) -> bytes:
        if len(self._chunks) > 1:
            self._chunks = [b"".join(self._chunks)]
        return self._chunks[0] if self._chunks else b""

    def array(self, kind: str | None, since: int) -> Events:
        """Events of commands after a sequence: of one kind with all its fields, or all kinds with
        the fields that every event has."""
        data = self._joined()
        headers: Events = np.frombuffer(data, EVENT_HEADER_DTYPE)
        first = int(np.searchsorted(headers["sequence"], since, side="right"))
        if kind is None:
            return headers[first:]
        wanted = kind_of(kind)
        records: Events = np.frombuffer(data, dtype_of(wanted))[first:]
        chosen: Events = records[records["kind"] == wanted]
        return chosen

    def times(self, sequences: NDArray[np.uint64]) -> NDArray[np.datetime64]:
        """Market time of each command, by the frame that it came in."""
        data = self._joined()
        frames: Events = np.frombuffer(data, FRAME_APPLIED_DTYPE)
        frames = frames[frames["kind"] == EventKind.FRAME_APPLIED]
        if not len(frames):
            return np.full(len(sequences), np.datetime64("NaT"), "datetime64[ns]")
        place = np.searchsorted(frames["sequence"], sequences, side="right") - 1
        times: NDArray[np.datetime64] = frames["time_ns"][np.maximum(place, 0)].astype("M8[ns]")
        return times


def kind_of(name: str) -> EventKind:
    """The kind of a name such as `trade`."""
    try:
        return EventKind[name.upper()]
    except KeyError:
        known = ", ".join(kind.name.lower() for kind in EventKind)
        raise ValueError(f"there is no kind of event {name!r}; there are {known}") from None


def dtype_of(kind: EventKind) -> np.dtype[np.void]:
    """The record layout of a kind."""
    dtype: np.dtype[np.void] = getattr(wire, f"{kind.name}_DTYPE")
    return dtype
