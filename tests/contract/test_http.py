"""What clients do to HTTP: pipelines, chunks, pieces, half-closed connections, silence."""

from __future__ import annotations

import contextlib
import json
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.contract.served_market import ServedMarket, Trader

from tradepit.gateway.config import GatewayConfig


class Wire:
    """A raw connection."""

    def __init__(self, market: ServedMarket) -> None:
        self.socket = socket.create_connection(("127.0.0.1", market.port), timeout=5)
        self.pending = b""

    def send(self, *parts: bytes) -> None:
        for part in parts:
            self.socket.sendall(part)

    def answer(self) -> tuple[int, dict[str, str], bytes]:
        """The next answer: status, headers, body."""
        while b"\r\n\r\n" not in self.pending:
            self._more()
        head, _, self.pending = self.pending.partition(b"\r\n\r\n")
        lines = head.decode().split("\r\n")
        headers = {
            name.lower(): value.strip()
            for name, _, value in (line.partition(":") for line in lines[1:])
        }
        length = int(headers["content-length"])
        while len(self.pending) < length:
            self._more()
        body, self.pending = self.pending[:length], self.pending[length:]
        return int(lines[0].split()[1]), headers, body

    def _more(self) -> None:
        data = self.socket.recv(65536)
        if not data:
            raise EOFError(self.pending)
        self.pending += data

    def is_closed(self) -> bool:
        try:
            return self.socket.recv(1) == b""
        except ConnectionResetError:
            return True

    def close(self) -> None:
        self.socket.close()


@pytest.fixture
def wire(market: ServedMarket) -> Iterator[Wire]:
    connection = Wire(market)
    yield connection
    connection.close()


def order_request(trader: Trader, number: int, *, path: str = "/api/v1/orders") -> bytes:
    body = json.dumps(trader.order(trader.alice, "buy", "90", f"0.{number:04d}")).encode()
    head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    return head.encode() + b"Content-Length: %d\r\n\r\n%b" % (len(body), body)


GET = b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n"


def test_pipelined_requests_are_answered_in_order(trader: Trader, wire: Wire) -> None:
    slow = b"GET /api/v1/orders?limit=50 HTTP/1.1\r\nHost: localhost\r\n\r\n"
    batch = order_request(trader, 0, path="/api/v1/orders/batch")
    numbers = range(1, 61)
    wire.send(
        b"".join(
            [
                *(order_request(trader, n) for n in numbers),
                slow,
                *(order_request(trader, n) for n in numbers),
                GET,
                batch,
                *(order_request(trader, n) for n in numbers),
            ]
        )
    )
    for kind in ("orders", 200, "orders", 200, 400, "orders"):
        if kind == "orders":
            for number in numbers:
                status, _, body = wire.answer()
                assert status == 201
                assert json.loads(body)["quantity"] == f"0.{number:04d}"
        else:
            assert wire.answer()[0] == kind


def test_more_pipelined_orders_than_slots_all_get_their_answer(trader: Trader, wire: Wire) -> None:
    numbers = range(1, 601)
    wire.send(b"".join(order_request(trader, n) for n in numbers))
    found = [json.loads(wire.answer()[2])["quantity"] for _ in numbers]
    assert found == [f"0.{number:04d}" for number in numbers]


def test_a_request_may_come_byte_by_byte(trader: Trader, wire: Wire) -> None:
    request = order_request(trader, 7)
    wire.send(*(request[n : n + 1] for n in range(len(request))))
    assert wire.answer()[0] == 201


def test_a_chunked_body_is_taken(trader: Trader, wire: Wire) -> None:
    body = json.dumps(trader.order(trader.alice, "buy", "90", "1")).encode()
    wire.send(
        b"POST /api/v1/orders HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
    )
    for part in (body[:10], body[10:40], body[40:]):
        wire.send(b"%x\r\n%b\r\n" % (len(part), part))
    wire.send(b"0\r\n\r\n")
    assert wire.answer()[0] == 201


def test_expect_continue_is_honoured(trader: Trader, wire: Wire) -> None:
    request = order_request(trader, 7).replace(b"\r\n\r\n", b"\r\nExpect: 100-continue\r\n\r\n", 1)
    head, _, body = request.partition(b"\r\n\r\n")
    wire.send(head + b"\r\n\r\n")
    assert wire.socket.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
    wire.send(body)
    assert wire.answer()[0] == 201


def test_http_1_0_is_answered_and_closed(trader: Trader, wire: Wire) -> None:
    wire.send(order_request(trader, 7).replace(b"HTTP/1.1", b"HTTP/1.0", 1))
    assert wire.answer()[0] == 201
    assert wire.is_closed()


