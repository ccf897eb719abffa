"""Replays of a long recording: indexing, seeks, steps back, and messages as text.

The recording is generated once and kept under target/. "Cold": the index is opened anew and the
operating system has been asked to forget its files.
"""

from __future__ import annotations

import os
import random
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from time import perf_counter, process_time, time_ns
from typing import Any, Final

import numpy as np

from bench import machine
from bench.alone import alone
from bench.programs import ROOT
from bench.report import Cell, Report, at_least, at_most
from tradepit.marketdata.generated import GeneratedSource, SessionSettings
from tradepit.marketdata.recorder import convert
from tradepit.marketdata.replays.cache import IndexCache
from tradepit.marketdata.replays.index import RecordingIndex
from tradepit.marketdata.replays.rendering import RenderStyle, render, symbols_of
from tradepit.marketdata.replays.session import ReplaySession, Steps

FOLDER: Final = ROOT / "target" / "replay-seek"
SETTINGS: Final = SessionSettings(seed=1, records=10_000_000)
SEEKS: Final = 200
BATCH: Final = 5_000
PLAYED: Final = 1_000_000
"""Messages."""

SEEK_MS_MAX: Final = 200.0
OPEN_MS_MAX: Final = 10.0
RENDER_MIN: Final = 1.5
MILLION: Final = 1e6


def run(rounds: int) -> Report:
    """Seeks and text of a recording with ten million messages."""
    machine.pin()
    path = _recording()
    cache = IndexCache(FOLDER / "indexes")
    rng = random.Random(1)
    rows, render_rate = _warm(cache, path, rng, rounds)
    rows.append(_row("open", [_ms(lambda: _open(cache, path).close()) for _ in range(SEEKS)]))
    rows.append(_row("open and seek, cold", [_cold_ms(cache, path, rng) for _ in range(SEEKS)]))
    found = {str(row["what"]): row for row in rows}
    verdicts = [
        at_most(what, float(found[what]["max ms"]), SEEK_MS_MAX, "ms")
        for what in ("seek", "step back", "seek to a sequence", "open and seek, cold")
    ]
    verdicts.append(at_most("open", float(found["open"]["p50 ms"]), OPEN_MS_MAX, "ms"))
    verdicts.append(at_least("render", render_rate, RENDER_MIN, "M/s"))
    notes = [
        f"{SETTINGS.records:,} messages; random places; every seek ends with whole books",
        "index: of a plain DBN file, wall time with syncs; render, take due: processor time",
    ]
    return Report("replay-seek", "Replays: seek, step, index, render", rows, verdicts, notes)


def _recording() -> Path:
    path = FOLDER / "generated.dbn"
    if not path.exists():
        FOLDER.mkdir(parents=True, exist_ok=True)
        print("generating the recording ...", file=sys.stderr)
        convert(GeneratedSource(SETTINGS), path)
    return path


def _warm(
    cache: IndexCache, path: Path, rng: random.Random, rounds: int
) -> tuple[list[dict[str, Cell]], float]:
    """Build an index, then use it; the rows, and the rate of rendering."""
    shutil.rmtree(cache.folder, ignore_errors=True)
    start = perf_counter()
    with cache.build(path) as index:
        build = index.count / (perf_counter() - start) / MILLION
        session = ReplaySession(index, time_ns)
        rows: list[dict[str, Cell]] = [
            _row(what, [_ms(act) for _ in map(prepare, range(SEEKS * rounds))])
            for what, prepare, act in _actions(session, rng)
        ]
        rates = {"index": build} | _played(session)
    rows += [{"what": what, "M messages/s": rate} for what, rate in rates.items()]
    return rows, rates["render"]


def _actions(
    session: ReplaySession, rng: random.Random
) -> list[tuple[str, Callable[[int], object], Callable[[], object]]]:
    """What is measured, and what comes before it each time."""
    clock = session.index.clock
    first, last = int(clock[0]), int(clock[-1])
    highest = int(session.index.records["sequence"][-1])

    def nothing(_: int) -> None: ...

    def anywhere(_: int = 0) -> None:
        session.seek(rng.randint(1, session.count))

    return [
        ("seek", nothing, anywhere),
        ("seek to a time", nothing, lambda: session.seek_time(rng.randint(first, last))),
        ("seek to a sequence", nothing, lambda: session.seek_sequence(rng.randint(1, highest))),
        ("step back", anywhere, lambda: session.step(-1)),
    ]


def _ms(act: Callable[[], object]) -> float:
    start = perf_counter()
    act()
    return (perf_counter() - start) * 1e3


def _row(what: str, taken_ms: list[float]) -> dict[str, Cell]:
    p50, p99 = np.percentile(taken_ms, [50, 99])
    return {"what": what, "p50 ms": float(p50), "p99 ms": float(p99), "max ms": max(taken_ms)}


def _open(cache: IndexCache, path: Path) -> RecordingIndex:
    index = cache.open(path)
    if index is None:
        raise AssertionError("the index was not kept")
    return index


def _cold_ms(cache: IndexCache, path: Path, rng: random.Random) -> float:
    """Opening and one seek, from the disk."""
    target = rng.randint(1, SETTINGS.records or 1)
    [folder] = cache.folder.iterdir()
    for file in folder.iterdir():
        descriptor = os.open(file, os.O_RDONLY)
        # Forgets what nothing has mapped: no index may be open here.
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
        os.close(descriptor)

    def seek() -> None:
        with _open(cache, path) as index:
            index.books_at(target)

    return _ms(seek)


def _played(session: ReplaySession) -> dict[str, float]:
    """Millions of messages per second of processor time, taken and rendered."""
    session.set_speed(None)
    session.seek(session.count // 2)
    session.play()
    symbols = symbols_of(session.index.description)
    taking = rendering = 0.0
    count = 0
    while count < PLAYED:
        start = process_time()
        steps: Any = session.take_due(BATCH)
        middle = process_time()
        assert isinstance(steps, Steps)
        render(steps, RenderStyle.FRAMES, first_seq=count + 1, symbols=symbols)
        rendering += process_time() - middle
        taking += middle - start
        count += steps.count
    return {"take due": count / taking / MILLION, "render": count / rendering / MILLION}


if __name__ == "__main__":
    alone(run)
