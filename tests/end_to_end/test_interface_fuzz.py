"""The hot path under fire: mutated requests over raw sockets.

No input makes a 5xx, none leaves the node without an answer to the next honest request, and what
was refused as malformed left the engine's state hash as it was.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import socket
from collections.abc import Callable, Iterator
from functools import partial

import pytest
from tests.contract.served_market import ServedMarket
from tests.contract.wire_socket import Closed, WireSocket

from tradepit.gateway.config import GatewayConfig

QUICK_ROUNDS = 1_000
FULL_ROUNDS = 40_000
HASH_EVERY = 25
"""The hash walks the whole state, so it is compared for one refused input in so many."""

ORDER = {
    "client_id": "fuzz",
    "instrument": "BTC-USD",
    "side": "BUY",
    "type": "LIMIT",
    "price": 70150.53,
    "quantity": 0.2512,
    "time_in_force": "gtc",
    "post_only": True,
    "client_order_id": "c",
    "self_trade_prevention": "cancel_maker",
    "valid_until": "2099-01-01T00:00:00Z",
}

ODD_BYTES = (
    b"\x00",
    b"\xff",
    b"\r\n",
    b"\n",
    b'"',
    b"{",
    b"}",
    b"\\",
    b"%00",
    b"9" * 40,
    b"-",
    b"e",
)
ODD_VALUES: tuple[object, ...] = (
    None, True, False, 0, -1, 1e308, -1e308, 2**63, 10**400, "", " ", "NaN", "1e9", "\x00",
    "é" * 70, "9" * 200, [], [[]], {}, {"a": {}}, "2026-99-99T00:00:00Z", "x" * 70_000,
)  # fmt: skip
FINE_VALUES: dict[str, tuple[object, ...]] = {
    "side": ("buy", "SELL", "Sell"),
    "type": ("limit", "market", "stop"),
    "price": ("70000", 71000.5, "7.0e4"),
    "time_in_force": ("ioc", "fok", "day"),
    "post_only": (False, "reprice", None),
    "self_trade_prevention": ("none", "decrement"),
}


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServedMarket]:
    market = ServedMarket(tmp_path_factory.mktemp("fuzz"), GatewayConfig())
    yield market
    market.stop()


def seed_of_today() -> int:
    """A new seed each run, or the one in the environment; it is in every failure's message."""
    return int(os.environ.get("TRADEPIT_FUZZ_SEED", random.randrange(2**32)))


def honest_request(rng: random.Random) -> bytes:
    body = json.dumps(ORDER | {"client_order_id": f"c{rng.randrange(10**9)}"}).encode()
    return b"POST /api/v1/orders HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n%b" % (
        len(body),
        body,
    )


def odd_fields(rng: random.Random) -> bytes:
    """An order with some fields replaced by odd values, well-formed otherwise."""
    order: dict[str, object] = ORDER | {"client_order_id": f"c{rng.randrange(10**9)}"}
    for name, values in FINE_VALUES.items():
        if rng.random() < 0.3:
            order[name] = rng.choice(values)
    for _ in range(rng.choice([0, 1, 1, 1, 3])):
        name = rng.choice([*ORDER, "stop_price", "display_quantity", "expires_at", "reduce_only"])
        if rng.random() < 0.2:
            order.pop(name, None)
        else:
            order[name] = rng.choice(ODD_VALUES)
    body = json.dumps(order).encode()
    key = b"".join(
        rng.choice([b"Idempotency-Key: %b\r\n" % rng.choice([b"k", b"", b"\xe9", b"x" * 65]), b""])
        for _ in range(2)
    )
    return b"POST /api/v1/orders HTTP/1.1\r\nHost: localhost\r\n%bContent-Length: %d\r\n\r\n%b" % (
        key,
        len(body),
        body,
    )


def mutated(rng: random.Random) -> bytes:
    """Bytes of a request flipped, cut, doubled or filled in."""
    data = bytearray(rng.choice([honest_request, odd_fields])(rng))
    for _ in range(rng.randint(1, 4)):
        at = rng.randrange(len(data) + 1)
        move = rng.random()
        if move < 0.4 and at < len(data):
            data[at] = rng.randrange(256)
        elif move < 0.6:
            data[at:at] = rng.choice(ODD_BYTES)
        elif move < 0.75:
            del data[at : at + rng.randint(1, 40)]
        elif move < 0.9:
            data[at:at] = data[max(0, at - rng.randint(1, 60)) : at]
        else:
            del data[at:]
        data = data or bytearray(b"G")
    return bytes(data)


PRELUDE = b"DELETE /api/v1/orders/9999999999 HTTP/1.1\r\nHost: localhost\r\n\r\n"
"""After a first ordinary request, the shortest way is open on a connection."""


def nothing() -> None:
    """What begins before an exchange that nobody measures."""


