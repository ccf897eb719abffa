"""What a maker owns, and until when, by its own clock.

The market ends a lease in market time. A heartbeat is applied after it was sent, so a lease counted
from the moment of sending, by a clock of one's own, is over before the market's is. What the market
says of the owner of a symbol decides all the same.
"""

from __future__ import annotations

from tradepit.client import MakerLease

NS_PER_MS = 1_000_000


class Lease:
    """The last heartbeat that was answered."""

    def __init__(self) -> None:
        self.symbols: tuple[str, ...] = ()
        self.number: int | None = None
        """The maker's, as the market gave it; None while it is not live."""
        self.lasts_ns = 0
        self.held_until_ns = 0
        self.renewals = 0

    def renew(self, answer: MakerLease, *, sent_ns: int) -> None:
        """Take over the answer of a heartbeat that was sent at `sent_ns`."""
        self.number = answer.maker
        self.symbols = answer.symbols
        self.lasts_ns = answer.lease_ms * NS_PER_MS
        self.held_until_ns = sent_ns + self.lasts_ns if answer.maker is not None else 0
        self.renewals += 1

    def is_held(self, now_ns: int) -> bool:
        """Whether the symbols are surely this maker's."""
        return now_ns < self.held_until_ns

    def end(self) -> None:
        """Nothing is owned any more."""
        self.symbols, self.number, self.held_until_ns = (), None, 0
