"""The positions of a firm as a stream: a snapshot, then every change, over any connections."""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator
from typing import Any, Protocol

import msgspec
import pytest
from tests.contract.firm_market import SYMBOLS, FirmMarket, both
from tests.contract.test_event_stream import EventReader
from tests.contract.wire_socket import WireSocket

from tradepit.client.channel_data import Positions
from tradepit.client.models import Position

_numbers = itertools.count(1)


@pytest.fixture(scope="module", params=["hot", "asgi"])
def market(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[FirmMarket]:
    is_hot = request.param == "hot"
    root = tmp_path_factory.mktemp(request.param)
    served = FirmMarket(root, has_feed_process=is_hot, hot_path=is_hot)
    yield served
    served.close()


@pytest.fixture
def firm(market: FirmMarket) -> Iterator[str]:
    name = f"firm-{next(_numbers)}"
    market.make_firm(name, position_limit=0, budget_bid=1_000_000, budget_ask=1_000_000)
    yield name
    market.send("POST", f"/firms/{name}/kill")


class Reader(Protocol):
    """A reader that can lose its connection and come back."""

    def reconnect(self) -> None: ...
    def next(self) -> dict[str, Any]: ...
    def close(self) -> None: ...


class StreamReader:
    """Over Server-Sent Events: the last event's id is where it goes on."""

    def __init__(self, port: int, firm: str) -> None:
        self._port, self._query = port, f"channels=positions&client_id={firm}"
        self._events = EventReader(port, self._query)

    def reconnect(self) -> None:
        last = self._events.last_id
        self._events.close()
        self._events = EventReader(self._port, self._query, last_event_id=last)

    def next(self) -> dict[str, Any]:
        return self._events.next().data

    def close(self) -> None:
        self._events.close()


class SocketReader:
    """Over a WebSocket: the last `seq` is where it goes on."""

    def __init__(self, port: int, firm: str) -> None:
        self._port, self._firm = port, firm
        self._seq: int | None = None
        self._subscribe()

    def _subscribe(self) -> None:
        self._wire = WireSocket(self._port)
        request = {"op": "subscribe", "channel": "positions", "client_id": self._firm}
        self._wire.send(request if self._seq is None else request | {"from": self._seq})

    def reconnect(self) -> None:
        self._wire.close()
        self._subscribe()

    def next(self) -> dict[str, Any]:
        while True:
            message: dict[str, Any] = self._wire.receive()
            if "snapshot" in message or "data" in message:
                assert self._seq is None or message["seq"] == self._seq + 1 or "snapshot" in message
                self._seq = message["seq"]
                return message

    def close(self) -> None:
        self._wire.close()


class Books:
    """What a reader knows of a firm's positions; old news would show by its version."""

    def __init__(self) -> None:
        self.positions: dict[str, Position] = {}
        self.trades: list[int] = []
        self.snapshots = 0

    def take(self, message: dict[str, Any]) -> None:
        if "snapshot" in message:
            self.snapshots += 1
            found = msgspec.convert(message["snapshot"], Positions, strict=False)
            self.positions = {position.instrument: position for position in found.positions}
            return
        position = msgspec.convert(message["data"], Position, strict=False)
        before = self.positions.get(position.instrument)
        assert position.version == (0 if before is None else before.version) + 1
        assert position.last_fill is not None
        self.positions[position.instrument] = position
        self.trades.append(int(position.last_fill.trade_id))


def make_fills(market: FirmMarket, firm: str, chance: random.Random) -> int:
    """Quote something and let others trade with it; how many fills that made."""
    symbol = chance.choice(SYMBOLS)
    market.quote(symbol, **both(quantity=20), client_id=firm)
    count = chance.randrange(4)
    for _ in range(count):
        side, price = chance.choice([("buy", "101"), ("sell", "99")])
        quantity = chance.choice(["1", "2.5"])
        assert len(market.take(side, quantity, symbol, price)["fills"]) == 1
    return count


@pytest.mark.parametrize("kind", [StreamReader, SocketReader])
def test_a_reader_that_comes_back_at_random_misses_no_position(
    market: FirmMarket, firm: str, kind: Any
) -> None:
    seed = random.randrange(2**32)
    print("seed", seed)
    chance = random.Random(seed)
    made = make_fills(market, firm, chance)
    reader: Reader = kind(market.port, firm)
    books = Books()
    books.take(reader.next())
    assert sum(each.version for each in books.positions.values()) == made
    expected = 0
    while len(books.trades) == 0:
        expected += make_fills(market, firm, chance)
        while len(books.trades) < expected:
            books.take(reader.next())
    for _ in range(40):
        if chance.random() < 0.4:
            reader.reconnect()
        expected += make_fills(market, firm, chance)
        while len(books.trades) < expected and chance.random() < 0.8:
            books.take(reader.next())
    while len(books.trades) < expected:
        books.take(reader.next())
    reader.close()
    assert books.snapshots == 1, "what was missed came change by change"
    assert books.trades == sorted(set(books.trades)), "no fill twice, none out of order"
    now = market.send("GET", "/positions", client_id=firm).json()["items"]
    assert {item["symbol"]: (item["version"], item["net_quantity"]) for item in now} == {
        symbol: (position.version, str(position.net_quantity))
        for symbol, position in books.positions.items()
        if position.version
    }
    last = max(now, key=lambda item: int(item["last_fill"]["trade_id"]))["last_fill"]
    assert int(last["trade_id"]) == books.trades[-1]


def test_between_snapshot_and_first_change_nothing_is_lost(market: FirmMarket, firm: str) -> None:
    """Readers that subscribe in the middle of the flow: their first change follows the snapshot."""
    chance = random.Random(5)
    readers: list[Reader] = []
    for number in range(20):
        kind = StreamReader if number % 2 else SocketReader
        readers.append(kind(market.port, firm))  # asked, and perhaps not answered yet
        make_fills(market, firm, chance)
    while not make_fills(market, firm, chance):
        pass
    now = market.send("GET", "/positions", client_id=firm).json()["items"]
    total = sum(item["version"] for item in now)
    for reader in readers:
        books = Books()
        books.take(reader.next())
        while sum(position.version for position in books.positions.values()) < total:
            books.take(reader.next())
        reader.close()


def test_coins_that_a_firm_was_given_are_a_position_and_use_up_its_limit(
    market: FirmMarket,
) -> None:
    name = f"firm-{next(_numbers)}"
    market.make_firm(name, position_limit=100)
    deposit = {"asset": "COIN", "amount": "60"}
    assert market.send("POST", f"/accounts/{name}/deposits", deposit).status_code == 201
    answer = market.http.get("/positions", params={"client_id": name}).json()["items"]
    found = [(each["symbol"], each["net_quantity"], each["version"]) for each in answer]
    assert found == [("AAA-USD", "60.00", 0)]
    granted = market.quote("AAA-USD", client_id=name, **both(quantity=50)).json()
    sides = granted["granted_bid_quantity"], granted["granted_ask_quantity"]
    assert sides == ("40.00", "50.00")
