"""What the node has forgotten reads as it did, from SQL, on both databases."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

import pytest
from tests.contract.served_market import MARKET, ServedMarket, Trader
from tests.segments import SMALL_SEGMENTS

from tradepit.gateway.config import GatewayConfig
from tradepit.node.opening import NodeOptions
from tradepit.node.recovery import History

REMEMBERED = 40
"""Orders and trades that the node itself remembers."""


@pytest.fixture
def trader(database_url: str, tmp_path: Path) -> Iterator[Trader]:
    options = NodeOptions(
        market=MARKET, journal=SMALL_SEGMENTS, history=History(REMEMBERED, REMEMBERED)
    )
    config = GatewayConfig(read_wait_max=0.3)
    served = ServedMarket(tmp_path / "data", config, options, database_url=database_url)
    somebody = Trader(served)
    somebody.list_instrument(maker_fee_bps="-1", taker_fee_bps="3")
    yield somebody
    somebody.close()
    served.stop()


def pages(trader: Trader, path: str, limit: int = 7, **filters: Any) -> list[dict[str, Any]]:
    """Every item of a list, page by page."""
    items: list[dict[str, Any]] = []
    cursor = {}
    while True:
        answer = trader.http.get(path, params={"limit": limit} | filters | cursor)
        assert answer.status_code == 200, answer.text
        page = answer.json()
        items += page["items"]
        assert page["next"] is None or len(page["items"]) >= limit
        if page["next"] is None:
            return items
        cursor = {"cursor": page["next"]}


def trade_a_while(trader: Trader, count: int) -> dict[str, dict[str, Any]]:
    """Orders of every kind; each as the node itself told it at the last."""
    rng = Random(count)
    told: dict[str, dict[str, Any]] = {}
    for number in range(count):
        account = rng.choice([trader.alice, trader.bob])
        price = None if rng.random() < 0.1 else f"{rng.randrange(9_950, 10_050) / 100:.2f}"
        extra: dict[str, Any] = {"client_order_id": f"name-{number}"} if rng.random() < 0.5 else {}
        if price is not None:
            extra["time_in_force"] = rng.choice(["gtc", "gtc", "gtc", "ioc", "day", "fok"])
            if extra["time_in_force"] == "gtc" and rng.random() < 0.2:
                extra["post_only"] = "reprice"
        extra["self_trade_prevention"] = rng.choice(["none", "cancel_maker", "cancel_taker"])
        quantity = f"{rng.randrange(1, 40) / 10_000:.4f}"
        answer = trader.place(account, rng.choice(["buy", "sell"]), price, quantity, **extra)
        assert answer.status_code == 201, answer.text
        told[answer.json()["id"]] = answer.json()
        if rng.random() < 0.15:
            trader.http.patch(f"/orders/{rng.choice(list(told))}", json={"quantity": "0.0050"})
        if rng.random() < 0.1:
            trader.http.delete(f"/orders/{rng.choice(list(told))}")
        for order_id in list(told)[-REMEMBERED + 5 :]:
            told[order_id] = trader.http.get(f"/orders/{order_id}").json()
    return told


def without_place(order: dict[str, Any]) -> dict[str, Any]:
    """An order but for what depends on when it was asked for."""
    passing = ("as_of", "queue_ahead", "orders_ahead")
    return {name: value for name, value in order.items() if name not in passing}


def test_orders_read_from_sql_as_they_were_told_by_the_node(trader: Trader) -> None:
    told = trade_a_while(trader, 150)
    account = {"client_id": trader.alice}
    everything = list(map(without_place, pages(trader, "/orders", min_sequence=1)))
    assert [item["id"] for item in everything] == sorted(told, key=int, reverse=True)
    finished = 0
    for item in everything:
        now = trader.http.get(f"/orders/{item['id']}").json()
        assert without_place(now) == item
        last = told[item["id"]]
        if last["status"] not in ("new", "partially_filled"):
            assert item == without_place(last)
            finished += 1
    assert finished > 60
    own = list(map(without_place, pages(trader, "/orders", **account)))
    assert own == [item for item in everything if item["client_id"] == trader.alice]
    for status in ("filled", "cancelled", "new"):
        found = pages(trader, "/orders", status=status)
        assert [item["id"] for item in found] == [
            item["id"] for item in everything if item["status"] == status
        ]
    oldest = everything[-1]
    assert trader.http.get(f"/orders/{oldest['id']}").status_code == 200
    stranger = {trader.alice: trader.bob, trader.bob: trader.alice}[oldest["client_id"]]
    refused = trader.http.get(f"/orders/{oldest['id']}", params={"client_id": stranger})
    missing = trader.http.get("/orders/999999", params={"client_id": stranger})
    assert (refused.status_code, refused.json()["code"]) == (404, "unknown_order")
    assert refused.json() == missing.json()


def test_a_repeat_is_answered_as_at_first_long_after(trader: Trader) -> None:
    """Keys outlive what the node remembers of their orders."""
    rng = Random(5)
    sent: list[tuple[dict[str, Any], dict[str, Any]]] = []
    for number in range(110):
        price = None if rng.random() < 0.15 else f"{rng.randrange(9_990, 10_010) / 100:.2f}"
        order: dict[str, Any] = {"key": f"again-{number}"}
        if price is not None:
            order["time_in_force"] = rng.choice(["gtc", "gtc", "ioc", "fok"])
        account, side = rng.choice([trader.alice, trader.bob]), rng.choice(["buy", "sell"])
        order |= {"client_id": account, "side": side, "price": price}
        order["quantity"] = f"{rng.randrange(1, 40) / 10_000:.4f}"
        answer = trader.place(**order)
        assert answer.status_code == 201
        sent.append((order, answer.json()))
    statuses = set()
    for order, original in sent:
        again = trader.place(**order)
        assert (again.status_code, again.headers["idempotent-replayed"]) == (200, "true")
        assert again.json() == original
        statuses.add((original["status"], original["time_in_force"]))
    assert len(statuses) >= 6
    first = sent[0][1]
    for _, original in sent[:30]:
        now = trader.http.get(f"/orders/{original['id']}").json()
        cancel = trader.http.delete(f"/orders/{original['id']}")
        if now["status"] in ("new", "partially_filled"):
            assert cancel.status_code == 200
        else:
            assert (cancel.status_code, cancel.json()["code"]) == (422, "order_closed")
    stranger = {trader.alice: trader.bob, trader.bob: trader.alice}[first["client_id"]]
    refused = trader.http.delete(f"/orders/{first['id']}", params={"client_id": stranger})
    assert (refused.status_code, refused.json()["code"]) == (404, "unknown_order")


def test_a_cancel_repeats_its_answer_long_after(trader: Trader) -> None:
    placed = trader.place(trader.alice, "buy", "50", "0.0100").json()
    path, headers = f"/orders/{placed['id']}", {"Idempotency-Key": "cancel-once"}
    cancelled = trader.http.delete(path, headers=headers)
    assert cancelled.json()["status"] == "cancelled"
    trade_a_while(trader, REMEMBERED + 20)
    again = trader.http.delete(path, headers=headers)
    assert (again.status_code, again.json()) == (200, cancelled.json())


def test_an_order_is_found_by_its_own_name_for_ever(trader: Trader) -> None:
    told = trade_a_while(trader, 120)
    named = [order for order in told.values() if order["client_order_id"]]
    for order in named:
        found = pages(
            trader,
            "/orders",
            client_id=order["client_id"],
            client_order_id=order["client_order_id"],
        )
        assert [item["id"] for item in found] == [order["id"]]
    assert pages(trader, "/orders", client_id=trader.alice, client_order_id="nobody") == []


def test_trades_and_fills_agree_page_by_page(trader: Trader) -> None:
    trade_a_while(trader, 150)
    orders = pages(trader, "/orders")
    trades = pages(trader, "/trades", instrument=trader.symbol)
    assert [int(trade["id"]) for trade in trades] == list(range(len(trades), 0, -1))
    assert len(trades) > REMEMBERED
    assert pages(trader, "/trades", limit=1000) == trades
    for account in (trader.alice, trader.bob):
        fills = pages(trader, f"/accounts/{account}/trades")
        expected = sorted(
            (int(fill["trade_id"]), order["id"], fill["liquidity"], fill["price"], fill["fee"])
            for order in orders
            if order["client_id"] == account
            for fill in order["fills"]
        )
        assert expected == sorted(
            (int(fill["trade_id"]), fill["order_id"], fill["liquidity"], fill["price"], fill["fee"])
            for fill in fills
        )


def test_ledger_lines_sum_to_the_balances(trader: Trader) -> None:
    trade_a_while(trader, 100)
    for account in (trader.alice, trader.bob):
        sums: dict[str, float] = {}
        lines = pages(trader, f"/accounts/{account}/ledger", limit=11)
        assert len({line["id"] for line in lines}) == len(lines) > 20
        for line in lines:
            sums[line["asset"]] = sums.get(line["asset"], 0) + units(line["amount"])
        balances = trader.http.get(f"/accounts/{account}/balances").json()["items"]
        assert sums == {item["asset"]: units(item["total"]) for item in balances}
        only = pages(trader, f"/accounts/{account}/ledger", asset="USD")
        assert only == [line for line in lines if line["asset"] == "USD"]


def units(text: str) -> int:
    return int(text.replace(".", ""))


@pytest.mark.parametrize("cursor", ["x", "5", "5.", ".5", "5.x", "9" * 30 + ".1"])
def test_a_ledger_cursor_of_another_kind_is_refused(trader: Trader, cursor: str) -> None:
    answer = trader.http.get(f"/accounts/{trader.alice}/ledger", params={"cursor": cursor})
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_cursor")


def test_without_its_database_the_market_trades_on(trader: Trader) -> None:
    resting = trader.place(trader.alice, "buy", "50", "0.0100").json()["id"]
    trade_a_while(trader, 60)

    history = trader.market.server.gateway.history
    assert history is not None

    async def fail() -> int:
        raise OSError("the database went away")

    history.sequence = fail  # type: ignore[method-assign]
    answer = trader.http.get("/orders", params={"cursor": "30"})
    assert (answer.status_code, answer.json()["code"]) == (503, "history_unavailable")
    assert answer.headers["retry-after"] == "1"
    assert trader.http.get(f"/orders/{resting}").json()["status"] == "new"
    assert trader.place(trader.alice, "buy", "90", "0.0001").status_code == 201
    assert trader.http.get("/orders", params={"limit": 5}).status_code == 200
