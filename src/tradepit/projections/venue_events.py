"""What a batch of events says of phases and of firms' reservations: rows of their tables."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tradepit._native import Applied
from tradepit.domain.wire import (
    PHASE_CHANGED_DTYPE,
    RESERVATION_RELEASED_DTYPE,
    RESERVED_DTYPE,
    EventKind,
)
from tradepit.projections.grouping import ordinals

Records = NDArray[Any]
Row = tuple[Any, ...]


def phase_rows(applied: Applied, kinds: Records) -> list[Row]:
    """Rows of `phases`."""
    changed = np.frombuffer(applied.events, PHASE_CHANGED_DTYPE)[kinds == EventKind.PHASE_CHANGED]
    lines = ordinals(changed["sequence"])
    names = ("instrument", "status", "reason", "until", "time_ns")
    columns = [changed["sequence"], lines, *(changed[name] for name in names)]
    return list(zip(*(column.tolist() for column in columns), strict=True))


def reservation_rows(applied: Applied, kinds: Records) -> list[Row]:
    """Rows of `reservations`: what was granted, and what was freed."""
    at = np.flatnonzero((kinds == EventKind.RESERVED) | (kinds == EventKind.RESERVATION_RELEASED))
    reserved = np.frombuffer(applied.events, RESERVED_DTYPE)[at]
    released = np.frombuffer(applied.events, RESERVATION_RELEASED_DTYPE)[at]
    rows: list[Row] = []
    for grant, release, line in zip(
        reserved, released, ordinals(reserved["sequence"]).tolist(), strict=True
    ):
        head = (int(grant["sequence"]), line, int(grant["account"]), int(grant["instrument"]))
        if grant["kind"] == EventKind.RESERVED:
            names = ("status", "granted_bid", "granted_ask", "requested_bid", "requested_ask")
            tail = ("expires_at", "maker", "time_ns")
            rows.append((*head, False, *(int(grant[name]) for name in (*names, *tail))))
        else:
            freed = (int(release[name]) for name in ("status", "freed_bid", "freed_ask"))
            rows.append((*head, True, *freed, 0, 0, 0, 0, int(release["time_ns"])))
    return rows
