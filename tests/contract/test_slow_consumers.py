"""Each of the three bounds on what waits for a consumer, over WebSocket and as an event stream."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.contract.served_market import ServedMarket, Trader
from tests.contract.wire_socket import Closed, WireSocket

from tradepit.gateway.config import GatewayConfig

LARGE = 1 << 40
BOUNDS = {
    "bytes": GatewayConfig(socket_buffer_max=64 * 1024, socket_messages_max=LARGE),
    "messages": GatewayConfig(socket_buffer_max=LARGE, socket_messages_max=200),
    "seconds": GatewayConfig(
        socket_buffer_max=LARGE, socket_messages_max=LARGE, socket_wait_max=0.5
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
    assert int(last) >= received[-1] > 0


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
