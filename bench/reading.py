"""Many readers of streams, compiled, on one core; every message of every reader is checked."""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Final, NamedTuple

import msgspec

from bench.programs import LoadFailed, compiled

READERS: Final = Path(__file__).resolve().parent / "stream_readers"
END_SECONDS: Final = 120.0
"""For the readers to open before the measured time, and to end after it."""


class Readers(NamedTuple):
    """How many of which, and what they read. Paths are those of the event stream and the socket."""

    events: str = "/api/v1/stream"
    sockets: str = "/ws"
    subscribe: str = ""
    """Said on a socket once it is open."""
    kind: str = "replay"
    """`replay` or `channel`."""
    sse: int = 0
    ws: int = 0
    slow: int = 0
    """More of both kinds, which are not measured."""
    slow_bytes: int = 0
    """A second that each of them reads; 0 = nothing at all."""
    reconnecting: int = 0
    """More of both kinds, which leave and come back every second and are not measured."""
    seconds: float = 5.0
    warm_up: float = 1.0
    drain: float = 0.0
    """How long to wait, after the measured time, for what is on its way."""
    sample: int = 1
    """Every so many messages of a reader are timed, and the last of each read."""


class Got(msgspec.Struct, frozen=True):
    """What the readers got. Rates and times are of the measured time, the rest of the whole run.

    Times are from `left_ns` (or `executed_at`) of a message to right after the read that brought
    its end, both by the same wall clock.
    """

    readers: int
    served: int
    ended: int
    """Cut by the server."""
    messages: int
    messages_min: int
    messages_max: int
    """Of one reader; the same when they began together and were drained."""
    measured: int
    per_second: float
    slowest_per_second: float
    """Of the reader that got the fewest."""
    megabytes_per_second: float
    cores: float
    """Processor time of the readers, as a share of one core."""
    timed: int
    early: int
    """Messages that came before they left."""
    p50_ms: float
    p90_ms: float
    p99_ms: float
    p999_ms: float
    max_ms: float
    gaps: int
    repeats: int
    malformed: int
    last_seq_min: int | None
    last_seq_max: int | None
    """Where the readers ended; the same when they were drained."""
    problem: str | None
    """What was wrong first."""
    slow: int
    slow_cut: int
    slow_reason: str | None
    reconnects: int
    reconnects_unserved: int
    reconnect_p50_ms: float
    reconnect_p99_ms: float

    @property
    def errors(self) -> int:
        """Anything that a reader should not have seen, and readers that saw nothing."""
        missing = self.readers - self.served
        return self.gaps + self.repeats + self.malformed + self.ended + self.early + missing


def read_streams(
    readers: Readers,
    port: int,
    *,
    on_ready: Callable[[], None] | None = None,
    on_measured: Callable[[], None] | None = None,
) -> Got:
    """Run readers against a port of this machine.

    Args:
        on_ready: called when all of them have what their stream begins with.
        on_measured: called when the measured time is over.
    Raises:
        LoadFailed: they could not open their streams.
    """
    command = [str(compiled(READERS, "tradepit-readers")), "--address", f"127.0.0.1:{port}"]
    for name, value in readers._asdict().items():
        command += [f"--{name.replace('_', '-')}", str(value)]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        guard = threading.Timer(readers.warm_up + readers.seconds + END_SECONDS, process.kill)
        guard.start()
        try:
            return _followed(process, {"ready": on_ready, "measured": on_measured})
        finally:
            guard.cancel()
            process.kill()


def _followed(process: subprocess.Popen[str], calls: dict[str, Callable[[], None] | None]) -> Got:
    assert process.stdout is not None
    assert process.stderr is not None
    line = ""
    for line in process.stdout:
        call = calls.get(line.strip())
        if call is not None:
            call()
    if process.wait():
        raise LoadFailed(process.stderr.read().strip() or "the readers were stopped")
    return msgspec.json.decode(line, type=Got)
