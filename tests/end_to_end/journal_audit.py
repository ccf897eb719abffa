"""Follows a node's journal while it is written, and checks every command of it.

The auditor says what must hold after each command: money conserved, budgets never exceeded, a fill
of a quote lowers its reservation in the same command, symbols owned evenly by live makers, nobody
quotes what another owns. Here is added what a firm's operator asks for: no quote trades at or after
its end, positions are the sum of fills and within their limit, and the engine says the same.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tradepit._native import Replica
from tradepit.domain.wire import (
    FRAME_HEADER,
    FRAME_HEADER_BYTES,
    RECORD_BYTES,
    CommandKind,
    EventKind,
    FrameHeader,
    Side,
)
from tradepit.journal.follow import JournalFollower
from tradepit.journal.layout import START, DataDirectory
from tradepit.testing.auditor import Auditor
from tradepit.testing.frames import Event

UNITS = 10**8
"""Of a firm's budgets in one."""


class QuoteAuditor(Auditor):
    """The auditor, which also knows when each quote ends and what each account has traded."""

    def __init__(self, invariants_every: int) -> None:
        super().__init__()
        self._every = invariants_every
        self._ends: dict[int, int] = {}
        """When the quote of an order ends, in market time."""
        self.net: Counter[tuple[int, int]] = Counter()
        """Lots bought less sold, by account and instrument."""
        self.kinds: Counter[int] = Counter()
        """Events by kind."""
        self.quote_fills = 0
        """Trades in which a quote took part."""
        self.keys: Counter[tuple[int, int, int]] = Counter()
        """Orders by account and idempotency key."""

    def handle(self, kind: int, fields: Any) -> None:
        super().handle(kind, fields)
        self.kinds[kind] += 1
        if kind == EventKind.QUOTE_SET:
            for order_id in (fields.bid_order_id, fields.ask_order_id):
                self._ends[order_id] = fields.expires_at
        elif kind == EventKind.TRADE:
            self._count_trade(fields)
        elif kind == EventKind.ORDER_ACCEPTED:
            command = self.floor.command
            if command.kind == CommandKind.PLACE_ORDER and not self._ends.get(fields.order_id):
                own = command.fields()
                self.keys[fields.account, own.key_low, own.key_high] += 1

    def _count_trade(self, trade: Any) -> None:
        signed = trade.quantity if trade.side == Side.BUY else -trade.quantity
        self.net[trade.account, trade.instrument] += signed
        self.net[trade.maker_account, trade.instrument] -= signed
        ends = [self._ends.get(order) for order in (trade.maker_order_id, trade.taker_order_id)]
        for end in ends:
            if end is not None:
                self.quote_fills += 1
                stale = self.floor.time_ns >= end
                self.floor.require(not stale, f"trade {trade.trade_id} met a quote of the past")

    def check_invariants(self, events: list[Event]) -> None:  # type: ignore[override]
        """All of them now and then; what only the command at hand shows, always."""
        if self.floor.sequence % self._every == 0:
            super().check_invariants(events)
            return
        self.sessions.end_command()
        for number in self.firms.touched:
            self.firms.check_owners(self.firms.firms[number])


@dataclass(frozen=True)
class FirmFacts:
    """A firm as its journal tells of it; quantities in units of 10^-8."""

    used: tuple[int, int]
    budgets: tuple[int, int]
    positions: dict[str, int]


class JournalAudit:
    """A reader of a data directory, which a node may be writing or have left."""

    def __init__(self, data_dir: Path, *, invariants_every: int = 1) -> None:
        self.replica = Replica()
        self.auditor = QuoteAuditor(invariants_every)
        self._follower = JournalFollower(DataDirectory(data_dir), START)
        self._read: deque[bytes] = deque()
        """Frames that were read and not checked yet."""

    def catch_up(self) -> int:
        """Check what was written since; the last sequence. Raises AuditFailure."""
        while (frame := self._next()) is not None:
            self._follow(frame)
        return int(self.replica.sequence)

    def go_to(self, sequence: int) -> None:
        """Check what was written up to a sequence at which a frame ended, and no further."""
        while self.replica.sequence < sequence:
            frame = self._next()
            assert frame, f"the journal ends at {self.replica.sequence}, before {sequence}"
            self._follow(frame)
        stands = self.replica.sequence
        assert stands == sequence, f"{sequence} is no end of a frame, {stands} is"

    def _next(self) -> bytes | None:
        """The next frame, alone; None when there is none yet."""
        if not self._read:
            self._read.extend(single_frames(self._follower.step()))
        return self._read.popleft() if self._read else None

    def _follow(self, frame: bytes) -> None:
        applied = self.replica.apply(frame)
        self.auditor.follow(frame, applied.events, applied.texts, applied.ends)

    def firm(self, firm_id: str) -> FirmFacts:
        """A firm's facts; raises AssertionError where the engine says otherwise."""
        account = self.replica.account_number(firm_id)
        firm = self.auditor.firms.firms[account]
        floor = self.auditor.floor
        used = [0, 0]
        for number, held in firm.reservations.items():
            for side in (0, 1):
                used[side] += held[side] * floor.instrument(number).lot_units
        row = next(row for row in self.replica.firms() if row[0] == account)
        engine = list(row[4:6])
        assert engine == used, f"engine {engine}, events {used}"
        return FirmFacts((used[0], used[1]), firm.budgets, self._positions(account))

    def _positions(self, account: int) -> dict[str, int]:
        symbols = {row[0]: row[1] for row in self.replica.instruments()}
        traded = {
            number: lots
            for (owner, number), lots in self.auditor.net.items()
            if owner == account and lots
        }
        engine = {row[0]: row[1] for row in self.replica.positions(account) if row[1]}
        assert engine == traded, f"engine {engine}, sum of fills {traded}"
        units = self.auditor.floor
        return {
            symbols[number]: lots * units.instrument(number).lot_units
            for number, lots in traded.items()
        }

    def orders_of_key(self, account_id: str, key: tuple[int, int]) -> int:
        """How many orders were made under an idempotency key."""
        return self.auditor.keys[self.replica.account_number(account_id), *key]


def single_frames(frames: bytes) -> Iterator[bytes]:
    """Whole frames, one by one."""
    at = 0
    while at < len(frames):
        header = FrameHeader._make(FRAME_HEADER.unpack_from(frames, at))
        text = -(-header.text_bytes // 8) * 8
        size = FRAME_HEADER_BYTES + header.record_count * RECORD_BYTES + text
        yield frames[at : at + size]
        at += size


def require_sound(audit: JournalAudit, firm_id: str) -> FirmFacts:
    """Catch up; budgets hold, positions are within their limit and the sum of fills."""
    audit.catch_up()
    facts = audit.firm(firm_id)
    assert all(used <= budget for used, budget in zip(facts.used, facts.budgets, strict=True))
    return facts
