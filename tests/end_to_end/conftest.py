"""What tests of maker processes begin with: a market of shares with a firm, makers on demand."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.end_to_end.maker_process import (
    BUDGET,
    FIRM,
    LEASE_MS,
    SYMBOLS,
    MakerProcess,
    StartMaker,
    ask,
    market_file,
)
from tests.end_to_end.node_process import NodeProcess


@pytest.fixture
def share_node(tmp_path: Path) -> Iterator[NodeProcess]:
    """A node with fourteen shares, all of them made by one firm."""
    process = NodeProcess(tmp_path / "data", config=str(market_file(tmp_path)))
    process.start()
    firm = {
        "id": FIRM,
        "budget_bid": str(BUDGET),
        "budget_ask": str(BUDGET),
        "lease_ms": LEASE_MS,
        "symbols": list(SYMBOLS),
    }
    ask(process, "/firms", method="POST", body=firm)
    yield process
    process.kill()


@pytest.fixture
def start_maker(share_node: NodeProcess, tmp_path: Path) -> Iterator[StartMaker]:
    """Starts makers of the firm; they are killed when the test ends."""
    settings = tmp_path / "maker.toml"
    settings.write_text(
        "[strategy]\nparameters = { quantity = 5 }\n"
        "[quoting]\nttl_ms = 5000\nrenew_before_ms = 2500\npause_max_ms = 500\n"
    )
    started: list[MakerProcess] = []

    def start(name: str, *more: str) -> MakerProcess:
        maker = MakerProcess(share_node, name, "--config", str(settings), *more)
        maker.start()
        started.append(maker)
        return maker

    yield start
    for maker in started:
        maker.kill()
