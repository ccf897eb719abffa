"""Safety of accounts over HTTP: each limit at its boundary and one beyond, states, dead man."""

from __future__ import annotations

from typing import Any

import httpx
import msgspec
import pytest
from tests.contract.served_market import Trader, until

from tradepit.gateway import results


def set_limits(trader: Trader, **body: Any) -> httpx.Response:
    return trader.http.put(f"/accounts/{trader.alice}/limits", json=body)


def in_instrument(trader: Trader, **bounds: Any) -> httpx.Response:
    return set_limits(trader, instruments=[{"instrument": trader.symbol} | bounds])


def limits(trader: Trader) -> results.AccountLimits:
    answer = trader.http.get(f"/accounts/{trader.alice}/limits")
    return msgspec.json.decode(answer.content, type=results.AccountLimits)


def refusal(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["code"]


def test_the_largest_quantity_passes_and_one_lot_more_is_refused(trader: Trader) -> None:
    assert in_instrument(trader, max_quantity="2").status_code == 200
    assert trader.place(trader.alice, "buy", "90", "2").status_code == 201
    beyond = trader.place(trader.alice, "buy", "90", "2.0001")
    assert refusal(beyond) == (422, "account_max_quantity")
    assert (beyond.json()["required"], beyond.json()["available"]) == ("2.0001", "2.0000")
    assert trader.place(trader.bob, "buy", "90", "3").status_code == 201


def test_the_largest_value_passes_and_one_tick_more_is_refused(trader: Trader) -> None:
    assert in_instrument(trader, max_value="180").status_code == 200
    resting = trader.place(trader.alice, "buy", "90", "2")
    assert resting.status_code == 201
    beyond = trader.place(trader.alice, "buy", "90.01", "2")
    assert refusal(beyond) == (422, "account_max_value")
    assert (beyond.json()["asset"], beyond.json()["available"]) == ("USD", "180.00000000")
    amended = trader.http.patch(f"/orders/{resting.json()['id']}", json={"price": "90.01"})
    assert refusal(amended) == (422, "account_max_value")


def test_the_position_limit_passes_at_its_bound_and_one_lot_more_is_refused(
    trader: Trader,
) -> None:
    shown = in_instrument(trader, position_max="1002").json()
    assert shown["positions"] == {trader.symbol: "1002.0000"}
    assert trader.place(trader.alice, "buy", "90", "2").status_code == 201
    assert refusal(trader.place(trader.alice, "buy", "90", "0.0001")) == (422, "position_limit")


def test_open_orders_pass_at_their_bound_waiting_ones_counted(trader: Trader) -> None:
    set_limits(trader, open_orders_max=2)
    assert trader.place(trader.alice, "buy", "90", "1").status_code == 201
    stop = trader.order(trader.alice, "buy", None, "1") | {"type": "stop", "stop_price": "150"}
    assert trader.http.post("/orders", json=stop).status_code == 201
    assert refusal(trader.place(trader.alice, "buy", "90", "1")) == (422, "open_orders_limit")


def test_a_partial_body_changes_only_what_it_names(trader: Trader) -> None:
    in_instrument(trader, max_quantity="5", max_value="1000")
    set_limits(trader, messages_per_second=50, repeats_max=7, window_seconds="10")
    in_instrument(trader, max_value="2000")
    set_limits(trader, traded_max="5000", traded_asset="USD")
    set_limits(trader, repeats_max=8)
    found = limits(trader)
    (row,) = found.instruments
    assert (row.max_quantity, row.max_value, row.position_max) == ("5.0000", "2000.00000000", None)
    assert (found.messages_per_second, found.repeats_max, found.window_seconds) == (50, 8, "10")
    assert (found.traded_max, found.traded_asset) == ("5000.00000000", "USD")
    in_instrument(trader, max_quantity=0, max_value=None)
    set_limits(trader, messages_per_second=0, repeats_max=0, traded_max=0)
    found = limits(trader)
    assert (found.instruments, found.messages_per_second, found.traded_max) == ([], 0, None)


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"repeats_max": 1}, "window_seconds"),
        ({"repeats_max": 1, "window_seconds": "0.0009"}, "window_seconds"),
        ({"traded_max": "1", "window_seconds": 1}, "traded_asset"),
        ({"window_seconds": "86400.1"}, "window_seconds"),
        ({"traded_max": "-1", "traded_asset": "USD", "window_seconds": 1}, "traded_max"),
        ({"messages_per_second": -1}, "messages_per_second"),
        ({"messages_per_second": 2**32}, "messages_per_second"),
        ({}, "open_orders_max"),
    ],
)
def test_limits_that_make_no_sense_are_refused_and_change_nothing(
    trader: Trader, body: dict[str, Any], field: str
) -> None:
    before = trader.market.state_hash()
    answer = set_limits(trader, **body)
    assert (answer.status_code, answer.json()["field"]) == (400, field), answer.text
    assert trader.market.state_hash() == before


