"""The feed processes of a node, as the machine and the node's metrics show them."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable
from pathlib import Path

from tests.end_to_end.node_process import NodeProcess

SECONDS = 20.0


def until(is_so: Callable[[], object]) -> None:
    """Wait for something that comes true soon."""
    end = time.monotonic() + SECONDS
    while not is_so():
        assert time.monotonic() < end, "it does not come true"
        time.sleep(0.02)


def metric(node: NodeProcess, name: str) -> float:
    """A number of the node's `/metrics`."""
    for line in node.get("/metrics").decode().splitlines():
        if line.startswith(f"{name} "):
            return float(line.split()[1])
    raise AssertionError(f"there is no metric {name}")


def has_feeds(node: NodeProcess) -> bool:
    """Whether the node hands streams over."""
    return metric(node, "tradepit_feed_process") == 1


def feed_processes(node: NodeProcess) -> list[int]:
    """Their process numbers: none or one."""
    found = []
    for entry in Path("/proc").iterdir():
        with contextlib.suppress(OSError):
            line = (entry / "cmdline").read_bytes() if entry.name.isdigit() else b""
            if b"tradepit.feeding\0" in line and os.fsencode(node.data_dir) + b"\0" in line:
                found.append(int(entry.name))
    return found