def exchange(
    market: ServedMarket,
    data: bytes,
    rng: random.Random,
    begin: Callable[[], object] = nothing,
) -> bytes:
    """Send bytes in one or several pieces, close that side, and return all that comes back.
    `begin` is called right before the first of them."""
    with socket.create_connection(("127.0.0.1", market.port), timeout=10) as connection:
        if rng.random() < 0.8:
            connection.sendall(PRELUDE)
            prelude = b""
            while not prelude.endswith(b"}"):
                prelude += connection.recv(1 << 16)
            assert prelude.startswith(b"HTTP/1.1 404")
        begin()
        cuts = sorted(rng.randrange(len(data) + 1) for _ in range(rng.choice([0, 0, 0, 1, 3])))
        received = b""
        with contextlib.suppress(OSError):
            for start, stop in zip([0, *cuts], [*cuts, len(data)], strict=True):
                connection.sendall(data[start:stop])
            connection.shutdown(socket.SHUT_WR)
        with contextlib.suppress(ConnectionResetError):
            while part := connection.recv(1 << 16):
                received += part
    return received


def statuses_of(
    market: ServedMarket,
    data: bytes,
    rng: random.Random,
    begin: Callable[[], object] = nothing,
) -> list[int]:
    """The status of every answer to these bytes."""
    lines = exchange(market, data, rng, begin).split(b"\r\n")
    return [int(line.split()[1]) for line in lines if line.startswith(b"HTTP/1.1 ")]


def keep_hash(served: ServedMarket, kept: list[str]) -> None:
    kept.append(served.state_hash())


def fire(served: ServedMarket, rounds: int, seed: int) -> None:
    rng = random.Random(seed)
    seen: dict[int, int] = {}
    for number in range(rounds):
        data = rng.choice([mutated, odd_fields])(rng)
        before: list[str] = []
        is_hashed = number % HASH_EVERY == 0
        ask = partial(keep_hash, served, before) if is_hashed else nothing
        statuses = statuses_of(served, data, rng, ask)
        note = f"seed {seed}, round {number}: {data[:300]!r}"
        for status in statuses:
            seen[status] = seen.get(status, 0) + 1
            assert status < 500, note
        if is_hashed and statuses and set(statuses) <= {400, 401, 403, 404, 405, 413, 415, 431}:
            assert [served.state_hash()] == before, note
        if number % 100 == 99:
            assert statuses_of(served, honest_request(rng), rng)[0] in (201, 422), note
    assert seen.get(400, 0) > rounds / 10, f"the mutations were too tame: {seen}"
    assert seen.get(201, 0) + seen.get(422, 0) > rounds / 50, f"nothing got through: {seen}"


def test_mutated_requests_are_answered_or_refused(served: ServedMarket) -> None:
    fire(served, QUICK_ROUNDS, seed_of_today())


@pytest.mark.full
def test_many_mutated_requests_are_answered_or_refused(served: ServedMarket) -> None:
    fire(served, FULL_ROUNDS, seed_of_today())


def test_mutated_socket_messages_are_answered_or_refused(served: ServedMarket) -> None:
    seed = seed_of_today()
    rng = random.Random(seed)
    wire = WireSocket(served.port)
    for number in range(QUICK_ROUNDS):
        message: dict[str, object] = {"id": number, "op": rng.choice(["place", "cancel", "replace",
            "mass_cancel", "subscribe", "unsubscribe", "ping", "", 5])} | ORDER  # fmt: skip
        for _ in range(rng.randint(1, 4)):
            names = [*message, "order_id", "channel", "from", "idempotency_key", "id", "op"]
            message[rng.choice(names)] = rng.choice(ODD_VALUES[:-1])
        payload = json.dumps(message).encode()
        if rng.random() < 0.5:
            at = rng.randrange(len(payload))
            payload = payload[:at] + rng.choice(ODD_BYTES) + payload[at + rng.randint(0, 9) :]
        wire.send_frame(rng.choice([1, 1, 1, 2]), payload)
        if number % 50 == 49:
            assert alive(wire), f"seed {seed}, round {number}: {payload[:300]!r}"
    wire.close()


def alive(wire: WireSocket) -> bool:
    """Whether the socket answers a ping, after whatever else it had to say."""
    wire.send({"id": "alive?", "op": "ping"})
    while True:
        answer = wire.receive()
        if answer.get("id") == "alive?":
            return True
        if answer.get("status", 0) >= 500:
            return False


def test_mutated_frames_close_the_socket_at_worst(served: ServedMarket) -> None:
    rng = random.Random(seed_of_today())
    for _ in range(60):
        wire = WireSocket(served.port)
        try:
            for _ in range(10):
                wire.socket.sendall(rng.randbytes(rng.randint(1, 200)))
            wire.socket.shutdown(socket.SHUT_WR)
            while True:
                wire.receive_frame()
        except (Closed, ConnectionResetError, BrokenPipeError):
            pass
        finally:
            wire.close()
    probe = WireSocket(served.port)
    assert alive(probe)
    probe.close()
