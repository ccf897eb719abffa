"""A small file system that fills up under a real node: orders are refused cleanly, cancels and the
kill switch still work, nothing acknowledged is lost, and space that comes back is used."""

from __future__ import annotations

import asyncio
import json
import re
import shutil
import subprocess
import time
from pathlib import Path

import pytest
from tests.end_to_end.journal_check import check
from tests.end_to_end.node_process import NodeProcess
from tests.end_to_end.order_load import History, Load

SIZE_MIB = 6
BALLAST = 2 << 20

MOUNT = 'mount -t tmpfs -o size={size}m tmpfs {path} && exec "$@"'


def can_mount(tmp: Path) -> bool:
    if shutil.which("unshare") is None:
        return False
    command = ["unshare", "-Urm", "sh", "-c", MOUNT.format(size=1, path=tmp), "sh", "true"]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


@pytest.fixture
def node(tmp_path: Path):
    mounted = tmp_path / "mounted"
    mounted.mkdir()
    if not can_mount(mounted):
        pytest.skip("mounting a tmpfs is not allowed here")
    environment = {
        "TRADEPIT_JOURNAL__SEGMENT_BYTES": str(1 << 20),
        # A database on the same disk would take the space that comes back.
        "TRADEPIT_PROJECTIONS__ENABLED": "false",
    }
    node = NodeProcess(mounted / "data", environment=environment)
    node.log = tmp_path / "node.log"
    node.prefix = ["unshare", "-Urm", "sh", "-c", MOUNT.format(size=SIZE_MIB, path=mounted), "sh"]
    yield node
    node.kill()


def inside(node: NodeProcess, path: Path) -> Path:
    """The path as the node's mount namespace sees it."""
    assert node.process is not None
    return Path(f"/proc/{node.process.pid}/root{path}")


def body_of(answer: bytes) -> dict[str, object]:
    parsed: dict[str, object] = json.loads(answer.partition(b"\r\n\r\n")[2])
    return parsed


def status_of(answer: bytes) -> int:
    match = re.match(rb"HTTP/1.1 (\d+)", answer)
    assert match, answer
    return int(match[1])


async def fill(node: NodeProcess, history: History) -> None:
    """Send orders until one is refused for lack of space."""
    load = Load(history, node.port)
    await load.connect(32)
    end = time.monotonic() + 120
    while not any(status == 503 for order in history.recent(2000) for status, _ in order.answers):
        assert time.monotonic() < end, "the disk does not fill up"
        await asyncio.sleep(0.02)
    await load.finish()


def test_a_full_disk_refuses_orders_takes_cancels_and_recovers(node, tmp_path):
    node.start()
    ballast = inside(node, node.data_dir.parent / "ballast")
    ballast.write_bytes(bytes(BALLAST))
    history = History(seed=5)
    asyncio.run(fill(node, history))

    refused = [
        body for order in history.orders.values() for status, body in order.answers if status == 503
    ]
    assert {(body["code"], body["outcome"]) for body in refused} == {("journal_full", "rejected")}
    assert node.status("/health") == 200
    assert node.status("/ready") == 503

    resting = body_of(node.get("/api/v1/orders?client_id=account-1&status=new&limit=5"))
    orders = [str(item["id"]) for item in resting["items"]]
    assert orders
    for order in orders:
        path = f"/api/v1/orders/{order}?client_id=account-1"
        assert status_of(node.request("DELETE", path, b"")) == 200
    assert status_of(node.request("DELETE", "/api/v1/orders?client_id=account-2", b"")) == 200
    assert status_of(node.request("POST", "/api/v1/accounts/account-3/kill", b"{}")) == 200

    ballast.unlink()
    end = time.monotonic() + 30
    while node.status("/ready") != 200:
        assert time.monotonic() < end, "space came back and is not used"
        time.sleep(0.05)
    asyncio.run(_some_more(node, history))

    copy = tmp_path / "copy"
    source = inside(node, node.data_dir)
    shutil.copytree(source, copy)
    verdict = check(copy, history)
    assert verdict.acknowledged > 1000


async def _some_more(node: NodeProcess, history: History) -> None:
    before = history.answered
    load = Load(history, node.port)
    await load.connect(8)
    await asyncio.sleep(0.5)
    await load.finish()
    assert history.answered > before
