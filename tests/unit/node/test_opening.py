"""Real directories, real engine: recovery, snapshots, panics, definitions over restarts."""

import asyncio
import errno
import zlib
from collections.abc import Awaitable, Callable
from decimal import Decimal
from pathlib import Path

import msgspec
import pytest
from tests.simulation.disks import FaultyDisk
from tests.unit.node.worlds import MARKET, NOON, SECOND, Clock, order

from tradepit._native import Replica
from tradepit.domain import commands
from tradepit.journal.layout import DataDirectory
from tradepit.journal.lock import AlreadyRunning
from tradepit.journal.port import JournalError
from tradepit.journal.scan import JournalTailLost
from tradepit.journal.segments import JournalOptions
from tradepit.journal.snapshots import find_snapshots, read_state, write_snapshot
from tradepit.node.definitions import DefinitionRefused
from tradepit.node.node import Node, NodeState
from tradepit.node.opening import NodeOptions, open_node
from tradepit.node.outcome import Failure, NotAccepted, ReadOnly
from tradepit.node.recovery import Recovery
from tradepit.node.snapshotter import main as snapshot_process
from tradepit.node.snapshotter import take_snapshot
from tradepit.node.upkeep import QuarantineRefused, quarantine

SEGMENTS = JournalOptions(segment_bytes=64 << 10, reserve_bytes=4 << 10)
OPTIONS = NodeOptions(market=MARKET, journal=SEGMENTS, snapshot_every_commands=0, clock=Clock())
Story = Callable[[Node], Awaitable[None]]


def run(root: Path, story: Story | None = None, options: NodeOptions = OPTIONS) -> str:
    """Open a node, do something with it, close it; the state hash at the end."""

    async def live() -> str:
        opened = await open_node(root, options)
        try:
            if story is not None:
                await story(opened.node)
            return opened.node.replica.state_hash()
        finally:
            await opened.close()

    return asyncio.run(live())


def hash_of(root: Path, *, use_snapshots: bool = True) -> str:
    """State of a stopped node."""
    return Recovery(DataDirectory(root), use_snapshots=use_snapshots).run().replica.state_hash()


async def some_orders(node: Node, *, first: int = 0, count: int = 50) -> None:
    await node.execute(commands.open_account(if_absent=True), commands.account_text("a1"), 1)
    for number in range(first, first + count):
        side = 1 + number % 2
        record = order(1, 6_900_000 + number % 7 - 3, 1 + number, side=side)
        await node.execute(record, b"", 1)


def test_a_restarted_node_has_all_its_state(tmp_path):
    before = run(tmp_path, some_orders)
    assert hash_of(tmp_path) == before

    async def story(node: Node) -> None:
        assert node.replica.counts()["live_orders"] > 0
        assert node.replica.account_number("a1") == 1

    run(tmp_path, story)


def test_a_second_node_on_the_same_directory_is_refused(tmp_path):
    async def story(_node: Node) -> None:
        with pytest.raises(AlreadyRunning):
            await open_node(tmp_path, OPTIONS)

    run(tmp_path, story)


def test_a_changed_configuration_becomes_commands_at_the_next_start(tmp_path):
    run(tmp_path)
    wanted = msgspec.structs.replace(
        MARKET.instruments[0],
        taker_fee_bps=Decimal(3),
    )
    market = msgspec.structs.replace(MARKET, instruments=[wanted])

    async def story(node: Node) -> None:
        assert node.replica.instruments()[0][16] == 300

    run(tmp_path, story, OPTIONS._replace(market=market))


def test_a_configuration_that_contradicts_the_journal_is_refused(tmp_path):
    run(tmp_path)
    market = msgspec.structs.replace(MARKET, key_window_seconds=1)
    with pytest.raises(DefinitionRefused):
        run(tmp_path, None, OPTIONS._replace(market=market))
    run(tmp_path)


def test_a_snapshot_and_the_tail_give_the_state_of_the_whole_journal(tmp_path):
    run(tmp_path, some_orders)
    first = take_snapshot(tmp_path)
    assert first is not None
    assert take_snapshot(tmp_path) is None
    run(tmp_path, lambda node: some_orders(node, first=50))
    recovered = Recovery(DataDirectory(tmp_path)).run()
    assert recovered.snapshot_sequence > 0
    assert recovered.tail.commands < recovered.replica.sequence
    assert recovered.replica.state_hash() == hash_of(tmp_path, use_snapshots=False)