def test_connection_close_is_honoured(trader: Trader, wire: Wire) -> None:
    wire.send(order_request(trader, 7).replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n", 1))
    assert wire.answer()[0] == 201
    assert wire.is_closed()


def test_a_half_closed_connection_still_gets_its_answers(trader: Trader, wire: Wire) -> None:
    wire.send(order_request(trader, 7) + order_request(trader, 8))
    wire.socket.shutdown(socket.SHUT_WR)
    assert [wire.answer()[0], wire.answer()[0]] == [201, 201]
    assert wire.is_closed()


def test_a_connection_that_goes_away_does_not_undo_its_order(
    market: ServedMarket, trader: Trader
) -> None:
    gone = Wire(market)
    gone.send(order_request(trader, 7))
    gone.close()
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline:
        items = trader.http.get("/orders", params={"client_id": trader.alice}).json()["items"]
        if items:
            break
    assert items[0]["quantity"] == "0.0007"


@pytest.mark.parametrize(
    "data",
    [
        b"\x00\x01\x02\x03\r\n\r\n",
        b"POST /api/v1/orders HTTP/1.1\r\nContent-Length: x\r\n\r\n",
        b"POST /api/v1/orders HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
        b"POST /api/v1/orders HTTP/1.1\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"POST /api/v1/orders HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"GET\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET / HTTP/1.1\r\nbad header\r\n\r\n",
    ],
)
def test_what_is_no_http_is_refused_and_closed(
    market: ServedMarket, wire: Wire, data: bytes
) -> None:
    before = market.state_hash()
    wire.send(data)
    status, headers, _ = wire.answer()
    assert status == 400
    assert headers["content-type"] == "application/problem+json"
    assert wire.is_closed()
    assert market.state_hash() == before


def test_a_malformed_request_comes_after_the_answers_before_it(trader: Trader, wire: Wire) -> None:
    wire.send(order_request(trader, 1) + order_request(trader, 2) + b"\x00\r\n\r\n")
    assert [wire.answer()[0] for _ in range(3)] == [201, 201, 400]
    assert wire.is_closed()


def test_an_order_beyond_64_kib_is_too_large(market: ServedMarket, wire: Wire) -> None:
    before = market.state_hash()
    body = b'{"client_id":"%b"}' % (b"x" * 65536)
    wire.send(
        b"POST /api/v1/orders HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n%b"
        % (len(body), body)
    )
    status, _, answer = wire.answer()
    assert (status, json.loads(answer)["code"]) == (413, "too_large")
    assert market.state_hash() == before


def test_a_chunked_body_without_an_end_is_cut_at_the_bound(
    market: ServedMarket, wire: Wire
) -> None:
    wire.send(
        b"POST /api/v1/orders HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
    )
    try:
        for _ in range(40):
            wire.send(b"2000\r\n" + b"x" * 8192 + b"\r\n")
    except (ConnectionResetError, BrokenPipeError):
        return
    assert wire.answer()[0] == 413


def test_a_head_without_an_end_is_cut_at_the_bound(wire: Wire) -> None:
    wire.send(b"GET / HTTP/1.1\r\n")
    try:
        for _ in range(4000):
            wire.send(b"X-Filler: " + b"x" * 200 + b"\r\n")
        status = wire.answer()[0]
    except (ConnectionResetError, BrokenPipeError):
        return
    assert status == 431


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "xml"])
def test_a_body_that_is_not_json_is_415(trader: Trader, kind: str) -> None:
    before = trader.market.state_hash()
    headers = {"content-type": kind}
    for path in ("/orders", "/orders/batch", "/accounts", "/instruments"):
        answer = trader.http.post(path, content=b"{}", headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (415, "unsupported_media_type")
    assert trader.market.state_hash() == before


def test_json_may_say_its_charset_or_nothing(trader: Trader) -> None:
    body = json.dumps(trader.order(trader.alice, "buy", "90", "1")).encode()
    headers = {"content-type": "application/json; charset=utf-8"}
    assert trader.http.post("/orders", content=body, headers=headers).status_code == 201
    assert trader.http.post("/orders", content=body).status_code == 201


@pytest.mark.parametrize("host", ["evil.example", "evil.example:8080", "127.0.0.1.evil.example"])
def test_a_foreign_host_is_refused_on_every_route(trader: Trader, host: str) -> None:
    before = trader.market.state_hash()
    headers = {"host": host}
    order = trader.order(trader.alice, "buy", "90", "1")
    answers = [
        trader.http.post("/orders", json=order, headers=headers),
        trader.http.delete("/orders/1", headers=headers),
        trader.http.get("/orders", headers=headers),
        trader.http.get(f"{trader.market.url}/health", headers=headers),
        trader.http.get(f"{trader.market.url}/", headers=headers),
        trader.http.get(f"{trader.market.url}/nowhere", headers=headers),
    ]
    assert {(a.status_code, a.json()["code"]) for a in answers} == {(403, "foreign_host")}
    assert trader.market.state_hash() == before


@pytest.mark.parametrize(
    "origin", ["https://evil.example", "null", "http://localhost:1", "file://", "http://127.0.0.1"]
)
def test_a_foreign_origin_is_refused(trader: Trader, origin: str) -> None:
    headers = {"origin": origin}
    order = trader.order(trader.alice, "buy", "90", "1")
    for answer in (
        trader.http.post("/orders", json=order, headers=headers),
        trader.http.get("/orders", headers=headers),
    ):
        assert (answer.status_code, answer.json()["code"]) == (403, "foreign_origin")


def test_the_nodes_own_page_may_trade(trader: Trader) -> None:
    order = trader.order(trader.alice, "buy", "90", "1")
    for name in ("127.0.0.1", "localhost"):
        headers = {"origin": f"http://{name}:{trader.market.port}"}
        assert trader.http.post("/orders", json=order, headers=headers).status_code == 201


def test_unknown_paths_and_methods_are_problems_too(trader: Trader) -> None:
    answers = [
        trader.http.get("/nowhere"),
        trader.http.put("/orders", json={}),
        trader.http.post("/accounts/x/dance"),
        trader.http.get(f"{trader.market.url}/api/v2/orders"),
    ]
    assert [answer.status_code for answer in answers] == [404, 405, 404, 404]
    for answer in answers:
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.json()["code"] in ("not_found", "method_not_allowed")


@pytest.fixture(scope="module")
def impatient(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServedMarket]:
    """A market with short patience and little room."""
    config = GatewayConfig(keep_alive_timeout=1.0, request_timeout=1.0, connections_max=20)
    served = ServedMarket(tmp_path_factory.mktemp("impatient"), config)
    yield served
    served.stop()


@pytest.mark.parametrize(
    "said",
    [b"", b"GET /health HT", b"POST /api/v1/orders HTTP/1.1\r\nContent-Length: 9\r\n\r\n{", GET],
)
def test_silent_and_slow_connections_are_swept(impatient: ServedMarket, said: bytes) -> None:
    wire = Wire(impatient)
    wire.send(said)
    if said == GET:
        assert wire.answer()[0] == 200
    began = time.monotonic()
    assert wire.is_closed()
    assert time.monotonic() - began < 4.5
    wire.close()


def test_connections_beyond_the_bound_are_told_so(impatient: ServedMarket) -> None:
    wires = [Wire(impatient) for _ in range(21)]
    try:
        status, headers, body = wires[-1].answer()
        assert (status, json.loads(body)["outcome"]) == (503, "rejected")
        assert int(headers["retry-after"]) > 0
        wires[0].send(GET)
        assert wires[0].answer()[0] == 200
    finally:
        for wire in wires:
            wire.close()


@pytest.mark.parametrize("kind", ["read", "order"])
def test_a_client_that_does_not_read_is_cut(tmp_path: Path, kind: str) -> None:
    served = ServedMarket(tmp_path, GatewayConfig(request_timeout=1.0))
    trader = Trader(served)
    trader.list_instrument()
    wire = Wire(served)
    request = b"GET /api/v1/instruments HTTP/1.1\r\nHost: localhost\r\n\r\n"
    if kind == "order":
        request = order_request(trader, 0)
    wire.socket.settimeout(1)
    with contextlib.suppress(TimeoutError, ConnectionResetError, BrokenPipeError):
        for _ in range(2000):
            wire.send(request * 200)
    began = time.monotonic()
    while served.call(lambda: len(served.server.gateway.connections)) > 1:
        assert time.monotonic() - began < 10
        time.sleep(0.05)
    assert trader.place(trader.alice, "buy", "90", "1").status_code == 201
    wire.close()
    trader.close()
    served.stop()


def test_a_client_that_leaves_large_answers_unread_is_cut(tmp_path: Path) -> None:
    served = ServedMarket(tmp_path, GatewayConfig(request_timeout=1.0))
    trader = Trader(served)
    trader.list_instrument()
    operations = [{"op": "place"} | trader.order(trader.alice, "buy", "90", "0.0001")] * 1000
    for _ in range(5):
        assert trader.http.post("/orders/batch", json={"operations": operations}).is_success
    wire = Wire(served)
    path = f"/api/v1/orderbook?instrument={trader.symbol}&by=order"
    request = f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()
    # One request at a time, each answered before the next: at the end nothing is in flight, but
    # the last answer waits in the node.
    while unsent(served) == 0:
        wire.send(request)
        time.sleep(0.03)
    began = time.monotonic()
    while served.call(lambda: len(served.server.gateway.connections)) > 1:
        assert time.monotonic() - began < 10
        time.sleep(0.05)
    wire.close()
    trader.close()
    served.stop()


def unsent(served: ServedMarket) -> int:
    """Bytes of answers that wait in the node."""
    connections = served.server.gateway.connections
    return served.call(lambda: sum(c.transport.get_write_buffer_size() for c in connections))
