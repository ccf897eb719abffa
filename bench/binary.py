"""The Rust part: built on demand, run for its JSON lines."""

from __future__ import annotations

import json
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

FOLDER = Path(__file__).parent / "engine"
BINARY = FOLDER / "target" / "release" / "tradepit-bench"

# Mirrors `Op` of bench/engine/src/ops.rs.
OPERATION = np.dtype(
    [
        ("kind", "u1"),
        ("is_buy", "u1"),
        ("reserved", "<u2"),
        ("account", "<u4"),
        ("price", "<i8"),
        ("quantity", "<u4"),
        ("filled", "<u4"),
        ("target", "<u4"),
        ("reserved_end", "<u4"),
    ]
)
PLACE, TAKE, CANCEL, REDUCE, MOVE = range(1, 6)


def build() -> None:
    """Compile the engine benchmark and its peers (a minute the first time)."""
    subprocess.run(["cargo", "build", "--release", "--quiet", "--locked"], cwd=FOLDER, check=True)


def lines(*arguments: str) -> list[dict[str, Any]]:
    """Run the binary; what it printed."""
    build()
    done = subprocess.run([BINARY, *arguments], check=True, stdout=subprocess.PIPE, text=True)
    return [json.loads(line) for line in done.stdout.splitlines()]


@dataclass(frozen=True, slots=True)
class Exported:
    """A flow as journals: the market with its book, then the measured commands."""

    folder: Path
    settled: int
    measured: int

    @property
    def before(self) -> bytes:
        return (self.folder / "before.journal").read_bytes()

    @property
    def measured_journal(self) -> Path:
        return self.folder / "measured.journal"

    @property
    def operations(self) -> NDArray[np.void]:
        return np.fromfile(self.folder / "operations.bin", OPERATION)


@contextmanager
def exported(
    flow: str, *, resting: int, settle: int, measured: int, window: int, per_frame: int = 256
) -> Iterator[Exported]:
    """The files of a flow, for as long as they are needed. Counts are commands."""
    build()
    with tempfile.TemporaryDirectory(prefix="tradepit-bench-") as name:
        numbers = {
            "--resting": resting,
            "--settle": settle,
            "--measured": measured,
            "--window": window,
            "--per-frame": per_frame,
        }
        options = [text for option in numbers.items() for text in map(str, option)]
        subprocess.run([BINARY, "export", name, "--flow", flow, *options], check=True)
        yield Exported(Path(name), settled=settle, measured=measured)
