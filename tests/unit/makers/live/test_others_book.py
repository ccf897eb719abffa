"""The book of the others is that of all orders less the own ones, however orders come and go."""

from __future__ import annotations

import random
from decimal import Decimal
from typing import Literal

from tests.unit.makers.events import UNITS

from tradepit.client.channel_data import OrderChange, QueuesSnapshot, RestingOrder
from tradepit.makers.live.others_book import Best, OthersBook

Side = Literal["buy", "sell"]


def price(ticks: int) -> Decimal:
    return ticks * UNITS.tick_size


def change(
    action: Literal["add", "modify", "trade", "delete"],
    order_id: str,
    side: Side,
    ticks: int,
    lots: int,
    *,
    own: bool = False,
) -> OrderChange:
    return OrderChange(action, order_id, side, price(ticks), Decimal(lots), 1, own=own)


def resting(order_id: str, ticks: int, lots: int, *, own: bool = False) -> RestingOrder:
    return RestingOrder(order_id, price(ticks), Decimal(lots), own=own)


def test_a_snapshot_shows_the_best_of_the_others() -> None:
    book = OthersBook(UNITS)
    assert not book.is_known
    book.begin(
        QueuesSnapshot(
            bids=(resting("1", 100, 5, own=True), resting("2", 99, 3), resting("3", 99, 4)),
            asks=(resting("4", 101, 2),),
        )
    )
    assert book.is_known
    assert book.best == Best(99, 7, 101, 2)
    assert book.own == {"1": 5}


def test_own_orders_are_followed_apart() -> None:
    book = OthersBook(UNITS)
    book.apply(change("add", "1", "buy", 100, 5, own=True))
    book.apply(change("trade", "1", "buy", 100, 2, own=True))
    assert (book.own, book.best) == ({"1": 2}, Best())
    book.apply(change("delete", "1", "buy", 100, 0, own=True))
    assert book.own == {}


def test_a_random_day_leaves_what_rests_and_nothing_else() -> None:
    seed = random.SystemRandom().randrange(2**32)
    print(f"seed {seed}")
    draw = random.Random(seed)
    book = OthersBook(UNITS)
    known: dict[str, tuple[Side, int, int, bool]] = {}
    for number in range(3_000):
        choice = draw.random()
        if choice < 0.5 or not known:
            side: Side = "buy" if draw.random() < 0.5 else "sell"
            ticks = draw.randrange(90, 100) if side == "buy" else draw.randrange(100, 110)
            order = (side, ticks, draw.randrange(1, 9), draw.random() < 0.3)
            known[str(number)] = order
            book.apply(change("add", str(number), *order[:3], own=order[3]))
        else:
            name = draw.choice(list(known))
            side, ticks, lots, own = known.pop(name)
            if choice < 0.7:
                book.apply(change("delete", name, side, ticks, 0, own=own))
            elif choice < 0.85:
                left = draw.randrange(0, lots)
                book.apply(change("trade", name, side, ticks, left, own=own))
                if left:
                    known[name] = (side, ticks, left, own)
            else:
                ticks += 0 if draw.random() < 0.5 else (-1 if side == "buy" else 1)
                known[name] = (side, ticks, lots, own)
                book.apply(change("modify", name, side, ticks, lots, own=own))
        assert book.best == naive(known)
    assert book.own == {name: lots for name, (_, _, lots, own) in known.items() if own}


def naive(known: dict[str, tuple[Side, int, int, bool]]) -> Best:
    """The best of the others, counted from scratch."""
    bids = [(ticks, lots) for side, ticks, lots, own in known.values() if side == "buy" and not own]
    asks = [
        (ticks, lots) for side, ticks, lots, own in known.values() if side == "sell" and not own
    ]
    bid = max((ticks for ticks, _ in bids), default=None)
    ask = min((ticks for ticks, _ in asks), default=None)
    return Best(
        bid,
        sum(lots for ticks, lots in bids if ticks == bid),
        ask,
        sum(lots for ticks, lots in asks if ticks == ask),
    )
