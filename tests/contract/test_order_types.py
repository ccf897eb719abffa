"""Stop orders and icebergs over HTTP: what each says, when it trades, how it is amended."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from tests.contract.served_market import Trader


def trade_at(trader: Trader, price: str) -> None:
    """One trade of one lot at a price, between two accounts of its own."""
    maker, taker = f"maker-{trader.number}", f"taker-{trader.number}"
    for name in (maker, taker):
        if trader.http.post("/accounts", json={"id": name}).status_code == 201:
            deposit = {"asset": f"T{trader.number}", "amount": "1000"}
            trader.http.post(f"/accounts/{name}/deposits", json=deposit)
    assert trader.place(maker, "sell", price, "0.0001").status_code == 201
    order = trader.place(taker, "buy", price, "0.0001").json()
    assert order["fills"][0]["price"] == f"{float(price):.2f}"


def stop(trader: Trader, client_id: str, side: str, kind: str, **fields: Any) -> httpx.Response:
    body = trader.order(client_id, side, None, fields.pop("quantity", "1"))
    return trader.http.post("/orders", json=body | {"type": kind} | fields)


def status_of(trader: Trader, order_id: str) -> str:
    return str(trader.http.get(f"/orders/{order_id}").json()["status"])


def test_a_stop_order_waits_off_the_book_and_trades_when_the_last_price_reaches_it(
    trader: Trader,
) -> None:
    trade_at(trader, "100")
    waiting = stop(trader, trader.alice, "buy", "stop", stop_price="105")
    assert waiting.status_code == 201, waiting.text
    order = waiting.json()
    assert (order["status"], order["type"], order["time_in_force"]) == ("new", "stop", "gtc")
    assert order["price"] == "110.25"
    book = trader.http.get("/orderbook", params={"instrument": trader.symbol}).json()
    assert book["bids"] == []
    trader.place(trader.bob, "sell", "106", "5")
    trade_at(trader, "104.99")
    assert status_of(trader, order["id"]) == "new"
    trade_at(trader, "105")
    filled = trader.http.get(f"/orders/{order['id']}").json()
    assert (filled["status"], filled["average_price"]) == ("filled", "106.00")


def test_a_stop_trades_no_worse_than_the_price_that_it_names(trader: Trader) -> None:
    trade_at(trader, "100")
    named = stop(trader, trader.alice, "buy", "stop", stop_price="105", price="105.50").json()
    assert named["price"] == "105.50"
    trader.place(trader.bob, "sell", "106", "5")
    trade_at(trader, "105")
    done = trader.http.get(f"/orders/{named['id']}").json()
    assert (done["status"], done["fills"]) == ("cancelled", [])


def test_a_stop_that_is_reached_already_trades_in_its_own_command(trader: Trader) -> None:
    trade_at(trader, "105")
    trader.place(trader.bob, "sell", "106", "5")
    order = stop(trader, trader.alice, "buy", "stop", stop_price="105").json()
    assert (order["status"], order["filled_quantity"]) == ("filled", "1.0000")
    assert [fill["liquidity"] for fill in order["fills"]] == ["taker"]


def test_a_stop_limit_rests_at_its_limit_once_triggered(trader: Trader) -> None:
    trade_at(trader, "100")
    fields = {"stop_price": "95", "price": "94"}
    order = stop(trader, trader.alice, "sell", "stop_limit", **fields).json()
    assert (order["status"], order["price"]) == ("new", "94.00")
    trade_at(trader, "95")
    asks = trader.http.get("/orderbook", params={"instrument": trader.symbol}).json()["asks"]
    assert [(level["price"], level["quantity"]) for level in asks] == [("94.00", "1.0000")]


def test_a_trailing_stop_follows_the_trade_price_and_takes_no_other_stop(trader: Trader) -> None:
    trade_at(trader, "100")
    order = stop(trader, trader.alice, "sell", "trailing_stop", trail_amount="5").json()
    assert order["status"] == "new"
    amended = trader.http.patch(f"/orders/{order['id']}", json={"stop_price": "90"})
    assert (amended.status_code, amended.json()["field"]) == (400, "stop_price")
    trader.place(trader.bob, "buy", "103", "5")
    trade_at(trader, "110")
    assert status_of(trader, order["id"]) == "new"
    trade_at(trader, "105")
    assert status_of(trader, order["id"]) == "filled"


def test_orders_that_others_trades_triggered_are_not_taken_for_ones_own(trader: Trader) -> None:
    trade_at(trader, "100")
    first = stop(trader, trader.alice, "buy", "stop", stop_price="101").json()
    second = stop(trader, trader.alice, "buy", "stop", stop_price="102").json()
    for price in ("101", "102", "103"):
        trader.place(trader.bob, "sell", price, "1")
    own = trader.place(f"taker-{trader.number}", "buy", "101", "1")
    order = own.json()
    assert own.headers["x-sequence"] == order["id"]
    assert (order["status"], order["filled_quantity"], len(order["fills"])) == (
        "filled",
        "1.0000",
        1,
    )
    prices = [
        trader.http.get(f"/orders/{stopped['id']}").json()["average_price"]
        for stopped in (first, second)
    ]
    assert prices == ["102.00", "103.00"]


def test_a_replace_that_triggers_others_answers_with_its_own_order(trader: Trader) -> None:
    trade_at(trader, "100")
    stopped = stop(trader, trader.alice, "buy", "stop", stop_price="101").json()
    for price in ("101", "103"):
        trader.place(trader.bob, "sell", price, "1")
    taker = f"taker-{trader.number}"
    resting = trader.place(taker, "buy", "99", "1").json()
    order = trader.http.patch(f"/orders/{resting['id']}", json={"price": "101"}).json()
    assert (order["id"], order["status"], order["average_price"]) == (
        resting["id"],
        "filled",
        "101.00",
    )
    assert status_of(trader, stopped["id"]) == "filled"


def test_a_waiting_order_takes_a_new_stop_price_and_a_resting_one_does_not(trader: Trader) -> None:
    trade_at(trader, "100")
    waiting = stop(trader, trader.alice, "buy", "stop", stop_price="105").json()
    path = f"/orders/{waiting['id']}"
    amended = trader.http.patch(path, json={"stop_price": "120"}).json()
    assert (amended["status"], amended["price"]) == ("new", "126.00")
    trade_at(trader, "106")
    assert status_of(trader, waiting["id"]) == "new"
    assert trader.http.patch(path, json={"stop_price": "120.001"}).json()["code"] == "tick_size"
    assert trader.http.delete(path).json()["status"] == "cancelled"
    resting = trader.place(trader.alice, "buy", "90", "1").json()
    answer = trader.http.patch(f"/orders/{resting['id']}", json={"stop_price": "120"})
    assert (answer.status_code, answer.json()["field"]) == (400, "stop_price")


def test_a_stop_under_its_key_is_placed_once(trader: Trader) -> None:
    trade_at(trader, "100")
    body = trader.order(trader.alice, "buy", None, "1") | {"type": "stop", "stop_price": "105"}
    headers = {"Idempotency-Key": f"stop-{trader.number}"}
    first = trader.http.post("/orders", json=body, headers=headers)
    again = trader.http.post("/orders", json=body, headers=headers)
    assert (first.status_code, again.status_code) == (201, 200)
    assert again.content == first.content
    other = trader.http.post("/orders", json=body | {"stop_price": "106"}, headers=headers)
    assert other.json()["code"] == "key_reused"


@pytest.mark.parametrize(("quantity", "code"), [("0.0099", "display_quantity"), ("0.01", None)])
def test_an_iceberg_shows_at_least_a_thousandth_and_never_the_rest(
    trader: Trader, quantity: str, code: str | None
) -> None:
    fields = {"display_quantity": quantity}
    answer = trader.place(trader.alice, "sell", "100", "10", **fields)
    if code is not None:
        assert (answer.status_code, answer.json()["code"]) == (422, code)
        return
    assert answer.status_code == 201
    taken = trader.place(trader.bob, "buy", "100", "3").json()
    assert (taken["status"], taken["filled_quantity"]) == ("filled", "3.0000")
    assert len(taken["fills"]) == 300


def test_an_iceberg_shows_no_more_than_the_whole(trader: Trader) -> None:
    answer = trader.place(trader.alice, "sell", "100", "10", display_quantity="10.0001")
    assert (answer.status_code, answer.json()["code"]) == (422, "display_quantity")
    assert trader.place(trader.alice, "sell", "100", "10", display_quantity="10").status_code == 201
    ioc = {"display_quantity": "1", "time_in_force": "ioc"}
    answer = trader.place(trader.alice, "sell", "100", "10", **ioc)
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_combination")


def test_batches_and_sockets_take_every_type(trader: Trader) -> None:
    trade_at(trader, "100")
    operations = [
        {"op": "place"} | trader.order(trader.alice, "buy", None, "1") | fields
        for fields in (
            {"type": "stop", "stop_price": "105"},
            {"type": "STOP_LIMIT", "stop_price": "105", "price": "106"},
            {"type": "trailing_stop", "trail_amount": "5"},
            {"type": "stop"},
        )
    ]
    answer = trader.http.post("/orders/batch", json={"operations": operations})
    results = answer.json()["results"]
    assert [result["status"] for result in results] == [201, 201, 201, 400]
    order_id = results[0]["order"]["id"]
    amend = {"op": "replace", "order_id": order_id, "stop_price": "107"}
    answer = trader.http.post("/orders/batch", json={"operations": [amend]})
    assert answer.json()["results"][0]["order"]["price"] == "112.35"
