"""One market through many lives: clean stops, kills, failing calls, power losses, full disks, all
from a seed. At the end the journal is held against what its clients were told."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import random
from collections import Counter
from pathlib import Path

import pytest
from tests.simulation.crash_images import PowerLoss
from tests.simulation.disks import FaultyDisk
from tests.unit.journal.reference import reference_scan
from tests.unit.node.worlds import MARKET, SECOND, Clock

from tradepit._native import Replica
from tradepit.domain import commands, wire
from tradepit.journal.layout import DataDirectory
from tradepit.journal.port import JournalError
from tradepit.journal.segments import JournalOptions
from tradepit.node.node import Node
from tradepit.node.opening import NodeOptions, open_node
from tradepit.node.outcome import NotAccepted, Outcome
from tradepit.node.snapshotter import take_snapshot

LIVES = 8
ORDERS_MAX = 60
FAULTS = ["write", "sync", "sync_directory", "rename", "allocate"]
OPTIONS = JournalOptions(segment_bytes=4 << 10, reserve_bytes=512)


class Market:
    """The market's files, what was told to its clients, and what became of it all."""

    def __init__(self, root: Path, seed: int) -> None:
        self.rng = random.Random(seed)
        self.clock = Clock()
        self.base = root
        self.root = root / "life-0"
        self.root.mkdir()
        self.loss = PowerLoss(str(self.root))
        self.served: dict[int, int] = {}
        """Sequence of the order, by the number of its key, as its client was told."""
        self.keys = 0
        self.endings: Counter[str] = Counter()

    def live(self) -> None:
        """One run of a node, up to whatever ends it; then what the next one finds."""
        rng = self.rng
        fault = rng.choice([*FAULTS, "write", "sync", ""])
        error = rng.choice([errno.EIO, errno.ENOSPC]) if fault == "allocate" else errno.EIO
        disk = FaultyDisk(fault, rng.randrange(1, 40), error)
        told: list[tuple[int, int, int]] = []
        ending = "clean"
        try:
            asyncio.run(self._run(disk, told))
        except (JournalError, NotAccepted):
            ending = "failed"
        if rng.random() < 0.5:
            ending += " power"
            self._lose_power(disk, told)
        else:
            for call in disk.calls:
                if call.kind != "note":
                    self.loss.follow(call)
            self.served |= {number: sequence for _, number, sequence in told}
        self.endings[ending] += 1
        self.clock.now += rng.choice([0, SECOND, 60 * SECOND])  # within the key window

    async def _run(self, disk: FaultyDisk, told: list[tuple[int, int, int]]) -> None:
        options = NodeOptions(
            market=MARKET, journal=OPTIONS, snapshot_every_commands=0, clock=self.clock, disk=disk
        )
        opened = await open_node(self.root, options)
        try:
            await self._trade(opened.node, disk, told)
        finally:
            await opened.close()
        if opened.node.failure is not None:
            raise JournalError("the node failed")

    async def _trade(self, node: Node, disk: FaultyDisk, told: list[tuple[int, int, int]]) -> None:
        record = commands.open_account(if_absent=True)
        await node.execute(record, commands.account_text("a1"), 1)
        for _ in range(self.rng.randrange(ORDERS_MAX)):
            with contextlib.suppress(NotAccepted):
                self._submit(node, disk, told)
            if self.rng.random() < 0.4:
                await asyncio.sleep(0)
            if self.rng.random() < 0.05:
                self.clock.now += SECOND * self.rng.randrange(5)
            if self.rng.random() < 0.02 and not disk.seen[""]:
                take_snapshot(self.root)

    def _submit(self, node: Node, disk: FaultyDisk, told: list[tuple[int, int, int]]) -> None:
        """A new order, or an old one again under its key."""
        is_again = self.keys and self.rng.random() < 0.2
        number = self.rng.randrange(self.keys) if is_again else self.keys

        def done(outcome: Outcome) -> None:
            if outcome.failure is None:
                told.append((len(disk.calls), number, _order_of(outcome)))

        record = commands.place_order(
            account=1,
            instrument=1,
            side=1 + number % 2,
            order_type=1,
            time_in_force=1,
            price=7_000_000 + number % 5,
            quantity=1 + number,
            definition_version=1,
            key=commands.key_of(f"key {number}"),
        )
        node.submit(record, b"", 1, done, account="a1")
        self.keys = max(self.keys, number + 1)

    def _lose_power(self, disk: FaultyDisk, told: list[tuple[int, int, int]]) -> None:
        """At some moment of this life; what was told after it never happened."""
        moment = self.rng.randrange(len(disk.calls) + 1)
        for call in disk.calls[:moment]:
            self.loss.follow(call)
        self.served |= {number: order for at, number, order in told if at <= moment}
        image = self.rng.choice(list(self.loss.images(20)))
        root = self.base / f"life-{sum(self.endings.values()) + 1}"
        root.mkdir()
        image.write(root, str(self.root))
        self.loss = PowerLoss(str(root))
        self.loss.adopt(image.moved(str(self.root), str(root)))
        self.root = root

    def check(self) -> None:
        """Every order that was served is in the journal as it was told, and once."""
        frames = reference_scan(self.root)
        replica, orders = Replica(), Counter[tuple[int, int]]()
        records = {
            frame.first_sequence + index: record
            for frame in frames
            for index, record in enumerate(frame.records)
        }
        for segment in DataDirectory(self.root).segments():
            path = DataDirectory(self.root).segment(segment)
            size = sum(frame.size for frame in frames if frame.segment == path.name)
            events = replica.apply(path.read_bytes()[:size]).events
            for at in range(0, len(events), 96):
                if events[at] == wire.EventKind.ORDER_ACCEPTED:
                    accepted = wire.OrderAccepted(*wire.ORDER_ACCEPTED.unpack_from(events, at))
                    record = records[accepted.sequence]
                    placed = wire.PlaceOrder(*wire.PLACE_ORDER.unpack(record))
                    orders[placed.key_low, placed.key_high] += 1
        assert set(orders.values()) <= {1}, "an order was executed twice"
        for number, sequence in self.served.items():
            placed = wire.PlaceOrder(*wire.PLACE_ORDER.unpack(records[sequence]))
            key = commands.key_of(f"key {number}")
            assert (placed.key_low, placed.key_high) == key
            assert placed.quantity == 1 + number


