"""Streams of the client against a real node that loses connections and is restarted."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest
from tests.contract.served_market import MARKET, ServedMarket
from tests.segments import SMALL_SEGMENTS

from tradepit.client import AsyncClient, Client, Message, NodeUnreachable, Rejected, RetryPolicy
from tradepit.client.channel_data import ExecutionReport, LevelChange, OpenOrders
from tradepit.client.models import OrderBook, Trade
from tradepit.gateway.config import GatewayConfig
from tradepit.node.opening import NodeOptions

SYMBOL = "BTC-USD"
SECONDS = 10.0


class Restartable:
    """A node that comes back on the same port and directory."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.served = ServedMarket(
            root, GatewayConfig(), NodeOptions(market=MARKET, journal=SMALL_SEGMENTS)
        )
        self.port = self.served.port
        self.is_running = True

    def stop(self) -> None:
        if self.is_running:
            self.served.stop()
        self.is_running = False

    def drop_connections(self) -> None:
        """Cut every WebSocket without a word."""
        sockets = self.served.server.gateway.sockets
        self.served.call(lambda: [session.cut() for session in list(sockets._sessions)])

    def restart(self) -> None:
        self.stop()
        self.served = ServedMarket(
            self.root,
            GatewayConfig(),
            NodeOptions(market=MARKET, journal=SMALL_SEGMENTS),
            port=self.port,
        )
        self.is_running = True


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Restartable]:
    made = Restartable(tmp_path)
    yield made
    made.stop()


@pytest.fixture
def client(node: Restartable) -> Iterator[Client]:
    with Client(node.served.url) as made:
        yield made


def bid(client: Client, price: int, quantity: str = "1") -> str:
    order = client.place(
        client_id="alice", instrument=SYMBOL, side="buy", price=price, quantity=quantity
    )
    return order.id


def sell(client: Client, quantity: str = "1") -> None:
    client.place(client_id="bob", instrument=SYMBOL, side="sell", type="market", quantity=quantity)


class BookReader:
    """A book kept up by messages."""

    def __init__(self) -> None:
        self.sides: dict[str, dict[Decimal, Decimal]] = {}
        self.gaps = 0

    def take(self, message: Message) -> None:
        data = message.data
        if message.is_snapshot:
            self.gaps += message.is_gap
            self.sides = {
                "buy": {level.price: level.quantity for level in data.bids},
                "sell": {level.price: level.quantity for level in data.asks},
            }
            return
        assert isinstance(data, LevelChange)
        self.sides[data.side][data.price] = data.quantity
        if not data.quantity:
            del self.sides[data.side][data.price]

    def is_equal(self, book: OrderBook) -> bool:
        return bool(self.sides) and self.sides == {
            "buy": {level.price: level.quantity for level in book.bids},
            "sell": {level.price: level.quantity for level in book.asks},
        }


def test_a_book_is_followed_over_lost_connections_and_a_restart(
    node: Restartable, client: Client
) -> None:
    book = BookReader()
    with client.stream(f"book:{SYMBOL}") as stream:
        for step in range(40):
            bid(client, 100 + step)
            if step % 3 == 2:
                sell(client)
            if step == 10:
                book.take(_read(stream))
                node.drop_connections()
            while step == 20 and stream.connections < 2:
                book.take(_read(stream))
            if step == 25:
                node.restart()
        while not book.is_equal(client.order_book(SYMBOL, depth=100)):
            book.take(_read(stream))
        assert stream.connections == 3
        assert book.gaps <= 1, "only the restart may have forgotten"


def test_trades_after_a_lost_connection_come_once_and_all(
    node: Restartable, client: Client
) -> None:
    bid(client, 100, "50")
    with client.stream(f"trades:{SYMBOL}") as stream:
        assert _read(stream).is_snapshot
        found: list[Trade] = []
        for step in range(20):
            sell(client)
            if step in (5, 6, 15):
                node.drop_connections()
            if step % 4 == 0:
                found.append(_read(stream).data)
        while len(found) < 20:
            message = _read(stream)
            assert not message.is_snapshot
            found.append(message.data)
        assert [int(trade.id) for trade in found] == list(range(1, 21))
        with pytest.raises(TimeoutError):
            stream.read(timeout_s=0.05)
        sell(client)
        assert _read(stream).data.id == "21"


