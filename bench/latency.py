"""One order at a time on one connection, beside the disk's own sync.

In turns: as many writes of a frame's size, each followed by fdatasync, into a file made like a
journal segment on the same disk.
"""

from __future__ import annotations

import os
import time
from pathlib import Path
from statistics import median
from typing import NamedTuple

from bench.alone import alone
from bench.order_entry import middle, no_errors, p99, refusals, run_counted
from bench.programs import Load, Measured, running_node
from bench.report import Cell, Report, at_most
from tradepit.journal.frame import frame_bytes
from tradepit.journal.segments import SEGMENT_BYTES

SECONDS = 4.0
ABOVE_MS_MAX = 0.3
MS_PER_SECOND = 1000.0


class Syncs(NamedTuple):
    """Latencies of write and fdatasync, in milliseconds."""

    p50: float
    p99: float
    p999: float


def measure_syncs(directory: Path, *, size: int, seconds: float) -> Syncs:
    """Write and sync blocks of this size, one after the other, into preallocated space."""
    path = directory / "syncs"
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC)
    try:
        os.posix_fallocate(descriptor, 0, SEGMENT_BYTES)
        os.fsync(descriptor)
        return _sync_times(descriptor, size, seconds)
    finally:
        os.close(descriptor)
        path.unlink()


def _sync_times(descriptor: int, size: int, seconds: float) -> Syncs:
    block = bytes(range(256)) * (size // 256 + 1)
    times: list[float] = []
    until = time.perf_counter() + seconds
    while (begin := time.perf_counter()) < until:
        os.pwrite(descriptor, block[:size], len(times) * size % (SEGMENT_BYTES - size))
        os.fdatasync(descriptor)
        times.append((time.perf_counter() - begin) * MS_PER_SECOND)
    times.sort()
    return Syncs(*(times[int(len(times) * part)] for part in (0.5, 0.99, 0.999)))


def run(rounds: int) -> Report:
    """One order at a time, beside write and fdatasync of its frame."""
    size = frame_bytes(1, 0)
    syncs: list[Syncs] = []
    orders: list[Measured] = []
    with running_node() as node:
        for _ in range(rounds):
            syncs.append(measure_syncs(node.data_dir, size=size, seconds=SECONDS))
            orders.append(run_counted(Load(connections=1, seconds=SECONDS), node))
    disk = Syncs(*(median(sync[index] for sync in syncs) for index in range(3)))
    order = Syncs(
        middle(orders, lambda run: run.p50_ms),
        middle(orders, p99),
        middle(orders, lambda run: run.p999_ms),
    )
    rows: list[dict[str, Cell]] = [
        _row(f"write of {size} bytes and fdatasync", disk),
        _row("order, answered", order),
    ]
    above = order.p50 - disk.p50
    return Report(
        "latency",
        "One order at a time on one connection",
        rows,
        [at_most("p50 above the disk's", above, ABOVE_MS_MAX, "ms"), no_errors(orders)],
        refusals(orders),
    )


def _row(name: str, times: Syncs) -> dict[str, Cell]:
    return {"what": name, "p50 ms": times.p50, "p99 ms": times.p99, "p99.9 ms": times.p999}


if __name__ == "__main__":
    alone(run)
