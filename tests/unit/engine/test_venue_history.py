"""What the history remembers of icebergs, stop orders and auctions is what was answered then."""

from __future__ import annotations

import json
import random
from typing import Any

import pytest
from tests.unit.marketdata.frames import MarketOfFrames
from tests.unit.marketdata.random_flow import ACCOUNTS, INSTRUMENT
from tests.unit.marketdata.venue_flow import live_orders, venue

from tradepit._native import Replica
from tradepit.domain import commands
from tradepit.domain.wire import OrderType

OF_THE_QUEUE = ("queue_ahead", "orders_ahead")


def order_of(replica: Replica, order_id: int, sequence: int = 0) -> dict[str, Any]:
    text = replica.order_json(order_id, sequence)
    assert text is not None
    order: dict[str, Any] = json.loads(text)
    for name in OF_THE_QUEUE:
        order.pop(name, None)
    return order


def untrailed(order: dict[str, Any]) -> dict[str, Any]:
    """Without the stop of an order that trails: it moves without an event."""
    return order | ({"stop_price": None} if "trail_amount" in order else {})


@pytest.mark.parametrize("seed", range(4))
def test_every_order_at_every_sequence_is_as_it_was_read_then(seed: int) -> None:
    rng = random.Random(seed)
    market, flow = venue(rng, quotes=True)
    read: dict[tuple[int, int], dict[str, Any]] = {}
    before: set[int] = set()
    seen: set[str] = set()
    for _ in range(500):
        live = live_orders(market)
        market.run(flow.next(live))
        sequence = market.replica.sequence
        newest = {row[0] for row in market.replica.orders(0, 0, 0, 0, 3)}
        for order_id in before | set(live) | newest:
            order = read[order_id, sequence] = order_of(market.replica, order_id)
            seen |= order.keys()
        before = set(live_orders(market))
    market.replica = Replica.restore(market.replica.snapshot())
    assert seen >= {"display_quantity", "stop_price", "trail_amount", "triggered", "close_reason"}
    for (order_id, sequence), order in read.items():
        again = order_of(market.replica, order_id, sequence)
        assert untrailed(again) == untrailed(order), f"seed {seed}, {order_id} at {sequence}"


@pytest.mark.parametrize("seed", range(2))
def test_the_engine_alone_knows_open_orders_as_the_history_does(seed: int) -> None:
    rng = random.Random(seed)
    market, flow = venue(rng, quotes=True)
    for _ in range(300):
        market.run(flow.next(live_orders(market)))
    forgetful = Replica.restore(market.replica.snapshot(), history_orders=1)
    for order_id in live_orders(market)[1:]:
        whole, bare = (order_of(each, order_id) for each in (market.replica, forgetful))
        for name in ("fills", "updated_at"):
            del whole[name], bare[name]
        assert bare == whole, f"seed {seed}"


def place(account: int, side: int, price: int, quantity: int, **more: int) -> bytes:
    values = {"order_type": 1, "time_in_force": 1, "definition_version": 1} | more
    return commands.place_order(
        account=account, instrument=INSTRUMENT, side=side, price=price, quantity=quantity, **values
    )


def market_of_four() -> MarketOfFrames:
    market = MarketOfFrames()
    for name in ACCOUNTS:
        market.open_account(name)
    return market


def test_a_trailing_stop_shows_where_its_stop_is_now() -> None:
    market = market_of_four()
    trailing = place(1, 2, 0, 3, order_type=OrderType.TRAILING_STOP, stop_price=5)
    market.run([trailing])
    order_id = market.replica.sequence
    placed = order_of(market.replica, order_id)
    assert (placed["type"], placed["triggered"]) == ("trailing_stop", False)
    assert (placed["stop_price"], placed["trail_amount"]) == ("95", "5")
    assert "display_quantity" not in placed
    market.run([place(2, 2, 110, 1), place(3, 1, 110, 1)])
    assert order_of(market.replica, order_id)["stop_price"] == "105"
    assert order_of(market.replica, order_id, order_id)["stop_price"] == "95"
    market.run([place(2, 1, 104, 1), place(3, 2, 104, 1)])
    done = order_of(market.replica, order_id)
    assert (done["status"], done["triggered"], done["stop_price"]) == ("cancelled", True, "105")
    assert done["close_reason"] == "no_liquidity"
    assert order_of(market.replica, order_id, order_id) == placed


def test_a_stop_that_is_reached_when_it_comes_is_answered_as_triggered() -> None:
    market = market_of_four()
    market.run([place(1, 2, 100, 5), place(2, 1, 100, 2)])
    market.run([place(3, 1, 101, 2, order_type=OrderType.STOP_LIMIT, stop_price=99)])
    order_id = market.replica.sequence
    order = order_of(market.replica, order_id, order_id)
    assert (order["triggered"], order["status"], order["stop_price"]) == (True, "filled", "99")
    assert [fill["quantity"] for fill in order["fills"]] == ["2"]


def test_an_iceberg_shows_its_owner_all_and_the_queue_its_slice() -> None:
    market = market_of_four()
    market.run([place(1, 2, 100, 25, display_quantity=10), place(2, 2, 100, 4)])
    iceberg, behind = market.replica.sequence - 1, market.replica.sequence
    order = order_of(market.replica, iceberg)
    assert (order["remaining"], order["display_quantity"]) == ("25", "10")
    assert [row[:3] for row in market.replica.queue(INSTRUMENT, 2, 9)] == [
        (iceberg, 100, 10), (behind, 100, 4)
    ]  # fmt: skip
    assert market.replica.queue_ahead(behind) == (10, 1)
    assert market.replica.depth(INSTRUMENT, 2, 9) == [(100, 14, 2)]


def test_an_order_that_waits_has_no_place_in_a_queue() -> None:
    market = market_of_four()
    market.run([place(1, 2, 100, 5), place(2, 2, 90, 5, order_type=4, stop_price=95)])
    assert market.replica.queue_ahead(market.replica.sequence) is None
    assert b"queue_ahead" not in (market.replica.order_json(market.replica.sequence, 0) or b"")
