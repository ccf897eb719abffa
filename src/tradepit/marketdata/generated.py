"""Generated order-by-order sessions: recordings of any length without a file of others.

A snapshot, a crossed pre-open that one uncross ends, then continuous trading in about the mix of an
hour of futures trading: adds, cancels, changes, trades with their fills, aggressors that leave a
rest, icebergs. The book is crossed in the pre-open only. The same settings give the same bytes on
every machine; the native generator is `crates/core/src/session`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Final

import numpy as np

from tradepit._native import GeneratedSession as NativeSession
from tradepit.marketdata.records import MBO_BYTES, MBO_DTYPE
from tradepit.marketdata.sources.source import (
    CHUNK_RECORDS,
    Mapping,
    MboRecords,
    Progress,
    SourceInfo,
)

DATASET: Final = "TRADEPIT.GEN"
PUBLISHER_ID: Final = 1
START_NS: Final = 1_704_153_600_000_000_000
"""2024-01-02, midnight UTC."""
NS_PER_SECOND: Final = 1_000_000_000
NS_PER_MINUTE: Final = 60 * NS_PER_SECOND


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionSettings:
    """What a session is made from."""

    seed: int
    records: int | None = None
    """End with the event that reaches so many records; None = no such end."""
    minutes: float | None = None
    """End with the last event within so many minutes; None = no such end."""
    instruments: int = 1
    orders: int = 10_000
    """Of each book in the snapshot; their number stays near it."""
    pre_open_orders: int = 300
    """Entered into each crossed book before its open."""
    icebergs: float = 0.02
    """Share of orders with hidden quantity."""
    events_per_second: float = 200.0
    """On average, over all instruments."""


class GeneratedSource:
    """A generated session as a source; see `sources.source.Source`."""

    def __init__(self, settings: SessionSettings) -> None:
        """
        Raises: ValueError when the session would have no end.
        """
        if settings.records is None and settings.minutes is None:
            raise ValueError("a session ends after so many records, minutes, or both")
        self.settings = settings
        self.path = Path(f"generated session {settings.seed}")
        self.info = _info(settings, None)

    def chunks(self, progress: Progress | None = None) -> Iterator[MboRecords]:
        """Yield the session's records, the same ones every time."""
        settings = self.settings
        session = _native(settings)
        end_ns = _end_ns(settings)
        done = 0
        while settings.records is None or done < settings.records:
            missing = CHUNK_RECORDS if settings.records is None else settings.records - done
            records = np.frombuffer(session.take(min(CHUNK_RECORDS, missing)), MBO_DTYPE)
            is_late = end_ns is not None and int(records["ts_event"][-1]) >= end_ns
            if is_late:
                records = records[: np.searchsorted(records["ts_event"], np.uint64(end_ns or 0))]
            if len(records):
                done += len(records)
                self.info = _info(settings, int(records["ts_event"][-1]))
                yield records
            if progress is not None:
                progress(*self._progress(done))
            if is_late:
                return

    def _progress(self, done: int) -> tuple[int, int]:
        """Bytes of records made, and in all where that is known."""
        if self.settings.records is not None:
            return done * MBO_BYTES, self.settings.records * MBO_BYTES
        minutes = self.settings.minutes or 0.0
        passed = (self.info.end_ns or START_NS) - START_NS
        share = max(1e-9, passed / (minutes * NS_PER_MINUTE))
        return done * MBO_BYTES, int(done * MBO_BYTES / share)


def _native(settings: SessionSettings) -> NativeSession:
    return NativeSession(
        seed=settings.seed,
        instruments=settings.instruments,
        orders=settings.orders,
        pre_open_orders=settings.pre_open_orders,
        iceberg_ppm=round(settings.icebergs * 1_000_000),
        start_ns=START_NS,
        gap_ns=round(NS_PER_SECOND / settings.events_per_second),
    )


def _end_ns(settings: SessionSettings) -> int | None:
    if settings.minutes is None:
        return None
    return START_NS + round(settings.minutes * NS_PER_MINUTE)


def _info(settings: SessionSettings, last_ns: int | None) -> SourceInfo:
    days = _day(START_NS), _day(last_ns or START_NS) + timedelta(days=1)
    symbols = [f"GEN{number}" for number in range(1, settings.instruments + 1)]
    return SourceInfo(
        format="generated",
        version="",
        dataset=DATASET,
        schema="mbo",
        start_ns=START_NS,
        end_ns=None if last_ns is None else last_ns + 1,
        symbols=symbols,
        mappings=[Mapping(name, number, *days) for number, name in enumerate(symbols, 1)],
        publishers={PUBLISHER_ID: DATASET},
        notes=[f"seed {settings.seed}; crossed in the pre-open only"],
    )


def _day(time_ns: int) -> date:
    return datetime.fromtimestamp(time_ns // NS_PER_SECOND, UTC).date()
