"""Accounts over HTTP: opening, money, limits, safety, positions."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from tests.contract.served_market import Trader

from tradepit.gateway import results


def balance(trader: Trader, account: str, asset: str = "USD") -> dict[str, str]:
    items = trader.http.get(f"/accounts/{account}/balances").json()["items"]
    return next(item for item in items if item["asset"] == asset)


def test_an_account_is_opened_and_read(trader: Trader) -> None:
    name = f"carol-{trader.number}"
    opened = trader.http.post("/accounts", json={"id": name, "name": "Carol C."})
    assert opened.status_code == 201
    account = msgspec.json.decode(opened.content, type=results.Account)
    assert (account.id, account.name, account.type, account.state) == (
        name,
        "Carol C.",
        "cash",
        "active",
    )
    assert {b.asset: b.total for b in account.balances}["USD"] == "1000000.00000000"
    assert trader.http.get(f"/accounts/{name}").json()["name"] == "Carol C."
    again = trader.http.post("/accounts", json={"id": name})
    assert (again.status_code, again.json()["code"]) == (409, "account_exists")


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"id": "two words"}, "invalid_account_id"),
        ({"id": ""}, "invalid_account_id"),
        ({"id": "x" * 65}, "invalid_account_id"),
        ({"name": "x" * 129}, "invalid_field"),
        ({"name": "a\u001fb"}, "invalid_field"),
        ({"type": "gold"}, "invalid_field"),
        ({"type": 5}, "invalid_field"),
    ],
)
def test_an_account_of_the_wrong_form_is_refused(
    trader: Trader, body: dict[str, Any], code: str
) -> None:
    answer = trader.http.post("/accounts", json=body)
    assert (answer.status_code, answer.json()["code"]) == (400, code)


def test_a_credit_account_may_go_below_zero_as_far_as_its_credit(trader: Trader) -> None:
    free, bound = f"free-{trader.number}", f"bound-{trader.number}"
    trader.http.post("/accounts", json={"id": free, "type": "credit"})
    body = {"id": bound, "type": "credit", "credit": {"USD": "500"}}
    assert trader.http.post("/accounts", json=body).status_code == 201
    assert trader.place(free, "buy", "5000000", "1").status_code == 201
    assert trader.place(bound, "buy", "1000501", "1").status_code == 422
    assert trader.place(bound, "buy", "1000500", "1").status_code == 201
    assert balance(trader, bound)["credit"] == "500.00000000"
    cash = {"id": f"cash-{trader.number}", "credit": {"USD": "5"}}
    assert trader.http.post("/accounts", json=cash).json()["code"] == "not_credit_account"


def test_an_unknown_account_is_a_404_on_every_route(trader: Trader) -> None:
    for tail in ("", "/balances", "/positions", "/trades"):
        answer = trader.http.get(f"/accounts/nobody{tail}")
        assert (answer.status_code, answer.json()["code"]) == (404, "unknown_account")
    for tail, body in (
        ("deposits", {"asset": "USD", "amount": 1}),
        ("limits", {"open_orders_max": 1}),
        ("suspend", None),
        ("kill", None),
    ):
        method = "PUT" if tail == "limits" else "POST"
        answer = trader.http.request(method, f"/accounts/nobody/{tail}", json=body)
        assert answer.status_code == 404


def test_holds_and_fills_show_in_the_balances(trader: Trader) -> None:
    trader.place(trader.alice, "buy", "100", "2")
    held = balance(trader, trader.alice)
    assert (held["held"], held["available"]) == ("200.00000000", "999800.00000000")
    trader.place(trader.bob, "sell", "100", "1")
    assert balance(trader, trader.alice)["total"] == "999900.00000000"
    assert balance(trader, trader.bob)["total"] == "1000100.00000000"
    assert balance(trader, trader.alice, f"T{trader.number}")["total"] == "1001.00000000"


def test_money_is_deposited_withdrawn_and_transferred(trader: Trader) -> None:
    alice, bob = f"/accounts/{trader.alice}", f"/accounts/{trader.bob}"
    assert trader.http.post(f"{alice}/deposits", json={"asset": "USD", "amount": "1.5"}).is_success
    trader.http.post(f"{alice}/withdrawals", json={"asset": "USD", "amount": 0.5})
    body = {"asset": "USD", "amount": "1", "to": trader.bob}
    assert trader.http.post(f"{alice}/transfers", json=body).status_code == 201
    assert balance(trader, trader.alice)["total"] == "1000000.00000000"
    assert balance(trader, trader.bob)["total"] == "1000001.00000000"
    answers = [
        trader.http.post(f"{alice}/withdrawals", json={"asset": "USD", "amount": "2000000"}),
        trader.http.post(f"{alice}/withdrawals", json={"asset": "DOGE", "amount": "2"}),
        trader.http.post(f"{alice}/withdrawals", json={"asset": "USD", "amount": "-2"}),
        trader.http.post(f"{alice}/transfers", json=body | {"to": trader.alice}),
        trader.http.post(f"{bob}/transfers", json=body | {"to": "nobody"}),
    ]
    assert [(a.status_code, a.json()["code"]) for a in answers] == [
        (422, "insufficient_funds"),
        (422, "unknown_asset"),
        (400, "invalid_amount"),
        (422, "same_account"),
        (404, "unknown_account"),
    ]


def test_limits_bound_open_orders_and_positions(trader: Trader) -> None:
    path = f"/accounts/{trader.alice}/limits"
    body = {"open_orders_max": 1, "positions": {trader.symbol: "1001"}}
    limits = trader.http.put(path, json=body)
    assert limits.status_code == 200
    assert limits.json() == {
        "id": trader.alice,
        "open_orders_max": 1,
        "positions": {trader.symbol: "1001.0000"},
        "credit": {},
        "instruments": [
            {
                "instrument": trader.symbol,
                "max_quantity": None,
                "max_value": None,
                "position_max": "1001.0000",
            }
        ],
        "messages_per_second": 0,
        "repeats_max": 0,
        "window_seconds": "0",
        "traded_max": None,
        "traded_asset": None,
    }
    assert trader.http.get(path).json() == limits.json()
    assert trader.place(trader.alice, "buy", "90", "2").json()["code"] == "position_limit"
    assert trader.place(trader.alice, "buy", "90", "1").status_code == 201
    assert trader.place(trader.alice, "sell", "110", "1").json()["code"] == "open_orders_limit"
    assert trader.http.put(path, json={}).json()["code"] == "invalid_field"
    answer = trader.http.put(path, json={"credit": {"USD": "5"}})
    assert answer.json()["code"] == "not_credit_account"


def test_suspended_accounts_may_cancel_and_killed_ones_have_nothing_left(trader: Trader) -> None:
    path = f"/accounts/{trader.alice}"
    order_id = trader.place(trader.alice, "buy", "90", "1").json()["id"]
    trader.place(trader.alice, "buy", "91", "1")
    assert trader.http.post(f"{path}/suspend").json() == {"id": trader.alice, "state": "suspended"}
    assert trader.place(trader.alice, "buy", "90", "1").json()["code"] == "account_suspended"
    assert trader.http.delete(f"/orders/{order_id}").status_code == 200
    killed = trader.http.post(f"{path}/kill").json()
    assert killed == {"id": trader.alice, "state": "killed", "cancelled": 1}
    assert trader.place(trader.alice, "buy", "90", "1").json()["code"] == "account_killed"
    assert trader.http.post(f"{path}/resume").json()["state"] == "active"
    assert trader.place(trader.alice, "buy", "90", "1").status_code == 201


def position(trader: Trader, account: str) -> dict[str, Any]:
    items = trader.http.get(f"/accounts/{account}/positions").json()["items"]
    return next(item for item in items if item["instrument"] == trader.symbol)


def test_positions_show_average_price_and_profit(trader: Trader) -> None:
    flat = f"flat-{trader.number}"
    for price in ("100", "103"):
        trader.place(trader.alice, "sell", price, "1")
    trader.place(flat, "buy", "103", "2")
    trader.place(trader.alice, "buy", "110", "1")
    trader.place(flat, "sell", "110", "0.5")
    held = position(trader, flat)
    msgspec.convert(held, results.Position)
    assert (held["net_quantity"], held["average_price"]) == ("1.5000", "101.50")
    assert held["realised_pnl"] == "4.25000000"
    # marked at the last trade, 110: there is no ask, so no mid
    assert held["unrealised_pnl"] == "12.75000000"
    trader.place(trader.alice, "sell", "111", "1")
    assert position(trader, flat)["unrealised_pnl"] == "13.50000000"


def test_own_fills_are_listed_with_fee_and_liquidity(trader: Trader) -> None:
    maker = trader.place(trader.alice, "sell", "100", "1").json()["id"]
    taker = trader.place(trader.bob, "buy", "100", "1").json()["id"]
    for account, order_id, side, liquidity in (
        (trader.alice, maker, "sell", "maker"),
        (trader.bob, taker, "buy", "taker"),
    ):
        (fill,) = trader.http.get(f"/accounts/{account}/trades").json()["items"]
        msgspec.convert(fill, results.AccountFill)
        assert (fill["order_id"], fill["side"], fill["liquidity"]) == (order_id, side, liquidity)
