"""The pages of a maker, over its own port, while its node is away."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import httpx

from tradepit.makers.live.node import MakerNode, MakerOptions
from tradepit.makers.live.pages import MakerPages
from tradepit.makers.live.sender import Speaker
from tradepit.observe.own_port import Pages, PageServer, bind

Test = Callable[[httpx.AsyncClient], Awaitable[None]]


def served(test: Test, *, faults: bool = False) -> None:
    """Run a test against the pages of a maker without a node."""

    async def work() -> None:
        options = MakerOptions(
            speaker=Speaker("F", "mm-0", 7), url="http://127.0.0.1:9", fault_injection=faults
        )
        node = MakerNode(options)
        with bind("127.0.0.1", 0) as listener:
            url = f"http://127.0.0.1:{listener.getsockname()[1]}"
            async with (
                PageServer(Pages(MakerPages(node).routes(), is_loopback=True), listener),
                httpx.AsyncClient(base_url=url, trust_env=False) as client,
            ):
                await test(client)
        await node.client_of(None).close()

    asyncio.run(work())


def test_a_maker_without_a_node_is_alive_but_not_ready() -> None:
    async def test(client: httpx.AsyncClient) -> None:
        health = await client.get("/health")
        assert (health.status_code, health.json()["name"]) == (200, "mm-0")
        ready = await client.get("/ready")
        assert (ready.status_code, ready.json()["code"]) == (503, "no_lease")
        status = (await client.get("/status/")).json()
        assert (status["epoch"], status["assigned"], status["symbols"]) == (7, [], [])
        assert status["lease"]["held"] is False

    served(test)


def test_metrics_are_prometheus_text() -> None:
    async def test(client: httpx.AsyncClient) -> None:
        answer = await client.get("/metrics")
        assert answer.headers["content-type"].startswith("text/plain")
        assert "tradepit_maker_lease_held 0.0" in answer.text
        assert "# TYPE tradepit_maker_quote_round_trip_seconds histogram" in answer.text
        assert 'tradepit_maker_quote_round_trip_seconds_bucket{le="+Inf"} 0.0' in answer.text

    served(test)


def test_faults_need_a_process_started_for_them() -> None:
    async def test(client: httpx.AsyncClient) -> None:
        fault = {"at": "before_quote", "do": "drop"}
        answer = await client.post("/test/faults", json=fault)
        assert (answer.status_code, answer.json()["code"]) == (403, "no_fault_injection")
        assert (await client.get("/test/faults")).status_code == 403

    served(test)


def test_faults_are_armed_shown_and_cleared() -> None:
    async def test(client: httpx.AsyncClient) -> None:
        fault = {"at": "before_quote", "do": {"delay_ms": 5}, "symbol": "A", "count": 2}
        armed = (await client.post("/test/faults", json=fault)).json()["armed"]
        assert armed == [fault]
        assert (await client.get("/test/faults")).json()["armed"] == [fault]
        assert (await client.delete("/test/faults")).json()["armed"] == []
        wrong = await client.post("/test/faults", json={"at": "nowhere", "do": "drop"})
        assert (wrong.status_code, wrong.json()["code"]) == (400, "invalid_fault")

    served(test, faults=True)
