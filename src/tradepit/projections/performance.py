"""What an account's trading came to in one instrument: average prices and profit over time.

Two ways of costing stand side by side. By average cost, closing takes out cost in proportion, as
the engine does. By FIFO, closing takes out the oldest lots first. Coins that were given, deposited
or transferred in are lots at the instrument's reference price; taking coins out realises nothing.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple


class Move(NamedTuple):
    """A change of the position: a fill, or coins that came or went without one."""

    time_ns: int
    lots: int
    """Signed: + in, - out."""
    price: int
    """Ticks."""
    fee: int
    """Minor units of the quote asset."""
    is_fill: bool


class Point(NamedTuple):
    """The account after a fill. Values in ticks * lots; averages as (value, lots)."""

    time_ns: int
    price: int
    bought: tuple[int, int]
    sold: tuple[int, int]
    net: int
    cost: int
    realised: int
    realised_fifo: int
    fees: int


@dataclass
class Performance:
    """Running sums; feed it moves in order."""

    net: int = 0
    cost: int = 0
    realised: int = 0
    realised_fifo: int = 0
    bought_lots: int = 0
    bought_value: int = 0
    sold_lots: int = 0
    sold_value: int = 0
    fees: int = 0
    fills: int = 0
    lots: deque[list[int]] = field(default_factory=deque)
    """Open lots, oldest first: [signed lots, price]."""

    def add(self, move: Move) -> Point:
        """Count a move; the state after it is returned."""
        if move.is_fill:
            self.fills += 1
            self.fees += move.fee
            if move.lots > 0:
                self.bought_lots += move.lots
                self.bought_value += move.lots * move.price
            else:
                self.sold_lots -= move.lots
                self.sold_value -= move.lots * move.price
        if move.is_fill or move.lots > 0:
            self._trade(move.lots, move.price)
        else:
            self._withdraw(-move.lots)
        return Point(
            move.time_ns,
            move.price,
            (self.bought_value, self.bought_lots),
            (self.sold_value, self.sold_lots),
            self.net,
            self.cost,
            self.realised,
            self.realised_fifo,
            self.fees,
        )

    def unrealised(self, double_mark: int) -> tuple[int, int]:
        """Twice the open profit by average cost and by FIFO, at twice a mark."""
        fifo_cost = sum(lots * price for lots, price in self.lots)
        worth = double_mark * self.net
        return worth - 2 * self.cost, worth - 2 * fifo_cost

    def _trade(self, lots: int, price: int) -> None:
        opening = lots
        if self.net and (self.net > 0) != (lots > 0):
            closing = min(abs(lots), abs(self.net))
            sign = 1 if self.net > 0 else -1
            removed = self._removed_cost(closing)
            self.realised += sign * price * closing - removed
            self.realised_fifo += sign * price * closing - self._take_oldest(closing)
            self.cost -= removed
            self.net -= sign * closing
            opening = lots + sign * closing
        if opening:
            self.lots.append([opening, price])
        self.net += opening
        self.cost += price * opening

    def _withdraw(self, lots: int) -> None:
        lots = min(lots, max(self.net, 0))
        if lots:
            self.cost -= self._removed_cost(lots)
            self.net -= lots
            self._take_oldest(lots)

    def _removed_cost(self, closing: int) -> int:
        """Cost of so many lots of the open position, toward zero, as in the engine."""
        size = abs(self.net)
        if closing == size:
            return self.cost
        removed = abs(self.cost) * closing // size
        return removed if self.cost >= 0 else -removed

    def _take_oldest(self, closing: int) -> int:
        """Remove the oldest lots; their cost, signed like the position."""
        cost = 0
        while closing:
            oldest = self.lots[0]
            sign = 1 if oldest[0] > 0 else -1
            taken = min(closing, abs(oldest[0]))
            cost += sign * taken * oldest[1]
            oldest[0] -= sign * taken
            closing -= taken
            if not oldest[0]:
                self.lots.popleft()
        return cost


def measure(moves: Iterable[Move], points_max: int) -> tuple[Performance, list[Point]]:
    """Return the sums over all moves, and at most so many of the points after fills, evenly chosen
    with the last one among them."""
    performance = Performance()
    points: list[Point] = []
    every = 1
    for move in moves:
        point = performance.add(move)
        if not move.is_fill:
            continue
        if (performance.fills - 1) % every == 0:
            points.append(point)
            if len(points) > 2 * points_max:
                del points[1::2]
                every *= 2
        last = point
    if not performance.fills:
        return performance, []
    if points[-1] is not last:
        points.append(last)
    step = -(-len(points) // points_max)
    return performance, points[::-1][::step][::-1]
