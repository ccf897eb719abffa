"""The books against what is known of recordings, and what their state keeps."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from databento_dbn import Compression, DBNDecoder, MBP10Msg
from tests.unit.marketdata.sources.recordings import (
    CLX5,
    CONFORMANCE,
    ESH4,
    ESH4_SNAPSHOT,
    ESM4,
    recording,
)

from tradepit.marketdata.books import Best, Books, Crossed, CrossedPhase, Level
from tradepit.marketdata.dbn_reader import DbnReader, decode_apply
from tradepit.marketdata.generated import GeneratedSource, SessionSettings
from tradepit.marketdata.records import (
    ACTION_ADD,
    ACTION_CLEAR,
    ACTION_TRADE,
    FLAG_LAST,
    FLAG_SNAPSHOT,
    PRICE_SCALE,
    SIDE_ASK,
    SIDE_BID,
)
from tradepit.marketdata.sources.source import MboRecords, new_records

PUBLISHER = 1
UNIT = PRICE_SCALE // 100
"""Of a price: a cent."""


class EndState(NamedTuple):
    """What rests at the end: levels and orders by side, best bid and offer."""

    bid_levels: int
    ask_levels: int
    orders: int
    bid: Level
    ask: Level


def end_state(books: Books, instrument: int) -> EndState:
    bids, asks = (books.side_totals(instrument, PUBLISHER, side=s) for s in (SIDE_BID, SIDE_ASK))
    best = books.best(instrument, PUBLISHER)
    assert best.bid is not None
    assert best.ask is not None
    assert bids.orders + asks.orders == books.live_orders
    return EndState(bids.levels, asks.levels, books.live_orders, best.bid, best.ask)


ESH4_END = EndState(922, 565, 11_217, Level(481_000 * UNIT, 22, 22), Level(481_025 * UNIT, 28, 18))


@pytest.mark.parametrize("names", [[ESH4], [ESH4_SNAPSHOT, ESH4], [ESH4, ESH4]])
def test_esh4_ends_as_known_however_often_its_snapshot_comes(names: list[str]) -> None:
    books = Books()
    for name in names:
        decode_apply(recording(name), books)
    assert end_state(books, 17077) == ESH4_END
    counts = books.counts()
    assert not any(counts.errors.values())
    if names == [ESH4]:
        assert (counts.records, counts.events) == (68_792, 47_022)
        assert counts.actions == {
            "A": 29_216, "C": 17_999, "M": 12_233, "R": 0, "T": 2_973, "F": 6_371, "N": 0,
            "other": 0,
        }  # fmt: skip
        crossed = books.crossed(17077, PUBLISHER)
        assert crossed.before_first_trade.events == 891
        assert crossed.after_first_trade == CrossedPhase(0, 0, 0)


def test_a_snapshot_cut_short_is_replaced_by_that_of_the_next_file() -> None:
    """Nothing lies between the two but the end of a source."""
    books = Books()
    [*_, snapshot] = DbnReader(recording(ESH4_SNAPSHOT))
    books.apply(snapshot[:5_000])
    decode_apply(recording(ESH4), books)
    assert end_state(books, 17077) == ESH4_END
    assert not any(books.counts().errors.values())


def test_esm4_ends_as_known() -> None:
    books = Books()
    assert decode_apply(recording(ESM4), books).records == 13_796
    assert not any(books.counts().errors.values())
    end = end_state(books, 5602)
    assert end[:3] == (976, 571, 13_598)
    assert (end.bid.price, end.bid.size) == (521_400 * UNIT, 28)
    assert (end.ask.price, end.ask.size) == (521_425 * UNIT, 17)


def test_clx5_counts_orders_never_seen_and_its_crossed_close() -> None:
    books = Books()
    decode_apply(recording(CLX5), books)
    counts = books.counts()
    wrong = {kind: count for kind, count in counts.errors.items() if count}
    assert wrong == {"unknown_cancel": 1_224, "unknown_modify": 216}
    letters = ("A", "C", "M", "T", "F")
    assert [counts.actions[x] for x in letters] == [14_959, 16_252, 2_701, 1_599, 2_701]
    crossed = books.crossed(432669, PUBLISHER)
    assert crossed.before_first_trade.events == 0
    after = crossed.after_first_trade
    assert after.events == 172
    first, last = (np.datetime64(ns, "ns") for ns in (after.first_ns, after.last_ns))
    assert np.datetime64("2025-09-24T21:40") < first < last < np.datetime64("2025-09-24T22:00")


def test_clx5_without_adding_unknown_changes_meets_more_unknown_orders() -> None:
    books = Books(add_unknown_modifies=False)
    decode_apply(recording(CLX5), books)
    errors = books.counts().errors
    assert (errors["unknown_cancel"], errors["unknown_modify"]) == (1_430, 1_006)


def test_the_book_after_each_nasdaq_message_is_the_mbp_10_row() -> None:
    folder = recording(CONFORMANCE)
    name = "XNAS.ITCH__test_data"
    [records] = DbnReader(folder / f"{name}.mbo.dbn.zst")
    rows = depth_rows(folder / f"{name}.mbp-10.dbn.zst")
    assert len(rows) == len(records) == 4
    books = Books()
    for at, row in enumerate(rows):
        books.apply(records[at : at + 1])
        assert row.sequence == records[at]["sequence"]
        instrument, publisher = int(row.instrument_id), int(row.publisher_id)
        for side, prefix in ((SIDE_BID, "bid"), (SIDE_ASK, "ask")):
            levels = books.levels(instrument, publisher, side=side, count=10)
            shown = [
                (getattr(pair, f"{prefix}_px"), getattr(pair, f"{prefix}_sz"),
                 getattr(pair, f"{prefix}_ct"))
                for pair in row.levels
                if getattr(pair, f"{prefix}_sz")
            ]  # fmt: skip
            assert [tuple(level) for level in levels] == shown


def depth_rows(path: Path) -> list[MBP10Msg]:
    messages = DBNDecoder(compression=Compression.from_str("zstd")).write_and_decode(
        path.read_bytes()
    )
    return [message for message in messages if isinstance(message, MBP10Msg)]


def adds(prices: list[int], *, side: int, first_id: int = 1, flags: int = FLAG_LAST) -> MboRecords:
    """One order of size 1 per price."""
    records = new_records(len(prices), publisher_id=PUBLISHER, instrument_id=9)
    records["action"], records["side"], records["flags"] = ACTION_ADD, side, flags
    records["order_id"] = np.arange(first_id, first_id + len(prices))
    records["price"], records["size"] = prices, 1
    return records


def test_a_best_price_in_the_middle_of_an_event_is_marked() -> None:
    books = Books()
    books.apply(adds([100], side=SIDE_BID, flags=0))
    assert books.best(9, PUBLISHER) == Best(Level(100, 1, 1), None, in_event=True)
    books.apply(adds([101], side=SIDE_BID, first_id=2))
    assert books.best(9, PUBLISHER) == Best(Level(101, 1, 1), None, in_event=False)


def test_a_book_crossed_inside_an_event_only_is_not_crossed() -> None:
    books = Books()
    books.apply(adds([100], side=SIDE_BID))
    books.apply(adds([100], side=SIDE_ASK, first_id=2, flags=0))
    cancel = adds([100], side=SIDE_BID)
    cancel["action"] = ord("C")
    books.apply(cancel)
    nothing = CrossedPhase(0, 0, 0)
    assert books.crossed(9, PUBLISHER) == Crossed(nothing, nothing)


@pytest.mark.parametrize("side", [SIDE_BID, SIDE_ASK])
@pytest.mark.parametrize("order", ["up", "down", "shuffled"])
def test_levels_come_best_first_at_any_price(side: int, order: str) -> None:
    extremes = [-(2**63), -1, 0, 2**63 - 2]
    prices = extremes + list(range(10, 3_000, 7))
    rng = np.random.default_rng(1)
    turned = {"up": sorted(prices), "down": sorted(prices, reverse=True)}
    turned["shuffled"] = rng.permutation(prices).tolist()
    books = Books()
    books.apply(adds(turned[order], side=side))
    levels = books.levels(9, PUBLISHER, side=side, count=10_000)
    assert [level.price for level in levels] == sorted(prices, reverse=side == SIDE_BID)


def test_a_book_that_nothing_named_is_empty() -> None:
    books = Books()
    assert books.best(9, PUBLISHER) == books.best(9) == Best(None, None, in_event=False)
    assert books.levels(9, side=SIDE_BID, count=5) == []
    assert books.order(9, PUBLISHER, order_id=1) is None
    assert books.level(9, PUBLISHER, side=SIDE_BID, price=1) is None
    assert books.keys() == []


def test_a_damaged_state_is_refused_and_changes_nothing() -> None:
    books = Books()
    books.apply(adds([100, 101], side=SIDE_BID))
    saved, digest = books.save(), books.digest()
    for at in range(len(saved)):
        damaged = bytearray(saved)
        damaged[at] ^= 1
        with pytest.raises(ValueError, match="damaged"):
            books.load(bytes(damaged))
        with pytest.raises(ValueError, match="damaged"):
            books.load(saved[:at])
    assert books.digest() == digest


def test_the_digest_tells_queue_order_apart() -> None:
    first, second = Books(), Books()
    orders = adds([100, 100], side=SIDE_BID)
    first.apply(orders)
    second.apply(orders[::-1].copy())
    assert first.levels(9, side=SIDE_BID, count=5) == second.levels(9, side=SIDE_BID, count=5)
    assert first.digest() != second.digest()


def test_the_digest_does_not_depend_on_what_came_before() -> None:
    first, second = Books(), Books()
    orders = adds([100, 101, 100], side=SIDE_BID)
    first.apply(orders)
    second.apply(adds([55, 56, 57, 101], side=SIDE_BID, first_id=20))
    snapshot = orders.copy()
    snapshot["flags"] = FLAG_SNAPSHOT
    snapshot["flags"][-1] |= FLAG_LAST
    second.apply(snapshot)
    assert first.digest() == second.digest()


def test_the_digest_of_a_snapshot_is_that_of_books_that_have_traded() -> None:
    """Only reports ask whether there was a trade; records to come do the same to both."""
    snapshot = adds([100, 101, 100], side=SIDE_BID)
    trade = snapshot[:1].copy()
    trade["action"] = ACTION_TRADE
    traded, fresh = Books(), Books()
    traded.apply(snapshot)
    traded.apply(trade)
    snapshot["flags"] = FLAG_SNAPSHOT
    snapshot["flags"][-1] |= FLAG_LAST
    fresh.apply(snapshot)
    assert fresh.digest() == traded.digest()


def test_the_digest_tells_a_snapshot_that_goes_on_where_something_rests() -> None:
    """The next record of a snapshot clears the one book and goes on with the other."""
    orders = adds([100, 101], side=SIDE_BID, flags=0)
    snapshot = orders.copy()
    snapshot["flags"] = FLAG_SNAPSHOT
    ordinary, opened = Books(), Books()
    ordinary.apply(orders)
    opened.apply(snapshot)
    assert opened.digest() != ordinary.digest()
    more = adds([102], side=SIDE_BID, first_id=9, flags=FLAG_SNAPSHOT)
    cleared = [b.apply_with_effects(more).effects["orders_cleared"][0] for b in (ordinary, opened)]
    assert cleared == [2, 0]


def test_the_digest_of_an_empty_book_does_not_know_whose_snapshot_goes_on() -> None:
    clear = new_records(1, publisher_id=PUBLISHER, instrument_id=9)
    clear["action"] = ACTION_CLEAR
    ordinary, opened = Books(), Books()
    ordinary.apply(clear)
    clear["flags"] = FLAG_SNAPSHOT
    opened.apply(clear)
    assert opened.digest() == ordinary.digest()
    more = adds([102], side=SIDE_BID, flags=FLAG_SNAPSHOT)
    assert (
        opened.apply_with_effects(more).effects == ordinary.apply_with_effects(more).effects
    ).all()


def test_memory_follows_what_rests_not_what_came() -> None:
    source = GeneratedSource(SessionSettings(seed=3, records=300_000, orders=2_000))
    books = Books()
    live = []
    for chunk in source.chunks():
        for start in range(0, len(chunk), 100):
            books.apply(chunk[start : start + 100])
            live.append(books.live_orders)
    assert books.counts().actions["A"] > 20 * max(live)
    assert max(live) <= books.live_orders_max <= max(live) + 100
