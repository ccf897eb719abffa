"""From a data directory to a running node."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from tradepit.journal.disk import Disk
from tradepit.journal.file import OnSynced, open_journal
from tradepit.journal.layout import DataDirectory
from tradepit.journal.lock import DirectoryLock
from tradepit.journal.scan import Progress
from tradepit.journal.segments import DiskFull, JournalOptions
from tradepit.node.definitions import DefinitionRefused, MarketDefinition, opening_commands
from tradepit.node.node import Node, NodeState
from tradepit.node.queue import Limits
from tradepit.node.recovery import History, Prepare, Recovery
from tradepit.node.snapshotter import EVERY_COMMANDS, Snapshotter

MARKET_ID_BYTES = 8


class NodeOptions(NamedTuple):
    """What a node is made of."""

    market: MarketDefinition | None = None
    """None: whatever the journal says."""
    journal: JournalOptions = JournalOptions()
    limits: Limits = Limits()
    history: History = History()
    snapshot_every_commands: int = EVERY_COMMANDS
    """0: no snapshots but by `tradepit journal snapshot`."""
    clock: Callable[[], int] = time.time_ns
    disk: Disk = Disk()
    on_synced: OnSynced | None = None
    """Told how long each frame's write and sync took, in seconds."""
    progress: Progress | None = None
    prepare: Prepare | None = None


class OpenNode:
    """A node and what lives as long as it does. Made by `open_node`."""

    def __init__(self, node: Node, lock: DirectoryLock, snapshotter: Snapshotter) -> None:
        self.node = node
        self.snapshotter = snapshotter
        self._lock = lock

    async def close(self) -> None:
        """Finish what was taken, then let go of the data directory.

        Raises:
            JournalFailed: the commit mark could not be synced; nothing durable is lost.
        """
        try:
            await self.snapshotter.stop()
            await self.node.stop()
        finally:
            self._lock.release()


async def open_node(root: Path, options: NodeOptions) -> OpenNode:
    """Recover a data directory (made on first use), start the node, make its definitions true.

    Raises:
        JournalError: in use, damaged, not writable; the text is for an operator.
        DefinitionRefused: the configuration contradicts itself or the journal.
    """
    directory = DataDirectory(root)
    directory.make()
    lock = DirectoryLock(directory.lock)
    try:
        return await _open(directory, lock, options)
    except BaseException:
        lock.release()
        raise


async def _open(directory: DataDirectory, lock: DirectoryLock, options: NodeOptions) -> OpenNode:
    recovery = Recovery(
        directory, options.history, progress=options.progress, prepare=options.prepare
    )
    recovered = recovery.run()
    journal = open_journal(
        directory,
        recovered.tail,
        options=options.journal,
        disk=options.disk,
        on_synced=options.on_synced,
    )
    node = Node(
        recovered.replica,
        journal,
        clock=options.clock,
        rebuild=recovery._replace(until_mark=True, progress=None).rebuild,
        panicked=recovered.panicked,
        limits=options.limits,
    )
    snapshotter = Snapshotter(
        directory.root,
        every_commands=options.snapshot_every_commands,
        last_sequence=recovered.snapshot_sequence,
    )
    if options.snapshot_every_commands:
        node.add_listener(snapshotter.on_frame)
    await node.start()
    opened = OpenNode(node, lock, snapshotter)
    try:
        await _define(node, options)
    except BaseException:
        await snapshotter.stop()
        await node.stop()
        raise
    return opened


async def _define(node: Node, options: NodeOptions) -> None:
    if node.state is NodeState.READ_ONLY:
        return
    market_id = int.from_bytes(os.urandom(MARKET_ID_BYTES), "little")
    batches = opening_commands(
        node.replica, options.market, now_ns=options.clock(), market_id=market_id
    )
    refused = []
    for batch in batches:
        outcome = await node.execute(
            batch.records, batch.texts, len(batch.changes), urgent=len(batch.changes) == 1
        )
        if outcome.failure is not None:
            raise node.failure or DiskFull("the disk is full: no space to start in")
        refused += batch.refusals(outcome.first_sequence, outcome.events)
    if refused:
        raise DefinitionRefused("the market does not take: " + "; ".join(refused))
