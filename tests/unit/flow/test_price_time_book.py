"""The naive book keeps price-time priority and the amend contract."""

from __future__ import annotations

import pytest

from tradepit.flow.operations import Cancel, Fill, Operation, Outcome, Place, Replace, Side
from tradepit.flow.price_time_book import Level, PriceTimeBook


def place(handle: int, side: Side, price: int, quantity: int, *, immediate: bool = False) -> Place:
    return Place(handle, handle, side, price, quantity, immediate)


def fills(book: PriceTimeBook, operation: Operation) -> list[tuple[int | None, int, int]]:
    return [(t.maker, t.price, t.quantity) for t in book.execute(operation).trades]


@pytest.fixture
def book() -> PriceTimeBook:
    """Asks 101: order 1 (2), order 2 (3); ask 102: order 3 (4)."""
    book = PriceTimeBook()
    for operation in (
        place(1, "sell", 101, 2),
        place(2, "sell", 101, 3),
        place(3, "sell", 102, 4),
    ):
        book.execute(operation)
    return book


def test_the_taker_trades_best_price_then_oldest_at_the_makers_price(book: PriceTimeBook) -> None:
    assert fills(book, place(9, "buy", 105, 6)) == [(1, 101, 2), (2, 101, 3), (3, 102, 1)]
    assert book.best("sell") == Level(102, 3, 1)
    assert book.best("buy") is None


def test_a_limit_orders_rest_stands_at_its_own_price(book: PriceTimeBook) -> None:
    outcome = book.execute(place(9, "buy", 101, 7)).outcome
    assert outcome == Outcome(accepted=True, fills=(Fill(101, 2), Fill(101, 3)), filled=5)
    assert book.best("buy") == Level(101, 2, 1)


def test_the_rest_of_an_immediate_order_does_not_stay(book: PriceTimeBook) -> None:
    book.execute(place(9, "buy", 101, 7, immediate=True))
    assert book.best("buy") is None


@pytest.mark.parametrize(
    ("change", "first_hit"),
    [
        (Replace(1, 101, 1), 1),  # smaller: keeps its place
        (Replace(1, 101, 2), 1),  # the same: keeps its place
        (Replace(1, 101, 4), 2),  # larger: goes to the back
    ],
)
def test_only_a_total_that_does_not_grow_keeps_the_place(
    book: PriceTimeBook, change: Replace, first_hit: int
) -> None:
    book.execute(change)
    assert fills(book, place(9, "buy", 101, 1))[0][0] == first_hit


def test_a_total_counts_what_is_filled_already(book: PriceTimeBook) -> None:
    book.execute(place(9, "buy", 101, 1, immediate=True))
    book.execute(Replace(1, 101, 4))
    order = book.order(1)
    assert order is not None
    assert (order.filled, order.leaves) == (1, 3)


def test_a_total_at_or_below_the_filled_is_refused_and_changes_nothing(book: PriceTimeBook) -> None:
    book.execute(place(9, "buy", 101, 1, immediate=True))
    assert not book.execute(Replace(1, 101, 1)).outcome.accepted
    order = book.order(1)
    assert order is not None
    assert order.leaves == 1


def test_a_new_price_may_trade_at_once(book: PriceTimeBook) -> None:
    book.execute(place(9, "buy", 100, 5))
    assert fills(book, Replace(9, 101, 5)) == [(1, 101, 2), (2, 101, 3)]


def test_a_cancelled_order_is_gone_and_cannot_be_cancelled_again(book: PriceTimeBook) -> None:
    assert book.execute(Cancel(1)).outcome.accepted
    assert not book.execute(Cancel(1)).outcome.accepted
    assert book.best("sell") == Level(101, 3, 1)


def test_putting_an_order_makes_it_stand_as_told(book: PriceTimeBook) -> None:
    book.put(2, "sell", 101, total=3, filled=2)
    book.put(3, "sell", 102, total=4, filled=4)
    book.put(7, "sell", 103, total=9, filled=1)
    assert book.levels("sell") == [Level(101, 3, 2), Level(103, 8, 1)]
