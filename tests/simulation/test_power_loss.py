"""Nothing acknowledged is lost in any state that a power loss could leave; and this test notices
when a sync is missing."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence
from pathlib import Path

import pytest
from tests.simulation.crash_images import Image, PowerLoss, cut
from tests.simulation.disks import Call, FaultyDisk, RecordingDisk
from tests.simulation.recovering import OPTIONS, problems, recover
from tests.unit.journal.reference import Driver, group_of, reference_scan

from tradepit.journal.file import open_journal
from tradepit.journal.layout import DataDirectory
from tradepit.journal.port import Group, JournalError
from tradepit.journal.scan import scan_journal
from tradepit.journal.snapshots import (
    Snapshot,
    remove_old_snapshots,
    write_snapshot,
)

GROUPS = [group_of(number) for number in range(1, 100)]
RECORDS = [group.records for group in GROUPS]
STATE = b"engine state " * 10


def run_journal(
    root: Path, groups: Sequence[Group], disk: RecordingDisk, *, snapshots: Sequence[int] = ()
) -> None:
    """A run of a node: open (which recovers), append, acknowledge, now and then a snapshot."""
    directory = DataDirectory(root)

    async def run() -> None:
        journal = open_journal(directory, scan_journal(directory), options=OPTIONS, disk=disk)
        disk.note(f"served {journal.durable_sequence}")
        driver = Driver(journal)
        driver.start()
        for number, group in enumerate(groups):
            if not await driver.submit(group):
                break
            disk.note(f"served {journal.durable_sequence}")
            if number in snapshots:
                end = scan_journal(directory, until_mark=True).end
                write_snapshot(directory, Snapshot(0, 0, end, "00" * 16), STATE, disk)
                disk.note(f"snapshot {end.sequence}")
                remove_old_snapshots(directory, kept=1, disk=disk)
        journal.close()

    asyncio.run(run())


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, list[Call]]:
    """Two runs with rotations and snapshots; the second one continues after a clean stop."""
    root = tmp_path_factory.mktemp("recorded")
    disk = RecordingDisk()
    run_journal(root, GROUPS[:10], disk, snapshots=[4, 8])
    run_journal(root, GROUPS[10:16], disk)
    return str(root), disk.calls


def test_no_power_loss_loses_what_was_acknowledged(recorded, tmp_path):
    root, calls = recorded
    assert sum(call.kind == "rename" and call.target.endswith(".journal") for call in calls) >= 3
    assert next(problems(calls, root, tmp_path / "image", RECORDS), None) is None


@pytest.mark.parametrize(
    ("kind", "path_part"),
    [
        ("sync", ".journal"),
        ("sync_directory", "/journal"),
        ("sync", "mark.tmp"),
        ("sync", "/snapshots/"),
        ("sync_directory", "/snapshots"),
    ],
)
def test_a_forgotten_sync_is_found(recorded, tmp_path, kind, path_part):
    root, calls = recorded
    mutant = cut(calls, without=kind, path_part=path_part)
    assert next(problems(mutant, root, tmp_path / "image", RECORDS), None) is not None


def test_an_answer_before_the_sync_is_found(recorded, tmp_path):
    root, calls = recorded
    early: list[Call] = []
    for call in calls:
        is_answer = call.kind == "note" and call.path.startswith("served")
        if is_answer and early and early[-1].path.endswith("mark"):
            early.insert(len(early) - 2, call)
        else:
            early.append(call)
    assert next(problems(early, root, tmp_path / "image", RECORDS), None) is not None


def test_a_name_before_the_contents_is_found(recorded, tmp_path):
    root, calls = recorded
    unsynced = [call for call in calls if call.kind != "sync" or "/snapshots/" not in call.path]
    late: list[Call] = []
    for call in unsynced:
        late.append(call)
        if call.kind == "rename" and "/snapshots/" in call.path:
            late.append(Call("sync", call.target))
    assert len(late) > len(unsynced)
    assert next(problems(late, root, tmp_path / "image", RECORDS), None) is not None


def killed_then_recovered(
    root: Path, disk: RecordingDisk, stop: int, *, sync_fails: bool
) -> tuple[list[Call], list[Call]]:
    """The calls of a run that dies at a call, and of a second one on what the cache still holds."""
    calls = disk.calls[:stop]
    if sync_fails and stop < len(disk.calls) and disk.calls[stop].kind == "sync":
        calls.append(disk.calls[stop]._replace(kind="failed_sync"))
    for path in sorted(root.rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    _replay_into(root, calls)
    second = RecordingDisk()
    run_journal(root, GROUPS[40:41], second)
    return calls, second.calls


def _replay_into(root: Path, calls: Sequence[Call]) -> None:
    """Bring real files into the state that the page cache had."""
    disk, opened = RecordingDisk(), {}
    for call in calls:
        match call.kind:
            case "create":
                opened[call.path] = disk.create(Path(call.path))
            case "write":
                disk.write(opened[call.path], call.data, call.offset)
            case "allocate":
                disk.allocate(opened[call.path], call.offset)
            case "rename":
                disk.rename(Path(call.path), Path(call.target))
                opened[call.target] = opened.pop(call.path)
            case "remove":
                disk.remove(Path(call.path))
            case "make_directory":
                disk.make_directory(Path(call.path))
    for descriptor in opened.values():
        disk.close(descriptor)


@pytest.mark.parametrize("sync_fails", [False, True])
def test_what_a_restart_found_in_the_cache_survives_a_later_power_loss(tmp_path, sync_fails):
    """The process dies (or its sync fails), the next one finds the tail in the page cache and
    serves it; then the power goes. What was served must be there."""
    root = tmp_path / "run"
    root.mkdir()
    first = RecordingDisk()
    run_journal(root, GROUPS[:8], first)
    noticed = 0
    stops = [
        number
        for number, call in enumerate(first.calls)
        if call.kind == "sync" and call.path.endswith(".journal")
    ]
    for stop in stops:
        before, after = killed_then_recovered(root, first, stop, sync_fails=sync_fails)
        scratch = tmp_path / "image"
        assert problem_after_restart(before, after, str(root), scratch) == ""
        forgetful = [call for call in after if call.kind != "write" or "mark" in call.path]
        noticed += problem_after_restart(before, forgetful, str(root), scratch) != ""
    assert len(stops) >= 8
    assert noticed == (len(stops) if sync_fails else 0), "the tail must be written anew"


def problem_after_restart(
    before: Sequence[Call], after: Sequence[Call], root: str, scratch: Path
) -> str:
    """Power goes when the second run begins to serve; what is wrong then, if anything."""
    loss = PowerLoss(root)
    for call in before:
        if call.kind != "note":
            loss.follow(call)
    for call in after:
        if call.kind == "note":
            served = int(call.path.split()[1])
            found = [recover(image, root, scratch, RECORDS) for image in loss.images(12)]
            return next(filter(None, (each.lacks(served, 0) for each in found)), "")
        loss.follow(call)
    raise AssertionError("the second run served nothing")


def test_a_torn_frame_does_not_come_back_when_its_zeros_were_never_synced(tmp_path):
    """The power goes in the middle of a frame; the first recovery cannot sync its zeros; the second
    reads them from the cache. The next frame goes to another segment, so nothing covers the torn
    one; still it must not show again."""
    root = tmp_path / "run"
    root.mkdir()
    long = [group_of(number, size=2) for number in (6, 8, 10)]
    expected = [group.records for group in [*GROUPS[:5], *long]]
    run_journal(root, GROUPS[:5], RecordingDisk())
    segment = DataDirectory(root).segment(1)
    end = scan_journal(DataDirectory(root)).end.offset
    data = bytearray(segment.read_bytes())
    data[end : end + 40] = b"torn" * 10
    segment.write_bytes(data)
    files = {str(path): path.read_bytes() for path in root.rglob("*") if path.is_file()}
    found = Image(files, [str(root), str(root / "journal")])

    failing, second = FaultyDisk("sync", at=1), RecordingDisk()
    with pytest.raises(JournalError):
        run_journal(root, [], failing)
    run_journal(root, long, second)
    careless = [call for call in second.calls if call.kind != "write" or call.data.strip(b"\0")]
    for calls, is_sound in ((second.calls, True), (careless, False)):
        loss = PowerLoss(str(root))
        loss.adopt(found)
        for call in [*failing.calls, *calls]:
            if call.kind != "note":
                loss.follow(call)
        scratch = tmp_path / "image"
        outcomes = [recover(image, str(root), scratch, expected) for image in loss.images(12)]
        problems_found = [each.lacks(11, 0) for each in outcomes if each.lacks(11, 0)]
        assert (not problems_found) is is_sound, problems_found


@pytest.mark.parametrize("kind", ["write", "sync", "sync_directory", "rename", "allocate"])
def test_a_failure_at_any_call_loses_nothing_acknowledged(tmp_path, kind):
    """The k-th call of a kind fails, for every k; the next start has all that was served."""
    for at in range(1, 100):
        root = tmp_path / f"{kind}-{at}"
        root.mkdir()
        disk = FaultyDisk(kind, at)
        with contextlib.suppress(JournalError):
            run_journal(root, GROUPS[:14], disk)
        notes = [call.path.split() for call in disk.calls if call.kind == "note"]
        served = max((int(value) for _, value in notes), default=0)
        directory = DataDirectory(root)
        open_journal(directory, scan_journal(directory), options=OPTIONS).close()
        frames = reference_scan(root)
        assert len(frames) >= served
        if disk.seen[kind] < at:
            return
    pytest.fail("the run has no end")
