"""Commands into frames: sizes, stamps, incarnations, repeats."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from random import Random

from tradepit.domain.wire import ActivateRules, FrameHeader, PlaceOrder, Tick
from tradepit.testing.frames import (
    Command,
    Frame,
    build_frame,
    command,
    crc_of,
    read_frames,
    unknown_command,
)
from tradepit.testing.generator import (
    administration,
    guarding,
    keyed,
    makers,
    orders,
    spoilers,
    trading,
)
from tradepit.testing.generator.profile import SECOND_NS, Profile
from tradepit.testing.generator.view import View
from tradepit.testing.oracle import Oracle, OracleApplied

Idea = Callable[[View], Iterator[Command]]
OPEN_ORDERS_MAX = 70
FRAME_SIZES = (1, 1, 1, 2, 3, 5, 8, 8, 20, 60, 256)
STEPS_NS = (0, 1, SECOND_NS // 100, SECOND_NS // 10, SECOND_NS, 3 * SECOND_NS, -SECOND_NS)
INCARNATIONS = 100
IDEAS_OF_VERSION_2 = {**trading.IDEAS, **guarding.IDEAS, **makers.IDEAS}
IDEAS_SHARE = 0.28
CROWDS = (trading.trailing_crowd, guarding.session_crowd, makers.maker_crowd)
CROWDS_AFTER = 1_500
"""Commands after which a stream that reaches the bounds of a thousand does so, a frame each."""


@dataclass(frozen=True)
class Step:
    """One generated frame, and what the oracle answered to it."""

    frame: bytes
    applied: OracleApplied


class Generator:
    """An endless stream of frames from a seed, watching the oracle to stay interesting."""

    def __init__(self, seed: int, oracle: Oracle | None = None) -> None:
        self.oracle = oracle or Oracle()
        self.rng = Random(seed)
        self.profile = Profile.of_seed(seed)
        self.view = View(self.rng, self.oracle.market, self.profile)
        self.incarnation = 1
        self.frame_numbers: dict[int, int] = {}
        self.previous_crc = 0
        self.stamp_ns = 0
        self.pending: list[Command] = []
        self.crowds = list(CROWDS) if self.profile.makes_crowds else []

    def steps(self, commands_max: int) -> Iterator[Step]:
        """Frames until this many commands were applied."""
        yield self.step([command(Tick()), self.place(), unknown_command(99)])
        yield self.step(list(self.profile.opening(self.rng)))
        self.stamp_ns = self.oracle.market.time_ns
        while self.oracle.market.sequence < commands_max:
            if self.rng.random() < 0.01:
                yield self.repeat(self.last_frame)
            if self.crowds and self.oracle.market.sequence > CROWDS_AFTER:
                yield self.step(list(self.crowds.pop()(self.view)))
            yield self.step(self.commands())

    def step(self, commands: list[Command]) -> Step:
        number = self.frame_numbers.get(self.incarnation, 0) + self.rng.choice((1, 1, 1, 2))
        self.frame_numbers[self.incarnation] = number
        header = FrameHeader(
            first_sequence=self.oracle.market.sequence + 1 if self.rng.random() < 0.8 else 0,
            incarnation=self.incarnation,
            frame_number=number,
            time_ns=self.stamp_ns,
            generation=1,
            previous_crc=self.previous_crc,
        )
        return self.apply(build_frame(header, commands))

    def apply(self, frame: bytes) -> Step:
        self.last_frame = frame
        self.previous_crc = crc_of(frame)
        return Step(frame, self.oracle.apply(frame))

    def repeat(self, frame: bytes) -> Step:
        """The same frame once more, as a log that was appended to twice would hold it."""
        again: Frame = next(read_frames(frame))
        header = again.header._replace(first_sequence=0, previous_crc=self.previous_crc)
        return self.apply(build_frame(header, again.commands))

    def commands(self) -> list[Command]:
        """The next frame's commands; also moves the clock and sometimes the incarnation."""
        self.stamp_ns = max(self.stamp_ns, self.oracle.market.time_ns - SECOND_NS)
        self.stamp_ns += self.rng.choice(STEPS_NS[:3] if self.rng.random() < 0.8 else STEPS_NS)
        if self.rng.random() < 0.05:
            self.incarnation = self.rng.randint(1, INCARNATIONS)
        size = self.rng.choice(FRAME_SIZES if self.profile.busy_frames else FRAME_SIZES[:-2])
        while len(self.pending) < size:
            self.pending += self.twice(self.make())
        commands, self.pending = self.pending[:size], self.pending[size:]
        for sent in commands:
            keyed.remember(self.view, sent)
        return commands

    def twice(self, made: list[Command]) -> list[Command]:
        """Sometimes everything comes again at once, as from an impatient client."""
        again = self.rng.random() < 0.08 and any(keyed.has_key(c) for c in made)
        return made + made if again else made

    def make(self) -> list[Command]:
        """One idea, of one command or a few."""
        view = self.view
        if len(view.market.orders) > OPEN_ORDERS_MAX:
            return [orders.clear(view)]
        if view.market.version == 1 and view.market.sequence > self.profile.version_2_after:
            return [command(ActivateRules(rules_version=2)), *self.profile.firm_opening()]
        if self.rng.random() < 0.002:
            return administration.missing_instruments(view)
        if self.rng.random() < (IDEAS_SHARE if view.knows_version_2 else 0.01):
            return list(self.idea(IDEAS_OF_VERSION_2))
        roll = self.rng.random()
        if roll < 0.07:
            return list(self.idea(administration.MAKERS))
        maker = next(maker for bound, maker in MIXTURE if roll < bound)
        return [maker(view)]

    def idea(self, ideas: dict[Idea, int]) -> Iterator[Command]:
        idea = self.rng.choices(list(ideas), list(ideas.values()))[0]
        return idea(self.view)

    def place(self) -> Command:
        return orders.named(self.view, PlaceOrder(account=1, instrument=1, quantity=1))


def honest(view: View) -> Command:
    return orders.named(view, orders.place(view))


def spoiled(view: View) -> Command:
    return orders.named(view, spoilers.spoil(view, orders.place(view)))


MIXTURE: tuple[tuple[float, Callable[[View], Command]], ...] = (
    (0.65, honest),
    (0.71, spoiled),
    (0.85, orders.replace),
    (0.89, orders.cancel),
    (0.898, orders.mass_cancel),
    (0.96, keyed.resend),
    (0.98, keyed.cancel_by_key),
    (1.01, keyed.after_tombstone),
)
