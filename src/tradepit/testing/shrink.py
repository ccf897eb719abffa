"""Makes a failing stream small: `python -m tradepit.testing.shrink --seed S`.

Commands are dropped by putting TICK in their place, so that sequences, and with them the order ids
that later commands name, stay what they were.
"""

from __future__ import annotations

import argparse
import importlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from tradepit.domain.wire import FrameHeader, Tick
from tradepit.testing.auditor import Auditor
from tradepit.testing.comparison import describe, require_same
from tradepit.testing.engine_port import EngineFactory
from tradepit.testing.frames import Command, build_frame, command, crc_of, read_frames
from tradepit.testing.generator import Generator
from tradepit.testing.oracle import Oracle

DROPPED = command(Tick())
ENGINE = "tradepit._native:Replica"


@dataclass(frozen=True)
class Case:
    """Frames taken apart: a header for each, and all their commands in one row."""

    headers: tuple[FrameHeader, ...]
    commands: tuple[Command, ...]

    @staticmethod
    def of_frames(frames: Sequence[bytes]) -> Case:
        parts = [next(read_frames(frame)) for frame in frames]
        return Case(
            tuple(part.header for part in parts),
            tuple(command for part in parts for command in part.commands),
        )

    def frames(self) -> list[bytes]:
        """Whole frames again, chained to each other anew."""
        result = []
        start = previous_crc = 0
        for header in self.headers:
            end = start + header.record_count
            chained = header._replace(previous_crc=previous_crc)
            frame = build_frame(chained, self.commands[start:end])
            previous_crc = crc_of(frame)
            result.append(frame)
            start = end
        return result

    def without(self, start: int, end: int) -> Case:
        dropped = (DROPPED,) * (end - start)
        return Case(self.headers, self.commands[:start] + dropped + self.commands[end:])


Check = Callable[[Sequence[bytes]], str | None]


def shrink(case: Case, failure: Check) -> Case:
    """Drop ever smaller runs of commands while the case still fails."""
    size = len(case.commands) // 2
    while size:
        start = 0
        while start < len(case.commands):
            end = min(start + size, len(case.commands))
            run = case.commands[start:end]
            if any(c != DROPPED for c in run):
                smaller = case.without(start, end)
                if failure(smaller.frames()) is not None:
                    case = smaller
            start = end
        size //= 2
    return case


def engine_failure(new_engine: EngineFactory) -> Check:
    """How an engine parts from the oracle, or fails the audit, on these frames."""

    def failure(frames: Sequence[bytes]) -> str | None:
        oracle, engine, auditor = Oracle(), new_engine(), Auditor()
        try:
            for frame in frames:
                expected = oracle.apply(frame)
                actual = engine.apply(frame)
                require_same(frame, expected, actual)
                auditor.follow(frame, actual.events, actual.texts, actual.ends)
        except Exception as error:  # an engine that panics is a failure to be shrunk as well
            return f"{type(error).__name__}: {error}"
        return None

    return failure


def failing_frames(seed: int, commands: int, new_engine: EngineFactory) -> list[bytes]:
    """The stream of a seed up to the frame at which it first fails; empty when it does not."""
    engine, auditor = new_engine(), Auditor()
    frames = []
    for step in Generator(seed).steps(commands):
        frames.append(step.frame)
        try:
            actual = engine.apply(step.frame)
            require_same(step.frame, step.applied, actual)
            auditor.follow(step.frame, actual.events, actual.texts, actual.ends)
        except Exception:  # the shrunk case tells what it was
            return frames
    return []


def report(case: Case, failure: str) -> str:
    lines = [
        f"{sequence:6} {describe(command)}"
        for sequence, command in enumerate(case.commands, start=1)
        if command != DROPPED
    ]
    return "\n".join([*lines, failure])


def load(path: str) -> EngineFactory:
    """The class behind "module:name"; named, not imported, so that this room depends on none."""
    module, _, name = path.partition(":")
    factory: EngineFactory = getattr(importlib.import_module(module), name)
    return factory


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--commands", type=int, default=10_000)
    parser.add_argument("--engine", default=ENGINE, help="module:class to compare")
    arguments = parser.parse_args()
    new_engine = load(arguments.engine)
    frames = failing_frames(arguments.seed, arguments.commands, new_engine)
    if not frames:
        print(f"seed {arguments.seed}: no difference in {arguments.commands} commands")
        return
    check = engine_failure(new_engine)
    case = shrink(Case.of_frames(frames), check)
    print(report(case, check(case.frames()) or "fails only as a whole"))


if __name__ == "__main__":
    main()
