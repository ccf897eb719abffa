"""Many clients that send orders as fast as they are answered, and remember everything.

The history is written by the client: what is about to be sent before it is sent, what was answered
when it is answered. A connection that breaks leaves its last order unknown; it is sent again with
the same key when the node is back.
"""

from __future__ import annotations

import asyncio
import json
import random
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

ACCOUNTS = 50
PRICE = 70_000


@dataclass
class Sent:
    """One order as its client knows it."""

    key: str
    account: str
    side: str
    price: str
    quantity: str
    answers: list[tuple[int, dict[str, Any]]] = field(default_factory=list)
    """HTTP status and body of every answer, in order."""
    attempts: int = 0

    @property
    def is_answered(self) -> bool:
        """It is known whether the order took effect."""
        return any(status in (200, 201, 422) for status, _ in self.answers)

    def body(self, operation: str = "") -> str:
        """The key stands in the body too: alone and in a batch it is the same command."""
        return (
            f'{{{operation}"client_order_id": "{self.key}", "client_id": "{self.account}", '
            f'"instrument": "BTC-USD", "side": "{self.side}", "type": "LIMIT", '
            f'"price": {self.price}, "quantity": {self.quantity}}}'
        )

    def request(self, port: int) -> bytes:
        """The order as a request of its own, its key in the header."""
        head = f"Idempotency-Key: {self.key}\r\n"
        return _post(port, "/api/v1/orders", head, self.body())


def batch_request(port: int, orders: list[Sent]) -> bytes:
    """Several orders in one request, each with its key in the body."""
    operations = ", ".join(order.body('"op": "place", ') for order in orders)
    return _post(port, "/api/v1/orders/batch", "", f'{{"operations": [{operations}]}}')


def _post(port: int, path: str, head: str, body: str) -> bytes:
    return (
        f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n{head}"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n{body}"
    ).encode()


class History:
    """Everything that was sent, by key."""

    def __init__(self, seed: int) -> None:
        self.orders: dict[str, Sent] = {}
        self._rng = random.Random(seed)

    def next(self) -> Sent:
        """A new order, remembered before it is sent."""
        rng, number = self._rng, len(self.orders)
        order = Sent(
            key=f"key-{number}",
            account=f"account-{rng.randrange(ACCOUNTS)}",
            side=rng.choice(("buy", "sell")),
            price=f"{PRICE + rng.randrange(-300, 300)}.{rng.randrange(100):02}",
            quantity=f"0.{rng.randrange(1, 10_000):04}",
        )
        self.orders[order.key] = order
        return order

    def recent(self, count: int) -> list[Sent]:
        """The orders sent last."""
        return list(islice(reversed(self.orders.values()), count))

    @property
    def unknown(self) -> list[Sent]:
        return [order for order in self.orders.values() if not order.is_answered]

    @property
    def answered(self) -> int:
        return sum(order.is_answered for order in self.orders.values())


class Connection(asyncio.Protocol):
    """One client: an order (or a batch of them), its answer, the next one."""

    def __init__(self, load: Load, batch: int) -> None:
        self._load = load
        self._batch = batch
        self._buffer = b""
        self._orders: list[Sent] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._load.open.add(self)
        self._send()

    def _send(self) -> None:
        self._orders = self._load.take(self._batch)
        if not self._orders:
            self._transport.close()
            return
        for order in self._orders:
            order.attempts += 1
        if self._batch == 1:
            request = self._orders[0].request(self._load.port)
        else:
            request = batch_request(self._load.port, self._orders)
        self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        head, separator, rest = self._buffer.partition(b"\r\n\r\n")
        if not separator:
            return
        at = head.lower().index(b"content-length:") + 15
        length = int(head[at:].split(b"\r\n", 1)[0])
        if len(rest) < length:
            return
        self._buffer = rest[length:]
        self._answered(int(head[9:12]), json.loads(rest[:length]))
        self._send()

    def _answered(self, status: int, body: dict[str, Any]) -> None:
        results = body.get("results", [])
        if not results:
            for order in self._orders:
                order.answers.append((status, body))
        for order, result in zip(self._orders, results, strict=False):
            answer = result.get("order") or result["problem"]
            order.answers.append((result["status"], answer))

    def connection_lost(self, exc: Exception | None) -> None:
        self._load.open.discard(self)
        if not self._load.open:
            self._load.ended.set()

    def close(self) -> None:
        self._transport.abort()


class Load:
    """Drives a node until it is stopped or the node goes away."""

    def __init__(self, history: History, port: int, *, first: list[Sent] | None = None) -> None:
        self.history = history
        self.port = port
        self.open: set[Connection] = set()
        self.ended = asyncio.Event()
        self.is_stopping = False
        self._again = list(first or [])

    def take(self, count: int) -> list[Sent]:
        """What to send next: unknown ones again, then new ones."""
        if self._again:
            taken, self._again = self._again[:count], self._again[count:]
            return taken
        return [] if self.is_stopping else [self.history.next() for _ in range(count)]

    async def connect(self, connections: int, *, batch: int = 1) -> None:
        """Open connections; each sends so many orders in a request."""
        loop = asyncio.get_running_loop()
        for _ in range(connections):
            await loop.create_connection(lambda: Connection(self, batch), "127.0.0.1", self.port)

    async def finish(self) -> None:
        """Send nothing new; wait for the answers."""
        self.is_stopping = True
        if self.open:
            await asyncio.wait_for(self.ended.wait(), 60)
