"""A real node in a process of its own, to be killed."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

START_SECONDS = 120.0
"""Longest wait for a start; machines under load are slow."""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class NodeProcess:
    """`tradepit run` on a directory. The same port over restarts, as a client would see it."""

    def __init__(
        self,
        data_dir: Path,
        *,
        config: str | None = "load",
        environment: dict[str, str] | None = None,
        command: tuple[str, ...] = ("run",),
    ) -> None:
        self.data_dir = data_dir
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.config = config
        self.command = command
        self.environment = environment or {}
        self.prefix: list[str] = []
        """Put before the command, such as strace."""
        self.process: subprocess.Popen[bytes] | None = None
        self.log = data_dir.parent / f"{data_dir.name}.log"

    def spawn(self) -> None:
        """Start without waiting."""
        command = [
            *self.prefix,
            sys.executable,
            "-m",
            "tradepit.cli",
            *self.command,
            "--data-dir",
            str(self.data_dir),
            "--port",
            str(self.port),
        ]
        if self.config is not None:
            command += ["--config", self.config]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                command,
                stdout=log,
                stderr=log,
                env=os.environ | {"PYTHONFAULTHANDLER": "1"} | self.environment,
                start_new_session=True,
            )

    def start(self) -> None:
        """Start, and wait until it is ready."""
        self.spawn()
        self.wait_ready()

    def wait_ready(self) -> None:
        end = time.monotonic() + START_SECONDS
        while time.monotonic() < end:
            if self.process is not None and self.process.poll() is not None:
                raise AssertionError(f"the node ended:\n{self.log.read_text()[-3000:]}")
            if self.status("/ready") == 200:
                return
            time.sleep(0.01)
        if self.process is not None:
            self.process.send_signal(signal.SIGABRT)  # faulthandler says where it stands
            self.process.wait()
        raise AssertionError(f"the node did not start:\n{self.log.read_text()[-5000:]}")

    def status(self, path: str) -> int:
        """HTTP status of a GET; 0 when nobody answers."""
        answer = self.get(path)
        match = re.match(rb"HTTP/1.1 (\d+)", answer)
        return int(match[1]) if match else 0

    def get(self, path: str) -> bytes:
        """Raw answer of a GET; empty when nobody answers."""
        return self.request("GET", path, b"")

    def request(self, method: str, path: str, body: bytes) -> bytes:
        """Raw answer of a request on a connection of its own; empty when nobody answers."""
        head = (
            f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1:{self.port}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n"
            "Connection: close\r\n\r\n"
        )
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=10) as connection:
                connection.sendall(head.encode() + body)
                pieces = []
                while piece := connection.recv(65536):
                    pieces.append(piece)
                return b"".join(pieces)
        except OSError:
            return b""

    def kill(self) -> None:
        """SIGKILL the node and whatever it started."""
        if self.process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
            self.process = None

    def stop(self) -> int:
        """SIGTERM, and wait; the exit code."""
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(timeout=60)
        self.process = None
        return code
