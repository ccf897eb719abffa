"""Channels beside the book: own orders, positions, candles, statistics, conflation."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.contract.served_market import MARKET, ServedMarket, Trader
from tests.contract.test_event_stream import EventReader
from tests.contract.wire_socket import WireSocket
from tests.segments import SMALL_SEGMENTS

from tradepit.gateway.config import GatewayConfig
from tradepit.node.opening import NodeOptions
from tradepit.node.recovery import History

WAIT_SECONDS = 10.0


@pytest.fixture
def wire(trader: Trader) -> Iterator[WireSocket]:
    made = WireSocket(trader.market.port)
    yield made
    made.close()


def subscribe(wire: WireSocket, channel: str, **more: Any) -> Any:
    wire.send({"op": "subscribe", "channel": channel} | more)
    return wire.receive()


def test_orders_say_what_happened_to_each(trader: Trader, wire: WireSocket) -> None:
    first = trader.place(trader.alice, "sell", "95", "2").json()["id"]
    snapshot = subscribe(wire, f"orders:{trader.symbol}")
    assert snapshot["snapshot"] == {
        "bids": [],
        "asks": [{"order_id": first, "price": "95.00", "quantity": "2.0000"}],
    }
    second = trader.place(trader.alice, "sell", "95", "1").json()["id"]
    trader.http.patch(f"/orders/{first}", json={"quantity": "1"})
    trader.http.patch(f"/orders/{first}", json={"price": "96"})
    taker = trader.place(trader.bob, "buy", "95", "1.5").json()
    trader.http.delete(f"/orders/{first}")
    told = [wire.receive() for _ in range(6)]
    assert [message["seq"] for message in told] == [snapshot["seq"] + n for n in range(1, 7)]
    shown = [
        {name: value for name, value in message["data"].items() if name != "sequence"}
        for message in told
    ]
    sell = {"side": "sell"}
    assert shown == [
        {"action": "add", "order_id": second, **sell, "price": "95.00", "quantity": "1.0000"},
        {"action": "modify", "order_id": first, **sell, "price": "95.00", "quantity": "1.0000",
         "priority": "kept"},
        {"action": "modify", "order_id": first, **sell, "price": "96.00", "quantity": "1.0000",
         "priority": "lost", "previous_price": "95.00"},
        {"action": "trade", "order_id": second, **sell, "price": "95.00", "quantity": "0.0000",
         "trade_id": taker["fills"][0]["trade_id"], "traded_quantity": "1.0000",
         "taker_order_id": taker["id"]},
        {"action": "add", "order_id": taker["id"], "side": "buy", "price": "95.00",
         "quantity": "0.5000"},
        {"action": "delete", "order_id": first, **sell, "price": "96.00", "quantity": "0.0000",
         "reason": "requested"},
    ]  # fmt: skip
    # What one command did has one sequence.
    assert told[3]["data"]["sequence"] == told[4]["data"]["sequence"] == int(taker["id"])


def test_own_orders_are_marked_for_their_owner(trader: Trader, wire: WireSocket) -> None:
    trader.place(trader.alice, "buy", "90", "1")
    trader.place(trader.bob, "buy", "90", "1")
    channel = f"orders:{trader.symbol}"
    snapshot = subscribe(wire, channel, client_id=trader.bob)["snapshot"]
    assert [order.get("own") for order in snapshot["bids"]] == [None, True]
    other = EventReader(trader.market.port, f"channels={channel}")
    assert [order.get("own") for order in other.next().data["snapshot"]["bids"]] == [None, None]
    trader.place(trader.bob, "buy", "91", "1")
    marked, plain = wire.receive(), other.next().data
    assert marked["data"].pop("own") is True
    assert marked == plain
    other.close()


def test_an_account_that_is_opened_later_finds_its_orders_marked(
    trader: Trader, wire: WireSocket
) -> None:
    late = f"late-{trader.number}"
    channel = f"orders:{trader.symbol}"
    begun = subscribe(wire, channel, client_id=late)["seq"]
    subscribe_later = WireSocket(trader.market.port)
    subscribe_later.send({"op": "subscribe", "channel": "positions", "client_id": late})
    trader.place(trader.alice, "sell", "95", "1")
    assert "own" not in wire.receive()["data"]
    trader.place(late, "buy", "94", "1")
    message = wire.receive()
    assert (message["seq"], message["data"].get("own")) == (begun + 2, True)
    first = subscribe_later.receive()
    assert (first["channel"], first["seq"]) == ("positions", 0)
    subscribe_later.close()


def test_positions_are_told_with_every_version(trader: Trader, wire: WireSocket) -> None:
    begun = subscribe(wire, "positions", client_id=trader.bob)
    before = {each["instrument"]: each for each in begun["snapshot"]["positions"]}
    trader.place(trader.alice, "sell", "95", "1")
    trader.place(trader.alice, "sell", "96", "1")
    trader.place(trader.bob, "buy", "96", "2")
    told = [wire.receive() for _ in range(2)]
    assert [message["seq"] - begun["seq"] for message in told] == [1, 2]
    version = before.get(trader.symbol, {}).get("version", 0)
    assert [message["data"]["version"] for message in told] == [version + 1, version + 2]
    now = trader.http.get(f"/accounts/{trader.bob}/positions").json()["items"]
    (expected,) = [each for each in now if each["instrument"] == trader.symbol]
    fill = told[1]["data"].pop("last_fill")
    assert (fill["side"], fill["price"], fill["quantity"]) == ("buy", "96.00", "1.0000")
    assert told[1]["data"] == expected
    # Coins that come otherwise are no fill: everything is told anew.
    deposit = {"asset": f"T{trader.number}", "amount": "5"}
    trader.http.post(f"/accounts/{trader.bob}/deposits", json=deposit)
    anew = wire.receive()
    assert anew["seq"] == told[1]["seq"]
    items = trader.http.get(f"/accounts/{trader.bob}/positions").json()["items"]
    last = [each.pop("last_fill") for each in anew["snapshot"]["positions"]]
    assert fill in last
    assert anew["snapshot"]["positions"] == items
    again = WireSocket(trader.market.port)
    message = subscribe(again, "positions", client_id=trader.bob, **{"from": anew["seq"]})
    assert message["code"] == "snapshot_required"
    again.close()
    wire.send({"op": "subscribe", "channel": "positions", "id": 1})
    assert wire.receive()["problem"]["field"] == "client_id"


@pytest.mark.parametrize("is_stream", [False, True])
def test_a_conflated_book_sends_a_level_once_with_its_latest_state(
    trader: Trader, is_stream: bool
) -> None:
    channel = f"book:{trader.symbol}"
    if is_stream:
        reader = EventReader(trader.market.port, f"channels={channel}&conflate_ms=500")
        receive, close = lambda: reader.next().data, reader.close
    else:
        wire = WireSocket(trader.market.port)
        wire.send({"op": "subscribe", "channel": channel, "conflate_ms": 500})
        receive, close = wire.receive, wire.close
    begun = receive()
    assert begun["conflate_ms"] == 500
    operations = [
        {"op": "place"} | trader.order(trader.alice, "buy", price, "1")
        for price in ("90", "91", "90", "90", "91")
    ]
    trader.http.post("/orders/batch", json={"operations": operations})
    told = [receive(), receive()]
    assert [(message["data"]["price"], message["data"]["orders"]) for message in told] == [
        ("90.00", 3),
        ("91.00", 2),
    ]
    assert [message["seq"] - begun["seq"] for message in told] == [4, 5]
    assert told[0]["previous_seq"] == begun["seq"]
    assert told[1]["previous_seq"] == told[0]["seq"]
    close()


def test_the_conflated_best_is_told_once(trader: Trader, wire: WireSocket) -> None:
    channel = f"bbo:{trader.symbol}"
    begun = subscribe(wire, channel, conflate_ms=300)
    for price in ("90", "91", "92"):
        trader.place(trader.alice, "buy", price, "1")
    message = wire.receive()
    while message["data"]["bid_price"] != "92.00":
        begun, message = message, wire.receive()
    assert message["previous_seq"] == begun["seq"]


@pytest.mark.parametrize(
    ("channel", "conflate_ms"),
    [("book", 9), ("book", 10_001), ("bbo", 0), ("book", -5), ("orders", 100), ("trades", 100)],
)
def test_what_cannot_be_conflated_is_refused(
    trader: Trader, wire: WireSocket, channel: str, conflate_ms: int
) -> None:
    name = f"{channel}:{trader.symbol}"
    answer = wire.ask({"op": "subscribe", "channel": name, "conflate_ms": conflate_ms})
    assert (answer["status"], answer["problem"]["field"]) == (400, "conflate_ms")
    if channel in ("book", "bbo"):
        reader = EventReader(trader.market.port, f"channels={name}&conflate_ms={conflate_ms}")
        assert (reader.status, reader.body()["field"]) == (400, "conflate_ms")
        reader.close()


def test_unsubscribing_ends_every_form_of_a_channel(trader: Trader, wire: WireSocket) -> None:
    channel = f"book:{trader.symbol}"
    subscribe(wire, channel)
    subscribe(wire, channel, conflate_ms=10)
    assert wire.ask({"op": "unsubscribe", "channel": channel})["status"] == 200
    trader.place(trader.alice, "buy", "90", "1")
    time.sleep(0.05)
    assert wire.ask({"op": "ping"})["op"] == "pong"
    wire.socket.settimeout(0.1)
    with pytest.raises(TimeoutError):
        wire.receive()


@pytest.mark.parametrize(
    "channel", ["candles:X", "candles:{}", "candles:{}:7s", "candles:{}:", "statistics:NOPE"]
)
def test_a_candle_channel_names_an_interval(trader: Trader, wire: WireSocket, channel: str) -> None:
    answer = wire.ask({"op": "subscribe", "channel": channel.format(trader.symbol)})
    assert answer["status"] in (400, 422)


@pytest.fixture
def recorded(tmp_path: Path) -> Iterator[Trader]:
    """Somebody on a node with a history in SQL."""
    url = f"sqlite:///{tmp_path / 'history.sqlite'}"
    served = ServedMarket(tmp_path / "data", GatewayConfig(), database_url=url)
    trader = Trader(served)
    trader.list_instrument()
    yield trader
    trader.close()
    served.stop()


def trade(trader: Trader, price: str, quantity: str = "1") -> None:
    trader.place(trader.alice, "sell", price, quantity)
    trader.place(trader.bob, "buy", price, quantity)


def test_candles_are_those_of_the_history_and_close(recorded: Trader) -> None:
    trader = recorded
    trade(trader, "100")
    wire = WireSocket(trader.market.port)
    begun = subscribe(wire, f"candles:{trader.symbol}:1s")
    assert len(begun["snapshot"]["candles"]) == 1
    told = [begun | {"data": begun["snapshot"]["candles"][0]}]
    began = time.monotonic()
    while sum(message["data"]["closed"] for message in told) < 3:
        trade(trader, str(100 + len(told) % 7), f"0.{1 + len(told) % 5}")
        told.append(wire.receive())
        assert time.monotonic() - began < WAIT_SECONDS
    wire.close()
    for before, after in itertools.pairwise(told):
        assert after["previous_seq"] == before["seq"] < after["seq"]
    closed = {
        message["data"]["start"]: message["data"] for message in told if message["data"]["closed"]
    }
    path = {"instrument": trader.symbol, "interval": "1s", "limit": 1000}
    kept = {
        each["start"]: each for each in trader.http.get("/candles", params=path).json()["items"]
    }
    for start, candle in closed.items():
        assert candle.pop("closed") is True
        assert candle == kept[start]
    # A candle of a day is still the running one.
    day = subscribe(again := WireSocket(trader.market.port), f"candles:{trader.symbol}:1d")
    (running,) = day["snapshot"]["candles"]
    (expected,) = trader.http.get("/candles", params=path | {"interval": "1d"}).json()["items"]
    assert running.pop("closed") is False
    assert running == expected
    again.close()


def test_statistics_are_those_of_the_day(recorded: Trader) -> None:
    trader = recorded
    wire = WireSocket(trader.market.port)
    path = f"/instruments/{trader.symbol}/statistics"

    def current() -> Any:
        return {
            name: value for name, value in trader.http.get(path).json().items() if name != "as_of"
        }

    begun = subscribe(wire, f"statistics:{trader.symbol}")
    assert begun["snapshot"].pop("as_of") > 0
    assert begun["snapshot"] == current()
    for price in ("100", "103", "98", "101.5"):
        trade(trader, price)
    message = wire.receive()
    while message["data"]["trades"] < 4:
        message = wire.receive()
    assert message["data"].pop("as_of") > 0
    assert message["data"] == current()
    assert message["data"]["change_percent"] == "1.50"
    every = subscribe(wire, "statistics")
    assert every["channel"].startswith("statistics:")
    wire.close()


def test_what_a_node_does_not_remember_is_said(tmp_path: Path) -> None:
    options = NodeOptions(market=MARKET, journal=SMALL_SEGMENTS, history=History(100, 3))
    served = ServedMarket(tmp_path, GatewayConfig(), options)
    trader = Trader(served)
    trader.list_instrument()
    for _ in range(5):
        trade(trader, "100")
    wire = WireSocket(served.port)
    day = subscribe(wire, f"candles:{trader.symbol}:1d")["snapshot"]["candles"][0]
    assert (day["complete"], day["trades"]) == (False, 3)
    assert subscribe(wire, f"statistics:{trader.symbol}")["snapshot"]["complete"] is False
    wire.close()
    trader.close()
    served.stop()
