"""The feed board under rules version 2: it tells what the book shows, and nothing hidden."""

from __future__ import annotations

import json
import random
from typing import Any

import numpy as np
import pytest
from tests.unit.marketdata.followed import SIDES, Followed, Levels, Queues
from tests.unit.marketdata.frames import NOON, SECOND, MarketOfFrames
from tests.unit.marketdata.random_flow import ACCOUNTS, INSTRUMENT
from tests.unit.marketdata.venue_flow import live_orders, venue

from tradepit._native import Replica
from tradepit.domain import commands
from tradepit.domain.wire import EVENT_HEADER_DTYPE, EventKind, Phase
from tradepit.marketdata.feeds import FeedBoard, place_after

FRAMES = 1_500
TOLD_KINDS = {
    EventKind.ORDER_TRIGGERED,
    EventKind.ORDER_FILLED,
    EventKind.AUCTION_INDICATIVE,
    EventKind.AUCTION_UNCROSSED,
    EventKind.PHASE_CHANGED,
    EventKind.QUOTE_SET,
}


def kinds_of(events: bytes) -> set[int]:
    return set(np.frombuffer(events, EVENT_HEADER_DTYPE)["kind"].tolist())


@pytest.mark.parametrize("seed", range(8))
def test_rebuilt_books_are_what_the_engine_shows_after_every_frame(seed: int) -> None:
    rng = random.Random(seed)
    market, flow = venue(rng, quotes=True)
    board = FeedBoard()
    book, orders = (Followed(market, board, kind) for kind in ("book", "orders"))
    bbo, auction = (Followed(market, board, kind) for kind in ("bbo", "auction"))
    levels, queues = Levels(book.snapshot()), Queues(orders.snapshot())
    top, state = bbo.snapshot(), auction.snapshot()
    seen: set[int] = set()
    for _ in range(FRAMES):
        live = live_orders(market)
        records = [each for _ in range(rng.choice([1, 1, 5])) for each in flow.next(live)]
        events = market.run(records)
        seen |= kinds_of(events)
        board.on_events(market.replica, events)
        for message in book.read():
            levels.apply(message["data"])
        for message in orders.read():
            queues.apply(message["data"])
        for message in bbo.read():
            top = message["data"]
        for message in auction.read():
            state = message["data"]
        assert top == bbo.snapshot(), f"seed {seed}"
        assert state == auction.snapshot(), f"seed {seed}"
        for side, number in SIDES.items():
            assert levels.sides[side] == market.levels(INSTRUMENT, number), f"seed {seed}"
            told = [row[:3] for row in market.replica.queue(INSTRUMENT, number, 10_000)]
            assert queues.of_side(side) == told, f"seed {seed}"
    assert seen >= TOLD_KINDS
    assert market.replica.feed_counts(INSTRUMENT)[1:] == (
        orders.messages[-1]["seq"],
        book.messages[-1]["seq"],
    )


def stream_of(seed: int, count: int) -> list[bytes]:
    """Commands that depend on what they did, written down so that they can be run again."""
    rng = random.Random(seed)
    market, flow = venue(rng, nanoseconds_per_frame=0)
    stream: list[bytes] = []
    for _ in range(count):
        records = flow.next(live_orders(market))
        market.run(records)
        stream += records
    return stream


def all_messages(stream: list[bytes], frame_size: int) -> dict[str, list[Any]]:
    """What every channel tells about one stream of commands."""
    market, _ = venue(random.Random(0), nanoseconds_per_frame=0)
    board = FeedBoard()
    kinds = ("book", "orders", "trades", "auction")
    followed = {kind: Followed(market, board, kind) for kind in kinds}
    first = market.replica.sequence
    for start in range(0, len(stream), frame_size):
        board.on_events(market.replica, market.run(stream[start : start + frame_size]))
    numbers = [each.number for each in followed.values()]
    events = board.events_since(numbers, place_after(first))
    for each in followed.values():
        each.read()
    return {kind: each.messages for kind, each in followed.items()} | {"events": [events]}


def test_messages_and_places_do_not_depend_on_how_commands_were_framed() -> None:
    stream = stream_of(4, 600)
    one_by_one = all_messages(stream, 1)
    assert all(len(messages) > 10 for name, messages in one_by_one.items() if name != "events")
    assert one_by_one == all_messages(stream, 7) == all_messages(stream, len(stream))


def small_market() -> tuple[MarketOfFrames, FeedBoard, Followed, Followed]:
    market = MarketOfFrames()
    for name in ACCOUNTS:
        market.open_account(name)
    board = FeedBoard()
    orders, book = (Followed(market, board, kind) for kind in ("orders", "book"))
    return market, board, orders, book


def place(account: int, side: int, price: int, quantity: int, **more: int) -> bytes:
    values = {"order_type": 1, "time_in_force": 1, "definition_version": 1} | more
    return commands.place_order(
        account=account, instrument=INSTRUMENT, side=side, price=price, quantity=quantity, **values
    )


def told(followed: Followed, *names: str) -> list[tuple[Any, ...]]:
    return [tuple(m["data"].get(name) for name in names) for m in followed.read()]


