"""Ordinary orders are read natively to the very records that the long way makes of them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.segments import SMALL_SEGMENTS

from tradepit.domain import commands
from tradepit.gateway.drafts import Market
from tradepit.gateway.placing import PlaceDraft
from tradepit.gateway.ports import MarketNode
from tradepit.gateway.problems import UNDECODABLE, Refused
from tradepit.gateway.shapes import decode_operation, decode_place, decode_socket_message
from tradepit.node.definitions import AssetDefinition, InstrumentDefinition, MarketDefinition
from tradepit.node.opening import NodeOptions, open_node

HOST = b"localhost:8080"
ORDER = {
    "client_id": "alice",
    "instrument": "BTC-USD",
    "side": "BUY",
    "type": "LIMIT",
    "price": 70150.53,
    "quantity": "0.2512",
    "remaining": 0.2512,
}
HEAD = b"POST /api/v1/orders HTTP/1.1\r\nHost: localhost:8080\r\nContent-Type: application/json\r\n"


@pytest.fixture(scope="module")
def market(tmp_path_factory: pytest.TempPathFactory) -> Market:
    """A market with one instrument and one account."""
    return asyncio.run(_market(tmp_path_factory.mktemp("plain")))


async def _market(root: Path) -> Market:
    definition = MarketDefinition(
        assets=[AssetDefinition(code="USD"), AssetDefinition(code="BTC")],
        instruments=[
            InstrumentDefinition(
                symbol="BTC-USD",
                base="BTC",
                quote="USD",
                tick_size=Decimal("0.01"),
                lot_size=Decimal("0.0001"),
                reference_price=Decimal(70_000),
            )
        ],
    )
    opened = await open_node(root, NodeOptions(market=definition, journal=SMALL_SEGMENTS))
    record = commands.open_account(if_absent=True)
    await opened.node.execute(record, commands.account_text("alice"), 1)
    await opened.close()
    return Market(cast(MarketNode, opened.node))


def request(body: bytes, *headers: bytes, head: bytes = HEAD) -> bytes:
    lines = b"".join(header + b"\r\n" for header in headers)
    return head + lines + b"content-length: %d\r\n\r\n" % len(body) + body


def body_of(**changes: object) -> bytes:
    order = {name: value for name, value in (ORDER | changes).items() if value is not ...}
    return json.dumps(order).encode()


def test_a_request_becomes_the_record_of_the_long_way(market: Market) -> None:
    body = body_of()
    data = request(body, b"idempotency-key: k-1", b"User-Agent: some client/1.0")
    found = market.replica.plain_request(data, HOST)
    assert found is not None
    record, client_id, key_start, body_start = found
    assert record == PlaceDraft(market, decode_place(body), b"k-1").records
    assert client_id == "alice"
    assert data[key_start:].startswith(b"k-1\r\n")
    assert data[body_start:] == body


def test_a_message_becomes_the_record_of_the_long_way(market: Market) -> None:
    payload = body_of(id=7, op="place", idempotency_key="k-2")
    found = market.replica.plain_message(payload)
    whole = PlaceDraft(market, decode_socket_message(payload), b"k-2")
    assert found == (whole.records, "alice", b"7")


def test_a_batch_becomes_the_records_of_the_long_way(market: Market) -> None:
    raw = [body_of(op="place", client_id=..., quantity=f"0.{n}") for n in (1, 2, 3)]
    body = b'{"client_id": "alice", "operations": [%b]}' % b",".join(raw)
    found = market.replica.plain_batch(body, b"k", 3)
    assert found is not None
    records = b""
    for index, text in enumerate(raw):
        operation = decode_operation(text)
        operation.client_id = "alice"
        records += PlaceDraft(market, operation, b"k/%d" % index).records
    assert found == (records, 3, "alice")
    assert market.replica.plain_batch(body, b"k", 2) is None


UNUSUAL_HEADERS = [
    b"Expect: 100-continue",
    b"Transfer-Encoding: chunked",
    b"Origin: http://localhost:8080",
    b"Prefer: respond-async",
    b"Connection: close",
    b"Host: localhost:8080",
    b"Content-Length: 5",
    b"Content-Type: application/json",
    b"Idempotency-Key: " + b"x" * 65,
    b"Idempotency-Key: a b",
    b"Idempotency-Key:",
    b"X-Unknown: 1",
    b"Accept : */*",
    b" folded",
    b"Accept: \x01",
]


@pytest.mark.parametrize("header", UNUSUAL_HEADERS)
def test_an_unusual_header_is_left_to_the_long_way(market: Market, header: bytes) -> None:
    assert market.replica.plain_request(request(body_of()), HOST) is not None
    assert market.replica.plain_request(request(body_of(), header), HOST) is None


def test_a_request_that_is_not_alone_and_whole_is_left_to_the_long_way(market: Market) -> None:
    data = request(body_of())
    for end in range(len(data)):
        assert market.replica.plain_request(data[:end], HOST) is None
    assert market.replica.plain_request(data + b"P", HOST) is None
    assert market.replica.plain_request(data, b"127.0.0.1:8080") is None
    assert market.replica.plain_request(data, b"") is None


UNUSUAL_FIELDS = [
    {"time_in_force": "ioc"},
    {"client_order_id": "mine"},
    {"client_id": "nobody"},
    {"client_id": 5},
    {"instrument": "ETH-USD"},
    {"side": "Buy"},
    {"type": "market"},
    {"price": ...},
    {"price": None},
    {"price": "70150.531"},
    {"price": 0},
    {"price": -1},
    {"price": "1e3"},
    {"price": "007"},
    {"price": ".5"},
    {"price": "5."},
    {"quantity": "99999999999999999999"},
    {"quantity": "999999999999999999"},
    {"quantity": True},
    {"note": {"nested": 1}},
    {"note": "\N{SNOWMAN}"},
    {"reduce_only": False},
]


@pytest.mark.parametrize("fields", UNUSUAL_FIELDS, ids=str)
def test_an_unusual_field_is_left_to_the_long_way(
    market: Market, fields: dict[str, object]
) -> None:
    assert market.replica.plain_request(request(body_of(**fields)), HOST) is None


def test_a_field_that_comes_twice_is_left_to_the_long_way(market: Market) -> None:
    body = body_of()[:-1] + b', "price": 1}'
    assert market.replica.plain_request(request(body), HOST) is None


MARKS = b'{ } " : , \\ 0 1 .5 e1 - null [ "price" "side" "BUY" "alice" "x":1,'.split()
PIECES = st.sampled_from([*MARKS, b" ", b"\n", b"\xff", b"\x00"])


@given(st.data())
def test_no_damage_to_a_body_makes_another_record_than_the_long_way(
    market: Market, data: st.DataObject
) -> None:
    body = body_of()
    for _ in range(data.draw(st.integers(1, 3))):
        start = data.draw(st.integers(0, len(body)))
        stop = data.draw(st.integers(start, min(start + 6, len(body))))
        body = body[:start] + data.draw(PIECES) + body[stop:]
    found = market.replica.plain_request(request(body), HOST)
    if found is not None:
        assert found[0] == long_way(lambda: PlaceDraft(market, decode_place(body), None))


def long_way(make: Callable[[], PlaceDraft]) -> bytes | None:
    try:
        return make().records
    except (Refused, *UNDECODABLE):
        return None
