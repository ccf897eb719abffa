"""Runs an engine beside the oracle and says where they part."""

from __future__ import annotations

import struct
from collections.abc import Iterable

from tradepit.testing.auditor import Auditor
from tradepit.testing.auditor.auditor import commands_of
from tradepit.testing.coverage import Coverage
from tradepit.testing.engine_port import Applied, Engine, EngineFactory
from tradepit.testing.frames import Command, Event, read_events
from tradepit.testing.generator import Generator
from tradepit.testing.oracle import OracleApplied
from tradepit.testing.summary import contradictions, summary_of_engine, summary_of_oracle

STATE_EVERY_FRAMES = 200


class Difference(AssertionError):
    """Engine and oracle answered differently, or an engine's state is not its events' sum."""


def compare_seed(seed: int, commands: int, new_engine: EngineFactory) -> Coverage:
    """Run a generated stream through engine, oracle and auditor; what it reached."""
    engine, generator = new_engine(), Generator(seed)
    auditor, coverage = Auditor(), Coverage()
    try:
        for index, step in enumerate(generator.steps(commands)):
            actual = engine.apply(step.frame)
            require_same(step.frame, step.applied, actual)
            auditor.follow(step.frame, actual.events, actual.texts, actual.ends)
            coverage.add(step.frame, step.applied.values)
            if index % STATE_EVERY_FRAMES == 0:
                require_same_state(engine, generator, auditor)
        require_same_state(engine, generator, auditor)
    except AssertionError as error:
        hint = f"python -m tradepit.testing.shrink --seed {seed} --commands {commands}"
        raise Difference(f"seed {seed}: {error}\n({hint})") from error
    return coverage


def require_same_state(engine: Engine, generator: Generator, auditor: Auditor) -> None:
    market = generator.oracle.market
    state = summary_of_engine(engine, like=market)
    differences = state.differences(summary_of_oracle(market)) + contradictions(auditor, state)
    if differences:
        raise Difference(f"after command {market.sequence}: " + "\n".join(differences))


def require_same(frame: bytes, expected: OracleApplied, actual: Applied) -> None:
    """Events, texts, ends and first sequence must be the same bytes."""
    if (
        actual.events == expected.events
        and actual.texts == expected.texts
        and actual.ends == expected.ends
        and actual.first_sequence == expected.first_sequence
    ):
        return
    raise Difference(first_difference(frame, expected, actual))


def first_difference(frame: bytes, expected: OracleApplied, actual: Applied) -> str:
    """The first command whose events differ, with both lists."""
    values = read_events(actual.events, actual.texts)
    commands = list(commands_of(frame, expected.values))
    wanted = by_command(expected.values, expected.ends)
    given = by_command(values, actual.ends)
    for index, command in enumerate(commands):
        left = wanted[index] if index < len(wanted) else []
        right = given[index] if index < len(given) else []
        if left != right:
            return "\n".join(
                [
                    f"command {expected.first_sequence + index}: {describe(command)}",
                    *[f"  rulebook {describe_event(event)}" for event in left],
                    *[f"  engine   {describe_event(event)}" for event in right],
                ]
            )
    return f"{len(given)} commands applied from {actual.first_sequence}, not {len(wanted)}"


def by_command(events: list[Event], ends: bytes) -> list[list[Event]]:
    bounds = [end for (end,) in struct.iter_unpack("<I", ends)]
    return [events[start:end] for start, end in zip([0, *bounds], bounds, strict=False)]


def describe(command: Command) -> str:
    fields = command.fields()
    text = f" {command.text!r}" if command.text is not None else ""
    return f"{type(fields).__name__} {changed_fields(fields)}{text}"


def describe_event(event: Event) -> str:
    text = f" {event.text!r}" if event.text is not None else ""
    return f"{type(event.fields).__name__} {changed_fields(event.fields)}{text}"


def changed_fields(fields: Iterable[int]) -> str:
    """Fields that are not zero; kind and sequence are told elsewhere."""
    named: dict[str, int] = fields._asdict()  # type: ignore[attr-defined]
    told = ("kind", "sequence")
    return " ".join(
        f"{name}={value}" for name, value in named.items() if value and name not in told
    )
