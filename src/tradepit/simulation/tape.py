"""Reads the market's events, frame after frame: counts them, and tells whom they concern."""

from __future__ import annotations

from collections import Counter
from struct import Struct
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tradepit.domain import wire
from tradepit.domain.wire import RECORD_BYTES, EventKind, Phase, PhaseReason, RejectReason, Side
from tradepit.makers import PublicTrade
from tradepit.simulation.fleet import Fleet
from tradepit.simulation.pump import PumpBot

HEAD: Final = Struct("<B6xBQII72x")
"""Of every event: kind, status, sequence, account, instrument."""

BOOK_KINDS: Final = frozenset(
    {
        int(EventKind.ORDER_ACCEPTED),
        int(EventKind.ORDER_REPLACED),
        int(EventKind.ORDER_CANCELLED),
        int(EventKind.ORDER_REDUCED),
        int(EventKind.ORDER_FILLED),
        int(EventKind.TRADE),
        int(EventKind.QUOTE_SET),
    }
)
TRADE: Final = int(EventKind.TRADE)
SHRINKING: Final = frozenset({int(EventKind.ORDER_CANCELLED), int(EventKind.ORDER_REDUCED)})
REST: Final = frozenset(
    {
        int(EventKind.COMMAND_REJECTED),
        int(EventKind.RESERVED),
        int(EventKind.QUOTE_SET),
        int(EventKind.RESERVATION_RELEASED),
        int(EventKind.MAKER_JOINED),
        int(EventKind.MAKER_LEFT),
        int(EventKind.SYMBOL_ASSIGNED),
        int(EventKind.PHASE_CHANGED),
        int(EventKind.AUCTION_UNCROSSED),
    }
)


class Auction(NamedTuple):
    """A round of an uncrossing."""

    time_ns: int
    instrument: int
    phase: str
    """In which orders gathered."""
    price_ticks: int
    volume_lots: int
    surplus_lots: int
    trades: int


class PhaseChange(NamedTuple):
    """An instrument went into a phase."""

    time_ns: int
    instrument: int
    phase: str
    reason: str


class Assignment(NamedTuple):
    """An instrument of a firm has another maker."""

    time_ns: int
    account: int
    instrument: int
    maker: int
    previous: int


