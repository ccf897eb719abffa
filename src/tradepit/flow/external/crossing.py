"""Which crossing order comes next, from a seed; and at which price it crosses."""

from __future__ import annotations

import random
from collections.abc import Collection
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from itertools import chain, zip_longest
from typing import Final, NamedTuple

from tradepit.client.models import Instrument, Side, Top

QUANTITY_MAX: Final = 3
"""Orders are for 1 to 3 units."""

PROTECTION: Final = Decimal("0.0005")
"""How far beyond the best price an order may trade, as a share of it."""

PROTECTION_TICKS_MIN: Final = 5

BLIND_PROTECTION: Final = Decimal("0.01")
"""The same where no best price is known: enough to take the quotes to begin with."""


class Crossing(NamedTuple):
    """An order to come: takes what the other side shows."""

    symbol: str
    side: Side
    quantity: int


class CrossingStream:
    """Buys and sells in turn, over all symbols and of each symbol, in an order that a seed gives.

    In a round each symbol has one order; in the next round it has the other side. So nobody's
    position grows just because the stream leans to one side.
    """

    def __init__(self, symbols: Collection[str], seed: int) -> None:
        self._random = random.Random(seed)
        self._sides: dict[str, Side] = {}
        self._round: list[Crossing] = []
        self.use(symbols)

    def use(self, symbols: Collection[str]) -> None:
        """Trade these symbols from the next round on; those that stay keep their turn."""
        if set(symbols) != set(self._sides):
            self._sides = {
                symbol: self._sides.get(symbol, "sell" if number % 2 else "buy")
                for number, symbol in enumerate(sorted(symbols))
            }

    def next(self) -> Crossing | None:
        """The next order; None while there is nothing to trade."""
        if not self._round:
            self._begin_round()
        return self._round.pop() if self._round else None

    def _begin_round(self) -> None:
        groups: dict[Side, list[str]] = {"buy": [], "sell": []}
        for symbol, side in self._sides.items():
            groups[side].append(symbol)
        for group in groups.values():
            self._random.shuffle(group)
        longer_first = sorted(groups, key=lambda side: -len(groups[side]))
        pairs = zip_longest(*(groups[side] for side in longer_first))
        turns = [symbol for symbol in chain.from_iterable(pairs) if symbol is not None]
        self._round = [
            Crossing(symbol, self._sides[symbol], self._random.randint(1, QUANTITY_MAX))
            for symbol in reversed(turns)
        ]
        for symbol, side in self._sides.items():
            self._sides[symbol] = "sell" if side == "buy" else "buy"


def crossing_price(side: Side, top: Top | None, instrument: Instrument) -> Decimal | None:
    """A price that takes the best of the other side, with a little protection.

    Without a best price the last one stands in, else the reference price; None: there is neither.
    """
    best = None if top is None else (top.ask_price if side == "buy" else top.bid_price)
    price = best or instrument.last_price or instrument.reference_price
    if price is None:
        return None
    tick = instrument.tick_size
    share = PROTECTION if best else BLIND_PROTECTION
    room = max(price * share, PROTECTION_TICKS_MIN * tick)
    if side == "buy":
        return to_step(price + room, tick, ROUND_CEILING)
    return max(tick, to_step(price - room, tick, ROUND_FLOOR))


def whole_units(units: int, instrument: Instrument) -> Decimal:
    """A quantity of so many units; a unit is 1, or the next multiple of the lot size."""
    return units * to_step(Decimal(1), instrument.lot_size, ROUND_CEILING)


def to_step(value: Decimal, step: Decimal, rounding: str) -> Decimal:
    """The multiple of a step that rounding leads to."""
    return (value / step).to_integral_value(rounding) * step
