"""Where the public's commands come from, step after step: drawn from a seed, or recorded."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final, Protocol

from tradepit.domain import commands
from tradepit.domain.wire import RECORD_BYTES, TRADE, EventKind, OrderType, TimeInForce
from tradepit.domain.wire import Side as WireSide
from tradepit.flow.operations import Operation, Place, Replace, Trade
from tradepit.flow.recorded_policy import PolicyCounts, RecordedPolicy
from tradepit.makers import NEVER_NS
from tradepit.marketdata.recorded_events import RecordedEvent
from tradepit.simulation.fair_value import FairValue
from tradepit.simulation.public_flow import PublicFlow, Towards
from tradepit.simulation.venue import Venue

TRADE_KIND: Final = int(EventKind.TRADE)
SIDES: Final = {"buy": WireSide.BUY, "sell": WireSide.SELL}

Apply = Callable[[bytes, int, bytes], bytes]
"""Applies records as a frame of a time, with their texts; the events, which everybody has heard."""


class Source(Protocol):
    """The public."""

    def step(self, now_ns: int, head: bytes, texts: bytes, apply: Apply) -> bool:
        """Send what is due until now, behind the head of others; False: there was nothing."""

    def next_ns(self, now_ns: int) -> int:
        """When it sends again, at the earliest."""

    def fair_ticks(self, at_ns: int) -> list[float] | None:
        """What instruments are worth by an outside price, in ticks; None: nobody knows yet."""


class GeneratedSource:
    """The drawn public: one frame a step."""

    def __init__(self, venue: Venue, flow: PublicFlow, fair: FairValue, towards: Towards) -> None:
        self._venue, self._flow, self._fair, self._towards = venue, flow, fair, towards

    def step(self, now_ns: int, head: bytes, texts: bytes, apply: Apply) -> bool:
        first = self._venue.first_sequence(now_ns) + len(head) // RECORD_BYTES
        records = head + self._flow.take(now_ns, first, self._towards)
        if records:
            apply(records, now_ns, texts)
        return bool(records)

    def next_ns(self, now_ns: int) -> int:
        return now_ns

    def fair_ticks(self, at_ns: int) -> list[float] | None:
        values: list[float] = self._fair.at(at_ns).tolist()
        return values


class RecordedSource:
    """A recorded session as orders of one account; the market's own matching makes the fills.

    The policy is that of `tradepit flow recorded`; here each step of an event is a frame and its
    trades are known at once, so nothing has to be foreseen.

    Args:
        tick_nanos: tick size in 1e-9 of the quote currency.
    """

    def __init__(
        self, venue: Venue, events: Iterable[RecordedEvent], *, account: int, tick_nanos: int
    ) -> None:
        self._venue, self._account, self._tick = venue, account, tick_nanos
        self._events = iter(events)
        self._policy = RecordedPolicy()
        self._order_ids: dict[int, int] = {}
        self._handles: dict[int, int] = {}
        self._pending: RecordedEvent | None = next(self._events, None)

    @property
    def counts(self) -> PolicyCounts:
        """How often the recording had to be brought back to its way, and what outsiders did."""
        return self._policy.counts

    def step(self, now_ns: int, head: bytes, texts: bytes, apply: Apply) -> bool:
        is_busy = bool(head)
        if head:
            self._hear(apply(head, now_ns, texts), apply, now_ns)
        while self._pending is not None and time_of(self._pending) <= now_ns:
            event, self._pending = self._pending, next(self._events, None)
            for operations in self._policy.play(event):
                if operations:
                    is_busy = True
                    self._send(operations, now_ns, apply)
            self._policy.settle()
        return is_busy

    def next_ns(self, now_ns: int) -> int:
        return NEVER_NS if self._pending is None else time_of(self._pending)

    def fair_ticks(self, at_ns: int) -> list[float] | None:
        best = self._policy.recorded_best
        if not best.bid_quantity or not best.ask_quantity or best.is_crossed:
            return None
        return [(best.bid_price + best.ask_price) / 2 / self._tick]

    def _hear(self, events: bytes, apply: Apply, now_ns: int) -> None:
        """Outsiders traded with the recording's orders; what that leaves to correct."""
        trades = self._trades(events)
        if not trades:
            return
        self._policy.report(trades)
        hit = [handle for trade in trades for handle in (trade.maker, trade.taker) if handle]
        corrections = self._policy.revisit(hit)
        if corrections:
            self._send(corrections, now_ns, apply)

    def _send(self, operations: list[Operation], now_ns: int, apply: Apply) -> None:
        first = self._venue.first_sequence(now_ns)
        records = [self._record(each, first + at) for at, each in enumerate(operations)]
        trades = self._trades(apply(b"".join(records), now_ns, b""))
        self._policy.report(trades)

    def _record(self, operation: Operation, sequence: int) -> bytes:
        if isinstance(operation, Place):
            self._order_ids[operation.handle] = sequence
            self._handles[sequence] = operation.handle
            return commands.place_order(
                account=self._account,
                instrument=1,
                side=SIDES[operation.side],
                order_type=OrderType.LIMIT,
                time_in_force=TimeInForce.IOC if operation.immediate else TimeInForce.GTC,
                self_trade_prevention=0,
                price=operation.price // self._tick,
                quantity=operation.quantity,
                definition_version=1,
            )
        order_id = self._order_ids[operation.handle]
        if isinstance(operation, Replace):
            return commands.replace_order(
                account=self._account,
                order_id=order_id,
                instrument=1,
                definition_version=1,
                price=operation.price // self._tick,
                quantity=operation.total,
            )
        return commands.cancel_order(account=self._account, order_id=order_id)

    def _trades(self, events: bytes) -> list[Trade]:
        """Trades in which orders of the recording took part."""
        found = []
        for at in range(0, len(events), RECORD_BYTES):
            if events[at] == TRADE_KIND:
                row = TRADE.unpack_from(events, at)
                price, lots, maker_id, taker_id = row[12:16]
                maker, taker = self._handles.get(maker_id), self._handles.get(taker_id)
                if maker is not None or taker is not None:
                    found.append(Trade(taker, maker, price * self._tick, lots))
        return found


def time_of(event: RecordedEvent) -> int:
    """When an event happened: its last record."""
    return event.records[-1].time_event_ns
