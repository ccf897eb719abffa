"""Instruments, book and trades over HTTP."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from tests.contract.served_market import Trader

from tradepit.gateway import results


def test_an_instrument_is_defined_with_its_assets_and_listed(trader: Trader) -> None:
    symbol = f"N{trader.number}-M{trader.number}"
    body = {
        "symbol": symbol,
        "tick_size": "0.25",
        "lot_size": 10,
        "reference_price": "50",
        "quantity_max": "1000",
        "price_collar_percent": "12.5",
        "maker_fee_bps": "-0.5",
        "taker_fee_bps": "2",
    }
    answer = trader.http.post("/instruments", json=body)
    assert answer.status_code == 201, answer.text
    made = msgspec.json.decode(answer.content, type=results.Instrument)
    assert (made.tick_size, made.lot_size, made.reference_price) == ("0.25", "10", "50.00")
    assert (made.maker_fee_bps, made.taker_fee_bps) == ("-0.50", "2.00")
    assert (made.price_collar_percent, made.quantity_max) == ("12.5000", "1000")
    listed = trader.http.get("/instruments").json()["items"]
    assert made.symbol in {item["symbol"] for item in listed}
    assert trader.http.get(f"/instruments/{symbol}").content == answer.content
    order = {"client_id": trader.alice, "instrument": symbol, "side": "buy"}
    odd = trader.http.post("/orders", json=order | {"price": "50.10", "quantity": 10})
    assert odd.json()["code"] == "tick_size"
    odd = trader.http.post("/orders", json=order | {"price": "50.25", "quantity": 15})
    assert odd.json()["code"] == "lot_size"


@pytest.mark.parametrize(
    ("more", "status", "code"),
    [
        ({"tick_size": "0"}, 400, "invalid_number"),
        ({"tick_size": "-1"}, 400, "invalid_number"),
        ({"tick_size": "x"}, 400, "invalid_number"),
        ({"lot_size": None}, 400, "invalid_number"),
        ({"symbol": ""}, 400, "invalid_field"),
        ({"symbol": "NODASH"}, 400, "invalid_field"),
        ({"phase": "removed"}, 400, "invalid_field"),
        ({"maker_fee_bps": "-3", "taker_fee_bps": "2"}, 422, "invalid_definition"),
        ({"quantity_min": "5", "quantity_max": "1"}, 422, "invalid_definition"),
        ({"price_collar_percent": "101"}, 422, "invalid_definition"),
        ({"tick_size": "0.0000000001", "lot_size": "0.0000000001"}, 422, "invalid_definition"),
    ],
)
def test_a_definition_that_does_not_hold_is_refused(
    trader: Trader, more: dict[str, Any], status: int, code: str
) -> None:
    body = {"symbol": f"X{trader.number}-Y", "tick_size": "0.01", "lot_size": "1"} | more
    before = len(trader.http.get("/instruments").json()["items"])
    answer = trader.http.post("/instruments", json=body)
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert len(trader.http.get("/instruments").json()["items"]) == before


def test_a_second_instrument_of_the_symbol_is_refused(trader: Trader) -> None:
    body = {"symbol": trader.symbol, "tick_size": "1", "lot_size": "1"}
    answer = trader.http.post("/instruments", json=body)
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_definition")


def test_an_instrument_is_removed_when_nothing_rests_and_can_come_again(trader: Trader) -> None:
    order_id = trader.place(trader.alice, "buy", "90", "1").json()["id"]
    path = f"/instruments/{trader.symbol}"
    answer = trader.http.delete(path)
    assert (answer.status_code, answer.json()["code"]) == (422, "instrument_in_use")
    trader.http.delete(f"/orders/{order_id}")
    assert trader.http.delete(path).json()["phase"] == "removed"
    assert trader.http.get(path).status_code == 404
    assert trader.http.delete(path).status_code == 404
    assert trader.place(trader.alice, "buy", "90", "1").json()["code"] == "unknown_instrument"
    assert trader.http.get(f"/orders/{order_id}").json()["instrument"] == trader.symbol
    body = {"symbol": trader.symbol, "tick_size": "0.5", "lot_size": "1"}
    assert trader.http.post("/instruments", json=body).status_code == 201
    assert trader.place(trader.alice, "buy", "90.5", "1").json()["price"] == "90.5"


def test_phases_halt_cancel_only_and_close(trader: Trader) -> None:
    path = f"/instruments/{trader.symbol}/phase"
    order_id = trader.place(trader.alice, "buy", "90", "1").json()["id"]
    for phase in ("halted", "CANCEL_ONLY", "closed"):
        assert trader.http.put(path, json={"phase": phase}).json()["phase"] == phase.lower()
        answer = trader.place(trader.alice, "buy", "90", "1")
        assert (answer.status_code, answer.json()["code"]) == (422, "not_trading")
    assert trader.http.delete(f"/orders/{order_id}").status_code == 200
    assert trader.http.put(path, json={"phase": "continuous"}).status_code == 200
    assert trader.place(trader.alice, "buy", "90", "1").status_code == 201
    assert trader.http.put(path, json={"phase": "removed"}).status_code == 400
    assert trader.http.put("/instruments/NOPE/phase", json={"phase": "halted"}).status_code == 404


def test_the_book_shows_levels_best_first_and_orders_in_turn(trader: Trader) -> None:
    for price, quantity in (("90", "1"), ("91", "2"), ("90", "3")):
        trader.place(trader.alice, "buy", price, quantity)
    trader.place(trader.bob, "sell", "95", "1")
    params: dict[str, Any] = {"instrument": trader.symbol}
    book = trader.http.get("/orderbook", params=params)
    msgspec.json.decode(book.content, type=results.Book)
    assert book.json()["bids"] == [
        {"price": "91.00", "quantity": "2.0000", "orders": 1},
        {"price": "90.00", "quantity": "4.0000", "orders": 2},
    ]
    assert len(trader.http.get("/orderbook", params=params | {"depth": 1}).json()["bids"]) == 1
    queue = trader.http.get("/orderbook", params=params | {"by": "order"})
    msgspec.json.decode(queue.content, type=results.QueueBook)
    quantities = [order["quantity"] for order in queue.json()["bids"]]
    assert quantities == ["2.0000", "1.0000", "3.0000"]
    for wrong in ({"by": "name"}, {"depth": 0}, {"depth": 1001}, {"instrument": ""}):
        assert trader.http.get("/orderbook", params=params | wrong).status_code in (400, 422)
    assert trader.http.get("/orderbook").status_code == 400


def test_trades_are_listed_newest_first_by_page(trader: Trader) -> None:
    trader.place(trader.alice, "sell", "100", "5")
    for _ in range(5):
        trader.place(trader.bob, "buy", "100", "1")
    params: dict[str, Any] = {"instrument": trader.symbol}
    items = trader.http.get("/trades", params=params).json()["items"]
    ids = [int(item["id"]) for item in items]
    assert ids == sorted(ids, reverse=True)
    assert len(ids) == 5
    first = trader.http.get("/trades", params=params | {"limit": 2}).json()
    rest = trader.http.get("/trades", params=params | {"cursor": first["next"]}).json()
    assert [item["id"] for item in first["items"] + rest["items"]] == [str(n) for n in ids]
    msgspec.convert(items[0], results.Trade)
