"""Order-level books: records applied, decoded and applied, beside other people's books.

Rates are per second of processor time, so that a busy machine does not change them much. Peers
live in an environment of their own under target/, made when it is missing.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from statistics import median
from time import perf_counter_ns, process_time
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from bench import machine
from bench.alone import alone
from bench.programs import ROOT
from bench.report import Cell, Report, Verdict, at_least, in_turns
from tradepit.marketdata.books import Books
from tradepit.marketdata.dbn_reader import DbnReader, decode_apply
from tradepit.marketdata.dbn_writer import DbnWriter, metadata_of
from tradepit.marketdata.generated import GeneratedSource, SessionSettings
from tradepit.marketdata.records import (
    ACTION_ADD,
    ACTION_CANCEL,
    ACTION_MODIFY,
    FLAG_LAST,
    PRICE_SCALE,
)

APPLY_RATE_MIN: Final = 15.0
DECODE_RATE_MIN: Final = 8.0
MILLION: Final = 1e6
APPLY, PLAIN, ZSTD = "apply", "decode + apply, plain", "decode + apply, zstd"
RECORDING: Final = ROOT.parent / "shared/data/dbn/esh4-glbx-mdp3-20231225.mbo.dbn.zst"
GENERATED: Final = {
    "generated, 10k orders": SessionSettings(seed=1, records=2_000_000, orders=10_000),
    "generated, 100k orders": SessionSettings(seed=2, records=2_000_000, orders=100_000),
}
PEER_RECORDS: Final = 200_000
"""Of a flow for the peers: objects for more do not fit the time or the memory of some."""

PASSES: Final = 3
PEERS: Final = {"nautilus_trader": "nautilus_trader==1.221.0", "itch-book": "itch-book==0.2.1"}
OURS: Final = "tradepit"
NOTES: Final = (
    "apply: records in memory, one call; with effects, with best: what each did, bid and offer "
    "after each event, returned as arrays",
    "decode + apply: a DBN file on the disk, in one call; the compressed one is decompressed on "
    "the same core",
    "peers get adds, cancels and changes alone, in their own form, ready in memory; tradepit gets "
    "the same in this comparison; nautilus_trader takes Python objects made before, itch-book "
    "writes best prices and takes orders numbered from 1",
    "latency: one call from Python per event",
)


class Flow(NamedTuple):
    """One recording."""

    name: str
    records: NDArray[np.void]
    compressed: Path
    plain: Path


def run(rounds: int) -> Report:
    """Order-level books on a recorded and on generated sessions."""
    machine.pin()
    with tempfile.TemporaryDirectory(prefix="bench-books-") as folder:
        flows = _flows(Path(folder))
        peers, missing = _peers()
        found = {flow.name: _measured(flow, peers, Path(folder), rounds) for flow in flows}
    ways = list(dict.fromkeys(way for values in found.values() for way in values))
    rows: list[dict[str, Cell]] = []
    for way in ways:
        row: dict[str, Cell] = {"way": way}
        rows.append(row | {flow: values[way] for flow, values in found.items()})
    verdicts = [verdict for flow, values in found.items() for verdict in _verdicts(flow, values)]
    title = "Order-level books from Python: million records per second of one core"
    return Report("books", title, rows, verdicts, [*NOTES, *missing])


def _verdicts(flow: str, values: dict[str, float]) -> list[Verdict]:
    bounds = {APPLY: APPLY_RATE_MIN, PLAIN: DECODE_RATE_MIN, ZSTD: DECODE_RATE_MIN}
    return [at_least(f"{flow}: {way}", values[way], least, "M/s") for way, least in bounds.items()]


def _flows(folder: Path) -> list[Flow]:
    flows = []
    if RECORDING.exists():
        records = np.concatenate(list(DbnReader(RECORDING)))
        plain = folder / "recorded.dbn"
        _write(plain, records)
        flows.append(Flow("recorded futures session", records, RECORDING, plain))
    for number, (name, settings) in enumerate(GENERATED.items()):
        records = np.concatenate(list(GeneratedSource(settings).chunks()))
        files = folder / f"{number}.dbn.zst", folder / f"{number}.dbn"
        for path in files:
            _write(path, records)
        flows.append(Flow(name, records, *files))
    return flows


def _write(path: Path, records: NDArray[np.void]) -> None:
    info = GeneratedSource(next(iter(GENERATED.values()))).info
    with DbnWriter(path, metadata_of(info), is_compressed=path.suffix == ".zst") as writer:
        writer.write(records)
        writer.close()


def _peers() -> tuple[Path | None, list[str]]:
    """The interpreter that has the peers, or why there is none."""
    folder = ROOT / "target" / "book-peers"
    python = folder / "bin" / "python"
    wanted = folder / "installed.txt"
    if wanted.exists() and wanted.read_text() == "\n".join(PEERS.values()):
        return python, []
    print("installing the peers ...", file=sys.stderr)
    subprocess.run([sys.executable, "-m", "venv", "--clear", folder], check=True)
    install = [str(python), "-m", "pip", "install", "--quiet", *PEERS.values()]
    done = subprocess.run(install, capture_output=True, text=True, check=False)
    if done.returncode:
        return None, [f"no peers: {done.stderr.strip().splitlines()[-1]}"]
    wanted.write_text("\n".join(PEERS.values()))
    return python, []


def _measured(flow: Flow, peers: Path | None, folder: Path, rounds: int) -> dict[str, float]:
    changes = flow.records[
        np.isin(flow.records["action"], [ACTION_ADD, ACTION_CANCEL, ACTION_MODIFY])
    ][:PEER_RECORDS]
    expected = _end(changes)
    path = folder / "changes.npy"
    np.save(path, changes)

    def peer(name: str) -> float:
        return len(changes) / _peer_seconds(peers, name, path, expected) / MILLION

    contenders: list[tuple[str, Callable[[], float]]] = [
        (APPLY, lambda: _rate(flow.records, Books.apply)),
        ("apply with effects", lambda: _rate(flow.records, Books.apply_with_effects)),
        ("apply with best prices", lambda: _rate(flow.records, Books.apply_with_best)),
        (PLAIN, lambda: _decode_rate(flow.plain, len(flow.records))),
        (ZSTD, lambda: _decode_rate(flow.compressed, len(flow.records))),
        (f"{OURS}, changes alone", lambda: _rate(changes, Books.apply)),
    ]
    if peers is not None:
        contenders += [(f"{name}, changes alone", partial(peer, name)) for name in PEERS]
    return in_turns(rounds, contenders) | _latency(flow.records)


def _rate(records: NDArray[np.void], apply: Callable[[Books, NDArray[np.void]], Any]) -> float:
    """Median over passes, each with new books."""
    seconds = []
    for _ in range(PASSES):
        books = Books()
        start = process_time()
        apply(books, records)
        seconds.append(process_time() - start)
    return len(records) / median(seconds) / MILLION


def _decode_rate(path: Path, count: int) -> float:
    seconds = []
    for _ in range(PASSES):
        books = Books()
        start = process_time()
        applied = decode_apply(path, books)
        seconds.append(process_time() - start)
        if applied.records != count:
            raise AssertionError(f"{applied.records} records of {count}")
    return count / median(seconds) / MILLION


def _end(records: NDArray[np.void]) -> tuple[float, float]:
    """Best prices at the end, which every peer must come to."""
    books = Books()
    books.apply(records)
    [key] = books.keys()
    best = books.best(key.instrument_id)
    assert best.bid is not None
    assert best.ask is not None
    return best.bid.price / PRICE_SCALE, best.ask.price / PRICE_SCALE


def _peer_seconds(
    python: Path | None, name: str, path: Path, expected: tuple[float, float]
) -> float:
    command = [str(python), str(ROOT / "bench" / "book_peers.py"), name, str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    found = json.loads(done.stdout)
    if (found["bid"], found["ask"]) != expected:
        raise AssertionError(f"{name} ended at {found['bid']} / {found['ask']}, not {expected}")
    return float(found["seconds"])


def _latency(records: NDArray[np.void]) -> dict[str, float]:
    """Of one call per event, in ns."""
    ends = np.flatnonzero(records["flags"] & FLAG_LAST)[:PEER_RECORDS] + 1
    memory = memoryview(records.tobytes())
    width = records.itemsize
    starts = [0, *ends[:-1].tolist()]
    events = [
        memory[start * width : end * width]
        for start, end in zip(starts, ends.tolist(), strict=True)
    ]
    books = Books()
    apply = books.native.apply
    taken = np.empty(len(events), np.int64)
    for at, event in enumerate(events):
        start = perf_counter_ns()
        apply(event)
        taken[at] = perf_counter_ns() - start
    p50, p99, p999 = np.percentile(taken, [50, 99, 99.9])
    return {
        "ns per event, p50": float(p50),
        "ns per event, p99": float(p99),
        "ns per event, p99.9": float(p999),
    }


if __name__ == "__main__":
    alone(run)
