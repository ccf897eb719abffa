"""The short ways against the long way: the same bytes get the same answers.

Two fresh nodes, one with the hot path and one without, are sent the same mutated requests, batches
and socket messages. Only what names the moment (ids, sequences, times) may differ.
"""

from __future__ import annotations

import json
import random
import re
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from tests.contract.served_market import ServedMarket
from tests.contract.wire_socket import WireSocket
from tests.end_to_end.test_interface_fuzz import (
    ODD_BYTES,
    ORDER,
    exchange,
    honest_request,
    mutated,
    odd_fields,
    seed_of_today,
)

from tradepit.gateway.config import GatewayConfig

QUICK_ROUNDS = 600
FULL_ROUNDS = 40_000

PLAIN = {
    "client_id": "plain",
    "instrument": "BTC-USD",
    "side": "BUY",
    "type": "LIMIT",
    "price": 70150.53,
    "quantity": 0.2512,
}
"""What a load script sends: the kind of order that has a short way."""

SPELLINGS: dict[str, tuple[str, ...]] = {
    "side": ('"buy"', '"SELL"', '"Buy"', '"b\\u0075y"', '"hold"', "1"),
    "type": ('"limit"', '"Limit"', '"market"', '""'),
    "price": ("70000", '"70000.10"', "70000.1", "7e4", '"7e4"', "070000", '"070000"', "70000.",
              '"70000."', ".5", '".5"', "-1", "0", '"0"', "70000.001", "null", '"1\\u0030"',
              "9223372036854775807", '"+1"', "1_0", '"1_0"', "[1]", "70000.10000000000000000000"),
    "quantity": ("1", '"1"', "0.0001", "0.00010", "1e-4", "0", "null", '"0x1"', '" 1"', "true"),
    "client_id": ('"plain"', '"other"', '"n\\u0065w"', '"two words"', '""', "null", '"é"', "5"),
    "instrument": ('"BTC-USD"', '"btc-usd"', '"NOPE"', '""', "null"),
    "time_in_force": ('"gtc"', '"ioc"', "null"),
    "remaining": ("1", '{"a":[1,2,{"b":"}"}]}', '"x"', "nul", "[", '"\\ud800"'),
    "client_order_id": ('"mine"', "null", '"two words"'),
}  # fmt: skip
"""JSON texts that parsers disagree about, valid and invalid."""


@pytest.fixture(scope="module")
def ways(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[ServedMarket]]:
    markets = [
        ServedMarket(tmp_path_factory.mktemp("ways"), GatewayConfig(hot_path=hot_path))
        for hot_path in (True, False)
    ]
    for market in markets:
        with httpx.Client(base_url=f"{market.url}/api/v1") as http:
            assert http.post("/accounts", json={"id": "plain"}).status_code == 201
            money = {"asset": "USD", "amount": 10**9}
            assert http.post("/accounts/plain/deposits", json=money).status_code == 201
    yield markets
    for market in markets:
        market.stop()


def spelled(rng: random.Random) -> bytes:
    """A plain order with some values spelled oddly, doubled, reordered or spaced out."""
    texts = [(name, json.dumps(value)) for name, value in PLAIN.items()]
    for _ in range(rng.choice([0, 0, 1, 1, 2])):
        name = rng.choice(list(SPELLINGS))
        place = rng.randrange(len(texts) + 1)
        if rng.random() < 0.7:
            texts = [pair for pair in texts if pair[0] != name]
        texts.insert(min(place, len(texts)), (name, rng.choice(SPELLINGS[name])))
    if rng.random() < 0.2:
        rng.shuffle(texts)
    space = rng.choice(["", "", " ", "\n\t", "\r"])
    members = f",{space}".join(f'{space}"{name}"{space}:{space}{text}' for name, text in texts)
    return f"{{{members}{space}}}{rng.choice(['', '', '', ' ', 'x'])}".encode()