def _order_of(outcome: Outcome) -> int:
    """The order's id: its sequence, or the original's when the key was known."""
    events = outcome.events
    for at in range(0, len(events), 96):
        if events[at] == wire.EventKind.ORDER_ACCEPTED:
            return outcome.first_sequence
        if events[at] == wire.EventKind.COMMAND_REPEATED:
            repeated = wire.CommandRepeated(*wire.COMMAND_REPEATED.unpack_from(events, at))
            return repeated.order_id
    raise AssertionError("an order without an answer")


def lives(root: Path, seed: int) -> Market:
    """A market's whole history from a seed."""
    market = Market(root, seed)
    for _ in range(LIVES):
        market.live()
    market.clock.now += SECOND
    asyncio.run(market._run(FaultyDisk(), []))
    market.check()
    return market


@pytest.mark.parametrize("seed", range(12))
def test_no_history_of_faults_loses_or_doubles_an_order(tmp_path, seed):
    market = lives(tmp_path, seed)
    assert market.keys > 20


@pytest.mark.full
def test_many_histories_of_faults_lose_and_double_nothing(tmp_path):
    endings: Counter[str] = Counter()
    served = 0
    for seed in range(1000, 1400):
        root = tmp_path / str(seed)
        root.mkdir()
        market = lives(root, seed)
        endings += market.endings
        served += len(market.served)
    assert min(endings.values()) > 100, endings
    assert len(endings) == 4, endings
    assert served > 20_000
