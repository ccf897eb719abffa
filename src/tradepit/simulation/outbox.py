"""What makers send in the next frame, and what of it has no answer yet."""

from __future__ import annotations

from typing import NamedTuple

from tradepit.makers import SymbolQuoter
from tradepit.simulation.maker import Maker
from tradepit.simulation.seat import Seat


class Sent(NamedTuple):
    """A quote or release that is on its way."""

    seat: Seat
    quoter: SymbolQuoter
    number: int
    is_release: bool


class Outgoing(NamedTuple):
    """Commands for the next frame."""

    records: bytes
    texts: bytes


class Outbox:
    """Gathers commands; an answer names the sequence of the command that it is about."""

    def __init__(self) -> None:
        self._records: list[bytes] = []
        self._texts: list[bytes] = []
        self._gathered: list[tuple[int, Sent | Maker]] = []
        """With the position in the frame."""
        self._count = 0
        self._unanswered: dict[int, Sent | Maker] = {}

    def put(
        self, record: bytes, *, text: bytes = b"", count: int = 1, what: Sent | Maker | None = None
    ) -> None:
        """Add commands; the last of them is answered about `what` (None: nobody waits)."""
        self._count += count
        self._records.append(record)
        self._texts.append(text)
        if what is not None:
            self._gathered.append((self._count - 1, what))

    def take(self, first_sequence: int) -> Outgoing:
        """All that was gathered, for a frame that begins with this sequence."""
        for position, what in self._gathered:
            self._unanswered[first_sequence + position] = what
        out = Outgoing(b"".join(self._records), b"".join(self._texts))
        self._records, self._texts, self._gathered, self._count = [], [], [], 0
        return out

    def waiting(self, sequence: int) -> Sent | None:
        """The quote or release whose command this is, if it has no answer yet."""
        sent = self._unanswered.get(sequence)
        return sent if isinstance(sent, Sent) else None

    def answered(self, sequence: int) -> Sent | None:
        """The same, and it has its answer now."""
        sent = self._unanswered.pop(sequence, None)
        return sent if isinstance(sent, Sent) else None

    def joined(self, sequence: int) -> Maker | None:
        """The maker that wanted to join by this command, and has."""
        maker = self._unanswered.pop(sequence, None)
        return maker if isinstance(maker, Maker) else None