def usually(rng: random.Random, usual: str, *others: str) -> str:
    """The usual spelling in most cases, so that most requests are odd in one place or none."""
    return usual if rng.random() < 0.93 else rng.choice(others)


def spelled_request(rng: random.Random) -> bytes:
    """A request for such an order, its head spelled in one of many ways."""
    body = spelled(rng)
    key = f"k{rng.randrange(10**9)}"
    size = len(body)
    heads = [
        usually(rng, "Host: localhost", "host: localhost", "Host: evil.example", "Host:localhost"),
        usually(rng, f"Idempotency-Key: {key}", f"idempotency-key:{key}", "Idempotency-Key: ",
                f"Idempotency-Key:  {key} ", f"IDEMPOTENCY-KEY: {key}\t", "Idempotency-Key: a b",
                f"Idempotency-Key: {'x' * 65}", f"Idempotency-Key: a\r\nIdempotency-Key: {key}"),
        usually(rng, "Content-Type: application/json", "content-type: text/plain", "X-A: b",
                "Content-Type: application/json; charset=utf-8", "Connection: keep-alive",
                "Connection: close", "Expect: 100-continue", "Transfer-Encoding: chunked",
                "Origin: http://evil.example", "Prefer: respond-async", "X-A : b", "X-A: b\rc"),
        usually(rng, f"Content-Length: {size}", f"content-length:{size}",
                f"Content-Length: {size + 1}", f"Content-Length: {size - 1}", "X-B: c",
                f"Content-Length: +{size}", f"Content-Length: 0{size}",
                f"Content-Length: {size}\r\nContent-Length: {size}"),
    ]  # fmt: skip
    if rng.random() < 0.3:
        rng.shuffle(heads)
    path = usually(rng, "/api/v1/orders", "/api/v1/orders/", "/api/v1/orders?x=1", "/api/v1/Orders")
    version = usually(rng, "HTTP/1.1", "HTTP/1.0", "http/1.1", "HTTP/1.2")
    lines = "\r\n".join([f"POST {path} {version}", *heads, "", ""])
    return lines.encode() + body


def spelled_batch(rng: random.Random) -> bytes:
    """A batch, most of its operations plain orders, at most one thing odd about its frame."""
    operations = []
    is_odd = rng.random() < 0.5
    for _ in range(rng.choice([0, 1, 3, 20])):
        order = json.dumps(PLAIN).encode()
        op = '"place"'
        if is_odd and rng.random() < 0.3:
            order = spelled(rng).strip().rstrip(b"x")
            op = rng.choice(['"place"', '"cancel"', '"dance"', "5", '"pl\\u0061ce"'])
        operations.append(b'{"op":' + op.encode() + b"," + order[1:])
    more = usually(rng, '"client_id":"plain",', "", '"client_id":5,', '"x":[{}],')
    body = b"{" + more.encode() + b'"operations":[' + b",".join(operations) + b"]}"
    if is_odd and rng.random() < 0.2:
        at = rng.randrange(len(body))
        body = body[:at] + rng.choice(ODD_BYTES) + body[at + 1 :]
    key = usually(rng, f"Idempotency-Key: b{rng.randrange(10**9)}", "Idempotency-Key: ", "X-A: b")
    head = f"POST /api/v1/orders/batch HTTP/1.1\r\nHost: localhost\r\n{key}\r\n"
    return head.encode() + b"Content-Length: %d\r\n\r\n%b" % (len(body), body)


MOMENTS = re.compile(
    rb'"(?:id|order_id|trade_id|created_at|updated_at|executed_at|sequence)":(?:"[^"]*"|\d+)'
    rb"|x-sequence: \d+|content-length: \d+|request \d+"
)


def timeless(answer: bytes) -> bytes:
    """An answer without what names its moment."""
    return MOMENTS.sub(b"*", answer)


