"""What order entry is measured with: a fresh node, the compiled clients, nginx beside it."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, NamedTuple

import msgspec

ROOT: Final = Path(__file__).resolve().parent.parent
GENERATOR: Final = ROOT / "bench" / "load_generator"
CONFIG: Final = ROOT / "configs" / "load.toml"

ACCOUNTS: Final = 10_000
START_SECONDS: Final = 30.0
STOP_SECONDS: Final = 30.0
RUN_SECONDS_EXTRA: Final = 120.0
"""A run's own time is bounded by its seconds; connecting and the last answers are not."""


class MissingProgram(Exception):
    """Something that the measurement needs is not installed; the text says what."""


class Measured(msgspec.Struct, frozen=True):
    """What the clients of one run saw. Counts are of the whole run, rates of its measured part."""

    per_second: float
    p50_ms: float
    p99_ms: float
    p999_ms: float
    max_ms: float
    accepted: int
    refused: int
    unanswered: int
    traded: int
    connections: int
    served: int
    lost_connections: int
    refusal: str | None = None
    """The first answer that was no acceptance."""

    @property
    def errors(self) -> int:
        return self.refused + self.unanswered + self.lost_connections


class Load(NamedTuple):
    """How the clients behave."""

    entry: str = "http"
    connections: int = 64
    in_flight: int = 1
    operations: int = 1
    """Of one batch."""
    seconds: float = 5.0
    warm_up: float = 1.0
    rate: float = 0.0
    """Requests a second of all connections together; 0 = as many as are answered."""


class LoadFailed(Exception):
    """The clients could not run."""


def run_load(load: Load, port: int, *, open_accounts: bool = False) -> Measured:
    """Run clients against a port of this machine and return what they saw."""
    program = compiled(GENERATOR, "tradepit-load")
    command: list[str] = [str(program), "--address", f"127.0.0.1:{port}"]
    for name, value in load._asdict().items():
        command += [f"--{name.replace('_', '-')}", str(value)]
    command += ["--accounts", str(ACCOUNTS), "--run", f"{time.time_ns():x}"]
    if open_accounts:
        command.append("--open-accounts")
    timeout = load.seconds + load.warm_up + RUN_SECONDS_EXTRA
    done = subprocess.run(command, capture_output=True, text=True, timeout=timeout, check=False)
    if done.returncode:
        raise LoadFailed(done.stderr.strip())
    return msgspec.json.decode(done.stdout, type=Measured)


def compiled(folder: Path, name: str) -> Path:
    """A compiled program of a folder; made when it is not there or older than its source."""
    program = folder / "target" / "release" / name
    sources = [*folder.glob("src/*.rs"), folder / "Cargo.toml", folder / "Cargo.lock"]
    newest = max(source.stat().st_mtime for source in sources)
    if not program.exists() or program.stat().st_mtime < newest:
        print(f"building {name} ...", file=sys.stderr)
        subprocess.run(["cargo", "build", "--release", "--quiet"], cwd=folder, check=True)
        program.touch()
    return program


class Node(NamedTuple):
    """A running node."""

    port: int
    pid: int
    data_dir: Path

    def metric(self, name: str) -> float:
        """Read one number of `/metrics`."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/metrics") as answer:
            for line in answer.read().decode().splitlines():
                if line.startswith(f"{name} "):
                    return float(line.split()[1])
        raise KeyError(name)

    @property
    def sequence(self) -> int:
        return int(self.metric("tradepit_sequence"))

    def place(self, **order: object) -> bytes:
        """Place one order and return the body of its answer."""
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}/api/v1/orders",
            data=json.dumps(order).encode(),
            headers={"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request) as answer:
            return bytes(answer.read())


@contextmanager
def running_node(*, projects: bool = False) -> Iterator[Node]:
    """A node with the load configuration and its accounts open; its data is removed afterwards.

    Args:
        projects: let a projector keep the history beside it.

    The data lies beside the build, on the disk of the checkout: a temporary directory may be none.
    """
    (ROOT / "target").mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="bench-", dir=ROOT / "target") as name:
        port = free_port()
        command = [str(Path(sys.executable).parent / "tradepit"), "run"]
        command += ["--data-dir", f"{name}/data", "--port", str(port), "--config", str(CONFIG)]
        environment = os.environ | {"TRADEPIT_PROJECTIONS__ENABLED": str(projects).lower()}
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, cwd=ROOT, env=environment)
        try:
            wait_for(f"http://127.0.0.1:{port}/ready", process)
            node = Node(port, process.pid, Path(name))
            run_load(Load(seconds=0), port, open_accounts=True)
            yield node
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(STOP_SECONDS)


@contextmanager
def running_nginx(body_bytes: int) -> Iterator[int]:
    """One nginx worker that answers 201 with a constant of this size; yields its port."""
    nginx = shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
    if nginx is None:
        raise MissingProgram("nginx is not installed (Debian: apt install nginx)")
    with tempfile.TemporaryDirectory(prefix="tradepit-nginx-") as name:
        port = free_port()
        config = Path(name) / "nginx.conf"
        config.write_text(_NGINX.format(directory=name, port=port, body="x" * (body_bytes - 2)))
        command = [nginx, "-e", f"{name}/error.log", "-c", str(config)]
        process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
        try:
            wait_for(f"http://127.0.0.1:{port}/", process)
            yield port
        finally:
            process.terminate()
            process.wait(STOP_SECONDS)


_NGINX: Final = """
daemon off; worker_processes 1; worker_rlimit_nofile 20000;
pid {directory}/pid; error_log {directory}/error.log;
events {{ worker_connections 16000; multi_accept on; }}
http {{
  access_log off; keepalive_requests 1000000000; tcp_nodelay on;
  client_body_temp_path {directory}; proxy_temp_path {directory}; fastcgi_temp_path {directory};
  uwsgi_temp_path {directory}; scgi_temp_path {directory};
  server {{
    listen 127.0.0.1:{port} backlog=4096;
    location / {{ default_type application/json; return 201 '"{body}"'; }}
  }}
}}
"""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_for(url: str, process: subprocess.Popen[bytes]) -> None:
    until = time.monotonic() + START_SECONDS
    while time.monotonic() < until:
        if process.poll() is not None:
            raise LoadFailed(f"it ended with code {process.returncode} instead of serving {url}")
        try:
            with urllib.request.urlopen(url):
                return
        except OSError:
            time.sleep(0.05)
    raise LoadFailed(f"nothing serves {url}")
