"""A journal replayed from files, in frames as small and as large as nodes write them."""

from __future__ import annotations

import gc
from time import process_time

from bench import binary, machine
from bench.frames import Reader
from bench.report import Cell, Report, at_least, in_turns
from tradepit import _native

RATE_MIN = 5e6
CHUNK_BYTES = 8 << 20
RESTING = 110_000
SETTLE = 500_000
MEASURED = 500_000
FRAME_SIZES = (1, 8, 64, 256)


def run(rounds: int) -> Report:
    machine.pin()
    rows: list[dict[str, Cell]] = []
    for per_frame in FRAME_SIZES:
        settings = {"resting": RESTING, "settle": SETTLE, "measured": MEASURED, "window": SETTLE}
        with binary.exported("steady", **settings, per_frame=per_frame) as flow:
            rows.append(_measure(flow, per_frame, rounds))
    rates = {row["commands per frame"]: row["commands/s"] for row in rows}
    return Report(
        "replay",
        "Journal replay from files, chunks of 8 MiB, steady flow",
        rows,
        [
            at_least(f"frames of {size} commands", float(rate), RATE_MIN, "commands/s")
            for size, rate in rates.items()
        ],
        ["commands/s: frames checked (checksum, chain, sequence) and replayed, as recovery does"],
    )


def _measure(flow: binary.Exported, per_frame: int, rounds: int) -> dict[str, Cell]:
    replica = _native.Replica()
    before = flow.before
    replica.replay(before)
    scan = _native.scan_frames(before, 1, 0)
    snapshot = replica.snapshot()
    del replica

    def reader() -> Reader:
        return Reader(
            flow.measured_journal,
            chunk_bytes=CHUNK_BYTES,
            last_sequence=scan.last_sequence,
            last_crc=scan.last_crc,
        )

    hashes = set()

    def replay() -> float:
        fresh = _native.Replica.restore(snapshot)
        gc.collect()
        start = process_time()
        count = sum(fresh.replay(chunk) for chunk in reader())
        seconds = process_time() - start
        hashes.add(fresh.state_hash())
        return count / seconds

    def check() -> float:
        start = process_time()
        for _ in reader():
            pass
        return flow.measured / (process_time() - start)

    found = in_turns(rounds, [("replay", replay), ("check", check)])
    if len(hashes) != 1:
        raise AssertionError("replays ended in different states")
    return {
        "commands per frame": per_frame,
        "bytes/command": flow.measured_journal.stat().st_size / flow.measured,
        "commands/s": found["replay"],
        "of it checking, ns/command": 1e9 / found["check"],
        "ns/command": 1e9 / found["replay"],
    }