def answers_of(received: bytes) -> list[list[bytes]]:
    """Every answer as its lines, headers in order of their names."""
    found: list[list[bytes]] = []
    while received:
        head, _, rest = received.partition(b"\r\n\r\n")
        if head == b"HTTP/1.1 100 Continue":
            received = rest
            continue
        status, *headers = head.split(b"\r\n")
        lengths = [int(line[16:]) for line in headers if line.startswith(b"content-length: ")]
        assert len(lengths) == 1, received
        body, received = rest[: lengths[0]], rest[lengths[0] :]
        found.append([timeless(line) for line in (status, *sorted(headers), body)])
    return found


def same(ways: list[ServedMarket], data: bytes, rng: random.Random) -> list[list[bytes]]:
    """Send the same bytes in the same pieces both ways; the answers must agree."""
    pieces = rng.getrandbits(64)
    answers = [answers_of(exchange(market, data, random.Random(pieces))) for market in ways]
    assert answers[0] == answers[1], data[:600]
    return answers[0]


def compare(ways: list[ServedMarket], rounds: int, seed: int) -> None:
    rng = random.Random(seed)
    makers = [spelled_request, spelled_request, spelled_batch, mutated, odd_fields, honest_request]
    taken = 0
    for number in range(rounds):
        data = rng.choice(makers)(rng)
        try:
            answers = same(ways, data, rng)
            taken += any(answer[0].startswith(b"HTTP/1.1 20") for answer in answers)
        except AssertionError as error:
            raise AssertionError(f"seed {seed}, round {number}") from error
    assert taken > rounds / 6, f"seed {seed}: only {taken} of {rounds} were taken"


def test_requests_get_the_same_answers_both_ways(ways: list[ServedMarket]) -> None:
    compare(ways, QUICK_ROUNDS, seed_of_today())


@pytest.mark.full
def test_many_requests_get_the_same_answers_both_ways(ways: list[ServedMarket]) -> None:
    compare(ways, FULL_ROUNDS, seed_of_today())


def test_socket_messages_get_the_same_answers_both_ways(ways: list[ServedMarket]) -> None:
    seed = seed_of_today()
    rng = random.Random(seed)
    wires = [WireSocket(market.port) for market in ways]
    for number in range(QUICK_ROUNDS):
        op = rng.choice(['"place"'] * 10 + ['"cancel"', '"pl\\u0061ce"', '"subscribe"', "5"])
        own = rng.choice(["1", '"x"', "null", "[1,{}]", '"é"', "nul"])
        head = [f'"op":{op}', f'"id":{own}']
        if rng.random() < 0.3:
            key = rng.choice([f'"k{number}"', '""', "5", '"a b"'])
            head.append(f'"idempotency_key":{key}')
        rng.shuffle(head)
        payload = f"{{{','.join(head)},".encode() + spelled(rng)[1:]
        answers: list[Any] = []
        for wire in wires:
            wire.send_frame(1, payload)
            answers.append(timeless(json.dumps(wire.receive()).replace(": ", ":").encode()))
        assert answers[0] == answers[1], f"seed {seed}, round {number}: {payload!r}"
    for wire in wires:
        wire.close()


def test_orders_that_are_refused_get_the_same_answers_both_ways(ways: list[ServedMarket]) -> None:
    rng = random.Random(1)
    plain = ORDER | {"client_order_id": None}
    cases: list[dict[str, Any]] = [
        {"price": 1e9, "quantity": 1e6},
        {"client_id": "poor", "side": "sell", "quantity": 1000},
        {"instrument": "GONE-USD"},
        {"quantity": 10**12},
    ]
    for case in cases:
        body = json.dumps({**plain, **case, "time_in_force": None, "post_only": None}).encode()
        head = b"POST /api/v1/orders HTTP/1.1\r\nHost: localhost\r\nIdempotency-Key: again\r\n"
        request = head + b"Content-Length: %d\r\n\r\n%b" % (len(body), body)
        first, second = same(ways, request, rng), same(ways, request, rng)
        assert first[0][0].startswith(b"HTTP/1.1 4")
        assert second[0][0] == first[0][0]
