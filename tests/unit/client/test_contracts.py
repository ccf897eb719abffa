"""The clients send trades so that repeating is safe, and ask the five questions."""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import Awaitable, Callable
from decimal import Decimal
from typing import Any

import httpx
import msgspec
import pytest

from tradepit.client import AsyncClient, Client, RetryPolicy, TradeLine
from tradepit.client.contracts import ingest_trades
from tradepit.client.errors import NotFound

DONE = {
    "lines": 1, "stored": 1, "duplicates": 0, "rejected": 0, "duplicate_lines": [],
    "rejections": [], "took_ms": 1.5,
}  # fmt: skip
LINE = TradeLine(ticker="A.COM", price=Decimal("32.10"), volume="5", timestamp=7)
RETRIES = RetryPolicy(first_s=0.0)


def test_a_trade_without_an_id_is_repeated_under_the_one_it_was_given() -> None:
    bodies: list[bytes] = []

    def handler(request: httpx.Request) -> httpx.Response:
        bodies.append(request.content)
        assert request.headers["content-type"] == "application/x-ndjson"
        if len(bodies) == 1:
            return httpx.Response(503, json={"code": "database_unavailable", "outcome": "unknown"})
        return httpx.Response(200, json=DONE)

    client = Client("http://node", transport=httpx.MockTransport(handler), retries=RETRIES)
    assert client.ingest_trades([LINE, LINE]).stored == 1
    assert bodies[0] == bodies[1]
    lines = [msgspec.json.decode(line) for line in bodies[0].split(b"\n")]
    assert lines[0]["trade_id"] != lines[1]["trade_id"]
    assert (lines[0]["price"], lines[0]["timestamp"]) == ("32.10", 7)


def test_ids_are_kept_and_long_bodies_are_compressed() -> None:
    call = ingest_trades(
        msgspec.structs.replace(LINE, trade_id=f"mine-{number}") for number in range(2000)
    )
    assert call.headers["Content-Encoding"] == "gzip"
    assert call.body is not None
    lines = gzip.decompress(call.body).split(b"\n")
    assert len(lines) == 2000
    assert b'"trade_id":"mine-1999"' in lines[-1]


def test_more_trades_than_fit_are_not_sent() -> None:
    with pytest.raises(ValueError, match="at most"):
        ingest_trades([LINE] * 100_001)


QUESTIONS: list[tuple[Callable[[Any], Any], str, dict[str, Any], str, object]] = [
    (lambda c: c.contract_volume("A.COM"), "/contracts/A.COM/volume", {"volume": "1.5"},
     "volume", Decimal("1.5")),
    (lambda c: c.contract_highest_price("A.COM", shard=3), "/contracts/A.COM/highest-price?shard=3",
     {"highest_price": "32.1"}, "highest_price", Decimal("32.1")),
    (lambda c: c.contract_last_trade_time("A.COM"), "/contracts/A.COM/last-trade-time",
     {"last_trade_time": None}, "last_trade_time", None),
    (lambda c: c.contract_volume_at("A.COM", Decimal("1E+2")), "/contracts/A.COM/prices/100/volume",
     {"volume": "0"}, "volume", Decimal(0)),
    (lambda c: c.contract_last_trade_time_at("A?", "-1"),
     "/contracts/A%3F/prices/-1/last-trade-time", {"last_trade_time": "x"}, "last_trade_time", "x"),
    (lambda c: c.contract_summary("A.COM", price="3"), "/contracts/A.COM/prices/3",
     {"volume": "1", "value": "3", "highest_price": "3", "lowest_price": "3", "price": "3",
      "last_trade_time": "x", "trades": 1, "vwap": "3"}, "vwap", Decimal(3)),
]  # fmt: skip


@pytest.mark.parametrize(("ask", "url", "answer", "field", "value"), QUESTIONS)
def test_both_clients_ask_the_same_questions(
    ask: Callable[[Any], Any], url: str, answer: dict[str, Any], field: str, value: object
) -> None:
    asked: list[str] = []

    def handler(request: httpx.Request) -> httpx.Response:
        asked.append(request.url.raw_path.decode())
        return httpx.Response(200, json=answer | {"ticker": "A.COM", "took_ms": 0.25, "as_of": 9})

    async def ask_async() -> Any:
        async with AsyncClient("http://node", transport=httpx.MockTransport(handler)) as client:
            answer: Awaitable[Any] = ask(client)
            return await answer

    with Client("http://node", transport=httpx.MockTransport(handler)) as client:
        found = [ask(client), asyncio.run(ask_async())]
    assert asked == [f"/api/v1{url}"] * 2
    assert [getattr(one, field) for one in found] == [value, value]
    assert {one.took_ms for one in found} == {0.25}


def test_an_unknown_contract_raises() -> None:
    def handler(_request: httpx.Request) -> httpx.Response:
        return httpx.Response(404, json={"code": "unknown_contract"})

    client = Client("http://node", transport=httpx.MockTransport(handler))
    with pytest.raises(NotFound):
        client.contract_volume("NOPE")
