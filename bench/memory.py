"""Bytes per resting order in the engine, and of a whole replica with full key windows."""

from __future__ import annotations

from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

from bench import binary, machine
from bench.frames import Reader
from bench.report import Cell, Report, at_most
from tradepit import _native

BYTES_PER_ORDER_MAX = 200.0
NODE_MB_MAX = 600.0
RESTING = 1_000_000
# Places are about half of the commands: four million keys with those that rest.
SETTLE = 6_100_000
WINDOW = 100_000_000
CHUNK_BYTES = 8 << 20


def run(_rounds: int) -> Report:
    (per_order,) = binary.lines("memory")
    settings = {"resting": RESTING, "settle": SETTLE, "measured": 1, "window": WINDOW}
    with (
        binary.exported("cancel-heavy", **settings) as flow,
        ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool,
    ):
        node = pool.submit(replica_memory, flow.folder).result()
    rows: list[dict[str, Cell]] = [
        {"what": "engine, bytes per resting order with key", "value": per_order["bytes_per_order"]}
    ]
    rows.extend({"what": name, "value": value} for name, value in node.items())
    megabytes = node["resident MB with them"]
    return Report(
        "memory",
        "Memory",
        rows,
        [
            at_most("resting order", per_order["bytes_per_order"], BYTES_PER_ORDER_MAX, "bytes"),
            at_most("replica with its history", megabytes, NODE_MB_MAX, "MB"),
        ],
        ["keys count 8 bytes of index each beside their 56 once their orders are finished"],
    )


def replica_memory(folder: Path) -> dict[str, float]:
    """Build the state as a node does, chunk by chunk, and weigh the process."""
    empty = machine.resident_mb()
    replica = _native.Replica()
    path = folder / "before.journal"
    for chunk in Reader(path, chunk_bytes=CHUNK_BYTES, last_sequence=0, last_crc=0):
        replica.replay(chunk)
    del chunk
    counts = replica.counts()
    return {
        "resting orders": counts["live_orders"],
        "keys": counts["keys"],
        "accounts": counts["accounts"],
        "orders in history": counts["history_orders"],
        "trades in history": counts["history_trades"],
        "resident MB of Python alone": empty,
        "resident MB with them": machine.resident_mb(),
    }
