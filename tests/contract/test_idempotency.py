"""Idempotency over HTTP: the same command once, its answer as often as asked for."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.contract.served_market import MARKET, ServedMarket, Trader
from tests.segments import SMALL_SEGMENTS

from tradepit.gateway.config import GatewayConfig
from tradepit.node.opening import NodeOptions
from tradepit.node.recovery import History


def key_of(trader: Trader, name: str = "k") -> str:
    return f"{name}-{trader.number}"


def test_the_same_order_again_gives_the_original_answer(trader: Trader) -> None:
    trader.place(trader.alice, "sell", "100", "1")
    first = trader.place(trader.bob, "buy", "100", "3", key=key_of(trader))
    assert first.status_code == 201
    trader.place(trader.alice, "sell", "100", "1")
    second = trader.place(trader.bob, "buy", "100.00", "3.0000", key=key_of(trader))
    assert second.status_code == 200
    assert second.headers["idempotent-replayed"] == "true"
    assert second.content == first.content
    assert second.headers["x-sequence"] == first.headers["x-sequence"]
    now = trader.http.get(f"/orders/{first.json()['id']}").json()
    assert now["filled_quantity"] == "2.0000"


@pytest.mark.parametrize(
    "more",
    [
        {},
        {"time_in_force": "ioc"},
        {"time_in_force": "fok"},
        {"type": "market", "price": None},
        {"self_trade_prevention": "decrement", "client_id": "alice"},
        {"self_trade_prevention": "cancel_both", "client_id": "alice"},
        {"post_only": "reprice"},
        {"client_order_id": "own"},
    ],
)
def test_every_kind_of_order_is_replayed_byte_for_byte(
    trader: Trader, more: dict[str, str]
) -> None:
    trader.place(trader.alice, "sell", "100", "1")
    trader.place(trader.alice, "sell", "101", "1")
    body = trader.order(trader.bob, "buy", "102", "3") | more
    if "client_id" in more:
        body["client_id"] = trader.alice
    headers = {"Idempotency-Key": key_of(trader)}
    first = trader.http.post("/orders", json=body, headers=headers)
    assert first.status_code == 201
    again = trader.http.post("/orders", json=body, headers=headers)
    assert (again.status_code, again.content) == (200, first.content)


def test_another_command_under_the_key_is_a_conflict(trader: Trader) -> None:
    trader.place(trader.alice, "buy", "99", "1", key=key_of(trader))
    answer = trader.place(trader.alice, "buy", "98", "1", key=key_of(trader))
    assert (answer.status_code, answer.json()["code"]) == (409, "key_reused")
    order_id = trader.place(trader.alice, "buy", "97", "1").json()["id"]
    headers = {"Idempotency-Key": key_of(trader)}
    params = {"client_id": trader.alice}
    answer = trader.http.delete(f"/orders/{order_id}", params=params, headers=headers)
    assert answer.status_code == 409


def test_keys_are_scoped_to_the_account(trader: Trader) -> None:
    first = trader.place(trader.alice, "buy", "99", "1", key=key_of(trader))
    second = trader.place(trader.bob, "buy", "99", "1", key=key_of(trader))
    assert (first.status_code, second.status_code) == (201, 201)


def test_a_refused_command_is_refused_again(trader: Trader) -> None:
    first = trader.place(trader.alice, "buy", "9999999", "1", key=key_of(trader))
    trader.http.post(
        f"/accounts/{trader.alice}/deposits", json={"asset": "USD", "amount": "99999999"}
    )
    second = trader.place(trader.alice, "buy", "9999999", "1", key=key_of(trader))
    assert (first.status_code, second.status_code) == (422, 422)
    assert second.json()["code"] == first.json()["code"] == "insufficient_funds"
    assert second.headers["idempotent-replayed"] == "true"


def test_the_client_order_id_is_the_key_when_there_is_no_header(trader: Trader) -> None:
    first = trader.place(trader.alice, "buy", "99", "1", client_order_id="mine")
    second = trader.place(trader.alice, "buy", "99", "1", client_order_id="mine")
    assert (second.status_code, second.content) == (200, first.content)
    conflict = trader.place(trader.alice, "buy", "98", "1", client_order_id="mine")
    assert conflict.status_code == 409


def test_with_both_the_header_is_the_key_and_the_id_still_cancels(trader: Trader) -> None:
    trader.place(trader.alice, "buy", "99", "1", client_order_id="mine", key=key_of(trader))
    other = trader.place(
        trader.alice, "buy", "98", "1", client_order_id="mine", key=key_of(trader, "l")
    )
    assert other.status_code == 201
    params = {"client_id": trader.alice, "client_order_id": "mine"}
    assert trader.http.delete("/orders", params=params).json() == {"cancelled": 1}


@pytest.mark.parametrize("key", ["", "two words", "x" * 65, "caf\u00e9", "tab\there"])
def test_a_key_that_is_not_visible_ascii_is_refused(trader: Trader, key: str) -> None:
    before = trader.market.state_hash()
    body = trader.order(trader.alice, "buy", "99", "1")
    headers = {"Idempotency-Key": key.encode("latin-1")}
    answer = trader.http.post("/orders", json=body, headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_key")
    assert trader.market.state_hash() == before


def test_two_keys_are_refused(trader: Trader) -> None:
    body = trader.order(trader.alice, "buy", "99", "1")
    headers = [("Idempotency-Key", "a"), ("Idempotency-Key", "b")]
    answer = trader.http.post("/orders", json=body, headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_key")


def test_cancels_amends_and_mass_cancels_are_replayed(trader: Trader) -> None:
    order_id = trader.place(trader.alice, "buy", "99", "2").json()["id"]
    trader.place(trader.alice, "buy", "98", "2")
    mine = {"client_id": trader.alice}

    def keyed(name: str) -> dict[str, str]:
        return {"Idempotency-Key": key_of(trader, name)}

    calls = [
        ("PATCH", f"/orders/{order_id}", {"json": {"quantity": "1"}}, "amend"),
        ("DELETE", f"/orders/{order_id}", {}, "cancel"),
        ("DELETE", "/orders", {}, "mass"),
    ]
    for method, path, more, name in calls:
        answers = [
            trader.http.request(method, path, params=mine, headers=keyed(name), **more)
            for _ in range(2)
        ]
        assert [answer.status_code for answer in answers] == [200, 200]
        assert answers[0].content == answers[1].content
        assert "idempotent-replayed" not in answers[0].headers
        assert answers[1].headers["idempotent-replayed"] == "true"


def test_an_account_without_an_id_is_opened_once_per_key(trader: Trader) -> None:
    headers = {"Idempotency-Key": key_of(trader)}
    first = trader.http.post("/accounts", json={"name": "x"}, headers=headers)
    second = trader.http.post("/accounts", json={"name": "x"}, headers=headers)
    assert (first.status_code, second.status_code) == (201, 200)
    assert first.json()["id"] == second.json()["id"]


def test_a_deposit_under_a_key_is_made_once(trader: Trader) -> None:
    headers = {"Idempotency-Key": key_of(trader)}
    path, body = f"/accounts/{trader.alice}/deposits", {"asset": "USD", "amount": "5"}
    statuses = [trader.http.post(path, json=body, headers=headers).status_code for _ in range(3)]
    assert statuses == [201, 200, 200]
    balances = trader.http.get(f"/accounts/{trader.alice}").json()["balances"]
    assert {b["asset"]: b["total"] for b in balances}["USD"] == "1000005.00000000"


def test_beyond_the_history_a_repeat_still_does_nothing_and_says_so(tmp_path: Path) -> None:
    options = NodeOptions(
        market=MARKET, journal=SMALL_SEGMENTS, history=History(orders=5, trades=5)
    )
    served = ServedMarket(tmp_path, GatewayConfig(), options)
    trader = Trader(served)
    trader.list_instrument()
    first = trader.place(trader.alice, "buy", "90", "1", time_in_force="ioc", key="first")
    live = trader.place(trader.alice, "buy", "91", "1", key="live")
    for _ in range(40):
        trader.place(trader.alice, "buy", "90", "1", time_in_force="ioc")
    again = trader.place(trader.alice, "buy", "90", "1", time_in_force="ioc", key="first")
    assert (again.status_code, again.headers["idempotent-replayed"]) == (200, "true")
    assert (again.json()["id"], again.json()["status"]) == (first.json()["id"], None)
    still = trader.place(trader.alice, "buy", "91", "1", key="live")
    assert (still.status_code, still.json()["id"]) == (200, live.json()["id"])
    trader.close()
    served.stop()


def test_a_repeat_after_a_restart_gives_the_original_answer(tmp_path: Path) -> None:
    served = ServedMarket(tmp_path, GatewayConfig())
    trader = Trader(served)
    trader.list_instrument()
    trader.place(trader.alice, "sell", "100", "1")
    first = trader.place(trader.bob, "buy", "100", "2", key="kept")
    refused = trader.place(trader.bob, "buy", "9999999", "2", key="refused")
    trader.close()
    served.stop()
    served = ServedMarket(tmp_path, GatewayConfig())
    again = Trader(served)
    again.symbol = trader.symbol
    repeated = again.place(trader.bob, "buy", "100", "2", key="kept")
    assert (repeated.status_code, repeated.content) == (200, first.content)
    code = again.place(trader.bob, "buy", "9999999", "2", key="refused").json()["code"]
    assert code == refused.json()["code"]
    again.close()
    served.stop()