def test_a_star_and_an_account_are_followed(node: Restartable, client: Client) -> None:
    with client.stream("trades:*", "execution", client_id="alice") as stream:
        assert _read(stream).channel == f"trades:{SYMBOL}"
        order_id = bid(client, 100)
        assert isinstance(_read(stream).data, OpenOrders)
        accepted = _read(stream).data
        assert isinstance(accepted, ExecutionReport)
        assert (accepted.report, accepted.order.id) == ("accepted", order_id)
        node.drop_connections()
        sell(client)
        messages = [_read(stream), _read(stream)]
        kinds = {message.channel for message in messages}
        assert kinds == {f"trades:{SYMBOL}", "execution"}
        report = next(each.data for each in messages if each.channel == "execution")
        assert (report.report, report.fill.quantity) == ("fill", 1)


def test_a_channel_that_is_not_there_is_refused(client: Client) -> None:
    with pytest.raises(Rejected), client.stream("book:XYZ-USD"):
        pass
    stream = client.stream("book:XYZ-USD")
    with pytest.raises(Rejected):
        next(stream)
    stream.close()
    with pytest.raises(ValueError, match="at least one"):
        client.stream()


def test_a_node_that_does_not_come_back_is_told(node: Restartable) -> None:
    policy = RetryPolicy(attempts=3, first_s=0.0)
    with Client(node.served.url, reconnects=policy) as client:
        stream = client.stream(f"bbo:{SYMBOL}")
        assert _read(stream).is_snapshot
        node.stop()
        with pytest.raises(NodeUnreachable):
            next(stream)
        stream.close()
        assert stream.read() is None


def test_the_asyncio_client_streams_too(node: Restartable) -> None:
    async def run() -> list[str]:
        async with AsyncClient(node.served.url) as client:
            async with client.stream(f"bbo:{SYMBOL}") as stream:
                async with asyncio.timeout(SECONDS):
                    first = await anext(stream)
                    await client.place(
                        client_id="alice", instrument=SYMBOL, side="buy", price=99, quantity=1
                    )
                    second = await anext(stream)
            return [str(first.data.bid_price), str(second.data.bid_price)]

    assert asyncio.run(run()) == ["None", "99.00"]


def _read(stream: object) -> Message:
    message = stream.read(timeout_s=SECONDS)  # type: ignore[attr-defined]
    assert message is not None
    return message


def test_every_kind_of_channel_is_read_into_its_shape(client: Client) -> None:
    bid(client, 100, "5")
    kinds = (f"orders:{SYMBOL}", f"candles:{SYMBOL}:1m", f"statistics:{SYMBOL}", "positions")
    with client.stream(*kinds, client_id="alice") as stream:
        begun = {message.channel: message.data for message in (_read(stream) for _ in kinds)}
        (order,) = begun[f"orders:{SYMBOL}"].bids
        assert (order.own, order.quantity) == (True, 5)
        sell(client)
        changed = {message.channel: message.data for message in (_read(stream) for _ in kinds)}
    assert set(changed) == set(kinds)
    trade = changed[f"orders:{SYMBOL}"]
    assert (trade.action, trade.quantity, trade.traded_quantity) == ("trade", 4, 1)
    assert changed[f"candles:{SYMBOL}:1m"].trades == 1
    assert changed[f"statistics:{SYMBOL}"].last == 100
    assert changed["positions"].version == 1


def test_a_conflated_book_is_followed(node: Restartable, client: Client) -> None:
    book = BookReader()
    with client.stream(f"book:{SYMBOL}", conflate_ms=20) as stream:
        book.take(_read(stream))
        for step in range(30):
            bid(client, 100 + step % 3)
            if step == 15:
                node.drop_connections()
        while not book.is_equal(client.order_book(SYMBOL, depth=100)):
            book.take(_read(stream))
        assert book.gaps == 0
