"""The trade store: ingest by several writers with 1 and 10 shards, and the five queries.

Writers are processes, each with a store worker (`tradepit store`) of its own, all on one database:
a PostgreSQL server of this run with its durable settings, or one SQLite file. Batches of 10 trades
are what the original generators send: there the commit rules, and with it how long a writer waits
for a summary record that another one holds. Batches of 2,000 show what rows cost.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any, Final, NamedTuple

import httpx
from tests.postgres import PostgresServer

from bench.alone import alone
from bench.programs import ROOT, START_SECONDS, STOP_SECONDS, free_port, wait_for
from bench.report import Cell, Report, Verdict
from tradepit.client import Client
from tradepit.flow.generated_trades import KNOWN, TradeWalk

WRITERS: Final = 4
CONNECTIONS: Final = 4
"""Requests of one writer at once."""

SHARDS: Final = (1, 10)
SECONDS: Final = 4.0
WARM_UP_SECONDS: Final = 1.0
SMALL, LARGE = 10, 2_000
QUERIES_EACH: Final = 400
FILL_BATCHES: Final = 25
"""Of `LARGE` trades, before the queries are asked."""

DURABLE: Final = {"max_connections": "200", "shared_buffers": "512MB"}
SLOW_COMMITS: Final = DURABLE | {"commit_delay": "10000", "commit_siblings": "0"}
"""Commits of 10 ms more, as with a replica that confirms each: what a writer waits for is then the
commit of the one before, not the processor that all of this shares."""

POSTGRESQL, SLOW, SQLITE = "postgresql", "postgresql, commits of 10 ms", "sqlite"
BATCHES: Final = {POSTGRESQL: (SMALL, LARGE), SLOW: (SMALL,), SQLITE: (SMALL, LARGE)}
MS_PER_SECOND: Final = 1e3


class Load(NamedTuple):
    """What writers sent and were told."""

    trades_per_second: float
    requests_per_second: float
    p50_ms: float
    p99_ms: float


@contextmanager
def databases() -> Iterator[dict[str, str]]:
    """An empty directory for SQLite files, and a durable PostgreSQL server."""
    (ROOT / "target").mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="bench-", dir=ROOT / "target") as name:
        servers: dict[str, PostgresServer] = {}
        try:
            servers[POSTGRESQL] = PostgresServer(DURABLE)
            servers[SLOW] = PostgresServer(SLOW_COMMITS)
            yield _Urls(Path(name), servers)
        finally:
            for server in servers.values():
                server.stop()


class _Urls(dict[str, str]):
    """A new, empty database each time one is asked for."""

    def __init__(self, directory: Path, servers: dict[str, PostgresServer]) -> None:
        super().__init__()
        self._directory = directory
        self._servers = servers
        self._number = 0

    def __missing__(self, kind: str) -> str:
        self._number += 1
        if kind in self._servers:
            return self._servers[kind].database()
        return f"sqlite:///{self._directory / f'{self._number}.sqlite'}"


@contextmanager
def workers(url: str, *, shards: int, count: int) -> Iterator[list[int]]:
    """Store workers on a database; yields their ports."""
    ports = [free_port() for _ in range(count)]
    processes = []
    for port in ports:
        command = [sys.executable, "-m", "tradepit.cli", "store", "--port", str(port)]
        processes.append(
            subprocess.Popen(
                [*command, "--shards", str(shards)],
                stdout=subprocess.DEVNULL,
                env=os.environ | {"TRADEPIT_DATABASE_URL": url},
            )
        )
        wait_for(f"http://127.0.0.1:{port}/ready", processes[-1])
    try:
        yield ports
    finally:
        for process in processes:
            process.send_signal(signal.SIGTERM)
        for process in processes:
            process.wait(STOP_SECONDS)


def body_of(walk: TradeWalk, count: int, name: str) -> bytes:
    """Lines of generated trades."""
    now_ns = time.time_ns()
    lines = []
    for number in range(count):
        move = walk.next(1.0)
        lines.append(
            f'{{"ticker":"{move.ticker}","price":{move.price},"volume":{move.volume},'
            f'"timestamp":{now_ns},"trade_id":"{name}-{number}"}}'
        )
    return "\n".join(lines).encode()


def write(port: int, seed: str, *, batch: int, seconds: float) -> None:
    """One writer: sends what it has made before, on several connections; prints what it saw.

    Bodies are made first, so that the time is the store's.
    """
    walk = TradeWalk(list(KNOWN.values()), seed)
    made = 1_200 if batch == SMALL else 40
    bodies = iter(
        [body_of(walk, batch, f"{seed}-{number}") for number in range(made * CONNECTIONS)]
    )
    print("ready", flush=True)
    sys.stdin.readline()
    begin, times = time.perf_counter(), list[float]()
    lock = threading.Lock()

    def send() -> None:
        headers = {"content-type": "application/x-ndjson"}
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60) as http:
            while (start := time.perf_counter()) < begin + WARM_UP_SECONDS + seconds:
                with lock:
                    body = next(bodies, None)
                if body is None:
                    return
                answer = http.post("/api/v1/trades/ingest", content=body, headers=headers)
                answer.raise_for_status()
                end = time.perf_counter()
                if begin + WARM_UP_SECONDS < end < begin + WARM_UP_SECONDS + seconds:
                    times.append(end - start)

    threads = [threading.Thread(target=send) for _ in range(CONNECTIONS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    window = min(time.perf_counter() - begin - WARM_UP_SECONDS, seconds)
    print(window, *times, flush=True)


def ingest(url: str, *, shards: int, batch: int) -> Load:
    """Writers at once, each with a worker of its own."""
    with workers(url, shards=shards, count=WRITERS) as ports:
        writers = [
            subprocess.Popen(
                [sys.executable, "-m", "bench.store", "write", str(port), f"w{number}", str(batch)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
                cwd=ROOT,
            )
            for number, port in enumerate(ports)
        ]
        for writer in writers:
            assert writer.stdout is not None
            assert writer.stdout.readline() == "ready\n"
        told = []
        for writer in writers:
            assert writer.stdin is not None
            writer.stdin.write("go\n")
            writer.stdin.flush()
        for writer in writers:
            out, _ = writer.communicate(timeout=START_SECONDS + 120)
            window, *times = map(float, out.split())
            told.append((window, times))
    times = sorted(one for _, each in told for one in each)
    requests = sum(len(each) / window for window, each in told)
    return Load(
        requests * batch,
        requests,
        times[len(times) // 2] * MS_PER_SECOND,
        times[len(times) * 99 // 100] * MS_PER_SECOND,
    )


def ask(url: str, *, shards: int) -> dict[str, list[float]]:
    """The five queries of the client, at a store with some trades; what each took there, in ms."""
    with workers(url, shards=shards, count=1) as ports:
        walk = TradeWalk(list(KNOWN.values()), "queries")
        with Client(f"http://127.0.0.1:{ports[0]}", timeout_s=60) as client:
            for number in range(FILL_BATCHES):
                client.ingest_lines(body_of(walk, LARGE, f"fill-{number}"))
            price = client.contract_highest_price("A.COM").highest_price
            assert price is not None
            questions: dict[str, Callable[[], Any]] = {
                "volume": lambda: client.contract_volume("A.COM"),
                "highest price": lambda: client.contract_highest_price("A.COM"),
                "last trade time": lambda: client.contract_last_trade_time("A.COM"),
                "volume at a price": lambda: client.contract_volume_at("A.COM", price),
                "last trade time at a price": lambda: client.contract_last_trade_time_at(
                    "A.COM", price
                ),
            }
            return {
                name: sorted(question().took_ms for _ in range(QUERIES_EACH))
                for name, question in questions.items()
            }


def run(rounds: int) -> Report:
    """Ingest and queries on both databases, with 1 and 10 shards in turns."""
    rows: list[dict[str, Cell]] = []
    rates: dict[tuple[str, int, int], float] = {}
    with databases() as urls:
        for kind, batches in BATCHES.items():
            for batch in batches:
                found: dict[int, list[Load]] = {shards: [] for shards in SHARDS}
                for _ in range(rounds):
                    for shards in SHARDS:
                        found[shards].append(ingest(urls[kind], shards=shards, batch=batch))
                for shards, loads in found.items():
                    rates[kind, batch, shards] = median(load.trades_per_second for load in loads)
                    rows.append(_load_row(kind, batch, shards, loads))
            for shards in SHARDS if kind != SLOW else ():
                for name, times in ask(urls[kind], shards=shards).items():
                    rows.append(
                        {
                            "what": f"{kind}, {shards} shards: {name}",
                            "p50 ms": times[len(times) // 2],
                            "p99 ms": times[len(times) * 99 // 100],
                        }
                    )
    verdicts = []
    for kind in (POSTGRESQL, SLOW):
        gain = rates[kind, SMALL, 10] / rates[kind, SMALL, 1]
        target = f"10 shards beat 1 on {kind}, by {SMALL}"
        verdicts.append(Verdict(target, f"{gain:.2f} x", gain > 1))
    return Report(
        "store",
        f"Trade store: {WRITERS} writers with {CONNECTIONS} requests at once each; queries as "
        "the store timed them",
        rows,
        verdicts,
        ["PostgreSQL with fsync and synchronous commit; SQLite with WAL, synchronous=NORMAL"],
    )


def _load_row(kind: str, batch: int, shards: int, loads: list[Load]) -> dict[str, Cell]:
    return {
        "what": f"{kind}, {shards} shards: ingest by {batch}",
        "trades/s": median(load.trades_per_second for load in loads),
        "requests/s": median(load.requests_per_second for load in loads),
        "p50 ms": median(load.p50_ms for load in loads),
        "p99 ms": median(load.p99_ms for load in loads),
    }


if __name__ == "__main__":
    if sys.argv[1:2] == ["write"]:
        with contextlib.suppress(KeyboardInterrupt):
            write(int(sys.argv[2]), sys.argv[3], batch=int(sys.argv[4]), seconds=SECONDS)
    else:
        alone(run)
