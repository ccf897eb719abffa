"""Crossing orders: sides in turn, prices that cross, quotes to begin with that take nothing."""

from __future__ import annotations

import random
from collections import Counter
from decimal import Decimal
from itertools import pairwise

import pytest

from tradepit.client.models import Instrument, Top
from tradepit.flow.external.bootstrap import bootstrap_prices
from tradepit.flow.external.crossing import (
    QUANTITY_MAX,
    CrossingStream,
    crossing_price,
    whole_units,
)

HUNDRED = Instrument("ABC", Decimal("0.01"), Decimal(1), reference_price=Decimal(100))


def symbols(count: int) -> list[str]:
    return [f"S{number:02}" for number in range(count)]


@pytest.mark.parametrize("count", [1, 2, 3, 14, 15])
def test_sides_take_turns_in_the_stream_and_in_each_symbol(count: int) -> None:
    stream = CrossingStream(symbols(count), seed=count)
    orders = [order for _ in range(40 * count) if (order := stream.next())]
    assert all(one.side != other.side for one, other in pairwise(orders))
    for symbol in symbols(count):
        own = [order.side for order in orders if order.symbol == symbol]
        assert len(own) == 40
        assert all(one != other for one, other in pairwise(own))


def test_quantities_are_one_to_three_and_all_of_them_occur() -> None:
    stream = CrossingStream(symbols(14), seed=1)
    seen = Counter(order.quantity for _ in range(600) if (order := stream.next()))
    assert set(seen) == set(range(1, QUANTITY_MAX + 1))
    assert min(seen.values()) > 100


def test_the_same_seed_gives_the_same_orders_and_another_one_others() -> None:
    def taken(seed: int) -> list[object]:
        stream = CrossingStream(symbols(14), seed)
        return [stream.next() for _ in range(100)]

    assert taken(7) == taken(7)
    assert taken(7) != taken(8)


def test_a_symbol_that_comes_or_goes_is_followed_from_the_next_round_on() -> None:
    stream = CrossingStream(symbols(3), seed=1)
    stream.next()
    stream.use(["S01", "S02", "S03"])
    rest = {order.symbol for _ in range(2) if (order := stream.next())}
    after = {order.symbol for _ in range(3) if (order := stream.next())}
    assert rest <= set(symbols(3))
    assert after == {"S01", "S02", "S03"}


def test_without_symbols_there_is_no_order() -> None:
    assert CrossingStream((), seed=1).next() is None


def test_a_price_crosses_the_best_of_the_other_side_with_a_few_ticks_of_protection() -> None:
    top = Top(Decimal("99.90"), Decimal(5), Decimal("100.10"), Decimal(5))
    assert crossing_price("buy", top, HUNDRED) == Decimal("100.16")
    assert crossing_price("sell", top, HUNDRED) == Decimal("99.85")


@pytest.mark.parametrize(
    ("last", "reference", "price"),
    [("50", "100", "50.50"), (None, "100", "101"), (None, None, None)],
)
def test_without_a_best_price_the_last_or_the_reference_stands_in(
    last: str | None, reference: str | None, price: str | None
) -> None:
    one = Instrument(
        "ABC",
        Decimal("0.01"),
        Decimal(1),
        last_price=None if last is None else Decimal(last),
        reference_price=None if reference is None else Decimal(reference),
    )
    found = crossing_price("buy", Top(bid_price=Decimal(1)), one)
    assert found == (None if price is None else Decimal(price))


def test_a_sell_price_is_a_tick_at_least() -> None:
    penny = Instrument("P", Decimal("0.01"), Decimal(1), reference_price=Decimal("0.02"))
    assert crossing_price("sell", None, penny) == Decimal("0.01")


@pytest.mark.parametrize(
    ("lot", "unit"), [("0.0001", "1"), ("1", "1"), ("0.3", "1.2"), ("10", "10")]
)
def test_a_unit_is_one_or_the_next_multiple_of_the_lot(lot: str, unit: str) -> None:
    one = Instrument("ABC", Decimal("0.01"), Decimal(lot))
    assert whole_units(3, one) == 3 * Decimal(unit)


def test_quotes_to_begin_with_lie_half_a_percent_around_the_reference_price() -> None:
    assert bootstrap_prices(HUNDRED, None) == (Decimal("99.50"), Decimal("100.50"))


def test_quotes_to_begin_with_never_take_what_rests() -> None:
    seed = random.randrange(2**32)
    print("seed", seed)
    draw = random.Random(seed)
    for _ in range(2_000):
        bid = Decimal(draw.randint(1, 20_000)) / 100 if draw.random() < 0.7 else None
        ask = Decimal(draw.randint(1, 20_000)) / 100 if draw.random() < 0.7 else None
        if bid is not None and ask is not None and bid >= ask:
            continue
        found = bootstrap_prices(HUNDRED, Top(bid_price=bid, ask_price=ask))
        if found is None:
            continue
        assert 0 < found[0] < found[1]
        assert ask is None or found[0] < ask
        assert bid is None or found[1] > bid
