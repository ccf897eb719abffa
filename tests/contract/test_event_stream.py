"""Channels as Server-Sent Events."""

from __future__ import annotations

import itertools
import json
import random
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from tests.contract.served_market import ServedMarket, Trader
from tests.contract.wire_socket import WireSocket

from tradepit.gateway.config import GatewayConfig


def channels_of(trader: Trader) -> str:
    return ",".join(f"{kind}:{trader.symbol}" for kind in ("trades", "bbo", "book"))


class Event(NamedTuple):
    kind: str
    id: str
    """The last id that was set, as a browser keeps it."""
    data: dict[str, Any]


class EventReader:
    """A reader of an event stream, written from the HTML standard."""

    def __init__(self, port: int, query: str, *, last_event_id: str = "", after: str = "") -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=10)
        head = f"GET /api/v1/stream?{query} HTTP/1.1\r\nHost: localhost:{port}\r\n"
        if last_event_id:
            head += f"Last-Event-ID: {last_event_id}\r\n"
        self.last_id = last_event_id
        self._pending = b""
        try:
            self.socket.sendall(f"{head}\r\n{after}".encode())
            status, self.headers = self._head()
        except (EOFError, OSError):
            self.socket.close()
            raise
        self.status = int(status.split()[1])

    def _head(self) -> tuple[str, dict[str, str]]:
        head = self._until(b"\r\n\r\n").decode().split("\r\n")
        return head[0], dict(line.split(": ", 1) for line in head[1:])

    def _until(self, mark: bytes) -> bytes:
        while mark not in self._pending:
            data = self.socket.recv(1 << 16)
            if not data:
                raise EOFError
            self._pending += data
        found, _, self._pending = self._pending.partition(mark)
        return found

    def next(self) -> Event:
        """The next event with data."""
        while True:
            kind, data = "message", []
            for line in self._until(b"\n\n").decode().split("\n"):
                name, _, value = line.partition(": ")
                if name == "id":
                    self.last_id = value
                elif name == "event":
                    kind = value
                elif name == "data":
                    data.append(value)
            if data:
                return Event(kind, self.last_id, json.loads("".join(data)))

    def body(self) -> Any:
        """The JSON of a refusal."""
        while len(self._pending) < int(self.headers["content-length"]):
            self._pending += self.socket.recv(1 << 16)
        return json.loads(self._pending)

    def close(self) -> None:
        self.socket.close()


def trade_something(trader: Trader, rng: random.Random) -> None:
    """Some orders on both sides, a part of which trade."""
    for _ in range(rng.randrange(1, 6)):
        side = rng.choice(("buy", "sell"))
        account = rng.choice((trader.alice, trader.bob))
        price = str(rng.randrange(69_990, 70_010))
        trader.place(account, side, price, f"0.000{rng.randrange(1, 9)}")


def test_a_stream_begins_with_snapshots_and_goes_on_with_changes(trader: Trader) -> None:
    reader = EventReader(trader.market.port, f"channels={channels_of(trader)}")
    assert reader.status == 200
    assert reader.headers["content-type"] == "text/event-stream"
    snapshots = [reader.next() for _ in range(3)]
    assert {event.data["channel"] for event in snapshots} == set(channels_of(trader).split(","))
    assert all("snapshot" in event.data for event in snapshots)
    trader.place(trader.alice, "sell", "70005", "0.5")
    trader.place(trader.bob, "buy", "70005", "0.2")
    seen = {}
    while f"trades:{trader.symbol}" not in seen:
        event = reader.next()
        seen[event.data["channel"]] = event
    trade = seen[f"trades:{trader.symbol}"]
    assert trade.data["data"]["quantity"] == "0.2000"
    assert trade.data["seq"] >= snapshots[0].data["seq"]
    reader.close()


def test_a_stream_says_what_a_socket_says(trader: Trader) -> None:
    reader = EventReader(trader.market.port, f"channels=book:{trader.symbol},book:{trader.symbol}")
    wire = WireSocket(trader.market.port)
    wire.send({"op": "subscribe", "channel": f"book:{trader.symbol}"})
    assert reader.next().data["snapshot"] == wire.receive()["snapshot"]
    for number in range(20):
        trader.place(trader.alice, "buy", str(60_000 + number), "0.001")
    for _ in range(20):
        assert reader.next().data == wire.receive()
    reader.close()
    wire.close()


def test_a_reader_that_comes_back_at_random_misses_and_repeats_nothing(trader: Trader) -> None:
    seed = random.randrange(2**32)
    print("seed", seed)
    rng = random.Random(seed)
    port = trader.market.port
    whole = EventReader(port, f"channels={channels_of(trader)}")
    broken = EventReader(port, f"channels={channels_of(trader)}")
    for reader in (whole, broken):
        for _ in range(3):
            assert "snapshot" in reader.next().data
    # An id of its own follows the snapshots; the first change's id includes it.
    trader.place(trader.alice, "buy", "50000", "0.001")
    expected = [whole.next().data]
    got = [broken.next().data]
    for _ in range(25):
        trade_something(trader, rng)
        for _ in range(rng.randrange(3)):
            got.append(broken.next().data)
        broken.close()
        trade_something(trader, rng)
        broken = EventReader(port, f"channels={channels_of(trader)}", last_event_id=broken.last_id)
    trader.place(trader.alice, "buy", "50001", "0.001")
    last: dict[str, Any] = {}
    while last.get("data", {}).get("price") != "50001.00":
        last = whole.next().data
        expected.append(last)
    while got[-1] != last:
        got.append(broken.next().data)
    # A message after the last id may come twice when another of the same moment was cut off.
    kept = [data for at, data in enumerate(got) if data not in got[:at]]
    assert kept == expected
    assert len(expected) > 100
    for channel in channels_of(trader).split(","):
        chain = [data for data in expected if data["channel"] == channel]
        for before, after in itertools.pairwise(chain):
            if channel.startswith("bbo"):
                assert after["previous_seq"] == before["seq"]
            else:
                assert "previous_seq" not in after
                assert after["seq"] == before["seq"] + 1
    broken.close()
    whole.close()


