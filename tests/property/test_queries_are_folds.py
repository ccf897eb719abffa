"""What the native door answers about books, orders and trades is the fold of its events."""

from __future__ import annotations

import itertools

import pytest

from tradepit._native import Replica
from tradepit.domain.wire import EventKind, OrderStatus, Side
from tradepit.testing.fold import Fold
from tradepit.testing.frames import read_events
from tradepit.testing.generator import Generator

SEEDS = (21, 22, 23)
COMMANDS = 2_500
CHECK_EVERY_FRAMES = 40
EVERYTHING = 100_000


@pytest.mark.parametrize("seed", SEEDS)
def test_orders_fills_and_trades_are_what_the_events_say(seed: int) -> None:
    replica, fold = Replica(), Fold()
    for index, step in enumerate(Generator(seed).steps(COMMANDS)):
        applied = replica.apply(step.frame)
        fold.add(read_events(applied.events, applied.texts))
        if index % CHECK_EVERY_FRAMES == 0:
            check_history(replica, fold)
    check_history(replica, fold)
    check_lists(replica, fold)
    assert len(fold.trades) > 100


def check_history(replica: Replica, fold: Fold) -> None:
    for order_id, order in fold.orders.items():
        assert replica.order(order_id) == order.row(), order_id
        assert replica.fills(order_id, EVERYTHING) == fold.fills[order_id], order_id
    assert replica.trades(0, 0, 0, EVERYTHING) == fold.trades[::-1]
    live = [order_id for order_id in fold.orders if fold.is_open(order_id)]
    assert replica.counts()["live_orders"] == len(live)


def check_lists(replica: Replica, fold: Fold) -> None:
    """Filters by account, instrument and status; pages by order id and trade id."""
    newest_first = [order for _, order in sorted(fold.orders.items(), reverse=True)]
    for account, instrument, status in itertools.product(
        (0, 1, 4), (0, 1, 2), (0, OrderStatus.NEW, OrderStatus.CANCELLED)
    ):
        expected = [
            order.row()
            for order in newest_first
            if account in (0, order.account)
            and instrument in (0, order.instrument)
            and status in (0, order.status)
        ]
        mask = 1 << status if status else 0
        assert replica.orders(account, instrument, mask, 0, EVERYTHING) == expected
        if len(expected) > 10:
            page = replica.orders(account, instrument, mask, expected[4][0], 3)
            assert page == expected[5:8]
    for account, instrument in itertools.product((0, 2), (0, 1)):
        expected_trades = [
            trade
            for trade in reversed(fold.trades)
            if instrument in (0, trade[3]) and account in (0, trade[8], trade[9])
        ]
        assert replica.trades(instrument, account, 0, EVERYTHING) == expected_trades
        if len(expected_trades) > 10:
            trades_page = replica.trades(instrument, account, expected_trades[4][0], 3)
            assert trades_page == expected_trades[5:8]


@pytest.mark.parametrize("seed", SEEDS)
def test_an_order_can_be_read_as_its_own_commands_left_it(seed: int) -> None:
    """What a repeated command is answered with: the order right after the original."""
    replica, fold = Replica(), Fold()
    stood = []
    for step in Generator(seed).steps(COMMANDS):
        applied = replica.apply(step.frame)
        events = read_events(applied.events, applied.texts)
        for sequence, caused in itertools.groupby(events, key=lambda e: int(e.fields.sequence)):
            of_command = list(caused)
            fold.add(of_command)
            for event in of_command:
                if event.kind in (EventKind.ORDER_ACCEPTED, EventKind.ORDER_REPLACED):
                    order_id = event.fields.order_id
                    stood.append((order_id, sequence, fold.orders[order_id].row()))
    for order_id, sequence, row in stood:
        assert replica.order_at(order_id, sequence) == row
        assert replica.order_at(order_id, order_id - 1) is None


@pytest.mark.parametrize("seed", SEEDS)
def test_depth_top_and_queue_place_follow_from_the_queue(seed: int) -> None:
    replica = Replica()
    for index, step in enumerate(Generator(seed).steps(COMMANDS)):
        replica.apply(step.frame)
        if index % CHECK_EVERY_FRAMES == 0:
            for instrument in range(1, len(replica.instruments()) + 1):
                tops = [check_side(replica, instrument, side) for side in (Side.BUY, Side.SELL)]
                assert replica.top(instrument) == (*tops[0], *tops[1])


def check_side(replica: Replica, instrument: int, side: Side) -> tuple[int, int]:
    """Compares one side; its best price and quantity."""
    queue = replica.queue(instrument, side, EVERYTHING)
    levels = []
    for price, rows in itertools.groupby(queue, key=lambda row: row[1]):
        orders = list(rows)
        levels.append((price, sum(leaves for _, _, leaves, _ in orders), len(orders)))
        ahead = 0
        for place, (order_id, _, leaves, _) in enumerate(orders):
            assert replica.queue_ahead(order_id) == (ahead, place)
            ahead += leaves
    assert replica.depth(instrument, side, EVERYTHING) == levels
    assert replica.depth(instrument, side, 2) == levels[:2]
    best_first = sorted(levels, reverse=side == Side.BUY)
    assert levels == best_first
    return levels[0][:2] if levels else (0, 0)
