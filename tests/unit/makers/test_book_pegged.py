"""Book-pegged: distances from the best, the lean, empty sides."""

from __future__ import annotations

import pytest
from tests.unit.makers.events import Fills, book, make, trade

from tradepit.domain.wire import Side
from tradepit.makers import OwnPosition, Strategy


def prices(strategy: Strategy) -> tuple[int, int] | None:
    quote = strategy.quote(0)
    return None if quote is None else (quote.bid_ticks, quote.ask_ticks)


CASES = """
# offset  bid   ask  last | quoted bid, ask
  0       100   110  -      100   110
  3       100   110  -       97   113
 -2       100   110  -      102   108
 -9       100   110  -      104   106   at most up to the least spread of 2
  0       104   105  -      103   105   a book of one tick: wider, by the bid first
  0       100   -    -      100   110   an empty side: 10 ticks are assumed
  0       -     110  -      100   110
  0       -     -    105    100   110   around the last trade
  0       1     2    -        1     3   never below a tick
"""


def test_quotes_stand_so_many_ticks_behind_the_best() -> None:
    for line in CASES.strip().splitlines()[1:]:
        offset, bid, ask, last, *expected = line.split()[:6]
        strategy = make("book-pegged", offset_ticks=offset)
        strategy.on_book(book(_price(bid), _price(ask), last=_price(last)))
        assert prices(strategy) == (int(expected[0]), int(expected[1])), line


def _price(text: str) -> int | None:
    return None if text == "-" else int(text)


def test_it_does_not_quote_before_it_knows_a_price() -> None:
    strategy = make("book-pegged")
    strategy.on_book(book(None, None))
    assert strategy.quote(0) is None


def test_the_last_trade_stands_in_for_an_empty_book() -> None:
    strategy = make("book-pegged")
    strategy.on_trade(trade(205, Side.BUY))
    assert prices(strategy) == (200, 210)


@pytest.mark.parametrize(("lots", "moved"), [(100, -5), (50, -3), (-50, 3), (-100, 5), (9, 0)])
def test_both_prices_move_against_the_position(lots: int, moved: int) -> None:
    strategy = make("book-pegged", position=OwnPosition(position_lots=lots))
    strategy.on_book(book(100, 110))
    assert prices(strategy) == (100 + moved, 110 + moved)


def test_a_restarted_one_quotes_what_the_old_one_would() -> None:
    old, fills = make("book-pegged"), Fills()
    for price in (100, 101, 99):
        old.on_fill(fills.buy(price, 7))
    new = make("book-pegged", position=OwnPosition(position_lots=fills.lots, version=fills.version))
    for strategy in (old, new):
        strategy.on_book(book(300, 304))
    assert old.quote(5) == new.quote(5)
