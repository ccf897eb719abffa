"""The feed board: what it tells is what the engine's book became."""

from __future__ import annotations

import json
import random
import time
from typing import Any

import pytest
from tests.unit.marketdata.followed import SIDES, Followed, Levels, Queues, payloads
from tests.unit.marketdata.frames import MarketOfFrames
from tests.unit.marketdata.random_flow import (
    ACCOUNTS,
    INSTRUMENT,
    busy_market,
    live_orders,
    random_command,
)

from tradepit._native import Replica
from tradepit.domain import commands
from tradepit.marketdata.feeds import (
    COMMAND_SPAN,
    FeedBoard,
    Fill,
    Report,
    event_id,
    last_id,
    place_after,
    place_of,
)


@pytest.mark.parametrize("seed", range(8))
def test_books_rebuilt_from_messages_are_the_engines_after_every_frame(seed: int) -> None:
    rng = random.Random(seed)
    market = busy_market(rng)
    board = FeedBoard()
    book, orders = (Followed(market, board, kind) for kind in ("book", "orders"))
    bbo = Followed(market, board, "bbo")
    levels, queues = Levels(book.snapshot()), Queues(orders.snapshot())
    top = bbo.snapshot()
    actions: set[str] = set()
    for _ in range(500):
        live = live_orders(market)
        events = market.run([random_command(rng, live) for _ in range(rng.choice([1, 1, 7]))])
        board.on_events(market.replica, events)
        for message in book.read():
            levels.apply(message["data"])
        for message in orders.read():
            queues.apply(message["data"])
            actions.add(message["data"]["action"] + message["data"].get("priority", ""))
        for message in bbo.read():
            top = message["data"]
        assert top == bbo.snapshot()
        for side, number in SIDES.items():
            assert levels.sides[side] == market.levels(INSTRUMENT, number), f"seed {seed}"
            told = [row[:3] for row in market.replica.queue(INSTRUMENT, number, 10_000)]
            assert queues.of_side(side) == told, f"seed {seed}"
    assert actions == {"add", "modifykept", "modifylost", "trade", "delete"}
    numbers = (0, orders.messages[-1]["seq"], book.messages[-1]["seq"])
    assert market.replica.feed_counts(INSTRUMENT)[1:] == numbers[1:]


@pytest.mark.parametrize("seed", range(4))
def test_a_book_is_never_crossed_between_the_messages_of_a_command(seed: int) -> None:
    rng = random.Random(seed)
    market = busy_market(rng)
    board = FeedBoard()
    book = Followed(market, board, "book")
    levels = Levels(book.snapshot())
    for _ in range(400):
        events = market.run([random_command(rng, live_orders(market))])
        board.on_events(market.replica, events)
        for message in book.read():
            levels.apply(message["data"])
            bids, asks = levels.sides["buy"], levels.sides["sell"]
            assert not bids or not asks or max(bids) < min(asks), f"seed {seed}"


def test_trades_are_told_one_to_one() -> None:
    rng = random.Random(5)
    market = busy_market(rng)
    board = FeedBoard()
    first = market.replica.counts()["trades"]
    trades, prints = Followed(market, board, "trades"), Followed(market, board, "prints")
    for _ in range(200):
        board.on_events(market.replica, market.run([random_command(rng, []) for _ in range(5)]))
        trades.read()
    rows = market.replica.trades(INSTRUMENT, 0, 0, 10_000)[::-1][first:]
    assert len(rows) > 50
    told = [message["data"] for message in trades.messages]
    assert [(int(t["id"]), int(t["price"]), int(t["quantity"])) for t in told] == [
        (row[0], row[4], row[5]) for row in rows
    ]
    assert [message["seq"] for message in trades.messages] == [row[0] for row in rows]
    assert prints.board.pending()[0][1] == len(rows)


def all_messages(frame_size: int) -> dict[str, list[Any]]:
    """What every channel tells about one stream of commands."""
    market = MarketOfFrames(nanoseconds_per_frame=0)
    for name in ACCOUNTS:
        market.open_account(name)
    board = FeedBoard()
    followed = {kind: Followed(market, board, kind) for kind in ("book", "orders", "trades")}
    rng = random.Random(3)
    placed = range(market.replica.sequence + 1, market.replica.sequence + 211)
    stream = [random_command(rng, rng.sample(placed, 20)) for _ in placed]
    for start in range(0, len(stream), frame_size):
        board.on_events(market.replica, market.run(stream[start : start + frame_size]))
    numbers = [each.number for each in followed.values()]
    events = board.events_since(numbers, place_after(placed[0] - 1))
    for each in followed.values():
        each.read()
    return {kind: each.messages for kind, each in followed.items()} | {"events": [events]}


