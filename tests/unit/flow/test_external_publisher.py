"""The external publisher against a real node: what it sends, seeds, reports, is told to do."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Awaitable, Callable
from decimal import Decimal
from typing import Any, TypeVar

import httpx
import pytest

from tradepit.client import AsyncClient
from tradepit.client.models import Place
from tradepit.client.retries import NO_RETRIES
from tradepit.flow.external import bootstrap as bootstrap_module
from tradepit.flow.external import delivery as delivery_module
from tradepit.flow.external import publisher as publisher_module
from tradepit.flow.external.delivery import Courier
from tradepit.flow.external.pages import PublisherPages
from tradepit.flow.external.participants import SEEDER, TAKER
from tradepit.flow.external.publisher import Publisher
from tradepit.observe.own_port import Pages, PageServer, bind
from tradepit.testing.fixtures import FreshNode

T = TypeVar("T")

PLACE = Place(
    client_id="external", instrument="A.COM", side="buy", quantity=1, price=50, time_in_force="ioc"
)
ORDER = {
    "id": "7", "instrument": "A.COM", "side": "buy", "type": "limit", "quantity": "1",
    "remaining": "0", "filled_quantity": "1", "status": "filled",
}  # fmt: skip


def published(
    node: FreshNode,
    meanwhile: Callable[[Publisher], Awaitable[T]],
    *,
    rate: float = 0.0,
    symbols: tuple[str, ...] = (),
) -> tuple[Publisher, T]:
    """A publisher that runs while something is done."""

    async def run() -> tuple[Publisher, T]:
        async with AsyncClient(node.url, retries=NO_RETRIES) as client:
            publisher = Publisher(client, rate=rate, seed=3, symbols=symbols)
            running = asyncio.create_task(publisher.run())
            try:
                async with asyncio.timeout(60):
                    await publisher.is_ready.wait()
                    result = await meanwhile(publisher)
            finally:
                publisher.stop()
                await running
            return publisher, result

    return asyncio.run(run())


async def until(is_so: Callable[[], bool]) -> None:
    while not is_so():  # noqa: ASYNC110  # a condition of two processes, not an event
        await asyncio.sleep(0.01)


def test_orders_meet_the_quotes_to_begin_with(tradepit_node: FreshNode) -> None:
    publisher, accepted = published(tradepit_node, lambda publisher: publisher.submit(60))
    tally = publisher.tally
    assert accepted == tally.accepted == tally.filled == 60
    trades = tradepit_node.client.account_trades(TAKER, limit=1000).items
    assert sum(trade.quantity for trade in trades) == tally.quantity
    made = tradepit_node.client.account_trades(SEEDER, limit=1000).items
    assert sum(trade.quantity for trade in made) == tally.quantity
    assert {trade.price for trade in made if trade.instrument == "A.COM"} == {
        Decimal("49.75"),
        Decimal("50.25"),
    }


def test_no_quote_of_the_publisher_is_left_behind(tradepit_node: FreshNode) -> None:
    async def standing(publisher: Publisher) -> int:
        return len(publisher.bootstrap.standing)

    publisher, seeded = published(tradepit_node, standing)
    assert seeded == len(tradepit_node.client.instruments()) == publisher.bootstrap.seeded
    assert not tradepit_node.client.orders(client_id=SEEDER, status="open").items


def test_quotes_to_begin_with_end_once_somebody_else_quotes(
    tradepit_node: FreshNode, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(publisher_module, "LOOK_S", 0.02)

    async def watched(publisher: Publisher) -> None:
        tradepit_node.client.set_quote(
            "A.COM", client_id="q", bid_price=49, bid_quantity=1, ask_price=51, ask_quantity=1
        )
        await until(lambda: "A.COM" not in publisher.bootstrap.standing)

    publisher, _ = published(tradepit_node, watched, symbols=("A.COM", "B.COM"))
    assert publisher.bootstrap.ended == 1
    top = tradepit_node.client.order_book("A.COM")
    assert [level.price for level in top.bids] == [49]
    assert [level.price for level in top.asks] == [51]


def test_a_symbol_that_was_bare_for_long_is_seeded_again(
    tradepit_node: FreshNode, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(publisher_module, "LOOK_S", 0.02)
    monkeypatch.setattr(bootstrap_module, "ABSENCE_S", 0.1)

    async def watched(publisher: Publisher) -> None:
        quote = {"bid_price": 49, "bid_quantity": 1, "ask_price": 51, "ask_quantity": 1}
        tradepit_node.client.set_quote("A.COM", client_id="q", **quote)
        await until(lambda: not publisher.bootstrap.standing)
        tradepit_node.client.end_quote("A.COM", client_id="q")
        await until(lambda: bool(publisher.bootstrap.standing))

    publisher, _ = published(tradepit_node, watched, symbols=("A.COM",))
    assert publisher.bootstrap.seeded == 2


def test_a_rate_is_kept_without_waiting_for_answers(tradepit_node: FreshNode) -> None:
    async def waited(publisher: Publisher) -> float:
        begin = asyncio.get_running_loop().time()
        await until(lambda: publisher.tally.sent >= 50)
        return asyncio.get_running_loop().time() - begin

    _, seconds = published(tradepit_node, waited, rate=100.0)
    assert seconds >= 0.45


def test_refusals_are_reported_with_their_reasons(tradepit_node: FreshNode) -> None:
    async def refused(publisher: Publisher) -> int:
        tradepit_node.client.suspend(TAKER)
        return await publisher.submit(5)

    publisher, accepted = published(tradepit_node, refused)
    assert accepted == 0
    assert publisher.tally.refused == {"account_suspended": 5}
    assert "account_suspended" in (publisher.tally.last_failure or "")


def test_a_halted_instrument_gets_no_orders(
    tradepit_node: FreshNode, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(publisher_module, "LOOK_S", 0.02)

    async def halted(publisher: Publisher) -> int:
        tradepit_node.client.set_phase("A.COM", "halted")
        await until(lambda: publisher.symbols == ["B.COM"])
        return await publisher.submit(10)

    publisher, _ = published(tradepit_node, halted, symbols=("A.COM", "B.COM"))
    assert not publisher.tally.refused
    assert {one.instrument for one in tradepit_node.client.account_trades(TAKER)} == {"B.COM"}


def test_orders_that_nobody_answers_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(publisher_module, "IN_FLIGHT_MAX", 3)
    monkeypatch.setattr(publisher_module, "LEAVE_S", 0.05)
    instrument = {"symbol": "A.COM", "tick_size": "0.01", "lot_size": "1"}
    listed = {"items": [instrument | {"phase": "continuous", "reference_price": "50"}]}

    async def answer(request: httpx.Request) -> httpx.Response:
        if request.url.path.endswith("/orders"):
            await asyncio.Event().wait()
        if request.url.path.endswith("/quotes/A.COM") and request.method == "GET":
            return httpx.Response(200, json={"instrument": "A.COM", "client_id": "q"})
        if request.url.path.endswith("/limits"):
            return httpx.Response(200, json={"id": "x"})
        return httpx.Response(200, json=listed if request.method == "GET" else {"id": "x"})

    async def run() -> Publisher:
        transport = httpx.MockTransport(answer)
        async with AsyncClient("http://node", transport=transport, retries=NO_RETRIES) as client:
            publisher = Publisher(client, rate=500.0, seed=1)
            running = asyncio.create_task(publisher.run())
            async with asyncio.timeout(30):
                await until(lambda: publisher.tally.skipped >= 20)
            publisher.stop()
            await running
            return publisher

    publisher = asyncio.run(run())
    assert publisher.tally.sent == 3


@pytest.mark.parametrize("failure", ["refused connection", "503"])
def test_an_order_is_tried_again_under_its_key(failure: str) -> None:
    keys = []

    def answer(request: httpx.Request) -> httpx.Response:
        if request.url.path == "/health":
            return httpx.Response(200)
        keys.append(request.headers["Idempotency-Key"])
        if len(keys) > 2:
            return httpx.Response(201, json=ORDER)
        if failure == "503":
            return httpx.Response(503, json={"code": "node_stopping", "status": 503})
        raise httpx.ConnectError("refused")

    async def run() -> Any:
        transport = httpx.MockTransport(answer)
        async with AsyncClient("http://node", transport=transport, retries=NO_RETRIES) as client:
            return await Courier(client).deliver(PLACE, "key-1")

    delivery = asyncio.run(run())
    assert keys == ["key-1"] * 3
    assert delivery.attempts == 3
    assert delivery.order is not None


def test_an_order_that_no_node_answers_in_time_is_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delivery_module, "PATIENCE_S", 0.3)
    paths: Counter[str] = Counter()

    def answer(request: httpx.Request) -> httpx.Response:
        paths[request.url.path] += 1
        raise httpx.ReadTimeout("nothing came")

    async def run() -> list[Any]:
        transport = httpx.MockTransport(answer)
        async with AsyncClient("http://node", transport=transport, retries=NO_RETRIES) as client:
            courier = Courier(client)
            found = [await courier.deliver(PLACE, "key-1")]
            found += await asyncio.gather(*(courier.deliver(PLACE, f"k-{n}") for n in range(50)))
            await courier.close()
            return found

    first, *others = asyncio.run(run())
    assert first.is_unknown
    assert first.refusal is None
    assert first.attempts == 1
    assert all(delivery.is_unknown and not delivery.attempts for delivery in others)
    assert paths["/api/v1/orders"] == 1
    assert 0 < paths["/health"] < 10


def asked(
    node: FreshNode, requests: Callable[[httpx.AsyncClient], Awaitable[T]]
) -> tuple[Publisher, T]:
    """What a publisher's own port answers."""

    async def meanwhile(publisher: Publisher) -> T:
        pages = Pages(PublisherPages(publisher).routes(), is_loopback=True)
        with bind("127.0.0.1", 0) as listener:
            base = f"http://127.0.0.1:{listener.getsockname()[1]}"
            async with (
                PageServer(pages, listener),
                httpx.AsyncClient(base_url=base, trust_env=False, timeout=30) as http,
            ):
                return await requests(http)

    return published(node, meanwhile, symbols=("A.COM", "B.COM"))


