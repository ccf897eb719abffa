"""Watchers of a replay go on without a gap, or are told: the network stalls and cuts, the feed
process is killed, the node is killed."""

from __future__ import annotations

import os
import random
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.contract.recordings import write_recording
from tests.contract.replay_client import Rebuilt, ReplayEvents, ReplayFrames, Replaying
from tests.contract.wire_socket import Closed
from tests.end_to_end.bad_network import BadNetwork
from tests.end_to_end.feed_processes import feed_processes, has_feeds, until
from tests.end_to_end.node_process import NodeProcess

MESSAGES = 30_000


@pytest.fixture
def node(tmp_path: Path) -> Iterator[NodeProcess]:
    data_dir = tmp_path / "data"
    (data_dir / "recordings").mkdir(parents=True)
    write_recording(data_dir / "recordings" / "day.dbn", messages=MESSAGES, events_per_second=1e3)
    process = NodeProcess(data_dir)
    process.start()
    until(lambda: has_feeds(process))
    yield process
    process.kill()
    until(lambda: not feed_processes(process))


class Watcher:
    """Reads a replay, comes back whenever it is cut, and checks that nothing is missing."""

    def __init__(self, id: str, chance: random.Random) -> None:
        self.id = id
        self.book = Rebuilt()
        self.connects = 0
        self.told = 0
        self._chance = chance
        self._reader: ReplayEvents | ReplayFrames | None = None

    def read(self, port: int, seconds: float) -> None:
        """Take what comes, for so long."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            try:
                if self._reader is None:
                    self._reader = self._connect(port)
                self._take(self._reader.next())
            except (EOFError, OSError, Closed):
                self.leave()
                time.sleep(0.02)

    def _take(self, message: dict[str, object]) -> None:
        if "error" in message:
            raise EOFError
        self.book.take(message)
        self.told += self.book.is_required
        self.book.is_required = False

    def _connect(self, port: int) -> ReplayEvents | ReplayFrames:
        seq = self.book.seq
        self.connects += 1
        reader: ReplayEvents | ReplayFrames
        if self._chance.random() < 0.5:
            reader = ReplayEvents(port, self.id, last_event_id="" if seq is None else str(seq))
        else:
            reader = ReplayFrames(port, self.id, **({} if seq is None else {"from": seq}))
        reader.socket.settimeout(1.0)
        if reader.status not in (101, 200):
            reader.close()
            raise EOFError
        return reader

    def leave(self) -> None:
        if self._reader is not None:
            self._reader.close()
            self._reader = None


def seeded() -> random.Random:
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    return random.Random(seed)


def test_a_network_that_stalls_and_cuts_leaves_no_gap(node: NodeProcess) -> None:
    chance = seeded()
    replay = Replaying(node.port, "day.dbn")
    network = BadNetwork(node.port)
    watcher = Watcher(replay.id, chance)
    watcher.read(network.port, 0.2)
    replay.change(speed=4, state="playing")
    while replay.state()["state"] == "playing":
        watcher.read(network.port, chance.random() * 0.3)
        network.stall()
        time.sleep(chance.random() * 0.2)
        if chance.random() < 0.7:
            network.cut()
        network.flow()
    end = replay.state()
    until(lambda: watcher.read(network.port, 0.1) or watcher.book.seq == end["seq"])
    assert watcher.connects > 3
    assert watcher.told == 0
    assert watcher.book.steps == end["messages"]
    assert watcher.book.equals(replay.book(depth=100_000)[0])
    watcher.leave()
    network.close()
    replay.close()


@pytest.mark.parametrize("victim", ["feed process", "node"])
def test_a_replay_outlives_its_process_and_its_watchers_are_told(
    node: NodeProcess, victim: str
) -> None:
    chance = seeded()
    replay = Replaying(node.port, "day.dbn")
    watcher = Watcher(replay.id, chance)
    watcher.read(node.port, 0.2)
    replay.change(speed=2, state="playing")
    for kills in range(1, 4):
        watcher.read(node.port, 1.0 + chance.random())
        before = replay.state()["position"]
        if victim == "node":
            node.kill()
            node.start()
        else:
            [number] = feed_processes(node)
            os.kill(number, signal.SIGKILL)
            watcher.read(node.port, 0.2)
        until(lambda: has_feeds(node))
        watcher.read(node.port, 0.5)
        assert watcher.told == kills, "it was given no new book"
        assert replay.state()["position"] > before / 2
    replay.change(state="paused", seek="end")
    end = replay.state()
    until(lambda: watcher.read(node.port, 0.1) or watcher.book.seq == end["seq"])
    assert watcher.book.equals(replay.book(depth=100_000)[0])
    watcher.leave()
    replay.close()
