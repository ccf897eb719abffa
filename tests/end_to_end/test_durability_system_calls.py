"""The system calls of a real node, and what a power loss could leave after each of them."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from tests.end_to_end import small_node
from tests.end_to_end.system_calls import STRACE, read_calls
from tests.simulation.disks import Call
from tests.simulation.recovering import problems
from tests.unit.journal.reference import reference_scan

from tradepit.journal.layout import DataDirectory
from tradepit.journal.scan import scan_journal

pytestmark = pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed")

ORDERS = 60


def traced_run(root: Path, *inject: str, orders: int = ORDERS) -> tuple[list[Call], int]:
    """Run the small node under strace; its calls and exit code."""
    log = root.parent / f"{root.name}.strace"
    command = [*STRACE, "-o", str(log)]
    for injection in inject:
        command += ["-e", f"inject={injection}"]
    program = [sys.executable, small_node.__file__, str(root), str(orders)]
    done = subprocess.run([*command, *program], capture_output=True, timeout=120, check=False)
    calls = read_calls(log, root)
    assert calls, done.stderr.decode()[-2000:]
    return calls, done.returncode


def records_of(root: Path) -> list[bytes]:
    return [record for frame in reference_scan(root) for record in frame.records]


@pytest.mark.parametrize(
    ("orders", "images"), [(ORDERS, 4), pytest.param(400, 24, marks=pytest.mark.full)]
)
def test_no_power_loss_after_any_system_call_loses_what_was_acknowledged(tmp_path, orders, images):
    root = tmp_path / "data"
    calls, code = traced_run(root, orders=orders)
    assert code == 0
    kinds = Counter(call.kind for call in calls)
    assert kinds["note"] >= orders
    assert kinds["sync"] > orders / 4
    assert kinds["rename"] >= 6, "rotations and snapshots happened"
    expected = records_of(root)
    found = next(problems(calls, str(root), tmp_path / "image", expected, images=images), None)
    assert found is None


@pytest.mark.parametrize(
    "lie", ["fdatasync:retval=0", "fsync:retval=0"], ids=["fdatasync", "fsync"]
)
def test_a_sync_that_is_not_made_is_found(tmp_path, lie):
    """strace answers the call itself: the program believes it has synced."""
    root = tmp_path / "data"
    calls, code = traced_run(root, lie)
    assert code == 0
    found = next(problems(calls, str(root), tmp_path / "image", records_of(root), images=6), None)
    assert found is not None


@pytest.mark.parametrize("at", [3, 4, 10, 25])
@pytest.mark.parametrize(
    ("name", "error"), [("fdatasync", "EIO"), ("pwrite64", "EIO"), ("pwrite64", "ENOSPC")]
)
def test_a_call_that_fails_stops_the_node_and_is_not_made_again(tmp_path, name, error, at):
    root = tmp_path / "data"
    calls, code = traced_run(root, f"{name}:error={error}:when={at}", orders=120)
    served = [int(call.path.split()[1]) for call in calls if call.path.startswith("served ")]
    assert code != 0, "the node goes on although a call failed"
    directory = DataDirectory(root)
    assert scan_journal(directory).end.sequence >= max(served, default=0)
    after, code = traced_run(root, orders=8)
    assert code == 0
    notes = [int(call.path.split()[1]) for call in after if call.path.startswith("served ")]
    assert notes[0] > max(served, default=0)


def test_nothing_is_synced_or_served_after_a_sync_has_failed(tmp_path):
    root = tmp_path / "data"
    log = root.parent / f"{root.name}.strace"
    traced_run(root, "fdatasync:error=EIO:when=20", orders=120)
    lines = log.read_text().splitlines()
    failed = next(number for number, line in enumerate(lines) if "INJECTED" in line)
    rest = lines[failed + 1 :]
    journal = "".join(f"\\x{byte:02x}" for byte in b".journal>")
    served = "".join(f"\\x{byte:02x}" for byte in b"served ")
    assert not [line for line in rest if "fdatasync(" in line]
    assert not [line for line in rest if "pwrite64(" in line and journal in line]
    assert not [line for line in rest if f'"{served}' in line]
