"""`python -m bench.latency`: one order at a time on one connection, beside the disk's own sync.

In turns: as many writes of a frame's size, each followed by fdatasync, into a file made like a
journal segment on the same disk.
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final, NamedTuple

from bench.order_entry import run_counted
from bench.programs import Load, Measured, running_node
from bench.tables import middle, show, show_place
from tradepit.journal.frame import frame_bytes
from tradepit.journal.segments import SEGMENT_BYTES

ABOVE_MS_MAX: Final = 0.3
MS_PER_SECOND: Final = 1000.0


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


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="bench.latency", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=4.0)
    parser.add_argument("--directory", type=Path, help="on the disk to be measured")
    options = parser.parse_args(arguments)
    show_place()
    size = frame_bytes(1, 0)
    syncs: list[Syncs] = []
    orders: list[Measured] = []
    with running_node(options.directory) as node:
        for _ in range(options.rounds):
            syncs.append(measure_syncs(node.data_dir, size=size, seconds=options.seconds))
            orders.append(run_counted(Load(connections=1, seconds=options.seconds), node))
    disk = [statistics.median(sync[index] for sync in syncs) for index in range(3)]
    order = [middle(orders, of) for of in (_p50, _p99, _p999)]
    rows = [
        [f"write of {size} bytes and fdatasync", *(f"{value:.3f}" for value in disk)],
        ["order, answered", *(f"{value:.3f}" for value in order)],
        ["difference", *(f"{b - a:+.3f}" for a, b in zip(disk, order, strict=True))],
    ]
    title = f"one order at a time: median of {options.rounds} rounds; wanted: p50 +{ABOVE_MS_MAX}"
    show(title, ["milliseconds", "p50", "p99", "p99.9"], rows)


def _p50(run: Measured) -> float:
    return run.p50_ms


def _p99(run: Measured) -> float:
    return run.p99_ms


def _p999(run: Measured) -> float:
    return run.p999_ms


if __name__ == "__main__":
    main()
