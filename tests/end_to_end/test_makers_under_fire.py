"""A demonstration whose processes are killed and paused at random stays right."""

from __future__ import annotations

import os
import random
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.end_to_end.makers_under_fire import Fire, Gunner
from tests.end_to_end.node_process import NodeProcess

MAKERS = 7
QUIET = ("demo", "--rate", "20", "--external-rate", "20")
ANY_PORT = {"TRADEPIT_DEMO__MAKER_PORT": "0", "TRADEPIT_DEMO__EXTERNAL_PORT": "0"}


class TestedDemonstration:
    """A demonstration in a process of the test."""

    __test__ = False

    def __init__(self, root: Path) -> None:
        environment = ANY_PORT | {"TRADEPIT_PROJECTIONS__ENABLED": "false"}
        self._node = NodeProcess(
            root / "data", config="demo", environment=environment, command=QUIET
        )
        self.url = self._node.url
        self.data_dir = self._node.data_dir
        self._node.start()

    @property
    def pid(self) -> int:
        assert self._node.process is not None
        return self._node.process.pid

    def start_again(self) -> None:
        self._node.kill()
        self._node.start()

    def end(self) -> None:
        self._node.kill()


@pytest.fixture
def demo(tmp_path: Path) -> Iterator[TestedDemonstration]:
    demo = TestedDemonstration(tmp_path)
    yield demo
    demo.end()


def shoot(demo: TestedDemonstration, shots: int) -> Fire:
    seed = int(os.environ.get("FIRE_SEED", str(random.randrange(2**32))))
    print("seed", seed)
    fire = Fire(demo, seed=seed, makers=MAKERS, with_node=True)
    fire.run(shots)
    print(dict(fire.shots), f"settled in {max(fire.settled_s):.1f} s at most")
    return fire


def test_a_market_stays_right_after_three_shots(demo: TestedDemonstration) -> None:
    assert len(shoot(demo, 3).settled_s) == 3


@pytest.mark.full
def test_a_market_stays_right_after_fifty_shots(demo: TestedDemonstration) -> None:
    fire = shoot(demo, 50)
    kinds = {kind.split()[0] for kind in fire.shots}
    assert kinds == {"kill", "pause"}


def test_shots_follow_from_their_seed_and_reach_everybody() -> None:
    gunners = [Gunner(5, MAKERS, with_node=True) for _ in range(2)]
    first, second = ([gunner.next() for _ in range(300)] for gunner in gunners)
    assert first == second
    assert len({shot.at for shot in first}) == MAKERS + 4
    pauses = [shot.pause_s for shot in first if shot.pause_s and "--name" in shot.at]
    assert min(pauses) < 3.0 < max(pauses)
