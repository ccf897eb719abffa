"""Thousands of signed requests with one thing changed: each is refused and changes nothing."""

from __future__ import annotations

import json
import random
import socket
import time
from collections.abc import Iterator
from typing import Any

import pytest
from tests.contract.keyed_market import KeyedMarket, order
from tests.contract.signing import Pair, headers_of

SEED = 20261122
PORT_HEADERS = "Host: localhost\r\nContent-Type: application/json\r\n"


@pytest.fixture(scope="module", params=[True, False], ids=["hot", "asgi"])
def market(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[KeyedMarket]:
    keyed = KeyedMarket(tmp_path_factory.mktemp("keyed"), hot_path=request.param)
    yield keyed
    keyed.close()


class Request:
    """A request in its parts, to be changed."""

    def __init__(self, pair: Pair, method: str, target: str, body: bytes = b"", **how: Any) -> None:
        self.method, self.target, self.body = method, target, body
        self.headers = headers_of(pair, method, target, body, **how)

    def data(self) -> bytes:
        lines = "".join(f"{name}: {value}\r\n" for name, value in self.headers.items())
        head = f"{self.method} {self.target} HTTP/1.1\r\n{PORT_HEADERS}{lines}"
        return head.encode() + b"Content-Length: %d\r\n\r\n%b" % (len(self.body), self.body)


class Wire:
    """A connection that is opened anew when the node has closed it."""

    def __init__(self, market: KeyedMarket) -> None:
        self.market = market
        self.pending = b""
        self.connect()

    def connect(self) -> None:
        self.socket = socket.create_connection(("127.0.0.1", self.market.port), timeout=5)
        self.pending = b""

    def ask(self, data: bytes) -> tuple[int, Any]:
        """Status and body of the answer."""
        self.socket.sendall(data)
        while b"\r\n\r\n" not in self.pending:
            self._more()
        head, _, self.pending = self.pending.partition(b"\r\n\r\n")
        length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r")[0])
        while len(self.pending) < length:
            self._more()
        body, self.pending = self.pending[:length], self.pending[length:]
        if b"connection: close" in head.lower():
            self.socket.close()
            self.connect()
        return int(head.split()[1]), json.loads(body or b"null")

    def _more(self) -> None:
        data = self.socket.recv(65536)
        assert data, "the connection was closed without an answer"
        self.pending += data


@pytest.fixture
def wire(market: KeyedMarket) -> Iterator[Wire]:
    connection = Wire(market)
    yield connection
    connection.socket.close()


def originals(market: KeyedMarket, order_id: str) -> Iterator[Request]:
    """Requests that would all be done."""
    pair = market.alice_pair
    operation = {"op": "place"} | order()
    batch = json.dumps({"client_id": "alice", "operations": [operation]}).encode()
    yield Request(pair, "POST", "/api/v1/orders", json.dumps(order(client_id="alice")).encode())
    yield Request(pair, "POST", "/api/v1/orders/batch", batch)
    yield Request(pair, "DELETE", f"/api/v1/orders/{order_id}?client_id=alice")
    yield Request(pair, "DELETE", "/api/v1/orders?client_id=alice&instrument=BTC-USD")
    yield Request(pair, "PATCH", f"/api/v1/orders/{order_id}", b'{"price": "68000"}')
    yield Request(
        market.admin_pair, "POST", "/api/v1/accounts/bob/deposits", b'{"asset":"USD","amount":"5"}'
    )
    yield Request(market.admin_pair, "POST", "/api/v1/accounts/alice/kill", b"{}")


def other_digit(text: str, at: int) -> str:
    """The text with one hexadecimal digit changed."""
    return text[:at] + ("0" if text[at] != "0" else "1") + text[at + 1 :]


def changed_text(text: str, at: int, random_: random.Random) -> str:
    """The text with one character changed into another visible one."""
    letters = [c for c in "abcXYZ0189_-.~" if c != text[at]]
    return text[:at] + random_.choice(letters) + text[at + 1 :]


def mutate(request: Request, number: int, random_: random.Random) -> str:
    """Change one thing; returns what, for the message of a failure."""
    headers = request.headers
    kind = number % 16
    if kind == 0:
        headers["X-Signature"] = other_digit(headers["X-Signature"], number // 16 % 64)
    elif kind == 1:
        headers["X-Signature"] = random_.choice(
            [headers["X-Signature"].upper() + "0", headers["X-Signature"][:-1], "0" * 64, "",
             headers["X-Signature"] + "00", "x" * 64]
        )  # fmt: skip
    elif kind == 2:
        name = random_.choice(list(headers))
        del headers[name]
        return f"without {name}"
    elif kind in (3, 4, 5):
        name = ("X-Key", "X-Timestamp", "X-Nonce")[kind - 3]
        if name == "X-Timestamp":
            headers[name] = str(int(headers[name]) + random_.choice([-1, 1, 999, -4000]))
        else:
            headers[name] = changed_text(
                headers[name], random_.randrange(len(headers[name])), random_
            )
    elif kind == 6:
        methods = ["POST", "DELETE", "PATCH", "PUT", "GET"]
        request.method = random_.choice([m for m in methods if m != request.method])
    elif kind in (7, 8):
        at = random_.randrange(len("/api/v1/"), len(request.target))
        request.target = changed_text(request.target, at, random_)
    elif kind == 9:
        request.target += random_.choice(["?", "&x=1", "?client_id=alice", "/", "%20", "#x", "?a"])
    elif kind in (10, 11, 12):
        if request.body:
            at = random_.randrange(len(request.body))
            other = bytes([request.body[at] ^ (1 << random_.randrange(7))])
            request.body = request.body[:at] + other + request.body[at + 1 :]
        else:
            request.body = b"{}" if request.method != "GET" else b"x"
    elif kind == 13:
        request.body += random_.choice([b" ", b"\n", b"{}", b"\x00"])
    elif kind == 14:
        name = random_.choice(list(headers))
        headers[name.lower()] = headers.pop(name)
        headers[name] = headers[name.lower()][:-1] + "z"
        return f"{name} twice"
    else:
        body, target, method = request.body, request.target, request.method
        skew = random_.choice([-5_001, -6_000, -3_600_000, 5_500, 3_600_000, -1_000_000_000])
        stamp = time.time_ns() // 1_000_000 + skew
        pair = Pair(headers["X-Key"], request_secret[headers["X-Key"]])
        request.headers = headers_of(pair, method, target, body, timestamp=stamp)
        return f"clock {skew}"
    return f"kind {kind}"


request_secret: dict[str, str] = {}


def test_every_mutation_of_a_signed_request_is_refused_and_changes_nothing(
    market: KeyedMarket, wire: Wire
) -> None:
    random_ = random.Random(SEED)
    for pair in (market.alice_pair, market.admin_pair):
        request_secret[pair.key] = pair.secret
    order_id = market.alice.send("POST", "/api/v1/orders", order()).json()["id"]
    before = market.served.state_hash()
    count, kinds = 0, set()
    codes: dict[str, int] = {}
    while count < 2_240:
        for request in originals(market, order_id):
            what = mutate(request, count, random_)
            data = request.data()
            status, answer = wire.ask(data)
            assert status == 401, (SEED, count, what, data, status, answer)
            codes[answer["code"]] = codes.get(answer["code"], 0) + 1
            kinds.add(what)
            count += 1
    assert market.served.state_hash() == before
    assert count >= 2_000
    assert len(kinds) > 20
    assert codes["unauthenticated"] > 1_500
    assert codes["timestamp_outside_window"] > 50
    # Not vacuous: the same requests, unchanged, are done.
    for request in originals(market, order_id):
        status, answer = wire.ask(request.data())
        if request.target.endswith("client_id=alice") or "deposits" in request.target:
            assert status < 300, answer
    assert market.served.state_hash() != before


def test_a_replayed_request_is_refused_also_after_a_restart(
    market: KeyedMarket, wire: Wire
) -> None:
    market.admin.send("POST", "/api/v1/accounts/alice/resume", {})
    data = Request(market.alice_pair, "POST", "/api/v1/orders", json.dumps(order()).encode()).data()
    assert wire.ask(data)[0] == 201
    before = market.served.state_hash()
    status, answer = wire.ask(data)
    assert (status, answer["code"]) == (401, "nonce_used")
    assert market.served.state_hash() == before
    newest = market.alice.send("GET", "/api/v1/orders?limit=1").json()["items"]
    market.restart()
    wire.socket.close()
    wire.connect()
    status, answer = wire.ask(data)
    assert (status, answer["code"]) == (401, "nonce_used")
    assert market.alice.send("GET", "/api/v1/orders?limit=1").json()["items"] == newest
    assert market.alice.send("POST", "/api/v1/orders", order()).status_code == 201


def test_a_nonce_is_good_once_whatever_it_signs(market: KeyedMarket, wire: Wire) -> None:
    market.admin.send("POST", "/api/v1/accounts/alice/resume", {})
    target = "/api/v1/orders"
    first = Request(market.alice_pair, "GET", target, nonce="my-nonce")
    second = Request(market.alice_pair, "GET", f"{target}?limit=1", nonce="my-nonce")
    of_another = Request(market.bob_pair, "GET", target, nonce="my-nonce")
    assert wire.ask(first.data())[0] == 200
    assert wire.ask(second.data())[1]["code"] == "nonce_used"
    assert wire.ask(of_another.data())[0] == 200


def test_an_unknown_key_and_a_wrong_signature_are_told_the_same(
    market: KeyedMarket, wire: Wire
) -> None:
    body = json.dumps(order()).encode()
    answers = [
        wire.ask(Request(Pair(key, "wrong" * 9), "POST", "/api/v1/orders", body).data())
        for key in (market.alice_pair.key, "tk000000000000000000000000", "x")
    ]
    assert answers[0][0] == 401
    assert answers[0] == answers[1] == answers[2]
