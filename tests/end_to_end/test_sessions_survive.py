"""Sessions of a real node: they live as long as their connection, whichever process is killed."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.contract.wire_socket import WireSocket
from tests.end_to_end.feed_processes import feed_processes, has_feeds, until
from tests.end_to_end.node_process import NodeProcess

ORDER = {
    "op": "place",
    "client_id": "ann",
    "instrument": "BTC-USD",
    "side": "buy",
    "quantity": "0.01",
    "price": "60000",
}
BIND = {"op": "bind_session", "client_id": "ann", "name": "desk"}


@pytest.fixture
def node(tmp_path: Path) -> Iterator[NodeProcess]:
    process = NodeProcess(tmp_path / "data")
    process.start()
    until(lambda: has_feeds(process))
    yield process
    process.kill()
    until(lambda: not feed_processes(process))


def read(node: NodeProcess, path: str) -> Any:
    answer = node.request("GET", f"/api/v1{path}", b"")
    head, _, body = answer.partition(b"\r\n\r\n")
    assert b" 200 " in head.split(b"\r\n")[0], answer
    return json.loads(body)


def sessions(node: NodeProcess) -> list[str]:
    return [item["name"] for item in read(node, "/accounts/ann/sessions")["items"]]


def status(node: NodeProcess, order_id: str) -> str:
    return str(read(node, f"/orders/{order_id}")["status"])


def bound(node: NodeProcess) -> tuple[WireSocket, str]:
    """A connection with a session, and the order that it has in the book."""
    wire = WireSocket(node.port)
    assert wire.ask(BIND)["status"] == 200
    placed = wire.ask(ORDER)
    assert placed["status"] == 201, placed
    return wire, str(placed["order"]["id"])


def test_a_session_outlives_its_lease_in_an_idle_market(node: NodeProcess) -> None:
    wire, order_id = bound(node)
    begun = read(node, "/orderbook?instrument=BTC-USD")["as_of"]
    # An idle node that holds a session shows that it lives once a second: six times is longer
    # than the lease.
    until(lambda: read(node, "/orderbook?instrument=BTC-USD")["as_of"] >= begun + 7)
    assert sessions(node) == ["desk"]
    assert status(node, order_id) == "new"
    wire.close()
    until(lambda: sessions(node) == [])
    assert status(node, order_id) == "cancelled"


def test_sessions_on_the_feed_process_end_when_it_is_killed(node: NodeProcess) -> None:
    wire, order_id = bound(node)
    assert wire.ask({"op": "subscribe", "channel": "book:BTC-USD"})["status"] == 200
    kept = WireSocket(node.port)
    assert kept.ask(BIND | {"name": "kept"})["status"] == 200
    (number,) = feed_processes(node)
    os.kill(number, signal.SIGKILL)
    until(lambda: sessions(node) == ["kept"])
    assert status(node, order_id) == "cancelled"
    kept.close()
    wire.close()


def test_sessions_lapse_when_their_node_is_killed(node: NodeProcess) -> None:
    wire, order_id = bound(node)
    node.kill()
    node.start()
    again = WireSocket(node.port)
    assert again.ask(BIND | {"name": "other"})["status"] == 200
    until(lambda: sessions(node) == ["other"])
    assert status(node, order_id) == "cancelled"
    wire.close()
    again.close()