def test_messages_and_places_do_not_depend_on_how_commands_were_framed() -> None:
    one_by_one = all_messages(1)
    assert all(len(messages) > 10 for name, messages in one_by_one.items() if name != "events")
    assert one_by_one == all_messages(7) == all_messages(210)


def test_trades_at_one_level_are_one_message_of_the_book() -> None:
    market = MarketOfFrames()
    for name in ACCOUNTS:
        market.open_account(name)
    market.run([place(1, 2, 100, 1), place(2, 2, 100, 2), place(3, 2, 101, 5)])
    board = FeedBoard()
    book = Followed(market, board, "book")
    board.on_events(market.replica, market.run([place(4, 1, 102, 9)]))
    told = [tuple(message["data"].values()) for message in book.read()]
    assert told == [
        ("sell", "100", "0", 0),
        ("sell", "101", "0", 0),
        ("buy", "102", "1", 1),
    ]


def place(account: int, side: int, price: int, quantity: int) -> bytes:
    return commands.place_order(
        account=account, instrument=INSTRUMENT, side=side, order_type=1, time_in_force=1,
        price=price, quantity=quantity, definition_version=1,
    )  # fmt: skip


def test_numbers_go_on_in_a_replica_restored_from_a_snapshot() -> None:
    rng = random.Random(11)
    market = busy_market(rng)
    before = [market.replica.feed_counts(INSTRUMENT), market.replica.report_count(2)]
    assert before[1] > 0
    market.replica = Replica.restore(market.replica.snapshot())
    assert [market.replica.feed_counts(INSTRUMENT), market.replica.report_count(2)] == before
    board = FeedBoard()
    orders = Followed(market, board, "orders")
    assert orders.first == market.replica.feed_counts(INSTRUMENT)[1]
    board.on_events(market.replica, market.run([place(1, 1, 50, 1)]))
    assert [message["seq"] for message in orders.read()] == [orders.first + 1]


def test_orders_of_an_account_are_marked_for_it_alone() -> None:
    market = MarketOfFrames()
    for name in ACCOUNTS:
        market.open_account(name)
    market.run([place(1, 1, 90, 1), place(2, 1, 90, 1)])
    board = FeedBoard()
    everyone, own = Followed(market, board, "orders"), Followed(market, board, "orders", account=2)
    assert [order.get("own") for order in own.snapshot()["bids"]] == [None, True]
    assert [order.get("own") for order in everyone.snapshot()["bids"]] == [None, None]
    board.on_events(market.replica, market.run([place(1, 1, 91, 1), place(2, 1, 92, 1)]))
    marked = [message["data"].pop("own", False) for message in own.read()]
    assert marked == [False, True]
    assert everyone.read() == own.messages


def test_reports_and_fills_are_those_of_watched_accounts() -> None:
    rng = random.Random(9)
    market = busy_market(rng)
    board = FeedBoard()
    for account, kind in ((1, "execution"), (2, "execution"), (2, "positions")):
        board.open(
            market.replica, kind, instrument=0, account=account, head="{", window_max=10
        )  # fmt: skip
    counted = [market.replica.report_count(account) for account in (1, 2)]
    reports: list[Report] = []
    fills: list[Fill] = []
    for _ in range(300):
        found = board.on_events(market.replica, market.run([random_command(rng, [])]))
        reports += map(Report._make, found[1])
        fills += map(Fill._make, found[2])
    for at, account in enumerate((1, 2)):
        told = sum(report.account == account for report in reports)
        assert told == market.replica.report_count(account) - counted[at] > 0
    assert {report.account for report in reports} == {1, 2}
    for report in reports:
        row = market.replica.order(report.order_id) if report.order_id else None
        assert row is None or row[1] == report.account
    (position,) = market.replica.positions(2)
    assert fills[-1][2:7] == position[:5]
    assert [fill.version for fill in fills] == list(
        range(fills[0].version, fills[0].version + len(fills))
    )
    assert len(fills) > 10


def test_a_refused_command_of_nobody_is_counted_for_nobody() -> None:
    market = MarketOfFrames()
    market.open_account("a")
    for account in (2**32 - 1, 7):
        market.run([place(account, 1, 50, 1)])
    assert [market.replica.report_count(account) for account in (1, 7, 2**32 - 1)] == [0, 0, 0]
    market.run([place(1, 1, 0, 1)])
    assert market.replica.report_count(1) == 1


