"""Sockets in key mode: signatures and tickets, what a key may say, and when it is over."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.contract.keyed_market import OPTIONS, KeyedMarket, order
from tests.contract.served_market import until
from tests.contract.signing import Pair, SignedHttp, headers_of
from tests.contract.wire_socket import Closed, WireSocket, status_of

from tradepit.access.access import AccessOptions, open_keys

ENDED = 4001


@pytest.fixture(scope="module", params=[True, False], ids=["hot", "asgi"])
def market(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[KeyedMarket]:
    keyed = KeyedMarket(tmp_path_factory.mktemp("keyed"), hot_path=request.param)
    yield keyed
    keyed.close()


@pytest.fixture
def sockets() -> Iterator[list[WireSocket]]:
    opened: list[WireSocket] = []
    yield opened
    for each in opened:
        each.close()


def ticket_of(client: SignedHttp, **body: Any) -> str:
    answer = client.send("POST", "/api/v1/sessions", body)
    assert answer.status_code == 201, answer.text
    return str(answer.json()["ticket"])


def signed(market: KeyedMarket, pair: Pair, path: str = "/ws") -> WireSocket:
    return WireSocket(market.port, path, **headers_of(pair, "GET", path))


@pytest.mark.parametrize("path", ["/ws", "/ws/trades", "/api/v1/ws", "/api/v1/ws/trades"])
def test_a_socket_needs_a_signature_or_a_ticket(market: KeyedMarket, path: str) -> None:
    port, ticket = market.port, ticket_of(market.alice)
    alice = market.alice_pair
    assert status_of(port, path) == 401
    assert status_of(port, path, **headers_of(Pair(alice.key, "wrong"), "GET", path)) == 401
    assert status_of(port, path, **headers_of(alice, "GET", "/health")) == 401
    assert status_of(port, path, **headers_of(alice, "GET", path)) == 101
    assert status_of(port, path, **{"X-Ticket": ticket}) == 101
    assert status_of(port, path, Cookie=f"a=b; tradepit_ticket={ticket}") == 101
    assert status_of(port, f"{path}?ticket={ticket}") == 101
    assert status_of(port, f"{path}?ticket={ticket}x") == 401
    used = headers_of(alice, "GET", path)
    assert [status_of(port, path, **used) for _ in range(2)] == [101, 401]


def test_a_ticket_opens_ordinary_routes_by_header_and_cookie_only(market: KeyedMarket) -> None:
    ticket = ticket_of(market.alice)
    target = "/api/v1/orders"
    nobody = market.nobody
    assert nobody.send("GET", target, X_Ticket=ticket).status_code == 200
    assert nobody.send("GET", target, Cookie=f"tradepit_ticket={ticket}").status_code == 200
    assert nobody.send("GET", f"{target}?ticket={ticket}").status_code == 401
    placed = nobody.send("POST", target, order(), X_Ticket=ticket)
    assert (placed.status_code, placed.json()["client_id"]) == (201, "alice")
    again = nobody.send("POST", "/api/v1/sessions", {}, X_Ticket=ticket)
    assert (again.status_code, again.json()["code"]) == (403, "forbidden")


def test_a_ticket_may_be_good_for_less_than_its_key_and_never_for_more(
    market: KeyedMarket,
) -> None:
    ticket = ticket_of(market.alice, permission="read")
    answer = market.nobody.send("POST", "/api/v1/orders", order(), X_Ticket=ticket)
    assert answer.status_code == 403
    more = market.reader.send("POST", "/api/v1/sessions", {"permission": "trade"})
    assert more.status_code == 403
    facts = market.nobody.send("GET", "/api/v1/sessions", X_Ticket=ticket).json()
    assert (facts["account"], facts["permission"]) == ("alice", "read")


def test_the_cookie_is_kept_from_scripts_and_from_other_sites(market: KeyedMarket) -> None:
    answer = market.alice.send("POST", "/api/v1/sessions", {"cookie": True})
    cookie = answer.headers["set-cookie"]
    assert cookie.startswith("tradepit_ticket=")
    assert "HttpOnly" in cookie
    assert "SameSite=Strict" in cookie
    assert "set-cookie" not in market.alice.send("POST", "/api/v1/sessions", {}).headers


def test_a_socket_speaks_for_its_account_alone(
    market: KeyedMarket, sockets: list[WireSocket]
) -> None:
    wire = signed(market, market.alice_pair)
    sockets.append(wire)
    placed = wire.ask({"op": "place"} | order())
    assert (placed["status"], placed["order"]["client_id"]) == (201, "alice")
    own = wire.ask({"op": "place"} | order(client_id="alice"))
    assert own["status"] == 201
    theirs = market.bob.send("POST", "/api/v1/orders", order()).json()["id"]
    before = market.served.state_hash()
    for message in (
        {"op": "place"} | order(client_id="bob"),
        {"op": "place", "time_in_force": "ioc"} | order(client_id="bob"),
        {"op": "cancel", "order_id": theirs, "client_id": "bob"},
        {"op": "replace", "order_id": theirs, "client_id": "bob", "price": "1"},
        {"op": "mass_cancel", "client_id": "bob"},
        {"op": "subscribe", "channel": "execution", "client_id": "bob"},
        {"op": "subscribe", "channel": "positions", "client_id": "bob"},
        {"op": "subscribe", "channel": "orders:BTC-USD", "client_id": "bob"},
    ):
        answer = wire.ask(message)
        assert (answer["status"], answer["problem"]["code"]) == (403, "forbidden"), message
    assert wire.ask({"op": "replace", "order_id": theirs, "price": "1"})["status"] == 404
    assert market.served.state_hash() == before
    cancelled = wire.ask({"op": "cancel", "order_id": theirs})
    assert (cancelled["status"], cancelled["problem"]["code"]) == (404, "unknown_order")
    missing = wire.ask({"op": "cancel", "order_id": "999999999"})
    assert missing["problem"] == cancelled["problem"]
    assert wire.ask({"op": "mass_cancel"})["result"]["cancelled"] >= 2
    assert market.bob.send("GET", f"/api/v1/orders/{theirs}").json()["status"] == "new"


def test_a_reading_socket_subscribes_and_places_nothing(
    market: KeyedMarket, sockets: list[WireSocket]
) -> None:
    wire = signed(market, market.reader_pair)
    sockets.append(wire)
    before = market.served.state_hash()
    for message in ({"op": "place"} | order(client_id="alice"), {"op": "mass_cancel"}):
        assert wire.ask(message)["status"] == 403
    assert market.served.state_hash() == before
    assert wire.ask({"op": "subscribe", "channel": "book:BTC-USD"})["status"] == 200
    assert wire.ask({"op": "subscribe", "channel": "execution"})["status"] == 200
    placed = market.alice.send("POST", "/api/v1/orders", order(price="60000")).json()
    while True:
        message = wire.receive()
        if message.get("data", {}).get("order", {}).get("id") == placed["id"]:
            break


def test_a_keys_own_orders_and_positions_are_known_without_a_name(
    market: KeyedMarket, sockets: list[WireSocket]
) -> None:
    wire = signed(market, market.reader_pair)
    sockets.append(wire)
    wire.send({"op": "subscribe", "channel": "positions"})
    assert wire.receive()["client_id"] == "alice"
    wire.send({"op": "subscribe", "channel": "orders:BTC-USD"})
    assert "snapshot" in wire.receive()
    placed = [
        client.send("POST", "/api/v1/orders", order(price="60001")).json()["id"]
        for client in (market.alice, market.bob)
    ]
    owned = {}
    while len(owned) < len(placed):
        data = wire.receive()["data"]
        if data["order_id"] in placed:
            owned[data["order_id"]] = data.get("own", False)
    assert owned == {placed[0]: True, placed[1]: False}


def closing_of(wire: WireSocket) -> Closed:
    while True:
        try:
            wire.receive()
        except Closed as closed:
            return closed


def test_sockets_end_when_their_key_is_revoked(
    market: KeyedMarket, sockets: list[WireSocket]
) -> None:
    pair = market.make_key("alice", "trade")
    client = market.client(pair)
    ticket = ticket_of(client)
    sockets += [
        signed(market, pair),
        WireSocket(market.port, f"/ws/trades?ticket={ticket}"),
        signed(market, market.alice_pair),
    ]
    answer = market.admin.send("DELETE", f"/api/v1/keys/{pair.key}")
    assert answer.json()["revoked_at"] is not None
    assert [closing_of(wire).code for wire in sockets[:2]] == [ENDED, ENDED]
    assert sockets[2].ask({"op": "ping"})["op"] == "pong"
    assert client.send("GET", "/api/v1/orders").status_code == 401
    assert status_of(market.port, f"/ws?ticket={ticket}") == 401


def test_a_key_revoked_beside_the_node_is_noticed(
    market: KeyedMarket, sockets: list[WireSocket]
) -> None:
    pair = market.make_key("alice", "trade")
    sockets.append(signed(market, pair))
    beside = open_keys(market.root)
    record = beside.find(pair.key)
    assert record is not None
    beside.revoke(record)
    beside.close()
    assert closing_of(sockets[0]).code == ENDED


def test_sockets_end_with_their_session(tmp_path: Path, sockets: list[WireSocket]) -> None:
    options = AccessOptions(
        key_rate=OPTIONS.key_rate,
        address_rate=OPTIONS.address_rate,
        failure_rate=OPTIONS.failure_rate,
        session_s=2.0,
        nonce_slots=1 << 12,
    )
    market = KeyedMarket(tmp_path, options=options)
    try:
        ticket = ticket_of(market.alice)
        sockets += [
            WireSocket(market.port, f"/ws?ticket={ticket}"),
            WireSocket(market.port, f"/ws?ticket={ticket_of(market.bob)}"),
        ]
        begin = time.monotonic()
        ended = market.nobody.send("DELETE", "/api/v1/sessions", X_Ticket=ticket)
        assert ended.status_code == 200
        assert closing_of(sockets[0]).code == ENDED
        assert time.monotonic() - begin < 1.5
        assert closing_of(sockets[1]).code == ENDED
        assert time.monotonic() - begin < 5.0
        assert market.nobody.send("GET", "/api/v1/orders", X_Ticket=ticket).status_code == 401
    finally:
        market.close()


def test_a_key_binds_sessions_and_sets_timers_of_its_own_account_only(
    market: KeyedMarket, sockets: list[WireSocket]
) -> None:
    reader = signed(market, market.reader_pair)
    alice = signed(market, market.alice_pair)
    sockets += [reader, alice]
    bind = {"op": "bind_session", "name": "desk"}
    timer = {"op": "dead_man", "timeout_ms": 0}
    for message in (bind, timer):
        assert reader.ask(message)["problem"]["code"] == "forbidden"
        stranger = alice.ask(message | {"client_id": "bob"})
        assert (stranger["status"], stranger["problem"]["code"]) == (403, "forbidden")
        assert alice.ask(message)["status"] == 200
    held = market.alice.send("GET", "/api/v1/accounts/alice/sessions").json()["items"]
    assert [item["name"] for item in held] == ["desk"]
    alice.close()
    path = "/api/v1/accounts/alice/sessions"
    until(lambda: not market.alice.send("GET", path).json()["items"])
