"""A replica fed with frames, without a node or a disk."""

from __future__ import annotations

from tradepit._native import Replica
from tradepit.domain import commands
from tradepit.domain.wire import Side
from tradepit.journal.frame import build_frame
from tradepit.journal.port import Group

SECOND = 1_000_000_000
NOON = 1_800_000_000 * SECOND


class MarketOfFrames:
    """One instrument, ticks and lots of 1, accounts with plenty."""

    def __init__(self, nanoseconds_per_frame: int = 1000) -> None:
        self.replica = Replica()
        self._step = nanoseconds_per_frame
        self._frames = 0
        self._crc = 0
        self.groups: list[Group] = []
        """What was run, as a node submits it."""
        genesis = commands.genesis(
            key_window_ns=600 * SECOND, key_capacity=10_000, accounts_max=100, market_id=1
        )
        step = commands.Step(1, 0)
        self.run(
            [
                genesis,
                commands.time_jump(to_ns=NOON),
                commands.define_asset(asset=1, scale=0),
                commands.define_asset(asset=2, scale=0),
                commands.define_instrument(
                    instrument=1, base_asset=1, quote_asset=2, tick=step, lot=step,
                    reference_price=100,
                ),
                commands.set_starting_balance(asset=1, amount=10**12),
                commands.set_starting_balance(asset=2, amount=10**12),
            ],
            b"".join(commands.text_entry(text) for text in ("AAA", "BBB", "AAA-BBB")),
        )  # fmt: skip

    def open_account(self, name: str) -> None:
        self.run([commands.open_account()], commands.account_text(name))

    def run(self, records: list[bytes], texts: bytes = b"") -> bytes:
        """Apply one frame and return its events."""
        self._frames += 1
        time_ns = NOON + self._frames * self._step
        self.groups.append(Group(b"".join(records), texts, len(records), time_ns))
        frame = build_frame(
            self.groups[-1],
            first_sequence=self.replica.sequence + 1,
            incarnation=7,
            frame_number=self._frames,
            generation=1,
            partition=0,
            previous_crc=self._crc,
        )
        self._crc = frame.crc
        return self.replica.apply(frame.data).events

    def levels(self, instrument: int, side: Side) -> dict[int, tuple[int, int]]:
        return {
            price: (quantity, orders)
            for price, quantity, orders in self.replica.depth(instrument, side, 1_000)
        }
