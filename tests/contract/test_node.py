"""What operators and readers of the interface see: liveness, metrics, documents, pages."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from litestar import Litestar
from tests.contract.served_market import ServedMarket, Trader

from tradepit.gateway.access import OpenAccessRefused, require_loopback
from tradepit.gateway.config import GatewayConfig
from tradepit.gateway.openapi import ROUTES, SOCKETS
from tradepit.gateway.problems import CODES


def test_a_node_is_alive_and_ready(trader: Trader) -> None:
    for path, status in (("/health", "alive"), ("/ready", "ready")):
        answer = trader.http.get(trader.market.url + path)
        assert answer.status_code == 200
        assert answer.json()["status"] == status
        assert answer.json()["sequence"] > 0


def test_metrics_count_what_was_done(trader: Trader) -> None:
    def metrics() -> dict[str, float]:
        answer = trader.http.get(f"{trader.market.url}/metrics")
        assert answer.headers["content-type"].startswith("text/plain")
        return {
            name: float(value)
            for name, value in re.findall(r"^(\w+) ([0-9.e+-]+)$", answer.text, re.MULTILINE)
        }

    before = metrics()
    trader.place(trader.alice, "buy", "90", "1", key="k")
    after = metrics()
    assert after["tradepit_answers_total"] - before["tradepit_answers_total"] == 1
    assert after["tradepit_sequence"] - before["tradepit_sequence"] == 1
    assert after["tradepit_idempotency_keys"] - before["tradepit_idempotency_keys"] == 1
    assert {"tradepit_connections", "tradepit_sockets", "tradepit_accounts"} <= set(after)


def test_the_description_names_every_route_and_every_code(trader: Trader) -> None:
    document = trader.http.get(f"{trader.market.url}/openapi.json").json()
    assert document["openapi"] == "3.1.0"
    assert set(document["x-problem-codes"]) == set(CODES)
    app: Litestar = trader.market.server.app
    served = {
        (method.lower(), re.sub(r"\{(\w+):str\}", r"{\1}", route.path))
        for route in app.routes
        for method in route.methods  # type: ignore[union-attr]
        if method != "OPTIONS"
    }
    pages = {("get", path) for path in ("/", "/docs", "/openapi.json", "/ws", "/ws/trades")}
    pages.add(("get", "/ws/replays/{replay_id}"))
    sockets = {("get", path) for path in SOCKETS}
    assert served - pages - sockets == {(route.method, route.path) for route in ROUTES}
    assert set(SOCKETS) <= set(document["paths"])


def test_every_reference_of_the_description_leads_somewhere(trader: Trader) -> None:
    text = trader.http.get(f"{trader.market.url}/openapi.json").text
    document: dict[str, Any] = trader.http.get(f"{trader.market.url}/openapi.json").json()
    names = set(re.findall(r'"#/components/schemas/(\w+)"', text))
    assert names <= set(document["components"]["schemas"])


@pytest.mark.parametrize("path", ["/", "/docs"])
def test_pages_load_nothing_from_elsewhere(trader: Trader, path: str) -> None:
    answer = trader.http.get(trader.market.url + path)
    assert answer.status_code == 200
    assert "default-src 'self'" in answer.headers["content-security-policy"]
    elsewhere = re.findall(r'(?:src|href)="(?:https?:)?//[^"]*"', answer.text)
    assert [link for link in elsewhere if "<script" in link or "src=" in link] == []


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.5", "example.com", ""])
def test_without_keys_only_loopback_addresses_are_served(host: str) -> None:
    with pytest.raises(OpenAccessRefused):
        require_loopback(host)


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.8.8", "::1", "localhost"])
def test_loopback_addresses_are_served(host: str) -> None:
    require_loopback(host)


def test_a_stopped_node_answers_that_nothing_was_done(tmp_path: Path) -> None:
    served = ServedMarket(tmp_path, GatewayConfig())
    trader = Trader(served)
    trader.list_instrument()
    served.wait(served.opened.node.stop)
    answer = trader.place(trader.alice, "buy", "90", "1")
    assert answer.status_code == 503
    problem = answer.json()
    assert (problem["code"], problem["outcome"]) == ("not_available", "rejected")
    assert int(answer.headers["retry-after"]) > 0
    assert trader.http.get(f"{served.url}/ready").status_code == 503
    assert trader.http.get(f"{served.url}/health").status_code == 200
    assert trader.http.get("/orders").status_code == 200
    trader.close()
    served.stop()
