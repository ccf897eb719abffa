"""Order entry and channels over WebSocket."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.contract.served_market import ServedMarket, Trader
from tests.contract.wire_socket import Closed, WireSocket, status_of

from tradepit.gateway.config import GatewayConfig


@pytest.fixture
def wire(market: ServedMarket) -> Iterator[WireSocket]:
    connection = WireSocket(market.port)
    assert connection.status == 101
    yield connection
    connection.close()


def place(trader: Trader, account: str, side: str, price: str, quantity: str, **more: Any) -> Any:
    return {"op": "place"} | trader.order(account, side, price, quantity, **more)


def test_orders_are_placed_amended_and_cancelled(trader: Trader, wire: WireSocket) -> None:
    placed = wire.ask(place(trader, trader.alice, "BUY", "90", "2"))
    assert (placed["op"], placed["status"], placed["order"]["status"]) == ("place", 201, "new")
    order_id = placed["order"]["id"]
    assert int(order_id) == placed["sequence"]
    assert trader.http.get(f"/orders/{order_id}").json()["price"] == "90.00"
    amended = wire.ask({"op": "replace", "order_id": order_id, "quantity": 1})
    assert (amended["status"], amended["order"]["quantity"]) == (200, "1.0000")
    cancelled = wire.ask({"op": "cancel", "order_id": order_id, "client_id": trader.alice})
    assert (cancelled["status"], cancelled["order"]["status"]) == (200, "cancelled")
    wire.ask(place(trader, trader.alice, "buy", "90", "2"))
    all_gone = wire.ask({"op": "mass_cancel", "client_id": trader.alice})
    assert (all_gone["status"], all_gone["result"]) == (200, {"cancelled": 1})


def test_refusals_carry_problem_id_and_op(trader: Trader, wire: WireSocket) -> None:
    cases: list[tuple[dict[str, Any], int, str]] = [
        (place(trader, trader.alice, "buy", "90.001", "2"), 400, "tick_size"),
        (place(trader, trader.alice, "buy", "9999999", "2"), 422, "insufficient_funds"),
        ({"op": "cancel", "order_id": "999999999"}, 404, "unknown_order"),
        ({"op": "cancel"}, 400, "invalid_field"),
        ({"op": "dance"}, 400, "invalid_field"),
        ({"op": "subscribe"}, 400, "invalid_field"),
        ({"op": "subscribe", "channel": "weather"}, 400, "invalid_field"),
        ({"op": "subscribe", "channel": "prints:*x"}, 422, "unknown_instrument"),
        ({"op": "subscribe", "channel": "book:NOPE"}, 422, "unknown_instrument"),
        ({"op": "subscribe", "channel": "execution"}, 400, "invalid_field"),
        (place(trader, trader.alice, "buy", "9", "2", idempotency_key=""), 400, "invalid_field"),
    ]
    for message, status, code in cases:
        answer = wire.ask(message)
        assert (answer["status"], answer["problem"]["code"]) == (status, code)
        assert answer["op"] == message["op"]


@pytest.mark.parametrize("payload", [b"", b"{", b"[]", b"5", b"\xff\xfe", b'{"op":5}', b'{"id":1}'])
def test_what_is_no_message_is_answered_and_the_socket_lives(
    market: ServedMarket, wire: WireSocket, payload: bytes
) -> None:
    before = market.state_hash()
    wire.send_frame(1, payload)
    assert wire.receive()["status"] == 400
    assert wire.ask({"op": "ping"})["op"] == "pong"
    assert market.state_hash() == before


def test_many_in_flight_are_all_answered(trader: Trader, wire: WireSocket) -> None:
    for number in range(1, 401):
        wire.send({"id": number} | place(trader, trader.alice, "buy", "1", f"0.{number:04d}"))
    answers = {answer["id"]: answer for answer in (wire.receive() for _ in range(400))}
    for number in range(1, 401):
        assert answers[number]["order"]["quantity"] == f"0.{number:04d}"


def test_an_idempotency_key_works_as_over_http(trader: Trader, wire: WireSocket) -> None:
    message = place(trader, trader.alice, "buy", "90", "2", idempotency_key="same")
    first, second = wire.ask(message), wire.ask(message)
    assert (first["status"], second["status"], second["replayed"]) == (201, 200, True)
    assert first["order"] == second["order"]
    over_http = trader.place(trader.alice, "buy", "90", "2", key="same")
    assert (over_http.status_code, over_http.json()) == (200, first["order"])


def test_a_fragmented_message_is_put_together(trader: Trader, wire: WireSocket) -> None:
    wire.send_frame(1, b'{"id":"ask",', is_last=False)
    wire.send_frame(0, b'"op":', is_last=False)
    wire.send_frame(0, b'"ping"}')
    assert wire.receive() == {"id": "ask", "op": "pong"}


def test_a_message_beyond_its_bound_closes_the_socket(market: ServedMarket) -> None:
    for fragments in (1, 3):
        wire = WireSocket(market.port)
        try:
            for number in range(fragments):
                opcode = 1 if number == 0 else 0
                size = 70_000 if fragments == 1 else 30_000
                wire.send_frame(opcode, b"x" * size, is_last=number == fragments - 1)
            with pytest.raises(Closed):
                wire.receive()
        except (ConnectionResetError, BrokenPipeError):
            pass
        finally:
            wire.close()


@pytest.mark.parametrize(
    "headers", [{"Origin": "https://evil.example"}, {"Origin": "null"}, {"Host": "evil.example"}]
)
def test_a_foreign_page_gets_no_socket(market: ServedMarket, headers: dict[str, str]) -> None:
    for path in ("/ws", "/api/v1/ws", "/ws/trades"):
        assert status_of(market.port, path, **headers) == 403


def test_sockets_are_found_under_both_paths_and_nowhere_else(market: ServedMarket) -> None:
    paths = ("/ws", "/ws/", "/api/v1/ws", "/ws/trades", "/api/v1/ws/trades")
    assert [status_of(market.port, path) for path in paths] == [101] * 5
    assert status_of(market.port, "/elsewhere") == 404
    assert status_of(market.port, "/ws/trades?instrument=NOPE") == 422


def levels(message: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    snapshot = message["snapshot"]
    return tuple(
        {level["price"]: (level["quantity"], level["orders"]) for level in snapshot[side]}
        for side in ("bids", "asks")
    )  # type: ignore[return-value]


def test_the_book_rebuilt_from_its_channel_is_the_book(trader: Trader, wire: WireSocket) -> None:
    trader.place(trader.alice, "buy", "90", "1")
    wire.send({"op": "subscribe", "channel": f"book:{trader.symbol}"})
    snapshot = wire.receive()
    bids, asks = levels(snapshot)
    assert bids == {"90.00": ("1.0000", 1)}
    resting = trader.place(trader.alice, "buy", "90", "2").json()["id"]
    trader.place(trader.bob, "sell", "90", "1.5")
    trader.http.patch(f"/orders/{resting}", json={"price": "89"})
    trader.place(trader.bob, "sell", "95", "1")
    trader.place(trader.bob, "buy", "96", "2", self_trade_prevention="cancel_maker")
    trader.place(trader.alice, "sell", "97", "1", time_in_force="ioc")
    trader.place(trader.alice, "buy", "50", "1")
    seq = snapshot["seq"]
    change: dict[str, Any] = {}
    while change.get("price") != "50.00":
        message = wire.receive()
        assert message["seq"] == seq + 1
        seq = message["seq"]
        change = message["data"]
        side = bids if change["side"] == "buy" else asks
        if change["orders"]:
            side[change["price"]] = (change["quantity"], change["orders"])
        else:
            assert float(change["quantity"]) == 0
            del side[change["price"]]
    book = trader.http.get("/orderbook", params={"instrument": trader.symbol}).json()
    assert (bids, asks) == levels({"snapshot": book})


def test_best_bid_and_offer_are_told_when_they_change(trader: Trader, wire: WireSocket) -> None:
    wire.send({"op": "subscribe", "channel": f"bbo:{trader.symbol}"})
    assert wire.receive()["snapshot"]["bid_price"] is None
    trader.place(trader.alice, "buy", "90", "1")
    trader.place(trader.alice, "buy", "80", "1")
    trader.place(trader.alice, "sell", "95", "2")
    first, second = wire.receive(), wire.receive()
    assert first["data"]["bid_price"] == "90.00"
    assert second["data"] == {
        "bid_price": "90.00",
        "bid_quantity": "1.0000",
        "ask_price": "95.00",
        "ask_quantity": "2.0000",
    }
    assert second["previous_seq"] == first["seq"]


def test_trades_come_once_each_on_channel_and_trade_socket(
    market: ServedMarket, trader: Trader, wire: WireSocket
) -> None:
    bare = WireSocket(market.port, f"/ws/trades?instrument={trader.symbol}")
    everything = WireSocket(market.port, "/ws/trades")
    wire.send({"op": "subscribe", "channel": f"trades:{trader.symbol}"})
    wire.receive()
    trader.place(trader.alice, "sell", "100", "1")
    trader.place(trader.alice, "sell", "101", "1")
    trader.place(trader.bob, "buy", "101", "2")
    listed = trader.http.get("/trades", params={"instrument": trader.symbol}).json()["items"]
    told = [wire.receive()["data"], wire.receive()["data"]]
    assert told == listed[::-1]
    assert [bare.receive(), bare.receive()] == told
    assert [everything.receive(), everything.receive()] == told
    bare.close()
    everything.close()


def test_execution_reports_reach_their_owner_only(trader: Trader, wire: WireSocket) -> None:
    wire.send({"op": "subscribe", "channel": "execution", "client_id": trader.alice})
    assert wire.receive()["snapshot"] == {"orders": []}
    maker = trader.place(trader.alice, "sell", "100", "2", client_order_id="mine").json()
    trader.place(trader.bob, "buy", "100", "1")
    trader.place(trader.bob, "buy", "50", "1")
    trader.place(trader.alice, "buy", "9999999", "1")
    trader.http.delete(f"/orders/{maker['id']}")
    reports = [wire.receive() for _ in range(4)]
    assert [r["data"]["report"] for r in reports] == ["accepted", "fill", "rejected", "cancelled"]
    assert reports[0]["data"]["order"] == maker
    assert reports[1]["data"]["fill"]["liquidity"] == "maker"
    assert reports[1]["data"]["order"]["remaining"] == "1.0000"
    assert reports[2]["data"]["reject_reason"] == "insufficient_funds"
    assert all(report["client_id"] == trader.alice for report in reports)
    for before, after in itertools.pairwise(reports):
        assert after["seq"] == before["seq"] + 1


def test_execution_may_be_watched_before_the_account_exists(
    trader: Trader, wire: WireSocket
) -> None:
    somebody = f"soon-{trader.number}"
    wire.ask({"op": "subscribe", "channel": "execution", "client_id": somebody})
    trader.place(somebody, "buy", "10", "1")
    assert wire.receive()["snapshot"] == {"orders": []}
    assert wire.receive()["data"]["report"] == "accepted"


def test_a_star_covers_instruments_that_come_later(trader: Trader, wire: WireSocket) -> None:
    wire.ask({"op": "subscribe", "channel": "trades:*"})
    later = Trader(trader.market)
    later.list_instrument()
    later.place(later.alice, "sell", "100", "1")
    later.place(later.bob, "buy", "100", "1")
    seen: list[Any] = []
    while not seen or "data" not in seen[-1]:
        message = wire.receive()
        if message["channel"] == f"trades:{later.symbol}":
            seen.append(message)
    assert "snapshot" in seen[0]
    assert (seen[0]["seq"], seen[-1]["seq"]) == (0, 1)
    later.close()


def test_a_reconnect_resumes_where_it_left_off(
    market: ServedMarket, trader: Trader, wire: WireSocket
) -> None:
    channel = f"book:{trader.symbol}"
    wire.send({"op": "subscribe", "channel": channel})
    wire.receive()
    trader.place(trader.alice, "buy", "90", "1")
    seen = wire.receive()["seq"]
    wire.close()
    for price in ("91", "92"):
        trader.place(trader.alice, "buy", price, "1")
    again = WireSocket(market.port)
    again.send({"op": "subscribe", "channel": channel, "from": seen})
    first, second, resumed = again.receive(), again.receive(), again.receive()
    assert (first["seq"], second["seq"]) == (seen + 1, seen + 2)
    assert (resumed["resumed"], resumed["seq"]) == (True, second["seq"])
    again.send({"op": "subscribe", "channel": channel, "from": seen + 3})
    assert again.receive()["code"] == "snapshot_required"
    again.close()


def test_unsubscribing_ends_the_messages(trader: Trader, wire: WireSocket) -> None:
    channel = f"book:{trader.symbol}"
    wire.send({"op": "subscribe", "channel": channel})
    wire.receive()
    assert wire.ask({"op": "unsubscribe", "channel": channel})["status"] == 200
    trader.place(trader.alice, "buy", "90", "1")
    assert wire.ask({"op": "ping"}) == {"id": "ask", "op": "pong"}
    wire.send({"op": "ping"})
    assert wire.receive() == {"id": None, "op": "pong"}


def until_closed(wire: WireSocket) -> Closed:
    try:
        while True:
            wire.receive()
    except Closed as closed:
        return closed


def test_a_slow_consumer_is_closed_and_the_market_goes_on(tmp_path: Path) -> None:
    served = ServedMarket(tmp_path, GatewayConfig(socket_buffer_max=64 * 1024))
    trader = Trader(served)
    trader.list_instrument()
    wire = WireSocket(served.port)
    wire.ask({"op": "subscribe", "channel": "execution", "client_id": trader.alice})
    operations = [place(trader, trader.alice, "buy", "1", "0.0001")] * 500
    began = time.monotonic()
    while served.call(lambda: served.server.gateway.sockets.slow_count) == 0:
        trader.http.post("/orders/batch", json={"operations": operations})
        trader.http.delete("/orders", params={"client_id": trader.alice})
        assert time.monotonic() - began < 30
    assert trader.place(trader.bob, "buy", "1", "1").status_code == 201
    closed = until_closed(wire)
    assert closed.code == 4008
    assert closed.reason.startswith("slow_consumer ")
    wire.close()
    trader.close()
    served.stop()


def test_too_many_channels_are_refused(tmp_path: Path) -> None:
    served = ServedMarket(tmp_path, GatewayConfig(socket_subscriptions_max=1))
    wire = WireSocket(served.port)
    assert wire.ask({"op": "subscribe", "channel": "book:BTC-USD"})["status"] == 200
    refused = wire.ask({"op": "subscribe", "channel": "bbo:BTC-USD"})
    assert refused["problem"]["code"] == "too_many_requests"
    wire.close()
    served.stop()


def test_a_socket_for_all_trades_is_served_however_many_instruments_there_are(
    tmp_path: Path,
) -> None:
    served = ServedMarket(tmp_path, GatewayConfig(socket_subscriptions_max=1))
    traders = [Trader(served), Trader(served)]
    for trader in traders:
        trader.list_instrument()
    everything = WireSocket(served.port, "/ws/trades")
    for trader in traders:
        trader.place(trader.alice, "sell", "100", "1")
        trader.place(trader.bob, "buy", "100", "1")
        assert everything.receive()["instrument"] == trader.symbol
        trader.close()
    everything.close()
    served.stop()


def test_the_stopping_node_says_goodbye(tmp_path: Path) -> None:
    served = ServedMarket(tmp_path, GatewayConfig())
    wire = WireSocket(served.port)
    wire.ask({"op": "ping"})
    served.stop()
    with pytest.raises(Closed) as closed:
        wire.receive()
    assert closed.value.code == 1001
    wire.close()
