"""The feed process of a real node: one address, whichever of the two is killed."""

from __future__ import annotations

import json
import os
import signal
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.contract.wire_socket import Closed, WireSocket
from tests.end_to_end.feed_processes import feed_processes, has_feeds, metric, until
from tests.end_to_end.node_process import NodeProcess

from tradepit.journal.layout import DataDirectory

SECONDS = 20.0
ORDER = {"client_id": "ann", "instrument": "BTC-USD", "side": "buy", "quantity": "0.01"}


@pytest.fixture
def node(tmp_path: Path) -> Iterator[NodeProcess]:
    process = NodeProcess(tmp_path / "data")
    process.start()
    until(lambda: has_feeds(process))
    yield process
    process.kill()
    until(lambda: not feed_processes(process))


def kill_feeds(node: NodeProcess) -> None:
    until(lambda: has_feeds(node))
    (number,) = feed_processes(node)
    os.kill(number, signal.SIGKILL)


def place(node: NodeProcess, price: str) -> dict[str, Any]:
    answer = node.request("POST", "/api/v1/orders", json.dumps(ORDER | {"price": price}).encode())
    head, _, body = answer.partition(b"\r\n\r\n")
    assert b"201" in head.split(b"\r\n")[0], answer
    found: dict[str, Any] = json.loads(body)
    return found


class Stream:
    """A small reader of an event stream."""

    def __init__(self, node: NodeProcess, channels: str, last: str = "") -> None:
        self.socket = socket.create_connection(("127.0.0.1", node.port), timeout=SECONDS)
        head = f"GET /api/v1/stream?channels={channels} HTTP/1.1\r\nHost: localhost\r\n"
        head += f"Last-Event-ID: {last}\r\n" if last else ""
        self.socket.sendall(f"{head}\r\n".encode())
        self.file = self.socket.makefile("rb")
        assert b"200" in self.file.readline()
        while self.file.readline().strip():
            pass
        self.last = last

    def next(self) -> dict[str, Any]:
        """Data of the next message; raises EOFError."""
        last = self.last
        while (line := self.file.readline()).endswith(b"\n"):
            if line.startswith(b"id: "):
                last = line[4:].strip().decode()
            elif line.startswith(b"data: "):
                found: dict[str, Any] = json.loads(line[6:])
                self.last = last
                return found
        raise EOFError

    def close(self) -> None:
        self.file.close()
        self.socket.close()


def test_streams_leave_the_node_and_show_at_once_what_it_has_answered(node: NodeProcess) -> None:
    for number in range(20):
        placed = place(node, f"{60_000 + number}")
        stream = Stream(node, "book:BTC-USD")
        bids = stream.next()["snapshot"]["bids"]
        assert bids[0]["price"] == placed["price"]
        stream.close()
    stream = Stream(node, "book:BTC-USD")
    stream.next()
    assert metric(node, "tradepit_feed_connections") >= 1
    assert metric(node, "tradepit_sockets") == 0
    place(node, "61000")
    assert stream.next()["data"]["price"] == "61000.00"
    stream.close()

    def is_noticed() -> bool:
        place(node, "50000")  # who has gone is noticed when there is something to say
        return metric(node, "tradepit_feed_connections") == 0

    until(is_noticed)


def test_orders_on_a_socket_that_has_subscribed_are_answered_in_order(node: NodeProcess) -> None:
    wire = WireSocket(node.port)
    assert wire.ask({"op": "place"} | ORDER | {"price": "60000"})["status"] == 201
    wire.send({"id": 1, "op": "subscribe", "channel": "book:BTC-USD"})
    wire.send({"id": 2, "op": "subscribe", "channel": "execution", "client_id": "ann"})
    for number in range(50):
        wire.send({"id": f"o{number}", "op": "place"} | ORDER | {"price": f"{60_001 + number}"})
    answers, levels, reports = [], [], []
    while len(answers) < 52 or len(levels) < 50 or len(reports) < 50:
        message = wire.receive()
        if "id" in message:
            answers.append(message["id"])
        elif message["channel"] == "execution" and "data" in message:
            reports.append(message["data"]["order"]["price"])
        elif "data" in message:
            levels.append(message["data"]["price"])
    assert answers == [1, 2, *(f"o{number}" for number in range(50))]
    assert levels == reports == [f"{60_001 + number}.00" for number in range(50)]
    assert wire.ask({"op": "mass_cancel", "client_id": "ann"})["result"] == {"cancelled": 51}
    wire.close()