def test_a_damaged_snapshot_is_passed_over_for_an_older_one(tmp_path):
    for number in range(3):
        run(tmp_path, lambda node, number=number: some_orders(node, first=number * 50))
        take_snapshot(tmp_path)
    whole = hash_of(tmp_path, use_snapshots=False)
    stored = find_snapshots(DataDirectory(tmp_path))[0]
    assert len(stored) == 3
    for number, at in ((0, 500), (1, 10), (2, 500)):
        data = bytearray(stored[number].path.read_bytes())
        data[at] ^= 1
        stored[number].path.write_bytes(data)
        recovered = Recovery(DataDirectory(tmp_path)).run()
        expected = 0 if number == 2 else stored[number + 1].about.place.sequence
        assert recovered.snapshot_sequence == expected
        assert recovered.replica.state_hash() == whole


def test_a_snapshot_of_another_format_is_passed_over_for_a_replay(tmp_path):
    """As one is that an older program left: without the numbers of the channels."""
    run(tmp_path, some_orders)
    path = take_snapshot(tmp_path)
    ((stored,), _) = find_snapshots(DataDirectory(tmp_path))
    state = bytearray(read_state(stored))
    counts = Recovery(DataDirectory(tmp_path)).run().replica.feed_counts(1)
    assert counts[1] > 20
    assert state[:8] == b"TTPSNAP4"
    state[7:8] = b"2"
    state[-4:] = zlib.crc32(state[:-4]).to_bytes(4, "little")
    path.unlink()
    write_snapshot(DataDirectory(tmp_path), stored.about, bytes(state))
    assert find_snapshots(DataDirectory(tmp_path))[1] == []
    recovered = Recovery(DataDirectory(tmp_path)).run()
    assert recovered.snapshot_sequence == 0
    assert recovered.replica.feed_counts(1) == counts
    run(tmp_path, lambda node: some_orders(node, first=50))
    assert take_snapshot(tmp_path) is not None


def test_a_damaged_snapshot_is_still_a_witness_of_the_tail(tmp_path):
    run(tmp_path, some_orders)
    path = take_snapshot(tmp_path)
    assert path is not None
    data = bytearray(path.read_bytes())
    data[500] ^= 1
    path.write_bytes(data)
    directory = DataDirectory(tmp_path)
    for segment in directory.segments():
        directory.segment(segment).write_bytes(bytes(100))
    directory.mark.unlink()
    with pytest.raises(JournalError):
        run(tmp_path)


def test_snapshots_reach_no_further_than_the_mark_beside_a_running_node(tmp_path):
    async def story(node: Node) -> None:
        await some_orders(node)
        take_snapshot(tmp_path)
        ((stored,), _) = find_snapshots(DataDirectory(tmp_path))
        assert stored.about.place.sequence == node.durable_sequence

    run(tmp_path, story)


def test_the_node_has_snapshots_taken_by_a_process_beside_it(tmp_path):
    async def story(node: Node) -> None:
        await some_orders(node, count=100)
        end = asyncio.get_running_loop().time() + 30
        while not DataDirectory(tmp_path).snapshots():
            assert asyncio.get_running_loop().time() < end
            await asyncio.sleep(0.02)

    run(tmp_path, story, OPTIONS._replace(snapshot_every_commands=40))
    assert hash_of(tmp_path) == hash_of(tmp_path, use_snapshots=False)


