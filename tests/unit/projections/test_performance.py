"""Profit by average cost and by FIFO, against a plain recount lot by lot."""

from __future__ import annotations

import itertools
from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from tradepit.projections.performance import Move, Performance, measure

MOVES = st.lists(
    st.tuples(st.integers(-9, 9).filter(bool), st.integers(1, 50), st.integers(0, 9)), max_size=40
)


def moves_of(values: list[tuple[int, int, int]]) -> list[Move]:
    """One move in ten is a deposit or a withdrawal."""
    return [
        Move(at, lots, price, 1, is_fill=kind != 0) for at, (lots, price, kind) in enumerate(values)
    ]


@given(MOVES)
def test_fifo_matches_single_lots(values: list[tuple[int, int, int]]) -> None:
    performance = Performance()
    queue: list[tuple[int, int]] = []
    realised = 0
    for move in moves_of(values):
        performance.add(move)
        for _ in range(abs(move.lots)):
            sign = 1 if move.lots > 0 else -1
            if queue and queue[0][0] == -sign:
                _, price = queue.pop(0)
                realised += -sign * (move.price - price) if move.is_fill or sign > 0 else 0
            elif move.is_fill or sign > 0:
                queue.append((sign, move.price))
        assert performance.realised_fifo == realised
        assert performance.net == sum(sign for sign, _ in queue)
    assert sum(lots * price for lots, price in performance.lots) == sum(
        sign * price for sign, price in queue
    )


@given(MOVES)
def test_both_ways_agree_on_what_everything_came_to(values: list[tuple[int, int, int]]) -> None:
    """Realised and open profit together do not depend on how lots are costed."""
    fills = [move for move in moves_of(values) if move.is_fill]
    performance, _ = measure(fills, 10)
    by_average, by_fifo = performance.unrealised(2 * 30)
    assert 2 * performance.realised + by_average == 2 * performance.realised_fifo + by_fifo
    earned = sum(-move.lots * move.price for move in fills) + 30 * performance.net
    assert 2 * performance.realised + by_average == 2 * earned


def test_a_long_way_is_told_in_few_points_with_its_end() -> None:
    moves = [Move(at, 1, 100 + at % 7, 0, is_fill=True) for at in range(10_001)]
    performance, points = measure(moves, 50)
    assert 25 <= len(points) <= 50
    assert points[-1].time_ns == 10_000
    assert points[-1].net == performance.net == 10_001
    value = Fraction(*points[-1].bought)
    assert value == Fraction(sum(move.price for move in moves), len(moves))
    gaps = {b.time_ns - a.time_ns for a, b in itertools.pairwise(points[1:])}
    assert max(gaps) < 3 * min(gaps)