class Tape:
    """What happened, and who heard of it.

    Args:
        firms: the highest account number of a firm; firms come first.
    """

    def __init__(self, fleet: Fleet, pump: PumpBot, *, instruments: int, firms: int) -> None:
        self._fleet, self._pump, self._firms = fleet, pump, firms
        self.events = 0
        self.trades = np.zeros(instruments, np.int64)
        self.volume_lots = np.zeros(instruments, np.int64)
        self.last_ticks = np.zeros(instruments, np.int64)
        self.refusals: Counter[RejectReason] = Counter()
        self.auctions: list[Auction] = []
        self.phases: list[PhaseChange] = []
        self.assignments: list[Assignment] = []
        self.current: dict[int, Phase] = {}

    def read(self, events: bytes, now_ns: int) -> dict[int, None]:
        """Take the events of a frame in; the instruments whose books may have changed."""
        touched: dict[int, None] = {}
        at = 0
        for kind, status, sequence, account, instrument in HEAD.iter_unpack(events):
            if kind in BOOK_KINDS:
                touched[instrument] = None
                if kind == TRADE:
                    self._trade(events, at, now_ns)
                elif kind in SHRINKING and account <= self._firms:
                    self._shrunk(events, at, kind)
            if kind in REST:
                self._tell(kind, status, sequence, account, instrument, events, at, now_ns)
            at += RECORD_BYTES
        self.events += at // RECORD_BYTES
        return touched

    def _trade(self, events: bytes, at: int, now_ns: int) -> None:
        (_, _, taker_side, _, _, _, _, _, _, taker, instrument, _, price, lots,
         _, _, _, _, _, maker, _) = wire.TRADE.unpack_from(events, at)  # fmt: skip
        index = instrument - 1
        self.trades[index] += 1
        self.volume_lots[index] += lots
        self.last_ticks[index] = price
        side = Side.BUY if taker_side == Side.BUY else Side.SELL
        other = Side.SELL if side is Side.BUY else Side.BUY
        if maker <= self._firms:
            self._fleet.on_fill(maker, instrument, other, price, lots, now_ns)
        if taker <= self._firms:
            self._fleet.on_fill(taker, instrument, side, price, lots, now_ns)
        if self._pump.account in (maker, taker):
            self._pump.on_trade(side if taker == self._pump.account else other, price, lots, now_ns)
        trade = PublicTrade(time_ns=now_ns, price_ticks=price, quantity_lots=lots, taker_side=side)
        self._fleet.on_trade(instrument, trade)

    def _shrunk(self, events: bytes, at: int, kind: int) -> None:
        """An order of a firm left or shrank: its leaves afterwards."""
        if kind == EventKind.ORDER_CANCELLED:
            left = wire.OrderCancelled(*wire.ORDER_CANCELLED.unpack_from(events, at))
            self._fleet.on_shrunk(left.account, left.instrument, left.order_id, 0)
        else:
            less = wire.OrderReduced(*wire.ORDER_REDUCED.unpack_from(events, at))
            self._fleet.on_shrunk(less.account, less.instrument, less.order_id, less.leaves)

    def _tell(
        self,
        kind: int,
        status: int,
        sequence: int,
        account: int,
        instrument: int,
        events: bytes,
        at: int,
        now_ns: int,
    ) -> None:
        fleet, is_firm = self._fleet, 0 < account <= self._firms
        match kind:
            case EventKind.COMMAND_REJECTED:
                reason = int.from_bytes(events[at + 24 : at + 28], "little")
                if is_firm:
                    fleet.on_rejected(sequence, reason, now_ns)
                else:
                    self.refusals[RejectReason(reason)] += 1
            case EventKind.RESERVED:
                told = wire.Reserved(*wire.RESERVED.unpack_from(events, at))
                fleet.on_reserved(account, instrument, told.granted_bid, told.granted_ask)
            case EventKind.QUOTE_SET:
                self._quote(events, at, now_ns)
            case EventKind.RESERVATION_RELEASED:
                fleet.on_released(account, instrument, sequence, now_ns)
            case EventKind.MAKER_JOINED:
                number = int.from_bytes(events[at + 24 : at + 28], "little")
                fleet.on_joined(account, number, sequence, now_ns)
            case EventKind.MAKER_LEFT:
                fleet.on_left(account, int.from_bytes(events[at + 24 : at + 28], "little"))
            case EventKind.SYMBOL_ASSIGNED:
                given = wire.SymbolAssigned(*wire.SYMBOL_ASSIGNED.unpack_from(events, at))
                self.assignments.append(
                    Assignment(now_ns, account, instrument, given.maker, given.previous_maker)
                )
                fleet.on_assigned(account, instrument, given.maker, now_ns)
            case EventKind.PHASE_CHANGED:
                self._phase(events, at, status)
            case EventKind.AUCTION_UNCROSSED:
                done = wire.AuctionUncrossed(*wire.AUCTION_UNCROSSED.unpack_from(events, at))
                phase = self.current.get(instrument, Phase.CLOSED).name.lower()
                self.auctions.append(
                    Auction(
                        done.time_ns,
                        instrument,
                        phase,
                        done.price,
                        done.volume,
                        done.surplus,
                        done.trade_count,
                    )
                )

    def _quote(self, events: bytes, at: int, now_ns: int) -> None:
        told = wire.QuoteSet(*wire.QUOTE_SET.unpack_from(events, at))
        if told.account <= self._firms:
            sides = (
                told.bid_price,
                told.bid_quantity,
                told.ask_price,
                told.ask_quantity,
                told.bid_order_id,
                told.ask_order_id,
            )
            self._fleet.on_quote_set(
                told.account, told.instrument, told.sequence, sides, told.expires_at, now_ns
            )

    def _phase(self, events: bytes, at: int, status: int) -> None:
        told = wire.PhaseChanged(*wire.PHASE_CHANGED.unpack_from(events, at))
        phase, reason = Phase(status), PhaseReason(told.reason)
        self.current[told.instrument] = phase
        self.phases.append(
            PhaseChange(told.time_ns, told.instrument, phase.name.lower(), reason.name.lower())
        )
        self._fleet.on_phase(told.instrument, phase)


def mid_ticks(tops: list[tuple[int, int, int, int]], last: NDArray[np.int64]) -> list[float]:
    """Middle of each book in ticks, else the last trade, else 0."""
    return [
        (bid + ask) / 2 if bid and ask else float(last[index])
        for index, (bid, _, ask, _) in enumerate(tops)
    ]
