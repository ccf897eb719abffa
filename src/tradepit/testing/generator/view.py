"""What the makers of commands see of the market, so that what they make meets something."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any, TypeVar

from tradepit.domain.wire import Phase, RecordFlag
from tradepit.testing.frames import Command
from tradepit.testing.generator.profile import Profile
from tradepit.testing.oracle.market import Instrument, Market, Order

T = TypeVar("T")


@dataclass
class View:
    """The market before the frame under way, chance, and what was sent lately."""

    rng: Random
    market: Market
    profile: Profile
    keyed: deque[Command] = field(default_factory=lambda: deque(maxlen=60))
    keyed_administration: deque[Command] = field(default_factory=lambda: deque(maxlen=20))
    keyed_of_version_2: deque[Command] = field(default_factory=lambda: deque(maxlen=30))
    awaited_keys: deque[tuple[int, int, int]] = field(default_factory=lambda: deque(maxlen=20))
    """(account, low, high) for which a tombstone may lie."""
    keys_made: int = 0

    def chance(self, share: float) -> bool:
        return self.rng.random() < share

    def pick(self, choices: Sequence[T]) -> T:
        return self.rng.choice(choices)

    @property
    def now(self) -> int:
        return self.market.time_ns

    def account(self) -> int:
        return self.rng.randint(1, max(1, len(self.market.accounts)))

    @property
    def knows_version_2(self) -> bool:
        return self.market.version >= 2

    def instruments(self) -> list[Instrument]:
        """Those of the profile that are not removed; all, should none be left."""
        known = list(self.market.instruments.values())
        symbols = {plan.symbol for plan in self.profile.instruments}
        there = [i for i in known if i.phase != Phase.REMOVED and i.symbol in symbols]
        return there or known

    def any_instrument(self) -> int:
        """Number of an instrument, sometimes of one that is removed, odd or unknown."""
        if self.chance(0.9):
            return self.instrument().number
        return self.rng.randint(0, len(self.market.instruments) + 1)

    def session_of(self, account: int) -> int:
        """Mostly none, else a live session of the account, or one that is not."""
        roll = self.rng.random()
        own = [s.number for s in self.market.sessions.values() if s.account == account]
        if roll < 0.75 or (roll < 0.97 and not own):
            return 0
        return self.pick(own) if roll < 0.97 else self.rng.randint(1, self.market.last_session + 2)

    def middle(self, instrument: Instrument) -> int:
        return instrument.last_price or instrument.reference_price or 50

    def instrument(self) -> Instrument:
        return self.pick(self.instruments())

    def some_order(self) -> Order | None:
        orders = list(self.market.orders.values())
        return self.rng.choice(orders) if orders else None

    def fresh_key(self) -> tuple[int, int]:
        self.keys_made += 1
        return self.keys_made, self.rng.getrandbits(64)

    def price_near(self, instrument: Instrument) -> int:
        middle = self.middle(instrument)
        spread = 3 if self.chance(0.7) else 8
        return max(1, middle + self.rng.randint(-spread, spread))

    def quantity(self) -> int:
        roll = self.rng.random()
        size = self.profile.size
        if roll < 0.85:
            return self.rng.randint(1, 9) * size
        if roll < 0.99:
            return self.rng.randint(10 * size, 40 * size)
        return self.rng.randint(100 * size, 100_000 * size)

    def with_key(self, fields: Any, share: float) -> Any:
        """Give the command a fresh idempotency key with this probability."""
        if not self.chance(share):
            return fields
        low, high = self.fresh_key()
        return fields._replace(flags=fields.flags | RecordFlag.KEY, key_low=low, key_high=high)
