"""A PostgreSQL server of our own: in a temporary directory, on a Unix socket, for one run.

Tests take the fixtures of `tests/conftest.py`: `postgres` (the server) and `database_url` (an empty
database, once on SQLite and once on PostgreSQL). Servers are found where distributions put them;
without one, tests that need it are skipped.
"""

from __future__ import annotations

import ctypes
import itertools
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Final

START_SECONDS: Final = 60.0
STOP_SECONDS: Final = 30.0
PR_SET_PDEATHSIG: Final = 1
SYSTEM_USER: Final = "postgres"
"""Who runs the server when we are root, which it refuses to be."""

FAST: Final[Mapping[str, str]] = {
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "max_connections": "200",
    "min_wal_size": "32MB",
    "max_wal_size": "128MB",
}
"""Nothing here outlives the run; a killed client, or server process, loses nothing by it."""


class NoPostgres(Exception):
    """There is no server program to start; the text says why."""


class PostgresServer:
    """A running server. `database()` gives the URL of a new, empty database."""

    def __init__(self, settings: Mapping[str, str] = FAST) -> None:
        """Make a cluster and start it.

        Raises:
            NoPostgres: PostgreSQL is not installed, or may not be run by us.
        """
        self._programs = find_programs()
        self._user = _server_user()
        self._settings = dict(settings)
        self._numbers = itertools.count(1)
        self.directory = Path(tempfile.mkdtemp(prefix="tradepit-pg-"))
        self.log = self.directory / "log"
        if self._user is not None:
            shutil.chown(self.directory, self._user, self._user)
        self._run("initdb", "-D", self.directory / "data", "-U", SYSTEM_USER, "-A", "trust",
                  "-E", "UTF8", "--locale=C", "--no-sync")  # fmt: skip
        self.start()

    def start(self) -> None:
        """Start, also after `kill`, and wait until connections are taken."""
        options = {"listen_addresses": "", "unix_socket_directories": str(self.directory)}
        given = [f"-c{name}={value}" for name, value in (options | self._settings).items()]
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [self._programs / "postgres", "-D", self.directory / "data", *given],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self.directory,
                user=self._user,
                group=self._user,
                start_new_session=True,
                preexec_fn=_end_with_parent,
            )
        self._wait_until_ready()

    @property
    def pid(self) -> int:
        """The server's main process."""
        return self._process.pid

    def url(self, database: str) -> str:
        """The URL of a database, for `tradepit.projections.database.Database.open`."""
        return f"postgresql://{SYSTEM_USER}@/{database}?host={self.directory}"

    def database(self) -> str:
        """Make an empty database; its URL."""
        name = f"test_{next(self._numbers)}"
        self.sql(f"CREATE DATABASE {name}")
        return self.url(name)

    def drop(self, url: str) -> None:
        """Remove a database that `database` made, whoever is connected to it."""
        name = url.removeprefix(f"postgresql://{SYSTEM_USER}@/").partition("?")[0]
        self.sql(f"DROP DATABASE {name} WITH (FORCE)")

    def give(self, directory: Path) -> None:
        """Make a directory the server's own."""
        if self._user is not None:
            shutil.chown(directory, self._user, self._user)

    def sql(self, statement: str, database: str = "postgres") -> str:
        """Run a statement with psql; what it prints, without decoration."""
        options = ("-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-U", SYSTEM_USER)
        return self._run(
            "psql", *options, "-h", self.directory, "-d", database, "-c", statement
        ).strip()

    def kill(self) -> None:
        """End the server as a crash does; its files stay."""
        self._process.send_signal(signal.SIGKILL)
        self._process.wait()

    def processes(self) -> list[int]:
        """The server's main process and the ones that it started."""
        children = Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text().split()
        return [self.pid, *map(int, children)]

    def stop(self) -> None:
        """End the server, and remove its directory."""
        self._process.send_signal(signal.SIGINT)
        try:
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.send_signal(signal.SIGQUIT)
            self._process.wait(STOP_SECONDS)
        shutil.rmtree(self.directory, ignore_errors=True)

    def _wait_until_ready(self) -> None:
        end = time.monotonic() + START_SECONDS
        ready: list[str | Path] = [self._programs / "pg_isready", "-q", "-h", self.directory]
        while subprocess.run(ready, check=False).returncode != 0:
            if self._process.poll() is not None or time.monotonic() > end:
                self._process.kill()
                raise RuntimeError(f"PostgreSQL did not start: {self.log.read_text()[-2000:]}")
            time.sleep(0.02)

    def _run(self, program: str, *arguments: str | Path) -> str:
        done = subprocess.run(
            [self._programs / program, *arguments],
            capture_output=True,
            text=True,
            check=False,
            cwd=self.directory,
            user=self._user,
            group=self._user,
        )
        if done.returncode != 0:
            raise RuntimeError(f"{program}: {done.stderr.strip()}")
        return done.stdout


def find_programs() -> Path:
    """The directory of the newest PostgreSQL programs. Raises `NoPostgres`."""
    on_path = shutil.which("initdb")
    if on_path is not None:
        return Path(on_path).resolve().parent
    versions = [path.parent for path in Path("/usr/lib/postgresql").glob("*/bin/initdb")]
    if not versions:
        raise NoPostgres("PostgreSQL is not installed (Debian: apt install postgresql)")
    return max(versions, key=lambda path: float(path.parent.name))


def _server_user() -> str | None:
    if os.geteuid() != 0:
        return None
    try:
        pwd.getpwnam(SYSTEM_USER)
    except KeyError:
        raise NoPostgres(
            f"PostgreSQL refuses to run as root, and there is no user {SYSTEM_USER}"
        ) from None
    return SYSTEM_USER


def _end_with_parent() -> None:
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGQUIT)