def test_its_lag_does_not_count_what_came_after_it_spoke(node: NodeProcess) -> None:
    stream = Stream(node, "trades:BTC-USD")
    stream.next()
    until(lambda: b"\ntradepit_feed_lag " in node.get("/metrics"))
    lags = []
    for number in range(5):
        for _ in range(10):
            place(node, "60000")
        trade = ORDER | {"side": "sell", "price": "60000", "client_id": f"seller-{number}"}
        node.request("POST", "/api/v1/orders", json.dumps(trade).encode())
        assert "data" in stream.next()  # so it has applied all of them
        lags.append(metric(node, "tradepit_feed_lag"))
    stream.close()
    # It speaks once a second and may do so between an order and its trade, but not every time.
    assert lags.count(0) >= 3, lags


def test_a_killed_feed_process_is_replaced_and_readers_are_told(node: NodeProcess) -> None:
    placed = []
    for number in range(4):
        until(lambda: has_feeds(node))
        stream = Stream(node, "book:BTC-USD")
        stream.next()
        placed.append(place(node, f"{62_000 + number}")["price"])
        assert stream.next()["data"]["price"] == placed[-1]
        known = feed_processes(node)
        kill_feeds(node)
        with pytest.raises((EOFError, ConnectionResetError)):
            stream.next()
        stream.close()
        placed.append(place(node, f"{62_500 + number}")["price"])
        if number % 2:  # otherwise the node itself serves what comes before the new process
            until(lambda known=known: feed_processes(node) not in ([], known) and has_feeds(node))
        again = Stream(node, "book:BTC-USD", stream.last)
        message = again.next()
        if "data" in message:  # the node still knew the channel: without a gap
            assert message["data"]["price"] == placed[-1]
        else:
            assert message["code"] == "snapshot_required"
            assert {bid["price"] for bid in message["snapshot"]["bids"]} == set(placed)
        again.close()


def test_a_killed_node_takes_its_feed_process_along(node: NodeProcess) -> None:
    wire = WireSocket(node.port)
    wire.send({"op": "subscribe", "channel": "book:BTC-USD"})
    wire.receive()
    assert node.process is not None
    os.kill(node.process.pid, signal.SIGKILL)
    with pytest.raises((Closed, ConnectionResetError)):
        wire.receive()
    wire.close()
    until(lambda: not feed_processes(node))


def test_a_stopped_feed_process_holds_up_neither_orders_nor_the_end(node: NodeProcess) -> None:
    (number,) = feed_processes(node)
    os.kill(number, signal.SIGSTOP)
    for price in range(100):
        place(node, f"{63_000 + price}")
    until(lambda: not has_feeds(node))
    stream = Stream(node, "book:BTC-USD")  # by the node, as long as the other says nothing
    assert len(stream.next()["snapshot"]["bids"]) == 100
    stream.close()
    assert node.status("/api/v1/replays") == 503
    os.kill(number, signal.SIGCONT)
    until(lambda: has_feeds(node))
    assert node.status("/api/v1/replays") == 200
    os.kill(number, signal.SIGSTOP)
    began = time.monotonic()
    assert node.stop() == 0
    assert time.monotonic() - began < SECONDS


def test_a_feed_process_that_cannot_follow_ends_and_another_takes_its_place(
    node: NodeProcess,
) -> None:
    stream = Stream(node, "book:BTC-USD")
    stream.next()
    [known] = feed_processes(node)
    directory = DataDirectory(node.data_dir)
    segment = directory.segment(directory.segments()[-1])
    segment.rename(node.data_dir / "elsewhere")
    placed = place(node, "64000")
    assert stream.next()["code"] == "stream_ended"
    with pytest.raises(EOFError):
        stream.next()
    stream.close()
    until(lambda: known not in feed_processes(node))
    (node.data_dir / "elsewhere").rename(segment)
    assert "feeds cannot follow the journal" in node.log.read_text()
    until(lambda: has_feeds(node))
    again = Stream(node, "book:BTC-USD")
    assert again.next()["snapshot"]["bids"][0]["price"] == placed["price"]
    assert metric(node, "tradepit_feed_connections") == 1
    again.close()
