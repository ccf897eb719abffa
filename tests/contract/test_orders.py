"""Orders over HTTP, on the hot path and the ASGI way alike."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from tests.contract.served_market import Trader

from tradepit.gateway import results


def code_of(answer: Any) -> str:
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert problem["status"] == answer.status_code
    return str(problem["code"])


def test_a_limit_order_rests_and_is_answered_in_full(trader: Trader) -> None:
    answer = trader.place(trader.alice, "BUY", "99.50", "0.2500")
    assert answer.status_code == 201
    order = answer.json()
    msgspec.json.decode(answer.content, type=results.Order)
    assert answer.headers["x-sequence"] == order["order_id"] == order["id"]
    created = order.pop("created_at")
    assert created == order.pop("updated_at")
    assert len(created) == len("2026-01-01T00:00:00.000000000Z")
    assert order == {
        "id": order["id"],
        "order_id": order["id"],
        "client_id": trader.alice,
        "client_order_id": None,
        "instrument": trader.symbol,
        "side": "buy",
        "type": "limit",
        "time_in_force": "gtc",
        "price": "99.50",
        "quantity": "0.2500",
        "remaining": "0.2500",
        "filled_quantity": "0.0000",
        "average_price": None,
        "status": "new",
        "fills": [],
    }


def test_a_trade_prints_at_the_makers_price_on_both_orders(trader: Trader) -> None:
    maker = trader.place(trader.alice, "sell", "100.00", "1").json()
    taker = trader.place(trader.bob, "buy", "101.00", "0.4").json()
    assert taker["status"] == "filled"
    assert taker["average_price"] == "100.00"
    (fill,) = taker["fills"]
    assert (fill["price"], fill["quantity"], fill["liquidity"]) == ("100.00", "0.4000", "taker")
    now = trader.http.get(f"/orders/{maker['id']}").json()
    assert (now["status"], now["remaining"]) == ("partially_filled", "0.6000")
    assert now["fills"][0]["trade_id"] == fill["trade_id"]
    assert now["fills"][0]["liquidity"] == "maker"
    (trade,) = trader.http.get("/trades", params={"instrument": trader.symbol}).json()["items"]
    assert trade["id"] == fill["trade_id"]
    assert (trade["maker_order_id"], trade["taker_order_id"]) == (maker["id"], taker["id"])
    assert (trade["buy_order_id"], trade["sell_order_id"]) == (taker["id"], maker["id"])


@pytest.mark.parametrize("price", [99.53, "99.53", "99.530"])
def test_decimals_come_as_numbers_or_strings(trader: Trader, price: object) -> None:
    body = trader.order(trader.alice, "buy", "1", "0.2512") | {"price": price, "quantity": 0.2512}
    order = trader.http.post("/orders", json=body).json()
    assert (order["price"], order["quantity"]) == ("99.53", "0.2512")


@pytest.mark.parametrize(
    ("fields", "code", "field"),
    [
        ({"price": "99.501"}, "tick_size", "price"),
        ({"quantity": "0.00001"}, "lot_size", "quantity"),
        ({"price": "NaN"}, "invalid_number", "price"),
        ({"price": "Infinity"}, "invalid_number", "price"),
        ({"price": "1e999"}, "invalid_number", "price"),
        ({"price": "9" * 30}, "invalid_number", "price"),
        ({"price": 0}, "invalid_price", "price"),
        ({"price": -1}, "invalid_price", "price"),
        ({"quantity": 0}, "invalid_quantity", "quantity"),
        ({"quantity": "-1"}, "invalid_quantity", "quantity"),
        ({"quantity": None}, "invalid_field", "quantity"),
        ({"quantity": [1]}, "invalid_field", "quantity"),
        ({"quantity": {}}, "invalid_field", "quantity"),
        ({"quantity": True}, "invalid_field", "quantity"),
        ({"price": None}, "invalid_field", "price"),
        ({"side": "hold"}, "invalid_field", "side"),
        ({"side": 1}, "invalid_field", "side"),
        ({"type": "iceberg"}, "invalid_field", "type"),
        ({"stop_price": "99"}, "invalid_field", "stop_price"),
        ({"trail_amount": "1"}, "invalid_field", "trail_amount"),
        ({"type": "market", "stop_price": "99"}, "invalid_field", "stop_price"),
        ({"type": "market", "display_quantity": "1"}, "invalid_field", "display_quantity"),
        ({"type": "stop"}, "invalid_field", "stop_price"),
        ({"type": "stop_limit"}, "invalid_field", "stop_price"),
        ({"type": "stop_limit", "stop_price": "99", "price": None}, "invalid_field", "price"),
        ({"type": "stop", "stop_price": "99.001"}, "tick_size", "stop_price"),
        ({"type": "trailing_stop"}, "invalid_field", "trail_amount"),
        ({"type": "trailing_stop", "stop_price": "99"}, "invalid_field", "stop_price"),
        ({"type": "stop", "stop_price": "1", "trail_amount": "1"}, "invalid_field", "trail_amount"),
        ({"display_quantity": 0}, "invalid_quantity", "display_quantity"),
        ({"time_in_force": "never"}, "invalid_field", "time_in_force"),
        ({"self_trade_prevention": "x"}, "invalid_field", "self_trade_prevention"),
        ({"post_only": "sometimes"}, "invalid_field", "post_only"),
        ({"expires_at": "tomorrow"}, "invalid_field", "expires_at"),
        ({"valid_until": "2026-13-01T00:00:00Z"}, "invalid_field", "valid_until"),
        ({"client_id": None}, "invalid_field", "client_id"),
        ({"client_id": "two words"}, "invalid_account_id", "client_id"),
        ({"client_id": "x" * 65}, "invalid_account_id", "client_id"),
        ({"client_order_id": ""}, "invalid_field", "client_order_id"),
        ({"client_order_id": "\u00e9"}, "invalid_field", "client_order_id"),
    ],
)
def test_what_is_malformed_is_named_and_changes_nothing(
    trader: Trader, fields: dict[str, object], code: str, field: str
) -> None:
    before = trader.market.state_hash()
    body = trader.order(trader.alice, "buy", "99.50", "1") | fields
    answer = trader.http.post("/orders", json=body)
    assert answer.status_code == 400
    assert code_of(answer) == code
    assert answer.json()["field"] == field
    assert trader.market.state_hash() == before


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"null", b"\xff", b'{"side":"buy"}', b"1" * 99])
def test_a_body_that_is_no_order_is_refused(trader: Trader, body: bytes) -> None:
    before = trader.market.state_hash()
    answer = trader.http.post("/orders", content=body, headers={"content-type": "application/json"})
    assert answer.status_code == 400
    assert code_of(answer) in ("malformed", "invalid_field")
    assert trader.market.state_hash() == before


def test_enums_are_taken_in_any_case_and_unknown_fields_ignored(trader: Trader) -> None:
    body = trader.order(trader.alice, "bUy", "99", "1") | {"type": "Limit", "remaining": 1}
    body |= {"time_in_force": "Gtc", "self_trade_prevention": "Cancel_Maker"}
    order = trader.http.post("/orders", json=body).json()
    assert (order["side"], order["type"], order["time_in_force"]) == ("buy", "limit", "gtc")
    assert order["self_trade_prevention"] == "cancel_maker"


def test_a_new_client_id_is_opened_with_the_starting_balances(trader: Trader) -> None:
    somebody = f"new-{trader.number}"
    assert trader.place(somebody, "buy", "10", "1").status_code == 201
    balances = trader.http.get(f"/accounts/{somebody}/balances").json()["items"]
    dollars = next(balance for balance in balances if balance["asset"] == "USD")
    assert dollars["total"] == "1000000.00000000"
    assert dollars["held"] == "10.00000000"


def test_an_unaffordable_order_says_what_was_missing(trader: Trader) -> None:
    answer = trader.place(trader.alice, "buy", "1000000", "2")
    assert answer.status_code == 422
    assert code_of(answer) == "insufficient_funds"
    problem = answer.json()
    assert problem["asset"] == "USD"
    assert (problem["required"], problem["available"]) == ("2000000.00000000", "1000000.00000000")
    assert "2000000.00000000 USD" in answer.json()["detail"]
    assert "1000000.00000000 USD is available" in answer.json()["detail"]


@pytest.mark.parametrize(
    ("more", "code"),
    [
        ({"post_only": True, "price": "100"}, "post_only_would_take"),
        ({"time_in_force": "gtd"}, "invalid_expiry"),
        ({"type": "market", "post_only": True}, "invalid_combination"),
        ({"type": "stop", "stop_price": "110", "post_only": True}, "invalid_combination"),
        ({"reduce_only": True, "side": "buy"}, "reduce_only"),
        ({"valid_until": "2001-01-01T00:00:00Z"}, "too_late"),
        ({"instrument": "NOPE-USD"}, "unknown_instrument"),
        ({"instrument": ""}, "unknown_instrument"),
    ],
)
def test_market_rules_refuse_with_422(trader: Trader, more: dict[str, object], code: str) -> None:
    trader.place(trader.alice, "sell", "100", "1")
    answer = trader.http.post("/orders", json=trader.order(trader.bob, "buy", "99", "1") | more)
    assert (answer.status_code, code_of(answer)) == (422, code)


def test_post_only_reprice_rests_one_tick_from_the_best(trader: Trader) -> None:
    trader.place(trader.alice, "sell", "100", "1")
    order = trader.place(trader.bob, "buy", "105", "1", post_only="reprice").json()
    assert (order["price"], order["status"], order["post_only"]) == ("99.99", "new", "reprice")


def test_an_ioc_remainder_is_cancelled_with_its_fills(trader: Trader) -> None:
    trader.place(trader.alice, "sell", "100", "1")
    order = trader.place(trader.bob, "buy", "100", "3", time_in_force="ioc").json()
    assert (order["status"], order["filled_quantity"]) == ("cancelled", "1.0000")
    assert (order["remaining"], order["close_reason"]) == ("0.0000", "ioc_remainder")


def test_a_market_order_on_an_empty_book_is_a_201_cancelled(trader: Trader) -> None:
    answer = trader.place(trader.bob, "buy", None, "3")
    assert answer.status_code == 201
    order = answer.json()
    assert (order["status"], order["price"]) == ("cancelled", None)
    assert order["close_reason"] == "no_liquidity"


def test_respond_async_gives_id_and_status_only(trader: Trader) -> None:
    headers = {"prefer": "respond-async"}
    body = trader.order(trader.alice, "buy", "99", "1")
    answer = trader.http.post("/orders", json=body, headers=headers)
    assert answer.status_code == 202
    assert answer.json() == {"order_id": answer.headers["x-sequence"], "status": "new"}
    refused = trader.order(trader.alice, "buy", "9999999", "1")
    answer = trader.http.post("/orders", json=refused, headers=headers)
    assert answer.status_code == 202
    assert answer.json()["status"] == "rejected"
    assert answer.json()["reject_reason"] == "insufficient_funds"


def test_a_trailing_slash_is_accepted_everywhere(trader: Trader) -> None:
    answer = trader.http.post("/orders/", json=trader.order(trader.alice, "buy", "99", "1"))
    assert answer.status_code == 201
    order_id = answer.json()["id"]
    assert trader.http.get(f"/orders/{order_id}/").status_code == 200
    assert trader.http.delete(f"/orders/{order_id}/").status_code == 200
    assert trader.http.get("/trades/").status_code == 200


def test_a_cancel_answers_the_order_and_a_second_one_says_closed(trader: Trader) -> None:
    order = trader.place(trader.alice, "buy", "99", "1").json()
    answer = trader.http.delete(f"/orders/{order['id']}", params={"client_id": trader.alice})
    assert answer.status_code == 200
    cancelled = answer.json()
    assert (cancelled["status"], cancelled["remaining"]) == ("cancelled", "0.0000")
    assert cancelled["close_reason"] == "requested"
    assert cancelled["created_at"] == order["created_at"]
    again = trader.http.delete(f"/orders/{order['id']}", params={"client_id": trader.alice})
    assert (again.status_code, code_of(again)) == (422, "order_closed")


@pytest.mark.parametrize("order_id", ["0", "999999999", "abc", "-1", "9" * 40, "1e3", "%20"])
def test_an_order_that_does_not_exist_is_unknown(trader: Trader, order_id: str) -> None:
    for method in ("GET", "DELETE"):
        answer = trader.http.request(method, f"/orders/{order_id}")
        assert (answer.status_code, code_of(answer)) == (404, "unknown_order")


def test_another_accounts_order_is_indistinguishable_from_a_missing_one(trader: Trader) -> None:
    order_id = trader.place(trader.alice, "buy", "99", "1").json()["id"]
    missing, other = "987654321", {"client_id": trader.bob}
    for method, body in (("GET", None), ("DELETE", None), ("PATCH", {"price": "98"})):
        answers = [
            trader.http.request(method, f"/orders/{number}", params=other, json=body)
            for number in (order_id, missing)
        ]
        assert [answer.status_code for answer in answers] == [404, 404]
        assert answers[0].json() == answers[1].json()


def test_an_amend_to_less_keeps_the_place_and_to_more_loses_it(trader: Trader) -> None:
    first = trader.place(trader.alice, "buy", "99", "2").json()["id"]
    second = trader.place(trader.bob, "buy", "99", "1").json()["id"]
    smaller = trader.http.patch(f"/orders/{first}", json={"quantity": "1"}).json()
    assert (smaller["quantity"], smaller["remaining"]) == ("1.0000", "1.0000")
    assert queue(trader) == [first, second]
    larger = trader.http.patch(f"/orders/{first}", json={"quantity": "3"})
    assert larger.status_code == 200
    assert queue(trader) == [second, first]


def queue(trader: Trader) -> list[str]:
    params = {"instrument": trader.symbol, "by": "order"}
    return [
        order["order_id"] for order in trader.http.get("/orderbook", params=params).json()["bids"]
    ]


def test_an_amend_below_what_is_filled_changes_nothing(trader: Trader) -> None:
    order_id = trader.place(trader.alice, "sell", "100", "2").json()["id"]
    trader.place(trader.bob, "buy", "100", "1")
    answer = trader.http.patch(f"/orders/{order_id}", json={"quantity": "1"})
    assert (answer.status_code, code_of(answer)) == (422, "quantity_below_filled")
    assert trader.http.get(f"/orders/{order_id}").json()["remaining"] == "1.0000"


def test_an_amend_may_trade_at_once(trader: Trader) -> None:
    trader.place(trader.alice, "sell", "100", "1")
    order_id = trader.place(trader.bob, "buy", "99", "1").json()["id"]
    amended = trader.http.patch(f"/orders/{order_id}", json={"price": "100"}).json()
    assert (amended["status"], len(amended["fills"])) == ("filled", 1)
    assert code_of(trader.http.patch(f"/orders/{order_id}", json={"price": "99"})) == "order_closed"


def test_an_amend_needs_something_to_change(trader: Trader) -> None:
    order_id = trader.place(trader.alice, "buy", "99", "1").json()["id"]
    assert code_of(trader.http.patch(f"/orders/{order_id}", json={})) == "invalid_field"


def test_every_write_may_say_until_when_it_is_wanted(trader: Trader) -> None:
    order_id = trader.place(trader.alice, "buy", "99", "1").json()["id"]
    past, future = "2001-01-01T00:00:00Z", "2100-01-01T00:00:00+01:00"
    account, instrument = f"/accounts/{trader.alice}", f"/instruments/{trader.symbol}"
    money = {"asset": "USD", "amount": "1"}
    lists: list[tuple[str, str, dict[str, object] | None]] = [
        ("PATCH", f"/orders/{order_id}", {"price": "98"}),
        ("DELETE", f"/orders/{order_id}", None),
        ("DELETE", "/orders", None),
        ("POST", f"{account}/deposits", money),
        ("POST", f"{account}/withdrawals", money),
        ("POST", f"{account}/transfers", money | {"to": trader.bob}),
        ("PUT", f"{account}/limits", {"open_orders_max": 5}),
        ("POST", f"{account}/suspend", None),
        ("PUT", f"{instrument}/phase", {"phase": "halted"}),
        ("DELETE", instrument, None),
        ("POST", "/accounts", {"id": f"late-{trader.number}"}),
        (
            "POST",
            "/instruments",
            {"symbol": f"L{trader.number}-USD", "tick_size": 1, "lot_size": 1},
        ),
    ]
    for method, path, body in lists:
        for until, wanted in ((past, {422}), (future, {200, 201})):
            more = (
                {"json": body | {"valid_until": until}}
                if body
                else {"params": {"valid_until": until}}
            )
            if path == "/orders":
                more["params"]["client_id"] = trader.bob
            answer = trader.http.request(method, path, **more)
            assert answer.status_code in wanted, (method, path, answer.text)
            assert answer.status_code != 422 or code_of(answer) == "too_late"


def test_a_mass_cancel_takes_what_matches(trader: Trader) -> None:
    for side, price in (("buy", "90"), ("buy", "91"), ("sell", "110")):
        trader.place(trader.alice, side, price, "1")
    trader.place(trader.bob, "buy", "92", "1")
    params = {"client_id": trader.alice, "instrument": trader.symbol, "side": "buy"}
    assert trader.http.delete("/orders", params=params).json() == {"cancelled": 2}
    params = {"instrument": trader.symbol}
    assert trader.http.delete("/orders", params=params).json() == {"cancelled": 2}
    assert trader.http.delete("/orders", params={"client_id": "nobody"}).status_code == 404


def test_a_cancel_by_client_order_id_refuses_the_late_order(trader: Trader) -> None:
    params = {"client_id": trader.alice, "client_order_id": "mine"}
    placed = trader.place(trader.alice, "buy", "90", "1", client_order_id="mine").json()
    assert placed["client_order_id"] == "mine"
    assert trader.http.delete("/orders", params=params).json() == {"cancelled": 1}
    late = {"client_id": trader.alice, "client_order_id": "late"}
    assert trader.http.delete("/orders", params=late).json() == {"cancelled": 0}
    answer = trader.place(trader.alice, "buy", "90", "1", client_order_id="late")
    assert (answer.status_code, code_of(answer)) == (422, "cancelled_before_arrival")


def test_a_tombstone_may_come_before_the_account(trader: Trader) -> None:
    late = {"client_id": f"late-{trader.number}", "client_order_id": "x"}
    assert trader.http.delete("/orders", params=late).json() == {"cancelled": 0}
    answer = trader.place(late["client_id"], "buy", "90", "1", client_order_id="x", key="other")
    assert code_of(answer) == "cancelled_before_arrival"


def test_orders_are_listed_newest_first_with_filters_and_cursor(trader: Trader) -> None:
    ids = [trader.place(trader.alice, "buy", str(90 + n), "1").json()["id"] for n in range(5)]
    trader.http.delete(f"/orders/{ids[1]}")
    mine = {"client_id": trader.alice}
    listed = trader.http.get("/orders", params=mine).json()
    assert [order["id"] for order in listed["items"]] == ids[::-1]
    assert listed["next"] is None
    first = trader.http.get("/orders", params=mine | {"limit": 2}).json()
    rest = trader.http.get("/orders", params=mine | {"limit": 9, "cursor": first["next"]}).json()
    assert [o["id"] for o in first["items"] + rest["items"]] == ids[::-1]
    page = trader.http.get("/orders", params=mine | {"limit": 2, "page": 2}).json()
    assert [order["id"] for order in page["items"]] == [ids[2], ids[1]]
    closed = trader.http.get("/orders", params=mine | {"status": "cancelled,filled"}).json()
    assert [order["id"] for order in closed["items"]] == [ids[1]]
    still_open = trader.http.get("/orders", params={"instrument": trader.symbol, "status": "open"})
    assert len(still_open.json()["items"]) == 4
    nobody = trader.http.get("/orders", params={"client_id": "nobody"}).json()
    assert nobody["items"] == []


def test_an_order_is_found_by_its_client_order_id(trader: Trader) -> None:
    order = trader.place(trader.alice, "buy", "90", "1", client_order_id="mine").json()
    params = {"client_id": trader.alice, "client_order_id": "mine"}
    (found,) = trader.http.get("/orders", params=params).json()["items"]
    assert found["id"] == order["id"]
    answer = trader.http.get("/orders", params={"client_order_id": "mine"})
    assert code_of(answer) == "invalid_parameter"


def test_a_read_shows_the_exact_place_in_the_queue(trader: Trader) -> None:
    trader.place(trader.alice, "buy", "90", "1.5")
    order_id = trader.place(trader.bob, "buy", "90", "1").json()["id"]
    order = trader.http.get(f"/orders/{order_id}").json()
    assert (order["queue_ahead"], order["orders_ahead"]) == ("1.5000", 1)


@pytest.mark.parametrize(
    "params",
    [{"limit": 0}, {"limit": 1001}, {"limit": "x"}, {"cursor": "-1"}, {"page": 0},
     {"page": 500, "limit": 1000}, {"status": "odd"}, {"min_sequence": "x"}],
)  # fmt: skip
def test_a_parameter_of_the_wrong_form_is_named(trader: Trader, params: dict[str, str]) -> None:
    answer = trader.http.get("/orders", params=params)
    assert answer.status_code == 400
    assert code_of(answer) in ("invalid_parameter", "invalid_cursor")


def test_a_read_waits_for_min_sequence_and_says_when_it_cannot(trader: Trader) -> None:
    sequence = int(trader.place(trader.alice, "buy", "90", "1").headers["x-sequence"])
    answer = trader.http.get("/orders", params={"min_sequence": sequence})
    assert answer.json()["as_of"] >= sequence
    for unreachable in (sequence + 50_000, 2**62):
        answer = trader.http.get("/orders", params={"min_sequence": unreachable})
        assert (answer.status_code, code_of(answer)) == (422, "sequence_not_reached")
