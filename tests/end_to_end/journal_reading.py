"""A node's journal, read from its bytes and applied from its first command."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.unit.journal.reference import reference_scan

from tradepit._native import Replica
from tradepit.domain import wire

RECORD_SIZE = 96


class ReadJournal:
    """What a data directory holds, frames chained without a gap (the reference scanner says so)."""

    def __init__(self, data_dir: Path) -> None:
        frames = reference_scan(data_dir)
        self.commands = {
            frame.first_sequence + index: record
            for frame in frames
            for index, record in enumerate(frame.records)
        }
        """Records by sequence."""
        self.replica = Replica()
        """Stands at the end."""
        sizes: Counter[str] = Counter()
        for frame in frames:
            sizes[frame.segment] += frame.size
        self._applied = [self._apply(data_dir, name, size) for name, size in sizes.items()]

    def _apply(self, data_dir: Path, segment: str, size: int) -> bytes:
        with (data_dir / "journal" / segment).open("rb") as file:
            return bytes(self.replica.apply(file.read(size)).events)

    def events(self, *kinds: wire.EventKind) -> Iterator[Any]:
        """Events of some kinds in their order, as named records."""
        for applied in self._applied:
            for at in range(0, len(applied), RECORD_SIZE):
                if applied[at] in kinds:
                    yield event_of(applied[at : at + RECORD_SIZE])

    def placed_keys(self, account_id: str) -> Counter[tuple[int, int]]:
        """How often each idempotency key of an account became an order."""
        account = self.replica.account_number(account_id)
        made: Counter[tuple[int, int]] = Counter()
        for accepted in self.events(wire.EventKind.ORDER_ACCEPTED):
            record = self.commands[accepted.sequence]
            if accepted.account == account and record[0] == wire.CommandKind.PLACE_ORDER:
                command = wire.PlaceOrder(*wire.PLACE_ORDER.unpack(record))
                made[command.key_low, command.key_high] += 1
        return made


def event_of(record: bytes) -> Any:
    """One event record with its fields by name."""
    kind = wire.EventKind(record[0])
    name = "".join(part.capitalize() for part in kind.name.split("_"))
    return getattr(wire, name)(*getattr(wire, kind.name).unpack(record))
