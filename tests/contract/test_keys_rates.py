"""How often a key, an address, and whoever fails to sign, may ask."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.contract.keyed_market import UNLIMITED, KeyedMarket, order
from tests.contract.signing import SignedHttp, headers_of
from tests.contract.wire_socket import WireSocket, status_of

from tradepit.access.access import AccessOptions
from tradepit.access.rates import Rate

Make = Callable[..., KeyedMarket]


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Make]:
    made: list[KeyedMarket] = []

    def build(*, hot_path: bool = True, **rates: Any) -> KeyedMarket:
        usual = {"key_rate": UNLIMITED, "address_rate": UNLIMITED, "failure_rate": UNLIMITED}
        options = AccessOptions(nonce_slots=1 << 12, **(usual | rates))
        made.append(KeyedMarket(tmp_path / str(len(made)), hot_path=hot_path, options=options))
        return made[-1]

    yield build
    for market in made:
        market.close()


def statuses(client: SignedHttp, count: int, **headers: str) -> list[int]:
    return [
        client.send("POST", "/api/v1/orders", order(), **headers).status_code for _ in range(count)
    ]


@pytest.mark.parametrize("hot_path", [True, False], ids=["hot", "asgi"])
def test_a_key_has_its_own_rate(make: Make, hot_path: bool) -> None:
    market = make(hot_path=hot_path, key_rate=Rate(0.5, 6))
    found = statuses(market.alice, 8)
    assert found == [201] * 6 + [429] * 2
    refused = market.alice.send("POST", "/api/v1/orders", order())
    assert (refused.json()["code"], refused.json()["outcome"]) == ("rate_limited", "rejected")
    assert int(refused.headers["retry-after"]) in (1, 2)
    assert market.bob.send("GET", "/api/v1/orders").status_code == 200
    time.sleep(2.1)
    assert market.alice.send("POST", "/api/v1/orders", order()).status_code == 201


@pytest.mark.parametrize("hot_path", [True, False], ids=["hot", "asgi"])
def test_each_operation_of_a_batch_counts(make: Make, hot_path: bool) -> None:
    market = make(hot_path=hot_path, key_rate=Rate(0.001, 20))
    batch = {"client_id": "alice", "operations": [{"op": "place"} | order() for _ in range(9)]}
    found = [market.alice.send("POST", "/api/v1/orders/batch", batch) for _ in range(3)]
    assert [answer.status_code for answer in found] == [200, 200, 429]


@pytest.mark.parametrize("hot_path", [True, False], ids=["hot", "asgi"])
def test_failures_of_an_address_are_limited_whatever_the_key(make: Make, hot_path: bool) -> None:
    market = make(hot_path=hot_path, failure_rate=Rate(0.5, 5))
    assert statuses(market.stranger, 7) == [401] * 5 + [429] * 2
    assert market.alice.send("GET", "/api/v1/orders").status_code == 429
    assert status_of(market.port, "/ws", **headers_of(market.alice_pair, "GET", "/ws")) == 429
    assert market.nobody.http.get("/health").status_code == 200
    time.sleep(2.1)
    assert market.alice.send("GET", "/api/v1/orders").status_code == 200


@pytest.mark.parametrize("hot_path", [True, False], ids=["hot", "asgi"])
def test_an_address_has_its_own_rate(make: Make, hot_path: bool) -> None:
    market = make(hot_path=hot_path, address_rate=Rate(0.001, 10))
    used = 3  # requests that opened the accounts and made a key
    assert statuses(market.alice, 10) == [201] * (10 - used) + [429] * used
    assert market.bob.send("GET", "/api/v1/orders").status_code == 429


def test_a_known_proxy_names_the_address(make: Make) -> None:
    market = make(failure_rate=Rate(0.001, 2), proxies=frozenset({"127.0.0.1"}))
    attacker = {"X_Forwarded_For": "9.9.9.9, 10.0.0.1"}
    assert statuses(market.stranger, 3, **attacker) == [401, 401, 429]
    assert statuses(market.alice, 1, X_Forwarded_For="10.0.0.2") == [201]
    assert statuses(market.alice, 1, X_Forwarded_For="10.0.0.1") == [429]


def test_nobody_else_names_the_address(make: Make) -> None:
    market = make(failure_rate=Rate(0.001, 2))
    for number in range(2):
        statuses(market.stranger, 1, X_Forwarded_For=f"10.0.0.{number}")
    assert statuses(market.stranger, 1, X_Forwarded_For="10.0.0.9") == [429]


def test_messages_of_a_socket_count(make: Make) -> None:
    market = make(key_rate=Rate(0.001, 5))
    wire = WireSocket(market.port, "/ws", **headers_of(market.alice_pair, "GET", "/ws"))
    found = [wire.ask({"op": "place"} | order())["status"] for _ in range(6)]
    wire.close()
    assert found == [201] * 4 + [429] * 2