@pytest.mark.parametrize("seed", range(4))
def test_a_conflated_book_sends_each_level_once_as_it_is(seed: int) -> None:
    rng = random.Random(seed)
    market = busy_market(rng)
    board = FeedBoard()
    book, top = Followed(market, board, "conflated_book"), Followed(market, board, "conflated_bbo")
    levels, best = Levels(book.snapshot()), top.snapshot()
    for _ in range(60):
        for _ in range(rng.randrange(8)):
            events = market.run([random_command(rng, live_orders(market)) for _ in range(3)])
            board.on_events(market.replica, events)
        assert not payloads(board.unsent_frames(book.number))
        for each in (book, top):
            board.conflate(market.replica, each.number)
        told = [message["data"] for message in book.read()]
        assert len({(data["side"], data["price"]) for data in told}) == len(told)
        for data in told:
            levels.apply(data)
        for message in top.read():
            best = message["data"]
        assert best == top.snapshot()
        for side, number in SIDES.items():
            assert levels.sides[side] == market.levels(INSTRUMENT, number), f"seed {seed}"


def test_what_is_remembered_can_be_gone_on_from_and_nothing_else() -> None:
    market = MarketOfFrames()
    market.open_account("a")
    market.run([place(1, 1, 50, 1)])
    board = FeedBoard()
    number = board.open(
        market.replica, "orders", instrument=1, account=0, head='{"seq":', window_max=4
    )
    begun, place_begun = board.last(number), place_after(market.replica.sequence)
    assert begun == 1
    for price in range(60, 70):
        board.on_events(market.replica, market.run([place(1, 1, price, 1)]))
        board.sent(number)
    assert board.frames_since(number, begun) is None
    assert board.frames_since(number, 12) is None
    assert not board.remembers(number, place_begun)
    missed = board.frames_since(number, 9)
    assert missed is not None
    assert [message["seq"] for message in payloads(missed)] == [10, 11]
    assert board.frames_since(number, 11) == b""
    board.forget(number, place_after(market.replica.sequence))
    assert board.frames_since(number, 11) is None
    assert board.remembers(number, place_after(market.replica.sequence))
    with pytest.raises(KeyError):
        board.last(number + 1)
    board.close(number)
    with pytest.raises(KeyError):
        board.sent(number)


def test_events_of_several_channels_come_in_one_order_and_an_id_covers_all_before_it() -> None:
    market = MarketOfFrames()
    board = FeedBoard()
    one, other = (Followed(market, board, "trades").number for _ in range(2))
    for number, place_, name in ((one, 3_000_001, "a"), (other, 3_000_001, "b")):
        board.push(number, f'"{name}"', place=place_)
    board.push(other, '"c"', place=3_000_002)
    board.push(one, '"d"', place=3_000_004)
    assert board.unsent_events([one, other]) == (
        b'data: {"seq":1,"data":"a"}\n\n'
        b'id: 3.1\ndata: {"seq":1,"data":"b"}\n\n'
        b'id: 3.2\ndata: {"seq":2,"data":"c"}\n\n'
        b'id: 3.4\ndata: {"seq":2,"data":"d"}\n\n'
    )


@pytest.mark.parametrize("text", ["", "1", "1.", ".1", "1.1000000", "-1.1", "1.-1", "٣.1", "1.2.3"])
def test_what_is_no_id_is_told(text: str) -> None:
    assert place_of(text) is None


def test_ids_are_read_as_they_were_written() -> None:
    for number in (0, 1, 999_999, 1_000_000, 7_000_000_000_001):
        assert place_of(event_id(number).decode()) == number
    assert place_of("99999999999999.999999") is None
    assert divmod(place_after(6), COMMAND_SPAN) == (6, COMMAND_SPAN - 1)


def test_a_board_without_watchers_does_nothing() -> None:
    market = MarketOfFrames()
    board = FeedBoard()
    began = time.perf_counter()
    assert board.on_events(market.replica, b"\x05" * 96 * 100_000) == (False, [], [], [])
    assert time.perf_counter() - began < 0.05
    assert json.dumps(board.pending()) == "[]"


@pytest.mark.parametrize(
    ("events", "found"),
    [
        (b"", None),
        (b": keep-alive\n\n", None),
        (b'data: {"text":"id: 9.9"}\n\n', None),
        (b"id: 7.12\n\n", b"7.12"),
        (b'id: 7.12\ndata: {"a":1}\n\ndata: {"b":"id: 9.9"}\n\n', b"7.12"),
        (b'id: 7.12\ndata: {"a":1}\n\nid: 8.0\ndata: {"b":2}\n\n', b"8.0"),
    ],
)
def test_the_last_id_is_the_one_a_browser_would_keep(events: bytes, found: bytes | None) -> None:
    assert last_id(events) == found