def test_orders_are_submitted_on_request(tradepit_node: FreshNode) -> None:
    async def requests(http: httpx.AsyncClient) -> list[Any]:
        submitted = await http.post("/publisher/submit-orders?count=7")
        status = await http.get("/status")
        metrics = await http.get("/metrics")
        failure = await http.get("/publisher/last-failure")
        health = await http.get("/health")
        return [submitted.json(), status.json(), metrics.text, failure.text, health.json()]

    _, (count, status, metrics, failure, health) = asked(tradepit_node, requests)
    assert count == 7
    assert status["orders"]["accepted"] == 7
    assert "tradepit_external_accepted_total 7.0" in metrics
    assert failure == "none"
    assert health == {"status": "ok", "ready": True}


def test_quotes_are_seeded_on_request_where_none_stand(tradepit_node: FreshNode) -> None:
    async def requests(http: httpx.AsyncClient) -> list[Any]:
        for symbol in ("A.COM", "B.COM"):
            tradepit_node.client.end_quote(symbol, client_id=SEEDER)
        first = await http.post("/publisher/seed-quotes", content=json.dumps(["A.COM"]))
        again = await http.post("/publisher/seed-quotes", content=json.dumps(["A.COM"]))
        return [first.json(), again.json()]

    _, (first, again) = asked(tradepit_node, requests)
    assert len(first) == 1
    order = tradepit_node.client.order(first[0])
    assert (order.instrument, order.client_id, order.quantity) == ("A.COM", SEEDER, 1000)
    assert again == []


