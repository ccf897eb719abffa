"""The feed board: what it tells is what the engine's book became."""

from __future__ import annotations

import random
import time
from typing import Any

import pytest
from tests.unit.marketdata.frames import MarketOfFrames

from tradepit.domain import commands
from tradepit.domain.wire import Side
from tradepit.marketdata.feeds import COMMAND_SPAN, Changes, FeedBoard, now_feed_sequence

INSTRUMENT = 1


def random_command(rng: random.Random, live: list[int]) -> bytes:
    """An order, a cancel or a replace near one price, so that everything meets."""
    account = rng.randint(1, 4)
    kind = rng.random()
    if kind < 0.2 and live:
        return commands.cancel_order(account=0, order_id=live.pop(rng.randrange(len(live))))
    if kind < 0.35 and live:
        return commands.replace_order(
            account=0,
            order_id=rng.choice(live),
            instrument=INSTRUMENT,
            definition_version=1,
            price=rng.choice([None, rng.randint(95, 105)]),
            quantity=rng.randint(1, 12),
        )
    if kind < 0.37:
        return commands.mass_cancel(account=account)
    return commands.place_order(
        account=account,
        instrument=INSTRUMENT,
        side=rng.choice([1, 2]),
        order_type=1,
        time_in_force=rng.choice([1, 1, 1, 4, 5]),
        price=rng.randint(95, 105),
        quantity=rng.randint(1, 10),
        definition_version=1,
        self_trade_prevention=rng.randint(0, 4),
        options=rng.choice([0, 0, 0, 0, 1, 2, 4]),
    )


@pytest.mark.parametrize("seed", range(8))
def test_the_levels_told_are_the_engines_levels_after_every_frame(seed: int) -> None:
    rng = random.Random(seed)
    market = MarketOfFrames()
    board = FeedBoard(lambda: market.replica)
    for number in range(1, 5):
        market.open_account(f"a{number}")
    for _ in range(20):
        market.run([random_command(rng, []) for _ in range(3)])
    board.follow(books={INSTRUMENT}, tops={INSTRUMENT})
    told = {side: market.levels(INSTRUMENT, side) for side in (Side.BUY, Side.SELL)}
    top = market.replica.top(INSTRUMENT)
    last = now_feed_sequence(market.replica.sequence)
    live: list[int] = []
    changed = 0
    for _ in range(400):
        events = market.run([random_command(rng, live) for _ in range(rng.choice([1, 1, 7]))])
        live = [row[0] for row in market.replica.orders(0, 0, 0b110, 0, 500)]
        changes: Changes = board.on_frame(events)
        for level in changes.levels:
            assert level.feed_sequence > last
            last = level.feed_sequence
            if level.orders:
                told[Side(level.side)][level.price] = (level.quantity, level.orders)
            else:
                assert level.quantity == 0
                told[Side(level.side)].pop(level.price, None)
            changed += 1
        for change in changes.tops:
            top = change[2:]
        assert top == market.replica.top(INSTRUMENT)
        for side in (Side.BUY, Side.SELL):
            assert told[side] == market.levels(INSTRUMENT, side), f"seed {seed}"
    assert changed > 400


def test_trades_are_told_one_to_one_with_places_in_the_journal() -> None:
    market = MarketOfFrames()
    for name in "abcd":
        market.open_account(name)
    board = FeedBoard(lambda: market.replica)
    board.trades = {INSTRUMENT}
    rng = random.Random(5)
    prints: list[Any] = []
    for _ in range(200):
        events = market.run([random_command(rng, []) for _ in range(5)])
        prints += board.on_frame(events).trades
    rows = market.replica.trades(INSTRUMENT, 0, 0, 10_000)[::-1]
    assert len(rows) > 50
    assert [(p.trade_id, p.price, p.quantity) for p in prints] == [
        (row[0], row[4], row[5]) for row in rows
    ]
    places = [p.feed_sequence for p in prints]
    assert places == sorted(set(places))
    assert [place // COMMAND_SPAN for place in places] == [row[1] for row in rows]


def test_the_numbers_do_not_depend_on_how_commands_were_framed() -> None:
    def told(frame_size: int) -> list[int]:
        market = MarketOfFrames()
        for name in "abcd":
            market.open_account(name)
        board = FeedBoard(lambda: market.replica)
        board.trades = {INSTRUMENT}
        rng = random.Random(3)
        stream = [random_command(rng, []) for _ in range(210)]
        places: list[int] = []
        for start in range(0, len(stream), frame_size):
            events = market.run(stream[start : start + frame_size])
            places += [trade.feed_sequence for trade in board.on_frame(events).trades]
        return places

    one_by_one = told(1)
    assert len(one_by_one) > 10
    assert one_by_one == told(7) == told(210)


def test_reports_go_to_the_accounts_that_are_watched_only() -> None:
    market = MarketOfFrames()
    for name in ("a", "b", "c"):
        market.open_account(name)
    board = FeedBoard(lambda: market.replica)
    board.accounts = {1, 2}
    rng = random.Random(9)
    kinds: set[int] = set()
    for _ in range(300):
        for report in board.on_frame(market.run([random_command(rng, [])])).reports:
            assert report.account in (1, 2)
            kinds.add(report.kind)
            if report.order_id:
                row = market.replica.order(report.order_id)
                assert row is not None
                assert row[1] == report.account
    assert len(kinds) >= 4


def test_a_board_without_watchers_does_nothing() -> None:
    market = MarketOfFrames()
    board = FeedBoard(lambda: market.replica)
    began = time.perf_counter()
    assert not any(board.on_frame(b"\x05" * 96 * 100_000))
    assert time.perf_counter() - began < 0.05