@pytest.fixture
def forgetful(tmp_path: Path) -> Iterator[Trader]:
    served = ServedMarket(tmp_path, GatewayConfig(feed_window=4))
    trader = Trader(served)
    trader.list_instrument()
    yield trader
    trader.close()
    served.stop()


def test_who_missed_too_much_is_told_and_gets_a_snapshot(forgetful: Trader) -> None:
    trader = forgetful
    port, symbol = trader.market.port, trader.symbol
    reader = EventReader(port, f"channels=book:{symbol},trades:{symbol}")
    assert "code" not in reader.next().data
    reader.next()
    trader.place(trader.alice, "buy", "69000", "0.001")
    seen = reader.next()
    reader.close()
    for number in range(6):
        trader.place(trader.alice, "buy", str(68_000 + number), "0.001")
    again = EventReader(port, f"channels=book:{symbol}", last_event_id=seen.id)
    event = again.next()
    assert event.data["code"] == "snapshot_required"
    assert len(event.data["snapshot"]["bids"]) == 7
    again.close()
    strange = EventReader(port, f"channels=book:{symbol}&last_event_id=99999999.0")
    assert strange.next().data["code"] == "snapshot_required"
    strange.close()


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("", "invalid_field"),
        ("channels=", "invalid_field"),
        ("channels=weather", "invalid_field"),
        ("channels=book:NOPE", "unknown_instrument"),
        ("channels=execution", "invalid_field"),
        ("channels=book:*&last_event_id=x.y", "invalid_field"),
        ("channels=book:*&last_event_id=1.1000000", "invalid_field"),
        ("channels=book:*&last_event_id=-1.2", "invalid_field"),
        ("channels=" + ",".join(["book:*"] * 65), "too_many_requests"),
    ],
)
def test_what_cannot_be_streamed_is_refused(trader: Trader, query: str, code: str) -> None:
    reader = EventReader(trader.market.port, query)
    assert reader.status in (400, 404, 422, 429)
    assert reader.body()["code"] == code
    reader.close()


def test_executions_and_later_instruments_are_streamed(trader: Trader) -> None:
    reader = EventReader(trader.market.port, f"channels=execution&client_id={trader.alice}")
    assert "orders" in reader.next().data["snapshot"]
    trader.place(trader.alice, "buy", "42", "0.01")
    assert reader.next().data["data"]["report"] == "accepted"
    reader.close()


def test_what_follows_the_request_is_not_executed(trader: Trader) -> None:
    order = json.dumps(trader.order(trader.alice, "buy", "41", "0.01"))
    request = (
        f"POST /api/v1/orders HTTP/1.1\r\nHost: localhost:{trader.market.port}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(order)}\r\n\r\n{order}"
    )
    reader = EventReader(trader.market.port, f"channels=book:{trader.symbol}", after=request)
    assert "snapshot" in reader.next().data
    trader.place(trader.alice, "buy", "43", "0.01")
    assert reader.next().data["data"]["price"] == "43.00"
    orders = trader.http.get("/orders", params={"client_id": trader.alice}).json()["items"]
    assert "41.00" not in [order["price"] for order in orders]
    reader.close()


def test_a_slow_reader_is_told_and_closed(tmp_path: Path) -> None:
    served = ServedMarket(tmp_path, GatewayConfig(socket_buffer_max=64 * 1024))
    trader = Trader(served)
    trader.list_instrument()
    reader = EventReader(served.port, f"channels=execution&client_id={trader.alice}")
    operation = {"op": "place"} | trader.order(trader.alice, "buy", "1", "0.0001")
    began = time.monotonic()
    while served.call(lambda: served.server.gateway.sockets.slow_count) == 0:
        trader.http.post("/orders/batch", json={"operations": [operation] * 500})
        trader.http.delete("/orders", params={"client_id": trader.alice})
        assert time.monotonic() - began < 30
    event = reader.next()
    last = 0
    while event.kind == "message":
        last = event.data["seq"]
        event = reader.next()
    assert (event.kind, event.data["code"]) == ("error", "slow_consumer")
    assert event.data["seq"] >= last > 0
    with pytest.raises(EOFError):
        reader.next()
    reader.close()
    trader.close()
    served.stop()


def test_a_silent_stream_shows_that_it_lives(tmp_path: Path) -> None:
    served = ServedMarket(tmp_path, GatewayConfig())
    reader = EventReader(served.port, "channels=trades:BTC-USD")
    reader.next()
    sockets = served.server.gateway.sockets
    served.call(lambda: sockets.sweep(time.monotonic() + 16))
    assert reader._until(b": keep-alive") is not None
    reader.close()
    served.stop()