@pytest.mark.parametrize(
    ("method", "target", "body", "status", "code"),
    [
        ("POST", "/publisher/submit-orders?count=0", "", 400, "invalid_field"),
        ("POST", "/publisher/submit-orders?count=x", "", 400, "invalid_field"),
        ("POST", "/publisher/submit-orders?count=10001", "", 400, "invalid_field"),
        ("POST", "/publisher/seed-quotes", '["ABC"]', 404, "unknown_instrument"),
        ("POST", "/publisher/seed-quotes", '{"a": 1}', 400, "malformed_body"),
        ("POST", "/publisher/seed-quotes", " " * 70_000, 413, "too_large"),
        ("GET", "/publisher/submit-orders", "", 405, "method_not_allowed"),
    ],
)
def test_what_the_port_does_not_understand_is_a_problem_document(
    tradepit_node: FreshNode, method: str, target: str, body: str, status: int, code: str
) -> None:
    _, answer = asked(tradepit_node, lambda http: http.request(method, target, content=body))
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["code"] == code


@pytest.mark.parametrize(
    "headers", [{"Origin": "http://elsewhere.example"}, {"Host": "elsewhere.example:18083"}]
)
def test_a_page_from_elsewhere_sends_no_orders(
    tradepit_node: FreshNode, headers: dict[str, str]
) -> None:
    target = "/publisher/submit-orders?count=3"
    publisher, answer = asked(tradepit_node, lambda http: http.post(target, headers=headers))
    assert answer.status_code == 403
    assert publisher.tally.sent == 0
