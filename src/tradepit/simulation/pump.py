"""A bot that pumps and dumps: it takes one side of the book in several orders to move the price,
waits, and closes what it has with orders of the same size. It buys first or sells first by chance.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np

from tradepit.domain import commands
from tradepit.domain.wire import OrderType, Side, TimeInForce
from tradepit.simulation.scenario import Pump, nanoseconds

SPAN_SHARE: Final = 0.9
"""Pumps begin within this share of the time that there is."""


class Shot(NamedTuple):
    """One market order of the plan; without lots, all that is left of the position."""

    time_ns: int
    side: Side
    lots: int


class PumpBot:
    """Sends its plan, and counts what it earned. Does nothing without a symbol.

    Args:
        instrument: 0 without a symbol.
        lots: on each way, over all orders.
        window: from when to when it may act, ns.
    """

    def __init__(
        self,
        pump: Pump,
        *,
        account: int,
        instrument: int,
        lots: int,
        window: tuple[int, int],
        rng: np.random.Generator,
    ) -> None:
        self.account = account
        self._instrument = instrument
        self.position_lots = 0
        self.cash_tick_lots = 0
        self.fills = 0
        self.bought_lots = self.sold_lots = 0
        self._plan = self._make_plan(pump, lots, window, rng) if instrument else []
        self._plan.sort(key=lambda shot: shot.time_ns)
        self._at = 0

    @staticmethod
    def _make_plan(
        pump: Pump, lots: int, window: tuple[int, int], rng: np.random.Generator
    ) -> list[Shot]:
        every, wait = nanoseconds(pump.every_seconds), nanoseconds(pump.wait_seconds)
        lasts = 2 * pump.orders * every + wait
        room = max(1, round((window[1] - window[0]) * SPAN_SHARE / pump.times))
        plan = []
        for number in range(pump.times):
            start = window[0] + number * room + int(rng.integers(0, max(1, room - lasts)))
            first = Side.BUY if rng.random() < 0.5 else Side.SELL
            back = Side.SELL if first is Side.BUY else Side.BUY
            each = max(1, lots // pump.orders)
            for index in range(pump.orders):
                plan.append(Shot(start + index * every, first, each))
            returns = start + pump.orders * every + wait
            for index in range(pump.orders):
                size = 0 if index == pump.orders - 1 else each
                plan.append(Shot(returns + index * every, back, size))
        return plan

    @property
    def next_ns(self) -> int | None:
        """When it acts next."""
        return self._plan[self._at].time_ns if self._at < len(self._plan) else None

    def due(self, now_ns: int) -> bytes:
        """Its orders that are due."""
        records = []
        while self._at < len(self._plan) and self._plan[self._at].time_ns <= now_ns:
            shot = self._plan[self._at]
            self._at += 1
            lots, side = shot.lots, shot.side
            if not lots:
                lots, side = abs(self.position_lots), _closing(self.position_lots)
            if lots:
                records.append(self._market_order(side, lots))
        return b"".join(records)

    def _market_order(self, side: Side, lots: int) -> bytes:
        return commands.place_order(
            account=self.account,
            instrument=self._instrument,
            side=side,
            order_type=OrderType.MARKET,
            time_in_force=TimeInForce.IOC,
            price=0,
            quantity=lots,
            definition_version=1,
        )

    def on_trade(self, side: Side, price_ticks: int, lots: int, now_ns: int) -> None:
        """Hear of an own trade."""
        self.fills += 1
        if side is Side.BUY:
            self.position_lots += lots
            self.cash_tick_lots -= price_ticks * lots
            self.bought_lots += lots
        else:
            self.position_lots -= lots
            self.cash_tick_lots += price_ticks * lots
            self.sold_lots += lots

    def profit_tick_lots(self, mark_ticks: float) -> float:
        """What it earned, with what it still has at the mark."""
        return self.cash_tick_lots + self.position_lots * mark_ticks


def _closing(position_lots: int) -> Side:
    return Side.SELL if position_lots > 0 else Side.BUY
