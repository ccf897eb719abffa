"""Clients that arrive together are taken together."""

from __future__ import annotations

import asyncio
import socket

import uvloop

from tradepit.gateway.listener import Listener

CLIENTS = 100
WAIT_SECONDS = 10.0
TURNS_MAX = 20
"""One connection per turn, as the loop's own server takes them, would need a hundred."""


async def turns_until_taken() -> int:
    made: list[asyncio.Protocol] = []
    closed: list[asyncio.Protocol] = []
    all_closed = asyncio.Event()

    class Client(asyncio.Protocol):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            made.append(self)
            transport.close()

        def connection_lost(self, error: Exception | None) -> None:
            closed.append(self)
            if len(closed) == CLIENTS:
                all_closed.set()

    bound = socket.socket()
    bound.bind(("127.0.0.1", 0))
    listener = Listener(bound, Client, CLIENTS)
    clients = [socket.create_connection(bound.getsockname()) for _ in range(CLIENTS)]
    turns = 0
    while len(made) < CLIENTS and turns < CLIENTS:
        await asyncio.sleep(0)
        turns += 1
    await asyncio.wait_for(all_closed.wait(), WAIT_SECONDS)
    listener.close()
    for client in clients:
        client.close()
    return turns


def test_a_hundred_clients_are_taken_in_a_few_turns_of_the_loop() -> None:
    assert uvloop.run(turns_until_taken()) <= TURNS_MAX
    assert asyncio.run(turns_until_taken()) <= TURNS_MAX