def test_a_snapshot_process_that_cannot_says_why(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("os.nice", lambda _: 0)

    def fail(_root: Path) -> None:
        raise JournalError("the journal is damaged")

    assert snapshot_process([str(tmp_path)], take=fail) == 1
    assert "the journal is damaged" in capsys.readouterr().err


def poison(at: int) -> Callable[[Replica], None]:
    return lambda replica: replica.inject_panic(at)


def panic_at(root: Path, *, in_group: int) -> int:
    """Run a node whose engine panics in the middle of a group; the sequence."""
    found: list[int] = []

    async def story(node: Node) -> None:
        await some_orders(node)
        before = node.replica.state_hash()
        at = node.replica.sequence + in_group
        node.replica.inject_panic(at)
        group = [order(1, 6_000_000 + number) for number in range(5)]
        outcome = await node.execute(b"".join(group), b"", 5)
        assert outcome.failure is Failure.UNKNOWN
        assert node.state is NodeState.READ_ONLY
        assert node.panicked_sequence == at
        assert node.replica.sequence == at - 1
        assert (node.replica.state_hash() == before) is (in_group == 1)
        with pytest.raises(ReadOnly):
            node.submit(order(), b"", 1, print)
        assert node.replica.account_number("a1") == 1
        found.append(at)

    run(root, story)
    return found[0]


@pytest.mark.parametrize("in_group", [1, 3, 5])
def test_a_panic_is_read_only_on_every_restart_until_it_is_quarantined(tmp_path, in_group):
    at = panic_at(tmp_path, in_group=in_group)
    poisoned = OPTIONS._replace(prepare=poison(at))

    async def story(node: Node) -> None:
        assert node.state is NodeState.READ_ONLY
        assert node.panicked_sequence == at
        assert node.replica.sequence == at - 1
        with pytest.raises(NotAccepted):
            node.submit(order(), b"", 1, print)

    for _ in range(2):
        run(tmp_path, story, poisoned)
    with pytest.raises(QuarantineRefused, match=f"panics at {at}"):
        quarantine(tmp_path, at - 1, prepare=poison(at))
    recorded = quarantine(tmp_path, at, prepare=poison(at))
    assert recorded == at + 6 - in_group

    async def healed(node: Node) -> None:
        assert node.state is NodeState.RUNNING
        prices = {price for price, *_ in node.replica.depth(1, 1, 100)}
        expected = {6_000_000 + number for number in range(5)} - {6_000_000 + in_group - 1}
        assert expected <= prices
        assert 6_000_000 + in_group - 1 not in prices
        await some_orders(node, first=50)

    run(tmp_path, healed)
    assert take_snapshot(tmp_path) is not None
    run(tmp_path, healed)
    assert hash_of(tmp_path) == hash_of(tmp_path, use_snapshots=False)


def test_only_the_command_that_panics_can_be_quarantined(tmp_path):
    run(tmp_path, some_orders)
    with pytest.raises(QuarantineRefused, match="panics nowhere"):
        quarantine(tmp_path, 30)


def test_no_snapshot_is_taken_of_a_journal_that_panics(tmp_path):
    at = panic_at(tmp_path, in_group=2)
    with pytest.raises(JournalError, match=str(at)):
        take_snapshot(tmp_path, prepare=poison(at))


def test_an_expired_order_stays_expired_over_a_restart(tmp_path):
    clock = Clock()

    async def story(node: Node) -> None:
        await some_orders(node, count=1)
        await node.execute(order(1, 6_000_000, expires=NOON + SECOND), b"", 1)
        assert node.replica.counts()["live_orders"] == 2

    run(tmp_path, story, OPTIONS._replace(clock=clock))
    clock.now += 3600 * SECOND

    async def later(node: Node) -> None:
        assert node.replica.counts()["live_orders"] == 1
        assert node.replica.market_time_ns == clock.now

    run(tmp_path, later, OPTIONS._replace(clock=clock))


def test_a_node_on_a_failing_disk_stops_and_loses_nothing_acknowledged(tmp_path):
    run(tmp_path)
    disk = FaultyDisk()
    acknowledged: list[int] = []

    async def story(node: Node) -> None:
        await some_orders(node, count=10)
        acknowledged.append(node.replica.sequence)
        disk.broken = {"sync"}
        outcome = await node.execute(order(), b"", 1)
        assert outcome.failure is Failure.UNKNOWN
        await node.wait_ended()
        with pytest.raises(NotAccepted):
            node.submit(order(), b"", 1, print)

    run(tmp_path, story, OPTIONS._replace(disk=disk))
    recovered = Recovery(DataDirectory(tmp_path)).run()
    assert recovered.replica.sequence >= acknowledged[0]


def test_a_full_disk_takes_cancels_until_space_comes_back(tmp_path):
    disk = FaultyDisk(error=errno.ENOSPC)

    async def story(node: Node) -> None:
        await some_orders(node, count=1)
        disk.broken = {"allocate"}
        number = 0
        while not node.is_full:
            outcome = await node.execute(order(1, 5_000_000 + number), b"", 1)
            assert outcome.failure is None
            number += 1
        with pytest.raises(NotAccepted):
            node.submit(order(), b"", 1, print)
        outcome = await node.execute(commands.mass_cancel(account=1), b"", 1, urgent=True)
        assert outcome.failure is None
        assert node.replica.counts()["live_orders"] == 0
        disk.broken = set()
        end = asyncio.get_running_loop().time() + 30
        while node.is_full:
            assert asyncio.get_running_loop().time() < end
            await asyncio.sleep(0.05)
        assert (await node.execute(order(), b"", 1)).failure is None

    before = run(tmp_path, story, OPTIONS._replace(disk=disk))
    assert hash_of(tmp_path) == before


def test_progress_is_told_while_a_journal_is_read(tmp_path):
    run(tmp_path, some_orders)
    told: list[tuple[int, int]] = []
    run(tmp_path, None, OPTIONS._replace(progress=lambda *done: told.append(done)))
    assert told[-1][0] == told[-1][1] > 0


def test_a_lost_tail_is_refused_with_its_place(tmp_path):
    run(tmp_path, some_orders)
    directory = DataDirectory(tmp_path)
    path = directory.segment(directory.segments()[-1])
    path.write_bytes(bytes(path.stat().st_size))
    with pytest.raises(JournalTailLost, match="segment 1 ends at offset 0"):
        run(tmp_path)
