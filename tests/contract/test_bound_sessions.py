"""Sessions of accounts on WebSockets: orders that leave with their connection, and only they."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from tests.contract.served_market import ServedMarket, Trader, until
from tests.contract.wire_socket import WireSocket


@pytest.fixture
def wire(market: ServedMarket) -> Iterator[WireSocket]:
    connection = WireSocket(market.port)
    yield connection
    connection.close()


def bind(wire: WireSocket, client_id: str, name: str = "desk", **more: Any) -> dict[str, Any]:
    answer = wire.ask({"op": "bind_session", "client_id": client_id, "name": name} | more)
    assert (answer["op"], answer["status"]) == ("bind_session", 200), answer
    found: dict[str, Any] = answer["result"]
    return found


def place(trader: Trader, wire: WireSocket, **more: Any) -> str:
    order = {"op": "place"} | trader.order(trader.alice, "buy", "90", "1", **more)
    answer = wire.ask(order)
    assert answer["status"] == 201, answer
    return str(answer["order"]["id"])


def status_of(trader: Trader, order_id: str) -> str:
    return str(trader.http.get(f"/orders/{order_id}").json()["status"])


def sessions(trader: Trader) -> list[dict[str, Any]]:
    answer = trader.http.get(f"/accounts/{trader.alice}/sessions")
    assert answer.status_code == 200
    found: list[dict[str, Any]] = answer.json()["items"]
    return found


def test_orders_of_a_bound_session_leave_with_the_connection_and_others_stay(
    trader: Trader, wire: WireSocket
) -> None:
    before = place(trader, wire)
    bound = bind(wire, trader.alice)
    own = [place(trader, wire), place(trader, wire, time_in_force="day")]
    elsewhere = trader.place(trader.alice, "buy", "91", "1").json()["id"]
    assert sessions(trader) == [
        {
            "session": bound["session"],
            "name": "desk",
            "binding": bound["binding"],
            "cancel_on_disconnect": True,
        }
    ]
    wire.close()
    until(lambda: not sessions(trader))
    assert [status_of(trader, order_id) for order_id in own] == ["cancelled", "cancelled"]
    assert [status_of(trader, order_id) for order_id in (before, elsewhere)] == ["new", "new"]


def test_a_session_without_cancel_on_disconnect_leaves_its_orders(
    trader: Trader, wire: WireSocket
) -> None:
    bind(wire, trader.alice, cancel_on_disconnect=False)
    order_id = place(trader, wire)
    wire.close()
    until(lambda: not sessions(trader))
    assert status_of(trader, order_id) == "new"


def test_the_end_of_an_old_connection_never_touches_a_session_bound_anew(
    trader: Trader, wire: WireSocket
) -> None:
    first = bind(wire, trader.alice)
    order_id = place(trader, wire)
    with_again = WireSocket(trader.market.port)
    again = bind(with_again, trader.alice)
    assert again["session"] == first["session"]
    assert int(again["binding"]) > int(first["binding"])
    wire.close()
    # What the node does about the old connection comes before what is asked later.
    other = WireSocket(trader.market.port)
    bind(other, trader.alice, "other")
    other.close()
    until(lambda: [session["name"] for session in sessions(trader)] == ["desk"])
    assert status_of(trader, order_id) == "new"
    assert place(trader, with_again) != order_id
    with_again.close()
    until(lambda: not sessions(trader))
    assert status_of(trader, order_id) == "cancelled"


def test_orders_right_behind_a_bind_belong_to_the_session(trader: Trader, wire: WireSocket) -> None:
    order = {"op": "place"} | trader.order(trader.alice, "buy", "90", "1")
    wire.send({"op": "bind_session", "client_id": trader.alice, "name": "quick"})
    for number in range(3):
        wire.send({"id": number} | order)
    answers = [wire.receive() for _ in range(4)]
    assert [answer["status"] for answer in answers] == [200, 201, 201, 201]
    assert [answer["id"] for answer in answers] == [None, 0, 1, 2]
    wire.close()
    until(lambda: not sessions(trader))
    orders = [status_of(trader, answer["order"]["id"]) for answer in answers[1:]]
    assert orders == ["cancelled"] * 3


def test_orders_behind_a_bind_do_not_outlive_a_connection_that_is_gone(
    trader: Trader, wire: WireSocket
) -> None:
    order = {"op": "place"} | trader.order(trader.alice, "buy", "90", "1")
    node, rounds = trader.market.opened.node, 20
    before = node.replica.sequence
    for _ in range(rounds):
        wire.send({"op": "bind_session", "client_id": trader.alice, "name": "brief"})
        for _ in range(3):
            wire.send(order)
        wire.close()
        wire = WireSocket(trader.market.port)
    wire.close()
    until(lambda: node.replica.sequence >= before + 2 * rounds and not sessions(trader))
    resting = trader.http.get("/orders", params={"client_id": trader.alice, "status": "open"})
    assert resting.json()["items"] == []


def test_a_connection_that_subscribes_keeps_its_sessions(trader: Trader, wire: WireSocket) -> None:
    bind(wire, trader.alice)
    before = place(trader, wire)
    answer = wire.ask({"op": "subscribe", "channel": f"trades:{trader.symbol}"})
    assert answer["status"] == 200
    after = place(trader, wire)
    bind(wire, trader.alice, "second")
    assert [session["name"] for session in sessions(trader)] == ["desk", "second"]
    wire.close()
    until(lambda: not sessions(trader))
    assert [status_of(trader, order_id) for order_id in (before, after)] == [
        "cancelled",
        "cancelled",
    ]


def test_a_session_opens_the_account_of_a_new_client(trader: Trader, wire: WireSocket) -> None:
    name = f"fresh-{trader.number}"
    bind(wire, name)
    assert trader.http.get(f"/accounts/{name}/sessions").json()["items"][0]["name"] == "desk"


@pytest.mark.parametrize(
    ("more", "code", "field"),
    [
        ({"name": None}, "invalid_field", "name"),
        ({"name": ""}, "invalid_name", "name"),
        ({"name": "two words"}, "invalid_name", "name"),
        ({"name": "x" * 65}, "invalid_name", "name"),
        ({"client_id": None}, "invalid_field", "client_id"),
        ({"client_id": "two words"}, "invalid_account_id", "client_id"),
    ],
)
def test_a_session_of_the_wrong_form_is_refused(
    trader: Trader, wire: WireSocket, more: dict[str, Any], code: str, field: str
) -> None:
    answer = wire.ask({"op": "bind_session", "client_id": trader.alice, "name": "desk"} | more)
    assert (answer["status"], answer["problem"]["code"]) == (400, code)
    assert answer["problem"]["field"] == field


def test_a_connection_holds_so_many_sessions_and_no_more(trader: Trader, wire: WireSocket) -> None:
    for number in range(16):
        bind(wire, trader.alice, f"s{number}")
    answer = wire.ask({"op": "bind_session", "client_id": trader.alice, "name": "more"})
    assert (answer["status"], answer["problem"]["code"]) == (422, "too_many_sessions")
    wire.close()
    until(lambda: not sessions(trader))


def test_the_dead_man_timer_is_set_over_the_socket(trader: Trader, wire: WireSocket) -> None:
    order_id = place(trader, wire)
    timer = {"op": "dead_man", "client_id": trader.alice, "timeout_ms": 60_000}
    answer = wire.ask(timer)
    assert (answer["status"], answer["result"]["timeout_ms"]) == (200, 60_000)
    assert wire.ask(timer | {"timeout_ms": 100})["result"]["expires_at"] is not None
    until(lambda: status_of(trader, order_id) == "cancelled")
    assert wire.ask(timer | {"timeout_ms": -1})["status"] == 400
    refused = wire.ask({"op": "dead_man", "client_id": trader.alice})
    assert refused["problem"]["field"] == "timeout_ms"


def test_the_node_counts_the_sessions_that_it_keeps(trader: Trader, wire: WireSocket) -> None:
    node = trader.market.opened.node

    def kept() -> int:
        return trader.market.call(lambda: node.keeps_sessions)

    before = kept()
    bind(wire, trader.alice)
    bind(wire, trader.alice)
    assert kept() == before + 1
    wire.close()
    until(lambda: kept() <= before)
