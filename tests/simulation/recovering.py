"""Recover what a power loss could leave, and say what is missing."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from tests.simulation.crash_images import Image, PowerLoss
from tests.simulation.disks import Call
from tests.unit.journal.reference import reference_scan

from tradepit.domain.wire import RECORD_BYTES
from tradepit.journal.file import open_journal
from tradepit.journal.layout import DataDirectory
from tradepit.journal.port import JournalError
from tradepit.journal.scan import scan_journal
from tradepit.journal.segments import JournalOptions
from tradepit.journal.snapshots import find_snapshots, read_state

OPTIONS = JournalOptions(segment_bytes=1024, reserve_bytes=64)
"""Segments of six small frames."""


class Recovered(NamedTuple):
    """What a node makes of an image."""

    problem: str
    commands: int = 0
    snapshot: int = 0

    def lacks(self, served: int, snapshot: int) -> str:
        """What is wrong when so much was acknowledged; empty when nothing is."""
        if self.commands < served and not self.problem:
            return f"{served} were served, {self.commands} are there"
        if self.snapshot < snapshot and not self.problem:
            return f"the snapshot of {snapshot} is gone"
        return self.problem


def recover(image: Image, root: str, scratch: Path, expected: Sequence[bytes]) -> Recovered:
    """Start from an image as a node would."""
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir()
    image.write(scratch, root)
    directory = DataDirectory(scratch)
    stored, bad = find_snapshots(directory)
    try:
        assert not bad, "a snapshot got its name before its contents"
        for each in stored:
            read_state(each)
        witnesses = [each.witness for each in stored]
        tail = scan_journal(directory, witnesses=witnesses)
        open_journal(directory, tail, options=OPTIONS).close()
        frames = reference_scan(scratch)
        records = b"".join(record for frame in frames for record in frame.records)
        assert b"".join(expected).startswith(records), "a command is not what was written"
    except (AssertionError, JournalError) as error:
        return Recovered(f"refused: {error}")
    newest = max((each.about.place.sequence for each in stored), default=0)
    return Recovered("", len(records) // RECORD_BYTES, newest)


def problems(
    calls: Sequence[Call],
    root: str,
    scratch: Path,
    expected: Sequence[bytes],
    *,
    images: int = 12,
) -> Iterator[tuple[int, str]]:
    """Recover what a power loss could leave after each call; yield what goes wrong."""
    loss, served, snapshot = PowerLoss(root), 0, 0
    known: dict[int, Recovered] = {}
    for number, call in enumerate(calls):
        if call.kind == "note":
            what, value = call.path.split()
            served = int(value) if what == "served" else served
            snapshot = int(value) if what == "snapshot" else snapshot
        else:
            loss.follow(call)
        for image in loss.images(images):
            key = hash(tuple(sorted(image.files.items())))
            if key not in known:
                known[key] = recover(image, root, scratch, expected)
            problem = known[key].lacks(served, snapshot)
            if problem:
                yield number, problem
