"""The book of one symbol without the firm's own orders, kept from its channel of orders."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from msgspec import Struct

from tradepit.client.channel_data import OrderChange, QueuesSnapshot, RestingOrder
from tradepit.makers.instrument import InstrumentSpec

EMPTY: Final = (None, 0)


class Best(Struct, frozen=True, gc=False):
    """The best of both sides; ticks are None where a side is empty."""

    bid_ticks: int | None = None
    bid_lots: int = 0
    ask_ticks: int | None = None
    ask_lots: int = 0


class _Side:
    """One side: lots at each price."""

    def __init__(self, *, is_bid: bool) -> None:
        self._lots: dict[int, int] = {}
        self._sign = 1 if is_bid else -1
        self._best: int | None = None
        """Ticks times the sign, so that the highest is the best."""

    def add(self, ticks: int, lots: int) -> None:
        signed = self._sign * ticks
        self._lots[signed] = self._lots.get(signed, 0) + lots
        if self._best is None or signed > self._best:
            self._best = signed

    def take(self, ticks: int, lots: int) -> None:
        signed = self._sign * ticks
        left = self._lots[signed] - lots
        if left:
            self._lots[signed] = left
            return
        del self._lots[signed]
        if signed == self._best:
            self._best = max(self._lots, default=None)

    @property
    def best(self) -> tuple[int | None, int]:
        if self._best is None:
            return EMPTY
        return self._sign * self._best, self._lots[self._best]


class OthersBook:
    """Orders of the others by price; of its own orders only what is left of each."""

    def __init__(self, spec: InstrumentSpec) -> None:
        self._spec = spec
        self._bids, self._asks = _Side(is_bid=True), _Side(is_bid=False)
        self._resting: dict[str, tuple[bool, int, int]] = {}
        """Orders of others: whether a bid, ticks, lots."""
        self.own: dict[str, int] = {}
        """Lots left of each own order."""
        self.is_known = False
        """A snapshot has come."""

    def begin(self, snapshot: QueuesSnapshot) -> None:
        """Begin anew with every order that rests."""
        self._bids, self._asks = _Side(is_bid=True), _Side(is_bid=False)
        self._resting.clear()
        self.own.clear()
        self._take_over(snapshot.bids, is_bid=True)
        self._take_over(snapshot.asks, is_bid=False)
        self.is_known = True

    def _take_over(self, orders: Iterable[RestingOrder], *, is_bid: bool) -> None:
        for order in orders:
            lots = self._spec.lots(order.quantity)
            if order.own:
                self.own[order.order_id] = lots
            else:
                self._rest(order.order_id, is_bid, self._spec.ticks(order.price), lots)

    def apply(self, change: OrderChange) -> None:
        """Take over one change of one order."""
        gone = change.action == "delete"
        lots = 0 if gone else self._spec.lots(change.quantity)
        if change.own:
            self._change_own(change.order_id, lots)
            return
        before = self._resting.pop(change.order_id, None)
        if before is not None:
            is_bid, ticks, old = before
            (self._bids if is_bid else self._asks).take(ticks, old)
        if lots:
            is_bid = change.side == "buy"
            self._rest(change.order_id, is_bid, self._spec.ticks(change.price), lots)

    def _change_own(self, order_id: str, lots: int) -> None:
        if lots:
            self.own[order_id] = lots
        else:
            self.own.pop(order_id, None)

    def _rest(self, order_id: str, is_bid: bool, ticks: int, lots: int) -> None:
        self._resting[order_id] = (is_bid, ticks, lots)
        (self._bids if is_bid else self._asks).add(ticks, lots)

    @property
    def best(self) -> Best:
        """The best bid and ask of the others."""
        (bid, bid_lots), (ask, ask_lots) = self._bids.best, self._asks.best
        return Best(bid, bid_lots, ask, ask_lots)
