"""Each of the three bounds on what waits for a consumer, over WebSocket and as an event stream."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.contract.served_market import ServedMarket, Trader
from tests.contract.test_event_stream import EventReader
from tests.contract.wire_socket import Closed, WireSocket

from tradepit.gateway.config import GatewayConfig

LARGE = 1 << 40
WINDOW = 100_000
"""More messages than these tests make: whoever comes back gets all of them."""
BOUNDS = {
    "bytes": GatewayConfig(
        socket_buffer_max=64 * 1024, socket_messages_max=LARGE, feed_window=WINDOW
    ),
    "messages": GatewayConfig(socket_buffer_max=LARGE, socket_messages_max=200, feed_window=WINDOW),
    "seconds": GatewayConfig(
        socket_buffer_max=LARGE,
        socket_messages_max=LARGE,
        socket_wait_max=0.5,
        feed_window=WINDOW,
    ),
}
SECONDS = 30.0


@pytest.fixture(params=list(BOUNDS))
def trader(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Trader]:
    served = ServedMarket(tmp_path, BOUNDS[request.param])
    somebody = Trader(served)
    somebody.list_instrument()
    yield somebody
    somebody.close()
    served.stop()


def fill(trader: Trader) -> None:
    """Make reports, more than the kernel takes, until somebody is found too slow."""
    served = trader.market
    operation = {"op": "place"} | trader.order(trader.alice, "buy", "1", "0.0001")
    end = time.monotonic() + SECONDS
    rounds = 0
    while served.call(lambda: served.server.gateway.sockets.slow_count) == 0:
        assert time.monotonic() < end
        if rounds < 6:  # some two megabytes; after that only time passes
            trader.http.post("/orders/batch", json={"operations": [operation] * 500})
            trader.http.delete("/orders", params={"client_id": trader.alice})
            rounds += 1
        else:
            time.sleep(0.05)


def test_a_socket_that_does_not_read_is_closed_with_its_last_sequence(trader: Trader) -> None:
    wire = WireSocket(trader.market.port)
    wire.send({"op": "subscribe", "channel": "execution", "client_id": trader.alice})
    assert "snapshot" in wire.receive()
    fill(trader)
    received: list[int] = []
    with pytest.raises(Closed) as closed:
        received.extend(message["seq"] for message in iter(wire.receive, None))
    wire.close()
    assert closed.value.code == 4008
    word, last = closed.value.reason.split()
    assert word == "slow_consumer"
    assert int(last) == received[-1] > 0, "not the last that it was sent"


class Followed:
    """Numbers of the messages of several channels; checks that none is missing."""

    def __init__(self) -> None:
        self.last: dict[str, int] = {}

    def take(self, message: dict[str, Any], *, may_repeat: bool = False) -> None:
        """The next message; `may_repeat`: one that it has already may come again."""
        assert "code" not in message, f"there is a gap: {message}"
        channel, seq = message["channel"], message["seq"]
        known = self.last.get(channel)
        if known is not None and not message.get("resumed"):
            assert seq == known + 1 or (may_repeat and seq <= known), f"{seq} after {known}"
        self.last[channel] = max(seq, known or 0)

    def take_all(self, messages: Iterator[dict[str, Any]]) -> None:
        for message in messages:
            self.take(message)


def has_all(trader: Trader, found: Followed) -> bool:
    """Whether nothing more will come: a new reader is shown the same numbers."""
    wire = WireSocket(trader.market.port)
    now = {}
    for channel in found.last:
        wire.send({"op": "subscribe", "channel": channel, "client_id": trader.alice})
        now[channel] = wire.receive()["seq"]
    wire.close()
    return now == found.last


def test_a_socket_that_was_cut_goes_on_in_all_its_channels_without_a_gap(trader: Trader) -> None:
    trader.place(trader.bob, "buy", "2", "0.0001")  # so that their numbers differ
    channels = [f"book:{trader.symbol}", "execution", f"orders:{trader.symbol}"]
    wire, found = WireSocket(trader.market.port), Followed()
    for channel in channels:
        wire.send({"op": "subscribe", "channel": channel, "client_id": trader.alice})
        found.take(wire.receive())
    fill(trader)
    with pytest.raises(Closed) as closed:
        found.take_all(iter(wire.receive, None))
    wire.close()
    assert len(set(found.last.values())) > 1, "their numbers are the same, by chance"
    last = int(closed.value.reason.split()[1])
    assert last == min(found.last.values())
    wire = WireSocket(trader.market.port)
    for channel in channels:
        asked = {"op": "subscribe", "channel": channel, "client_id": trader.alice, "from": last}
        wire.send(asked)
        message = wire.receive()
        while "resumed" not in message:
            found.take(message, may_repeat=True)
            message = wire.receive()
    wire.close()
    assert has_all(trader, found)


def test_a_stream_that_was_cut_goes_on_after_the_id_it_is_told(trader: Trader) -> None:
    query = f"channels=book:{trader.symbol},execution,orders:{trader.symbol}"
    query += f"&client_id={trader.alice}"
    trader.place(trader.bob, "buy", "2", "0.0001")
    reader, found = EventReader(trader.market.port, query), Followed()
    for _ in range(3):
        found.take(reader.next().data)
    fill(trader)
    while (event := reader.next()).kind == "message":
        found.take(event.data)
    reader.close()
    assert event.data["seq"] == min(found.last.values())
    assert event.data["last_event_id"] == reader.last_id
    again = EventReader(trader.market.port, query, last_event_id=event.data["last_event_id"])
    end = time.monotonic() + SECONDS
    while not has_all(trader, found):
        assert time.monotonic() < end
        found.take(again.next().data, may_repeat=True)
    again.close()


def test_a_stream_that_does_not_read_is_told_which_bound_it_passed(
    trader: Trader, request: pytest.FixtureRequest
) -> None:
    connection = socket.create_connection(("127.0.0.1", trader.market.port), timeout=SECONDS)
    path = f"/api/v1/stream?channels=execution&client_id={trader.alice}"
    connection.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
    fill(trader)
    said = b""
    while data := connection.recv(1 << 20):
        said += data
    connection.close()
    head, _, last = said.rpartition(b"event: error\ndata: ")
    assert head, "it was not told"
    problem = json.loads(last)
    assert problem["code"] == "slow_consumer"
    bound = request.node.callspec.params["trader"]
    assert bound.rstrip("s") in problem["detail"]
