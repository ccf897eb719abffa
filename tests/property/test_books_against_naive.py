"""The native book builder against the naive one: after every record the same, in every way."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from tradepit.marketdata.books import Best, Books, Level
from tradepit.marketdata.records import (
    EFFECT_NAMES,
    ERROR_NAMES,
    MBO_BYTES,
    PRICE_NONE,
    SIDE_ASK,
    SIDE_BID,
)
from tradepit.testing.mbo_streams import random_records
from tradepit.testing.naive_books import NaiveBook, NaiveBooks, Outcome, messages

RECORDS = 3_000
SIDES = {"B": SIDE_BID, "A": SIDE_ASK}


def shown(effect: Any) -> Outcome:
    """A native effect in the words of the naive builder (without what they need not share)."""
    return Outcome(
        EFFECT_NAMES[effect["kind"]],
        ERROR_NAMES[effect["error"]],
        cleared=int(effect["orders_cleared"]),
    )


def assert_same_effect(effect: Any, outcome: Outcome) -> None:
    assert shown(effect) == Outcome(outcome.kind, outcome.error, cleared=outcome.cleared)
    old, new = outcome.old, outcome.new
    fields = [name for name in effect.dtype.names if name[:4] in ("old_", "new_")]
    expected = {
        "old_side": ord(old.side),
        "new_side": ord(new.side),
        "old_price": old.price,
        "new_price": new.price,
        "old_size": old.size,
        "new_size": new.size,
        "old_orders_ahead": old.orders_ahead,
        "new_orders_ahead": new.orders_ahead,
        "new_size_ahead": new.size_ahead,
    }
    assert {name: int(effect[name]) for name in fields} == expected


def assert_same_book(books: Books, key: tuple[int, int], naive: NaiveBook) -> None:
    publisher, instrument = key
    for letter, side in SIDES.items():
        expected = naive.levels(letter)
        levels = books.levels(instrument, publisher, side=side, count=10_000)
        assert levels == [Level(p, sum(s for _, s in q), len(q)) for p, q in expected]
        for price, queue in expected:
            found = books.level(instrument, publisher, side=side, price=price)
            assert found is not None
            assert list(found.orders) == queue
        totals = books.side_totals(instrument, publisher, side=side)
        assert totals == (sum(len(q) for _, q in expected), len(expected))
    best = books.best(instrument, publisher)
    assert best == Best(naive.best("B") and Level(*naive.best("B")), best.ask, naive.in_event)
    assert best.ask == naive.best("A")


@pytest.mark.parametrize("add_unknown", [True, False])
@pytest.mark.parametrize("seed", range(4))
def test_every_record_does_the_same_in_both(seed: int, add_unknown: bool) -> None:
    records = random_records(seed, RECORDS)
    books = Books(add_unknown_modifies=add_unknown)
    naive = NaiveBooks(add_unknown_modifies=add_unknown)
    for at, message in enumerate(messages(records)):
        outcome = naive.apply(message)
        [effect] = books.apply_with_effects(records[at : at + 1]).effects
        assert_same_effect(effect, outcome)
        key = (message.publisher_id, message.instrument_id)
        if outcome.error != "not_mbo":
            assert_same_book(books, key, naive.books[key])
    for key, book in naive.books.items():
        assert_same_book(books, key, book)
    assert_same_counts(books, naive)


def assert_same_counts(books: Books, naive: NaiveBooks) -> None:
    counts = books.counts()
    assert counts.errors == {name: naive.errors[name] for name in ERROR_NAMES[1:]}
    assert counts.actions == {name: naive.actions[name] for name in counts.actions}
    assert counts.events == naive.events
    assert sorted(books.keys()) == sorted(naive.books)
    for (publisher, instrument), book in naive.books.items():
        for phase, times in zip(
            books.crossed(instrument, publisher), book.crossed.values(), strict=True
        ):
            first, last = (times[0], times[-1]) if times else (0, 0)
            assert phase == (len(times), first, last)


def test_the_streams_reach_every_effect_and_every_error() -> None:
    naive = NaiveBooks(add_unknown_modifies=True)
    outcomes = [
        naive.apply(m) for seed in range(4) for m in messages(random_records(seed, RECORDS))
    ]
    assert {outcome.kind for outcome in outcomes} == set(EFFECT_NAMES)
    assert {outcome.error for outcome in outcomes} == set(ERROR_NAMES)
    crossed = [book.crossed for book in naive.books.values()]
    assert any(phases[True] for phases in crossed)
    assert any(phases[False] for phases in crossed)


@pytest.mark.parametrize("cut", [1, 7, 1_000_000])
@pytest.mark.parametrize("seed", range(3))
def test_every_way_of_applying_ends_in_the_same_state(seed: int, cut: int) -> None:
    records = random_records(seed, RECORDS)
    whole, effects, best = (Books() for _ in range(3))
    whole.apply(records)
    for start in range(0, len(records), cut):
        effects.apply_with_effects(records[start : start + cut].tobytes())
        best.apply_with_best(records[start : start + cut])
    assert whole.digest() == effects.digest() == best.digest()
    assert whole.counts() == effects.counts() == best.counts()
    assert whole.save() == effects.save()


@pytest.mark.parametrize("seed", range(3))
def test_a_book_loaded_in_the_middle_goes_on_as_if_it_had_not_been(seed: int) -> None:
    records = random_records(seed, RECORDS)
    whole, first = Books(), Books()
    middle = RECORDS // 2
    first.apply(records[:middle])
    loaded = Books(add_unknown_modifies=False)
    loaded.load(first.save())
    assert loaded.digest() == first.digest()
    assert loaded.save() == first.save()
    whole.apply(records)
    rest = loaded.apply_with_effects(records[middle:]).effects
    effects = first.apply_with_effects(records[middle:]).effects
    assert (rest == effects).all()
    assert loaded.save() == whole.save()
    assert loaded.digest() == whole.digest()


@pytest.mark.parametrize("seed", range(3))
def test_best_prices_after_events_are_those_of_the_naive_book(seed: int) -> None:
    records = random_records(seed, RECORDS)
    rows = Books().apply_with_best(records).best
    naive = NaiveBooks()
    expected = []
    for number, message in enumerate(messages(records)):
        if naive.apply(message).error != "not_mbo" and message.flags & 128:
            key = (message.publisher_id, message.instrument_id)
            expected.append(best_row(number, records[number], naive.books[key]))
    assert rows.tolist() == expected
    changes = Books().apply_with_best(records, changes_only=True).best
    assert changes.tolist() == list(without_repeats(expected))


def best_row(number: int, record: Any, book: NaiveBook) -> tuple[int, ...]:
    bid = book.best("B") or (PRICE_NONE, 0, 0)
    ask = book.best("A") or (PRICE_NONE, 0, 0)
    times = int(record["ts_event"]), int(record["ts_recv"])
    sizes = (bid[0], ask[0], bid[1], ask[1], bid[2], ask[2])
    key = int(record["instrument_id"]), int(record["publisher_id"])
    return (number, *times, *sizes, *key, int(book.is_crossed), 0)


def without_repeats(rows: list[tuple[int, ...]]) -> list[tuple[int, ...]]:
    last: dict[tuple[int, ...], tuple[int, ...]] = {}
    kept = []
    for row in rows:
        if last.get(row[9:11]) != row[3:9]:
            last[row[9:11]] = row[3:9]
            kept.append(row)
    return kept


@pytest.mark.parametrize("seed", range(3))
def test_aggregates_are_sums_over_the_publishers(seed: int) -> None:
    records = random_records(seed, RECORDS)
    books, naive = Books(), NaiveBooks()
    for start in range(0, RECORDS, 100):
        books.apply(records[start : start + 100])
        for message in messages(records[start : start + 100]):
            naive.apply(message)
        for instrument in {key[1] for key in naive.books}:
            assert_same_aggregate(books, naive, instrument)


def assert_same_aggregate(books: Books, naive: NaiveBooks, instrument: int) -> None:
    own = [book for key, book in naive.books.items() if key[1] == instrument]
    for letter, side in SIDES.items():
        sums: dict[int, NDArray[np.int64]] = {}
        for price, queue in (level for book in own for level in book.levels(letter)):
            size = np.array([sum(size for _, size in queue), len(queue)])
            sums[price] = sums.get(price, np.zeros(2, np.int64)) + size
        prices = sorted(sums, reverse=letter == "B")
        expected = [(price, *sums[price].tolist()) for price in prices]
        for count in (0, 1, 2, 100):
            assert books.levels(instrument, side=side, count=count) == expected[:count]
        top = books.best(instrument)
        assert (top.bid if letter == "B" else top.ask) == (expected[0] if expected else None)
    assert books.best(instrument).in_event == any(book.in_event for book in own)


def test_bytes_that_are_no_whole_records_change_nothing() -> None:
    books = Books()
    records = random_records(1, 100).tobytes()
    before = books.save()
    with pytest.raises(ValueError, match="55 bytes after 99 whole records"):
        books.apply(records[: 100 * MBO_BYTES - 1])
    assert books.save() == before


@pytest.mark.parametrize("seed", range(4))
def test_digests_are_equal_where_the_same_records_will_do_the_same(seed: int) -> None:
    """After every record of one stream; trades seen, counts and reports make no difference."""
    print("seed", seed)
    books, naive = Books(), NaiveBooks()
    digests: dict[object, str] = {}
    repeats = 0
    records = random_records(seed, RECORDS, books=2)
    for at, message in enumerate(messages(records)):
        naive.apply(message)
        books.apply(records[at : at + 1])
        state = naive.state()
        repeats += state in digests
        assert digests.setdefault(state, books.digest()) == books.digest()
    assert len(set(digests.values())) == len(digests)
    assert repeats > 100