def test_an_iceberg_shows_its_slice_and_comes_back_last_in_its_queue() -> None:
    market, board, orders, book = small_market()
    iceberg = place(1, 2, 100, 25, display_quantity=10)
    board.on_events(market.replica, market.run([iceberg, place(2, 2, 100, 3)]))
    names = ("action", "order_id", "quantity", "traded_quantity")
    own = str(market.replica.sequence - 1)
    other = str(market.replica.sequence)
    assert told(orders, *names) == [("add", own, "10", None), ("add", other, "3", None)]
    assert told(book, "quantity", "orders") == [("10", 1), ("13", 2)]
    board.on_events(market.replica, market.run([place(3, 1, 100, 4)]))
    assert told(orders, *names) == [("trade", own, "6", "4")]
    board.on_events(market.replica, market.run([place(3, 1, 100, 10)]))
    assert told(orders, *names) == [
        ("trade", own, "0", "6"),
        ("add", own, "10", None),
        ("trade", other, "0", "3"),
        ("trade", own, "9", "1"),
    ]
    assert told(book, "quantity", "orders") == [("9", 2), ("9", 1)]


def test_what_is_hidden_of_an_iceberg_shrinks_and_leaves_untold() -> None:
    market, board, orders, book = small_market()
    board.on_events(market.replica, market.run([place(1, 2, 100, 25, display_quantity=10)]))
    (order_id,) = live_orders(market)
    changed = {"account": 1, "order_id": order_id, "instrument": 1, "definition_version": 1}
    smaller = commands.replace_order(**changed, price=None, quantity=12)
    told(orders), told(book)
    board.on_events(market.replica, market.run([smaller]))
    assert orders.read() == book.read() == []
    smallest = commands.replace_order(**changed, price=None, quantity=7)
    board.on_events(market.replica, market.run([smallest]))
    assert told(orders, "action", "quantity") == [("modify", "7")]
    moved = commands.replace_order(**changed, price=101, quantity=30)
    board.on_events(market.replica, market.run([moved]))
    assert told(orders, "action", "price", "quantity") == [("modify", "101", "10")]
    board.on_events(market.replica, market.run([commands.mass_cancel(account=1)]))
    assert told(orders, "action", "price", "quantity") == [("delete", "101", "0")]
    assert told(book, "price", "quantity") == [
        ("100", "7"), ("100", "0"), ("101", "10"), ("101", "0")
    ]  # fmt: skip


def test_an_order_that_waits_for_its_stop_is_told_when_it_trades() -> None:
    market, board, orders, book = small_market()
    number = board.open(
        market.replica, "execution", instrument=0, account=2, head="{", window_max=10
    )
    stop = place(2, 1, 103, 4, order_type=4, stop_price=101)
    _, reports, _, _ = board.on_events(market.replica, market.run([stop]))
    assert orders.read() == book.read() == []
    assert [report[2] for report in reports] == [EventKind.ORDER_ACCEPTED]
    board.on_events(market.replica, market.run([place(1, 2, 101, 2), place(1, 2, 103, 1)]))
    orders.read()
    _, reports, _, _ = board.on_events(market.replica, market.run([place(3, 1, 101, 3)]))
    assert [report[2] for report in reports] == [EventKind.ORDER_TRIGGERED, EventKind.TRADE]
    assert told(orders, "action", "side", "price", "quantity") == [
        ("trade", "sell", "101", "0"),
        ("add", "buy", "101", "1"),
        ("trade", "sell", "103", "0"),
        ("add", "buy", "103", "3"),
    ]
    assert board.last(number) == 0


def test_an_auction_tells_what_gathers_and_each_round() -> None:
    market, board, _, _ = small_market()
    auction = Followed(market, board, "auction")
    assert auction.snapshot()["phase"] == "continuous"
    gather = commands.set_phase(instrument=INSTRUMENT, phase=Phase.AUCTION)
    go_on = commands.set_phase(instrument=INSTRUMENT, phase=Phase.CONTINUOUS)
    later = commands.time_jump(to_ns=NOON + SECOND)
    for records in (
        [gather, place(1, 1, 103, 5), place(2, 2, 101, 8)],
        [later],
        [go_on],
    ):
        board.on_events(market.replica, market.run(records))
    names = ("phase", "indicative_price", "indicative_volume", "surplus")
    told_first, told_next, told_round, told_last = (m["data"] for m in auction.read())
    assert tuple(told_first[name] for name in names) == ("auction", None, "0", "0")
    assert tuple(told_next[name] for name in names) == ("auction", "101", "5", "-3")
    assert told_next["uncrossed"] is None
    uncrossed = told_round["uncrossed"]
    assert (uncrossed["price"], uncrossed["volume"], uncrossed["surplus"]) == ("101", "5", "-3")
    assert uncrossed["trades"] == 1
    assert tuple(told_last[name] for name in names) == ("continuous", None, "0", "0")
    assert told_last["uncrossed"] == uncrossed


def test_what_an_auction_said_last_and_its_numbers_survive_a_snapshot() -> None:
    rng = random.Random(3)
    market, flow = venue(rng, quotes=True)
    for _ in range(400):
        market.run(flow.next(live_orders(market)))
    before, after = FeedBoard(), FeedBoard()
    left = Followed(market, before, "auction")
    market.replica = Replica.restore(market.replica.snapshot())
    right = Followed(market, after, "auction")
    assert left.first == right.first > 10
    assert left.snapshot() == right.snapshot()
    assert json.dumps(right.snapshot()["uncrossed"]) != "null"
