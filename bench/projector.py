"""The projector: alone on a core, and beside order entry in turns with a node that has none."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final, NamedTuple

from tests.postgres import NoPostgres, PostgresServer

from bench.alone import alone
from bench.order_entry import middle, p99, rate
from bench.programs import ROOT, Load, Measured, Node, run_load, running_node
from bench.report import Cell, Report, at_least

LOAD: Final = Load(connections=64, seconds=5.0)
BATCHES: Final = Load(entry="batch", connections=4, operations=100, seconds=4.0)
ORDERS_PER_SECOND_MIN: Final = 25_000
CATCH_UP_SECONDS: Final = 300.0
DURABLE: Final = {"max_connections": "20", "shared_buffers": "512MB"}

Url = Callable[[], str]

_PROJECT: Final = """
import asyncio, sys, time
from pathlib import Path
from tradepit.journal.layout import DataDirectory
from tradepit.projections.projector import project
started = time.perf_counter()
asyncio.run(project(DataDirectory(Path(sys.argv[1])), sys.argv[2], until_end=True))
print(time.perf_counter() - started)
"""


class Beside(NamedTuple):
    """Order entry with a projector at work."""

    measured: Measured
    lag: int
    """Commands that were not in SQL when the load ended."""
    caught_up_seconds: float


def run(rounds: int) -> Report:
    """Orders a second of the projector alone, and of order entry with and without it."""
    rows: list[dict[str, Cell]] = []
    with journal() as (data_dir, commands):
        alone_rates = {}
        for name, url in urls():
            seconds = [project_once(data_dir, url()) for _ in range(rounds)]
            alone_rates[name] = commands / sorted(seconds)[len(seconds) // 2]
            rows.append({"what": f"alone, {name}", "per second": alone_rates[name]})
    without, beside = [], []
    for _ in range(rounds):
        with running_node() as node:
            without.append(run_load(LOAD, node.port))
        with running_node(projects=True) as node:
            beside.append(measure_beside(node))
    rows.append(entry_row("orders without a projector", without))
    rows.append(
        entry_row("orders with one", [each.measured for each in beside])
        | {
            "lag at the end": max(each.lag for each in beside),
            "caught up after s": max(each.caught_up_seconds for each in beside),
        }
    )
    verdict = at_least(
        "commands a second into SQLite, alone", alone_rates["SQLite"], ORDERS_PER_SECOND_MIN, "/s"
    )
    return Report("projector", "The journal into SQL", rows, [verdict])


def entry_row(name: str, runs: Sequence[Measured]) -> dict[str, Cell]:
    return {"what": name, "per second": middle(runs, rate), "p99 ms": middle(runs, p99)}


@contextmanager
def journal() -> Iterator[tuple[Path, int]]:
    """The data of a node that took batches for a while, and how many commands they hold."""
    with tempfile.TemporaryDirectory(prefix="bench-", dir=ROOT / "target") as folder:
        copy = Path(folder) / "data"
        with running_node() as node:
            run_load(BATCHES, node.port)
            commands = node.sequence
            shutil.copytree(node.data_dir / "data", copy, ignore=shutil.ignore_patterns("lock"))
        yield copy, commands


def urls() -> Iterator[tuple[str, Url]]:
    """Each kind of database: its name, and how to make an empty one."""
    with tempfile.TemporaryDirectory(prefix="bench-", dir=ROOT / "target") as folder:
        numbers = iter(range(1_000))
        yield "SQLite", lambda: f"sqlite:///{folder}/{next(numbers)}.sqlite"
    try:
        server = PostgresServer(DURABLE)
    except NoPostgres as reason:
        print(reason, file=sys.stderr)
        return
    try:
        yield "PostgreSQL", server.database
    finally:
        server.stop()


def project_once(data_dir: Path, url: str) -> float:
    """Seconds that a process of its own takes, its start not counted."""
    command = [sys.executable, "-c", _PROJECT, str(data_dir), url]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return float(done.stdout.split()[-1])


def measure_beside(node: Node) -> Beside:
    measured = run_load(LOAD, node.port)
    ended = time.monotonic()
    lag = int(node.metric("tradepit_projection_lag"))
    while node.metric("tradepit_projection_lag") > 0:
        if time.monotonic() - ended > CATCH_UP_SECONDS:
            break
        time.sleep(0.1)
    return Beside(measured, lag, time.monotonic() - ended)


if __name__ == "__main__":
    alone(run)
