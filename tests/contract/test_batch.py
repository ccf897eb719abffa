"""The batch route: many operations, one commit, one answer each."""

from __future__ import annotations

from typing import Any

import msgspec
from tests.contract.served_market import Trader

from tradepit.gateway import results


def send(trader: Trader, operations: list[Any], **more: Any) -> list[Any]:
    headers = {"Idempotency-Key": more.pop("key")} if "key" in more else {}
    body = {"operations": operations} | more
    answer = trader.http.post("/orders/batch", json=body, headers=headers)
    assert answer.status_code == 200, answer.text
    msgspec.json.decode(answer.content, type=results.BatchResults)
    found: list[Any] = answer.json()["results"]
    assert len(found) == len(operations)
    return found


def test_operations_are_done_in_order_and_answered_one_by_one(trader: Trader) -> None:
    resting = trader.place(trader.alice, "sell", "100", "1").json()["id"]
    other = trader.place(trader.alice, "buy", "90", "1").json()["id"]
    found = send(
        trader,
        [
            {"op": "place"} | trader.order(trader.bob, "buy", "100", "0.5"),
            {"op": "replace", "order_id": resting, "price": "101"},
            {"op": "place"} | trader.order(trader.bob, "buy", "100", "0.5"),
            {"op": "cancel", "order_id": other},
            {"op": "cancel", "order_id": other},
            {"op": "place"} | trader.order(trader.bob, "buy", "100.001", "0.5"),
            {"op": "mass_cancel", "client_id": trader.bob},
        ],
    )
    assert [result["status"] for result in found] == [201, 200, 201, 200, 422, 400, 200]
    assert found[0]["order"]["status"] == "filled"
    assert found[2]["order"]["status"] == "new"
    assert found[3]["order"]["status"] == "cancelled"
    assert found[4]["problem"]["code"] == "order_closed"
    assert found[5]["problem"]["code"] == "tick_size"
    assert found[6]["result"] == {"cancelled": 1}


def test_a_batch_is_one_frame_with_dense_sequences(trader: Trader) -> None:
    operations = [
        {"op": "place"} | trader.order(trader.alice, "buy", "90", "0.1") for _ in range(1000)
    ]
    ids = [int(result["order"]["id"]) for result in send(trader, operations)]
    assert ids == list(range(ids[0], ids[0] + 1000))


def test_the_account_may_be_named_once_for_all_and_be_new(trader: Trader) -> None:
    order = trader.order("x", "buy", "90", "0.1")
    del order["client_id"]
    somebody = f"new-{trader.number}"
    found = send(trader, [{"op": "place"} | order] * 3, client_id=somebody)
    assert [result["order"]["client_id"] for result in found] == [somebody] * 3


def test_the_header_key_makes_every_operation_idempotent(trader: Trader) -> None:
    operations = [{"op": "place"} | trader.order(trader.alice, "buy", "90", "0.1")] * 3
    first = send(trader, operations, key=f"batch-{trader.number}")
    second = send(trader, operations, key=f"batch-{trader.number}")
    assert [result["status"] for result in second] == [200, 200, 200]
    assert all(result["replayed"] for result in second)
    assert [r["order"] for r in second] == [r["order"] for r in first]
    assert len({result["order"]["id"] for result in first}) == 3


def test_an_operation_that_is_no_operation_is_answered_in_its_place(trader: Trader) -> None:
    good = {"op": "place"} | trader.order(trader.alice, "buy", "90", "0.1")
    bad = [
        {"op": "dance"},
        {},
        5,
        None,
        {"op": "cancel"},
        {"op": "replace", "order_id": "1"},
        {"op": "place", "client_id": trader.alice, "side": "buy", "quantity": 1},
        {"op": "place", "client_id": trader.alice, "instrument": trader.symbol, "quantity": 1},
        {"op": "place", "client_id": trader.alice, "instrument": trader.symbol, "side": "buy"},
    ]
    found = send(trader, [good, *bad, good])
    assert [result["status"] for result in found] == [201, *[400] * 5, 404, *[400] * 3, 201]


def test_too_many_operations_are_refused_whole(trader: Trader) -> None:
    before = trader.market.state_hash()
    operations = [{"op": "cancel", "order_id": "1"}] * 1001
    answer = trader.http.post("/orders/batch", json={"operations": operations})
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_field")
    assert trader.market.state_hash() == before


def test_an_empty_batch_is_an_empty_answer(trader: Trader) -> None:
    assert send(trader, []) == []


def test_a_batch_beyond_a_mebibyte_is_too_large(trader: Trader) -> None:
    body = b'{"operations":[' + b" " * 1024 * 1024 + b"]}"
    headers = {"content-type": "application/json"}
    answer = trader.http.post("/orders/batch", content=body, headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (413, "too_large")
