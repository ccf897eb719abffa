"""What no quote may pass: position limit, grant, the other side of the book."""

from __future__ import annotations

import pytest
from tests.unit.makers.events import book

from tradepit.makers import TwoSided, passive, within_grant, within_limit
from tradepit.makers.sizes import Sizes, leaning_sizes


def two_sided(bid: int, ask: int, bid_lots: int = 10, ask_lots: int = 10) -> TwoSided:
    return TwoSided(bid_ticks=bid, bid_lots=bid_lots, ask_ticks=ask, ask_lots=ask_lots)


@pytest.mark.parametrize(
    ("position", "sizes"),
    [(0, (10, 10)), (95, (5, 10)), (100, (0, 10)), (130, (0, 10)), (-95, (10, 5)), (-130, (10, 0))],
)
def test_a_full_side_leaves_the_position_within_the_limit(
    position: int, sizes: tuple[int, int]
) -> None:
    quote = within_limit(two_sided(99, 101), position_lots=position, limit_lots=100)
    assert (quote.bid_lots, quote.ask_lots) == sizes


def test_a_grant_clips_each_side_on_its_own() -> None:
    quote = within_grant(two_sided(99, 101), bid_lots=3, ask_lots=0)
    assert quote == two_sided(99, 101, 3, 0)
    assert within_grant(quote, bid_lots=3, ask_lots=7) is quote


PASSIVE = """
# bid ask | best bid, ask | bid ask
  99  101   -    -           99  101
  99  101   98   102         99  101
  99  101   98    99         98  101   the bid would take: one tick below
  99  101   101  104         99  102   the ask would take: one tick above
  99  101   99   101         99  101   joining both
  99  101   100  100         99  101   others are locked
  99  101   105   95         94  106   others are crossed
"""


def test_a_side_that_would_take_goes_one_tick_behind() -> None:
    for line in PASSIVE.strip().splitlines()[1:]:
        bid, ask, best_bid, best_ask, *expected = line.split()[:6]
        best = book(*(None if text == "-" else int(text) for text in (best_bid, best_ask)))
        quote = passive(two_sided(int(bid), int(ask)), best)
        assert (quote.bid_ticks, quote.ask_ticks) == (int(expected[0]), int(expected[1])), line
        assert (quote.bid_lots, quote.ask_lots) == (10, 10), line


def test_a_bid_that_finds_no_price_below_an_ask_of_one_tick_is_left_out() -> None:
    quote = passive(two_sided(2, 5), book(None, 1))
    assert quote == two_sided(1, 5, bid_lots=0)


@pytest.mark.parametrize("values", [(100, 100, 1, 1), (0, 5, 1, 1), (9, 10, -1, 1), (9, 10, 1, -1)])
def test_no_quote_is_crossed_free_or_negative(values: tuple[int, int, int, int]) -> None:
    with pytest.raises(ValueError, match="no quote"):
        two_sided(*values)


@pytest.mark.parametrize(
    ("position", "sizes"),
    [
        (0, Sizes(10, 10)),
        (50, Sizes(5, 15)),
        (99, Sizes(1, 20)),
        (100, Sizes(0, 20)),
        (150, Sizes(0, 20)),
        (-50, Sizes(15, 5)),
        (-100, Sizes(20, 0)),
    ],
)
def test_sizes_lean_against_the_position(position: int, sizes: Sizes) -> None:
    assert leaning_sizes(default_lots=10, position_lots=position, limit_lots=100) == sizes
