"""The publisher's process and its node: orders go through a killed node once each."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.end_to_end.journal_audit import JournalAudit
from tests.end_to_end.node_process import NodeProcess, free_port

from tradepit.client import Client
from tradepit.flow.external.participants import TAKER

RATE = 100


class PublisherProcess:
    """`tradepit flow external` until it is stopped."""

    def __init__(self, url: str, *options: str) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        command = [sys.executable, "-m", "tradepit.cli", "flow", "external", "--url", url]
        self.process = subprocess.Popen(
            [*command, "--port", str(self.port), "--json", "--progress", "0", *options],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )

    def result(self) -> dict[str, Any]:
        """End it; what it counted."""
        self.process.terminate()
        out, _ = self.process.communicate(timeout=60)
        return json.loads(out)

    def kill(self) -> None:
        self.process.kill()
        self.process.communicate()


def until(is_so: Callable[[], object], seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < end, "it has not come about"
        time.sleep(0.02)


def test_orders_go_through_a_killed_node_once_each(tmp_path: Path) -> None:
    node = NodeProcess(tmp_path / "data", config="demo")
    publisher = None
    try:
        node.start()
        publisher = PublisherProcess(node.url, "--rate", str(RATE), "--seed", "5")
        with Client(node.url) as client:
            until(lambda: _orders(client) >= 100)
            node.kill()
            node.start()
            before = _orders(client)
            until(lambda: _orders(client) >= before + 100)
        result = publisher.result()
        assert node.stop() == 0
    finally:
        node.kill()
        if publisher is not None:
            publisher.kill()
    print(result)
    audit = JournalAudit(node.data_dir)
    audit.catch_up()
    taker = audit.replica.account_number(TAKER)
    executed = {key: count for key, count in audit.auditor.keys.items() if key[0] == taker}
    assert set(executed.values()) == {1}
    accepted, lost = result["accepted"], sum(result["unanswered"].values())
    assert accepted + lost == result["sent"]
    assert accepted <= len(executed) <= accepted + lost
    assert result["repeated"], "no order was under way when the node died"
    assert not result["refused"]


def _orders(client: Client) -> int:
    return len(client.orders(client_id=TAKER, limit=1000).items)
