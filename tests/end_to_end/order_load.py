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
    answers: list[tuple[int, dict[str, object]]] = field(default_factory=list)
    """HTTP status and body of every answer, in order."""
    attempts: int = 0

    @property
    def is_answered(self) -> bool:
        """It is known whether the order took effect."""
        return any(status in (200, 201, 422) for status, _ in self.answers)

    def request(self, port: int) -> bytes:
        body = (
            f'{{"client_id": "{self.account}", "instrument": "BTC-USD", "side": "{self.side}", '
            f'"type": "LIMIT", "price": {self.price}, "quantity": {self.quantity}}}'
        ).encode()
        return (
            b"POST /api/v1/orders HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nIdempotency-Key: %s\r\n"
            b"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n%s"
            % (port, self.key.encode(), len(body), body)
        )


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
    """One client: an order, its answer, the next order."""

    def __init__(self, load: Load) -> None:
        self._load = load
        self._buffer = b""
        self._order: Sent | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._load.open.add(self)
        self._send()

    def _send(self) -> None:
        self._order = self._load.take()
        if self._order is None:
            self._transport.close()
            return
        self._order.attempts += 1
        self._transport.write(self._order.request(self._load.port))

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        head, separator, rest = self._buffer.partition(b"\r\n\r\n")
        if not separator:
            return
        at = head.lower().index(b"content-length:") + 15
        length = int(head[at:].split(b"\r\n", 1)[0])
        if len(rest) < length:
            return
        assert self._order is not None
        self._order.answers.append((int(head[9:12]), json.loads(rest[:length])))
        self._buffer = rest[length:]
        self._order = None
        self._send()

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

    def take(self) -> Sent | None:
        """What to send next: unknown ones again, then new ones."""
        if self._again:
            return self._again.pop()
        return None if self.is_stopping else self.history.next()

    async def connect(self, connections: int) -> None:
        loop = asyncio.get_running_loop()
        for _ in range(connections):
            await loop.create_connection(lambda: Connection(self), "127.0.0.1", self.port)

    async def finish(self) -> None:
        """Send nothing new; wait for the answers."""
        self.is_stopping = True
        if self.open:
            await asyncio.wait_for(self.ended.wait(), 60)
