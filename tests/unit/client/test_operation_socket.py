"""Operations over one socket of a real node: answers meet their operations, losses are told."""

from __future__ import annotations

import asyncio

import pytest

from tradepit.client import NodeUnreachable, Order, Rejected
from tradepit.client.firm_models import MakerLease
from tradepit.client.operation_socket import OperationSocket
from tradepit.testing.fixtures import FreshNode

ORDER = {
    "op": "place",
    "client_id": "ann",
    "instrument": "BTC-USD",
    "side": "buy",
    "quantity": "0.01",
}


def test_many_in_flight_get_their_own_answers(tradepit_node: FreshNode) -> None:
    async def work() -> list[Order]:
        socket = OperationSocket(tradepit_node.url)
        orders = [ORDER | {"price": str(70_000 + number)} for number in range(100)]
        found = await asyncio.gather(*(socket.request(order, Order) for order in orders))
        assert (socket.connections, socket.in_flight) == (1, 0)
        await socket.close()
        return list(found)

    prices = [int(order.price or 0) for order in asyncio.run(work())]
    assert prices == [70_000 + number for number in range(100)]


def test_a_refusal_is_the_error_of_its_problem(tradepit_node: FreshNode) -> None:
    async def work() -> None:
        socket = OperationSocket(tradepit_node.url)
        with pytest.raises(Rejected) as refused:
            await socket.request(ORDER | {"price": "1000"}, Order)
        assert refused.value.code == "price_collar"
        await socket.close()

    asyncio.run(work())


def test_a_heartbeat_tells_what_is_owned(tradepit_node: FreshNode) -> None:
    tradepit_node.client.create_firm("F", symbols=["BTC-USD"])

    async def work() -> MakerLease:
        socket = OperationSocket(tradepit_node.url)
        beat = {"op": "heartbeat", "client_id": "F", "maker": "mm-0", "epoch": 3}
        found = await socket.request(beat, MakerLease)
        await socket.close()
        return found

    lease = asyncio.run(work())
    assert (lease.maker, lease.symbols, lease.lease_ms) == (1, ("BTC-USD",), 3_000)


def test_an_operation_without_a_node_is_unreachable() -> None:
    async def work() -> None:
        socket = OperationSocket("http://127.0.0.1:9")
        with pytest.raises(NodeUnreachable):
            await socket.request(ORDER, Order)
        await socket.close()

    asyncio.run(work())


def test_a_lost_connection_is_told_to_whoever_waits_and_made_again() -> None:
    """A node that takes an operation and goes away without an answer."""

    async def work() -> None:
        taken = asyncio.Event()

        async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"\r\n\r\n")
            taken.set()
            writer.close()
            await writer.wait_closed()

        server = await asyncio.start_server(hang_up, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        socket = OperationSocket(f"http://127.0.0.1:{port}")
        for _ in range(2):
            with pytest.raises(NodeUnreachable):
                await socket.request(ORDER, Order)
        assert taken.is_set()
        await socket.close()
        server.close()
        await server.wait_closed()

    asyncio.run(work())
