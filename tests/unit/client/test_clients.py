"""The clients say what they mean, repeat what is safe, and raise what went wrong."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from decimal import Decimal

import httpx
import pytest

from tradepit.client import AsyncClient, Cancel, Client, NodeUnreachable, Place, RetryPolicy
from tradepit.client.calls import send_batch
from tradepit.client.errors import (
    ApiError,
    Forbidden,
    KeyReused,
    Malformed,
    NotFound,
    Overloaded,
    Rejected,
    UnreadableAnswer,
)
from tradepit.client.models import Order

ORDER = {
    "id": "7",
    "order_id": "7",
    "client_id": "alice",
    "instrument": "BTC-USD",
    "side": "buy",
    "type": "limit",
    "price": "70150.50",
    "quantity": "0.2500",
    "remaining": "0.1500",
    "filled_quantity": "0.1000",
    "average_price": "70150.40",
    "status": "partially_filled",
    "fills": [
        {
            "trade_id": "1",
            "price": "70150.40",
            "quantity": "0.1000",
            "fee": "0.01",
            "liquidity": "taker",
            "executed_at": "2026-01-01T00:00:00Z",
        }
    ],
}
PLACE = Place(
    client_id="alice",
    instrument="BTC-USD",
    side="buy",
    price=Decimal("70150.50"),
    quantity=Decimal("0.25"),
)

Handler = Callable[[httpx.Request], httpx.Response]


def client(handler: Handler, attempts: int = 4) -> Client:
    retries = RetryPolicy(attempts=attempts, first_s=0.0)
    return Client("http://node", transport=httpx.MockTransport(handler), retries=retries)


def test_an_order_is_sent_as_exact_decimals_and_read_back_as_such() -> None:
    seen: list[httpx.Request] = []

    def handler(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(201, json=ORDER)

    order = client(handler).place(PLACE)
    body = seen[0].content
    assert b'"price":"70150.50"' in body
    assert b'"quantity":"0.25"' in body
    assert seen[0].url.path == "/api/v1/orders"
    assert order.remaining == Decimal("0.15")
    assert order.fills[0].price == Decimal("70150.40")
    assert order.is_open


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, Malformed),
        (401, Forbidden),
        (403, Forbidden),
        (404, NotFound),
        (409, KeyReused),
        (413, Malformed),
        (422, Rejected),
        (500, ApiError),
    ],
)
def test_a_problem_document_becomes_the_exception_of_its_status(
    status: int, kind: type[ApiError]
) -> None:
    calls = 0

    def handler(_request: httpx.Request) -> httpx.Response:
        nonlocal calls
        calls += 1
        problem = {"code": "some_code", "title": "t", "detail": "why", "field": "price"}
        return httpx.Response(status, json=problem)

    with pytest.raises(kind) as caught:
        client(handler).place(PLACE)
    assert (caught.value.code, caught.value.status) == ("some_code", status)
    assert "price" in str(caught.value)
    assert calls == 1


def test_a_write_is_repeated_under_the_same_key_until_it_is_answered() -> None:
    keys: list[str] = []

    def handler(request: httpx.Request) -> httpx.Response:
        keys.append(request.headers["idempotency-key"])
        if len(keys) == 1:
            raise httpx.ConnectError("no route")
        if len(keys) == 2:
            return httpx.Response(503, json={"code": "unknown_outcome", "outcome": "unknown"})
        return httpx.Response(201, json=ORDER)

    assert client(handler).place(PLACE).id == "7"
    assert len(keys) == 3
    assert len(set(keys)) == 1


def test_two_writes_have_two_keys_and_a_given_key_is_used() -> None:
    keys: list[str] = []

    def handler(request: httpx.Request) -> httpx.Response:
        keys.append(request.headers["idempotency-key"])
        return httpx.Response(201, json=ORDER)

    market = client(handler)
    market.place(PLACE)
    market.place(PLACE)
    market.place(PLACE, key="mine")
    assert len(set(keys)) == 3
    assert keys[2] == "mine"


def test_a_node_that_never_answers_is_reported_after_the_last_attempt() -> None:
    calls = 0

    def handler(_request: httpx.Request) -> httpx.Response:
        nonlocal calls
        calls += 1
        raise httpx.ReadTimeout("too slow")

    with pytest.raises(NodeUnreachable):
        client(handler, attempts=3).order("7")
    assert calls == 3


def test_an_overloaded_node_is_given_the_time_it_asks_for() -> None:
    def handler(_request: httpx.Request) -> httpx.Response:
        return httpx.Response(429, json={"code": "too_many_requests"}, headers={"Retry-After": "2"})

    with pytest.raises(Overloaded) as caught:
        client(handler, attempts=1).place(PLACE)
    assert caught.value.retry_after_s == 2.0


def test_an_answer_of_something_else_is_called_unreadable() -> None:
    market = client(lambda _request: httpx.Response(200, text="<html>"))
    with pytest.raises(UnreadableAnswer):
        market.order_book("BTC-USD")


def test_a_batch_answers_each_operation_with_an_order_or_a_problem() -> None:
    def handler(_request: httpx.Request) -> httpx.Response:
        refused = {"code": "order_closed", "status": 422}
        results = [{"status": 201, "order": ORDER}, {"status": 422, "problem": refused}]
        return httpx.Response(200, json={"results": results})

    placed, refused = client(handler).batch([PLACE, Cancel(order_id="3", client_id="alice")])
    assert placed.order is not None
    assert placed.order.id == "7"
    assert refused.problem is not None
    assert refused.problem.code == "order_closed"


def test_a_batch_names_its_operations_and_is_bounded() -> None:
    call = send_batch([PLACE, Cancel(order_id="3")], None)
    assert call.body is not None
    assert b'"op":"place"' in call.body
    assert b'{"op":"cancel","order_id":"3"}' in call.body
    with pytest.raises(ValueError, match="1001 operations"):
        send_batch([PLACE] * 1_001, None)


def test_the_asyncio_client_does_the_same() -> None:
    attempts = 0

    def handler(_request: httpx.Request) -> httpx.Response:
        nonlocal attempts
        attempts += 1
        if attempts == 1:
            raise httpx.ConnectError("no route")
        return httpx.Response(201, json=ORDER)

    async def run() -> Order:
        transport = httpx.MockTransport(handler)
        retries = RetryPolicy(first_s=0.0)
        async with AsyncClient("http://node", transport=transport, retries=retries) as market:
            return await market.place(PLACE)

    assert asyncio.run(run()).id == "7"
    assert attempts == 2


def test_what_would_take_effect_twice_is_not_repeated_after_a_lost_connection() -> None:
    tried: list[bytes] = []

    def handler(request: httpx.Request) -> httpx.Response:
        tried.append(request.content)
        raise httpx.ReadError("the connection broke")

    for call in (
        lambda: client(handler).change_replay("ab", step=1),
        lambda: client(handler).create_replay("x.dbn"),
    ):
        tried.clear()
        with pytest.raises(NodeUnreachable):
            call()
        assert len(tried) == 1
    tried.clear()
    with pytest.raises(NodeUnreachable):
        client(handler).change_replay("ab", state="paused")
    assert len(tried) == 4