def test_limits_under_one_key_are_set_once(trader: Trader) -> None:
    path, headers = f"/accounts/{trader.alice}/limits", {"Idempotency-Key": f"l-{trader.number}"}
    body = {
        "open_orders_max": 9,
        "messages_per_second": 40,
        "instruments": [{"instrument": trader.symbol, "max_quantity": "4", "position_max": "2000"}],
    }
    first = trader.http.put(path, json=body, headers=headers)
    again = trader.http.put(path, json=body, headers=headers)
    assert (first.status_code, again.status_code) == (200, 200)
    assert again.headers["idempotent-replayed"] == "true"
    other = trader.http.put(path, json=body | {"open_orders_max": 8}, headers=headers)
    assert refusal(other) == (409, "key_reused")


def test_messages_pass_up_to_the_rate_and_one_more_is_refused(trader: Trader) -> None:
    set_limits(trader, messages_per_second=3)
    # Seconds are market time's: five orders in one commit have one stamp.
    order = {"op": "place"} | trader.order(trader.alice, "buy", "90", "1")
    answer = trader.http.post("/orders/batch", json={"operations": [order] * 5})
    results = answer.json()["results"]
    assert [result["status"] for result in results] == [201, 201, 201, 429, 429]
    assert results[3]["problem"]["code"] == "message_rate"


def test_an_order_over_the_rate_is_told_when_to_come_again(trader: Trader) -> None:
    set_limits(trader, messages_per_second=1)

    def is_refused() -> bool:
        answers = [trader.place(trader.alice, "buy", "90", "1") for _ in range(2)]
        last = answers[-1]
        return last.status_code == 429 and last.headers.get("retry-after") == "1"

    until(is_refused)


def test_repeats_pass_up_to_their_bound_and_one_more_makes_the_account_cancel_only(
    trader: Trader,
) -> None:
    set_limits(trader, repeats_max=3, window_seconds=86_400)
    order_ids = [trader.place(trader.alice, "buy", "90", "1").json()["id"] for _ in range(3)]
    assert refusal(trader.place(trader.alice, "buy", "90", "1")) == (422, "runaway_guard")
    path = f"/accounts/{trader.alice}"
    assert trader.http.get(path).json()["state"] == "cancel_only"
    assert refusal(trader.place(trader.alice, "sell", "190", "2")) == (422, "account_cancel_only")
    assert trader.http.delete(f"/orders/{order_ids[0]}").status_code == 200
    assert trader.http.post(f"{path}/resume").json()["state"] == "active"
    assert trader.place(trader.alice, "buy", "90", "1").status_code == 201


def test_trading_passes_up_to_its_bound_and_beyond_it_the_account_is_cancel_only(
    trader: Trader,
) -> None:
    set_limits(trader, traded_max="200", traded_asset="USD", window_seconds=86_400)
    trader.place(trader.bob, "sell", "100", "2")
    assert trader.place(trader.alice, "buy", "100", "2").status_code == 201
    account = f"/accounts/{trader.alice}"
    assert trader.http.get(account).json()["state"] == "active"
    trader.place(trader.bob, "sell", "100", "0.0001")
    assert trader.place(trader.alice, "buy", "100", "0.0001").json()["status"] == "filled"
    assert trader.http.get(account).json()["state"] == "cancel_only"


def test_a_cancel_only_account_keeps_its_orders_and_takes_no_new_ones(trader: Trader) -> None:
    order_id = trader.place(trader.alice, "buy", "90", "1").json()["id"]
    answer = trader.http.post(f"/accounts/{trader.alice}/cancel-only")
    assert answer.json() == {"id": trader.alice, "state": "cancel_only"}
    assert refusal(trader.place(trader.alice, "buy", "90", "1")) == (422, "account_cancel_only")
    assert trader.http.get(f"/orders/{order_id}").json()["status"] == "new"
    assert trader.http.delete(f"/orders/{order_id}").json()["status"] == "cancelled"


def test_orders_leave_when_the_dead_man_timer_is_not_set_again(trader: Trader) -> None:
    path = f"/accounts/{trader.alice}"
    order_id = trader.place(trader.alice, "buy", "90", "1").json()["id"]
    answer = trader.http.post(f"{path}/dead-man", json={"timeout_ms": 60_000})
    timer = msgspec.json.decode(answer.content, type=results.DeadMan)
    assert (answer.status_code, timer.account, timer.timeout_ms) == (200, trader.alice, 60_000)
    assert trader.http.get(path).json()["dead_man_at"] == timer.expires_at
    off = trader.http.post(f"{path}/dead-man", json={"timeout_ms": 0}).json()
    assert off["expires_at"] is None
    assert "dead_man_at" not in trader.http.get(path).json()
    trader.http.post(f"{path}/dead-man", json={"timeout_ms": 150})
    until(lambda: trader.http.get(f"/orders/{order_id}").json()["status"] == "cancelled")
    order = trader.http.get(f"/orders/{order_id}").json()
    assert trader.http.get(path).json()["open_orders"] == 0
    assert trader.place(trader.alice, "buy", "90", "1").status_code == 201
    assert order["fills"] == []


@pytest.mark.parametrize("body", [{}, {"timeout_ms": -1}, {"timeout_ms": 86_400_001}])
def test_a_dead_man_timer_out_of_range_is_refused(trader: Trader, body: dict[str, int]) -> None:
    answer = trader.http.post(f"/accounts/{trader.alice}/dead-man", json=body)
    assert refusal(answer) == (400, "invalid_field")
    unknown = trader.http.post("/accounts/nobody/dead-man", json={"timeout_ms": 1})
    assert refusal(unknown) == (404, "unknown_account")
