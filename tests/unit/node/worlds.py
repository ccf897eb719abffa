"""A market with a fake clock and a journal that becomes durable when the test says so."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from decimal import Decimal

from tradepit._native import Replica
from tradepit.domain import commands, wire
from tradepit.journal.frame import build_frame, frame_bytes
from tradepit.journal.port import DurableFrame, Group, JournalFailed
from tradepit.node.definitions import (
    AssetDefinition,
    InstrumentDefinition,
    MarketDefinition,
    opening_commands,
)
from tradepit.node.node import Node
from tradepit.node.outcome import Outcome
from tradepit.node.queue import AccountName, Limits

SECOND = 1_000_000_000
NOON = 1_800_000_000 * SECOND

MARKET = MarketDefinition(
    assets=[
        AssetDefinition(code="USD", starting_balance=Decimal(1_000_000)),
        AssetDefinition(code="BTC", starting_balance=Decimal(100)),
    ],
    instruments=[
        InstrumentDefinition(
            symbol="BTC-USD",
            base="BTC",
            quote="USD",
            tick_size=Decimal("0.01"),
            lot_size=Decimal("0.0001"),
            reference_price=Decimal(70_000),
        )
    ],
)


class Clock:
    """Time that stands still unless it is moved."""

    def __init__(self, now: int = NOON) -> None:
        self.now = now

    def __call__(self) -> int:
        return self.now


class FakeJournal:
    """Keeps frames in memory; `deliver` makes the one in flight durable."""

    def __init__(self) -> None:
        self.sequence = self.durable_sequence = 0
        self.incarnation = 7
        self.generation = 0
        self.frame_bytes_max = 64 << 10
        self.space_left = self.reserve_left = 64 << 10
        self.is_full = False
        self.is_closed = False
        self.frames: list[bytes] = []
        self.failure: JournalFailed | None = None
        self._flight: DurableFrame | None = None
        self._crc = 0

    @property
    def is_busy(self) -> bool:
        return self._flight is not None

    def space(self, *, urgent: bool) -> int:
        return self.reserve_left if urgent else self.space_left

    def start(
        self,
        deliver: Callable[[DurableFrame], None],
        fail: Callable[[JournalFailed], None],
        more_room: Callable[[], None],
    ) -> None:
        self._deliver, self.fail, self.more_room = deliver, fail, more_room

    def submit(self, group: Group) -> None:
        assert self._flight is None
        assert frame_bytes(group.commands, len(group.texts)) <= self.space(urgent=True)
        frame = build_frame(
            group,
            first_sequence=self.sequence + 1,
            incarnation=self.incarnation,
            frame_number=len(self.frames) + 1,
            generation=0,
            partition=0,
            previous_crc=self._crc,
        )
        self._flight = DurableFrame(frame.data, self.sequence + 1, group.commands, is_own=True)
        self._crc = frame.crc
        self.sequence += group.commands
        self.frames.append(frame.data)

    def deliver(self) -> None:
        """The frame in flight is durable now."""
        frame, self._flight = self._flight, None
        assert frame is not None
        self.durable_sequence = frame.first_sequence + frame.commands - 1
        self._deliver(frame)

    def deliver_all(self) -> None:
        while self._flight is not None:
            self.deliver()

    def close(self) -> None:
        self.is_closed = True


class World:
    """A node, its journal, its clock, and what became of what was submitted."""

    def __init__(self, limits: Limits | None = None) -> None:
        self.clock = Clock()
        self.journal = FakeJournal()
        self.rebuilt: list[int] = []
        self.node = Node(
            Replica(), self.journal, clock=self.clock, rebuild=self._rebuild, limits=limits
        )
        self.outcomes: dict[str, Outcome] = {}

    def _rebuild(self, sequence: int) -> Replica:
        self.rebuilt.append(sequence)
        return Replica()

    async def start(self) -> None:
        """Start the node, make the market, open accounts 1 and 2 (`a1`, `a2`)."""
        await self.node.start()
        batches = opening_commands(self.node.replica, MARKET, now_ns=self.clock.now, market_id=1)
        for batch in batches:
            self.submit("genesis", batch.records, batch.texts)
        for name in ("a1", "a2"):
            self.submit(name, commands.open_account(), commands.account_text(name))
        await self.settle()
        assert all(outcome.failure is None for outcome in self.outcomes.values())
        self.outcomes.clear()

    def submit(
        self,
        name: str,
        records: bytes,
        texts: bytes = b"",
        *,
        urgent: bool = False,
        account: AccountName = 0,
    ) -> None:
        def done(outcome: Outcome) -> None:
            assert name not in self.outcomes
            self.outcomes[name] = outcome

        self.node.submit(records, texts, len(records) // 96, done, urgent=urgent, account=account)

    async def turn(self) -> None:
        """Let the event loop come round, so that what was submitted is handed over."""
        await asyncio.sleep(0)
        await asyncio.sleep(0)

    async def settle(self) -> None:
        await self.turn()
        self.journal.deliver_all()

    def kinds(self, name: str) -> list[str]:
        events = self.outcomes[name].events
        return [wire.EventKind(events[at]).name for at in range(0, len(events), 96)]

    def last_frame(self) -> list[wire.CommandKind]:
        """Kinds of the commands in the last frame handed to the journal."""
        frame = self.journal.frames[-1]
        header = wire.FrameHeader(*wire.FRAME_HEADER.unpack_from(frame))
        return [wire.CommandKind(frame[64 + 96 * at]) for at in range(header.record_count)]


def order(
    account: int = 1, price: int = 6_900_000, quantity: int = 10, *, side: int = 1, expires: int = 0
) -> bytes:
    """A limit order: GTC, or GTD when it expires."""
    return commands.place_order(
        account=account,
        instrument=1,
        side=side,
        order_type=1,
        time_in_force=3 if expires else 1,
        price=price,
        quantity=quantity,
        definition_version=1,
        expires_at=expires,
    )
