"""The SQL database fails beside a trading node: the market goes on, the projector says so and
catches up exactly."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests.end_to_end.node_process import NodeProcess
from tests.end_to_end.order_load import History, Load
from tests.end_to_end.test_projector_kill import (
    check,
    position_of,
    until_it_moves,
    wait_until_projected,
)
from tests.postgres import PostgresServer

from tradepit.journal.layout import DataDirectory

SAID_SECONDS = 60.0
ORDERS_MEANWHILE = 300
REFUSES = "the database takes no rows; the market goes on"
TAKES = "the database takes rows again"


def node_of(root: Path, url: str) -> NodeProcess:
    environment = {"TRADEPIT_PROJECTIONS__ENABLED": "true", "TRADEPIT_DATABASE_URL": url}
    return NodeProcess(root / "data", environment=environment)


def metric(node: NodeProcess, name: str) -> float:
    found = re.search(rf"^{name} (\S+)$".encode(), node.get("/metrics"), re.MULTILINE)
    assert found is not None
    return float(found[1])


async def until(is_so: Callable[[], bool], what: str) -> None:
    end = time.monotonic() + SAID_SECONDS
    while not is_so():
        assert time.monotonic() < end, f"{what}: not after {SAID_SECONDS:g} s"
        await asyncio.sleep(0.05)


def run_through(
    root: Path, url: str, begin: Callable[[], None], end: Callable[[], None], is_said: str
) -> None:
    """A node trades while its database fails and comes back.

    Args:
        is_said: what the log or the metrics tell meanwhile, see `_is_told`.
    """
    node = node_of(root, url)
    directory = DataDirectory(node.data_dir)
    history = History(1)

    async def trade() -> None:
        load = Load(history, node.port)
        await load.connect(8)
        await load.connect(2, batch=16)
        await until_it_moves(url)
        begin()
        await until(lambda: is_told(node, is_said), is_said)
        answered = history.answered
        await until(lambda: history.answered > answered + ORDERS_MEANWHILE, "orders go on")
        assert metric(node, "tradepit_projection_lag") > 0
        assert node.status("/ready") == 200
        end()
        await load.finish()

    try:
        node.start()
        asyncio.run(trade())
        wait_until_projected(directory, url)
        if is_said == REFUSES:
            assert TAKES in node.log.read_text()
        assert node.stop() == 0
    finally:
        node.kill()
    asyncio.run(check(directory, url))


def is_told(node: NodeProcess, what: str) -> bool:
    if what == REFUSES:
        return REFUSES in node.log.read_text()
    return metric(node, "tradepit_projection_available") == 0


def test_a_database_that_is_down_is_waited_for(postgres: PostgresServer, tmp_path: Path) -> None:
    own = PostgresServer({"max_connections": "20"})
    try:
        run_through(tmp_path, own.database(), own.kill, own.start, REFUSES)
    finally:
        own.stop()


class Hanging:
    """A server of our own that stops answering, and goes on."""

    def __init__(self) -> None:
        self.server = PostgresServer({"max_connections": "20"})
        self._stopped: list[int] = []

    def hang(self) -> None:
        self._stopped = self.server.processes()
        self._signal(signal.SIGSTOP)

    def go_on(self) -> None:
        self._signal(signal.SIGCONT)
        self._stopped = []

    def stop(self) -> None:
        self.go_on()
        self.server.stop()

    def _signal(self, number: int) -> None:
        for process in self._stopped:
            with contextlib.suppress(ProcessLookupError):
                os.kill(process, number)


def test_a_database_that_hangs_holds_nobody_up(postgres: PostgresServer, tmp_path: Path) -> None:
    own = Hanging()
    try:
        url = own.server.database()
        run_through(tmp_path, url, own.hang, own.go_on, "not available")
    finally:
        own.stop()


def test_a_node_stops_while_its_database_hangs(postgres: PostgresServer, tmp_path: Path) -> None:
    own = Hanging()
    node = node_of(tmp_path, own.server.database())
    try:
        node.start()
        own.hang()
        asyncio.run(until(lambda: is_told(node, "not available"), "not available"))
        assert node.status("/api/v1/contracts") == 503
        assert node.stop() == 0
    finally:
        node.kill()
        own.stop()


def test_a_read_only_database_is_waited_for(postgres: PostgresServer, tmp_path: Path) -> None:
    url = postgres.database()
    name = url.partition("@/")[2].partition("?")[0]

    def set_read_only(is_on: bool) -> None:
        word = "on" if is_on else "off"
        postgres.sql(f"ALTER DATABASE {name} SET default_transaction_read_only = {word}")
        postgres.sql(
            f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'"
        )

    run_through(tmp_path, url, lambda: set_read_only(True), lambda: set_read_only(False), REFUSES)


class FullDisk:
    """A small disk that a file fills."""

    def __init__(self, where: Path) -> None:
        self.where = where
        self._filler = where / "filler"

    def fill(self) -> None:
        with contextlib.suppress(OSError), self._filler.open("wb", buffering=0) as filler:
            while True:
                filler.write(bytes(4096))

    def free(self) -> None:
        self._filler.unlink()


@contextmanager
def small_disk(where: Path) -> Iterator[FullDisk]:
    where.mkdir()
    mounting = ["mount", "-t", "tmpfs", "-o", "size=200m,mode=777", "tmpfs", str(where)]
    try:
        subprocess.run(mounting, check=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("mounting a small disk needs root")
    try:
        yield FullDisk(where)
    finally:
        subprocess.run(["umount", "-l", where], check=True)


def test_a_full_sqlite_disk_is_waited_for(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk") as disk:
        url = f"sqlite:///{disk.where / 'history.sqlite'}"
        run_through(tmp_path, url, disk.fill, disk.free, REFUSES)


def test_a_full_postgresql_disk_is_waited_for(postgres: PostgresServer, tmp_path: Path) -> None:
    with small_disk(postgres.directory / "disk") as disk:
        space = disk.where / "space"
        space.mkdir()
        postgres.give(space)
        postgres.sql(f"CREATE TABLESPACE small LOCATION '{space}'")
        postgres.sql("CREATE DATABASE full_disk TABLESPACE small")
        try:
            run_through(tmp_path, postgres.url("full_disk"), disk.fill, disk.free, REFUSES)
        finally:
            postgres.sql("DROP DATABASE full_disk WITH (FORCE)")
            postgres.sql("DROP TABLESPACE small")


def test_a_database_of_an_hour_ago_catches_up(postgres: PostgresServer, tmp_path: Path) -> None:
    """Restored beneath a running projector, and while nobody ran."""
    url = postgres.database()
    name = url.partition("@/")[2].partition("?")[0]
    node = node_of(tmp_path, url)
    directory = DataDirectory(node.data_dir)
    history = History(2)

    def copy(source: str, target: str) -> None:
        postgres.sql(f"DROP DATABASE IF EXISTS {target} WITH (FORCE)")
        # A projector that reconnects in between would forbid the copy.
        postgres.sql(f"ALTER DATABASE {source} ALLOW_CONNECTIONS false")
        postgres.sql(
            f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{source}'"
        )
        postgres.sql(f"CREATE DATABASE {target} TEMPLATE {source}")
        postgres.sql(f"ALTER DATABASE {source} ALLOW_CONNECTIONS true")

    async def trade(seconds: float) -> None:
        load = Load(history, node.port)
        await load.connect(8)
        await until_it_moves(url)
        await asyncio.sleep(seconds)
        await load.finish()

    try:
        node.start()
        asyncio.run(trade(0.5))
        copy(name, "an_hour_ago")
        before = asyncio.run(position_of(postgres.url("an_hour_ago")))
        asyncio.run(trade(1.0))
        wait_until_projected(directory, url)
        assert asyncio.run(position_of(url)) > before
        copy("an_hour_ago", name)
        asyncio.run(trade(0.5))
        wait_until_projected(directory, url)
        assert node.stop() == 0
        copy("an_hour_ago", name)
        assert asyncio.run(position_of(url)) == before
    finally:
        node.kill()
    asyncio.run(check(directory, url))
