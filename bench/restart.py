"""A restart: a large snapshot, then what came after it; and the memory of such a node."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from statistics import median
from time import perf_counter

from bench import binary, machine
from bench.frames import Reader
from bench.report import Cell, Report, at_most
from tradepit import _native

SECONDS_MAX = 2.0
RESTING = 1_000_000
# With the million that rest and those of the replay, some four million keys.
SETTLE = 4_000_000
REPLAYED = 2_000_000
WINDOW = 100_000_000
CHUNK_BYTES = 8 << 20
STEPS = ("read snapshot", "restore", "check and replay")


def run(rounds: int) -> Report:
    settings = {"resting": RESTING, "settle": SETTLE, "measured": REPLAYED, "window": WINDOW}
    with binary.exported("cancel-heavy", **settings) as flow:
        prepared = _in_child(prepare, flow.folder)
        runs = [_in_child(restart, flow.folder) for _ in range(rounds)]
    rows: list[dict[str, Cell]] = [
        {"step": step, "seconds": median(float(run[step]) for run in runs)} for step in STEPS
    ]
    total = sum(float(row["seconds"]) for row in rows)
    rows.append({"step": "together", "seconds": total})
    facts = prepared | runs[0]
    return Report(
        "restart",
        "Restart: snapshot restored, 2,000,000 commands replayed",
        rows,
        [at_most("restart", total, SECONDS_MAX, "s")],
        [f"{name}: {value:,.0f}" for name, value in facts.items() if name not in STEPS],
    )


def _in_child(work: Callable[[Path], dict[str, float]], folder: Path) -> dict[str, float]:
    """A fresh process, so that memory is only what the work needs."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(work, folder).result()


def prepare(folder: Path) -> dict[str, float]:
    """Write the snapshot that the restarts begin with."""
    journal = (folder / "before.journal").read_bytes()
    scan = _native.scan_frames(journal, 1, 0)
    replica = _native.Replica()
    replica.replay(journal)
    start = perf_counter()
    snapshot = replica.snapshot()
    seconds = perf_counter() - start
    (folder / "snapshot").write_bytes(snapshot)
    (folder / "position").write_text(f"{scan.last_sequence} {scan.last_crc}")
    counts = replica.counts()
    return {
        "resting orders": counts["live_orders"],
        "keys at the snapshot": counts["keys"],
        "snapshot bytes": len(snapshot),
        "snapshot taken in ms": seconds * 1e3,
    }


def restart(folder: Path) -> dict[str, float]:
    """Seconds of each step, then keys and memory."""
    machine.pin()
    sequence, crc = map(int, (folder / "position").read_text().split())
    start = perf_counter()
    snapshot = (folder / "snapshot").read_bytes()
    read = perf_counter()
    replica = _native.Replica.restore(snapshot)
    restored = perf_counter()
    del snapshot
    reader = Reader(
        folder / "measured.journal", chunk_bytes=CHUNK_BYTES, last_sequence=sequence, last_crc=crc
    )
    for chunk in reader:
        replica.replay(chunk)
    end = perf_counter()
    return {
        STEPS[0]: read - start,
        STEPS[1]: restored - read,
        STEPS[2]: end - restored,
        "keys at the end": replica.counts()["keys"],
        "resident MB at the end": machine.resident_mb(),
    }
