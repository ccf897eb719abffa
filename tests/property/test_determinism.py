"""One journal, one outcome: however it is cut into calls, and wherever it is restored."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Iterator

import pytest

from tradepit._native import Replica
from tradepit.domain.wire import CommandKind, EventKind, FrameHeader
from tradepit.testing.frames import Command, Event, build_frame, read_events, read_frames
from tradepit.testing.generator import Generator
from tradepit.testing.oracle.engine import OPENED_IN_FRAME

SEEDS = (11, 12, 13)
COMMANDS = 2_500
CALL_SIZES = (1, 7, 256)


@functools.cache
def journal(seed: int) -> tuple[bytes, ...]:
    return tuple(step.frame for step in Generator(seed).steps(COMMANDS))


def run(replica: Replica, frames: tuple[bytes, ...], size: int) -> tuple[bytes, bytes]:
    """Event and text bytes of frames given `size` at a time."""
    events, texts = b"", b""
    for start in range(0, len(frames), size):
        applied = replica.apply(b"".join(frames[start : start + size]))
        events += applied.events
        texts += applied.texts
    return events, texts


@pytest.mark.parametrize("seed", SEEDS)
def test_frames_per_call_change_neither_events_nor_hash(seed: int) -> None:
    outcomes = set()
    for size in CALL_SIZES:
        replica = Replica()
        outcomes.add((*run(replica, journal(seed), size), replica.state_hash()))
    assert len(outcomes) == 1


@pytest.mark.parametrize("seed", SEEDS)
def test_commands_per_frame_change_no_event_of_a_command(seed: int) -> None:
    """With the clock held still: the frames' own events are all that differs.

    A QUOTE stays with the RESERVE_ORDER_ID before it: that they come in one frame is a rule.
    """
    commands = [c for frame in journal(seed) for c in next(read_frames(frame)).commands]
    commands = [c for c in commands if c.fields().account != OPENED_IN_FRAME]
    outcomes = [events_of_commands(commands, size) for size in CALL_SIZES]
    assert len(outcomes[0]) > COMMANDS / 2
    assert outcomes[0] == outcomes[1] == outcomes[2]


def events_of_commands(commands: list[Command], size: int) -> list[Event]:
    replica = Replica()
    result: list[Event] = []
    for number, group in enumerate(groups(commands, size), start=1):
        header = FrameHeader(incarnation=1, frame_number=number)
        applied = replica.apply(build_frame(header, group))
        result += read_events(applied.events, applied.texts)
    return [event for event in result if event.kind != EventKind.FRAME_APPLIED]


def groups(commands: list[Command], size: int) -> Iterator[list[Command]]:
    """At least so many commands each, cut where no quote is torn from its id."""
    group: list[Command] = []
    for following in commands:
        group.append(following)
        if len(group) >= size and following.kind != CommandKind.RESERVE_ORDER_ID:
            yield group
            group = []
    if group:
        yield group


@pytest.mark.parametrize("seed", SEEDS)
def test_every_snapshot_continues_as_if_nothing_had_happened(seed: int) -> None:
    frames = journal(seed)
    whole = Replica()
    whole_events, whole_texts = run(whole, frames, 1)
    for place in snapshot_places(len(frames)):
        before = Replica()
        events, texts = run(before, frames[:place], 7)
        snapshot = before.snapshot()
        restored = Replica.restore(snapshot)
        assert restored.state_hash() == before.state_hash()
        assert restored.snapshot() == snapshot
        rest_events, rest_texts = run(restored, frames[place:], 256)
        assert events + rest_events == whole_events
        assert texts + rest_texts == whole_texts
        assert restored.state_hash() == whole.state_hash()


def snapshot_places(frames: int) -> list[int]:
    """Genesis, early, often in between, and the end."""
    return sorted({0, 1, 2, *range(5, frames, max(1, frames // 12)), frames})


def test_a_snapshot_at_every_frame_of_a_small_journal_continues_the_same() -> None:
    frames = journal(SEEDS[0])[:150]
    whole = Replica()
    run(whole, frames, 1)
    stepwise = Replica()
    for frame in frames:
        stepwise.apply(frame)
        stepwise = Replica.restore(stepwise.snapshot())
    assert stepwise.state_hash() == whole.state_hash()


def test_replay_ends_where_apply_ends() -> None:
    frames = journal(SEEDS[0])
    applied, replayed = Replica(), Replica()
    run(applied, frames, 7)
    commands = replayed.replay(b"".join(frames))
    assert commands == replayed.sequence == applied.sequence
    assert replayed.state_hash() == applied.state_hash()


def test_hashes_of_different_states_differ() -> None:
    replica = Replica()
    hashes = [replica.state_hash()]
    for frame in itertools.islice(journal(SEEDS[1]), 100):
        if replica.apply(frame).first_sequence:  # a repeated frame changes nothing
            hashes.append(replica.state_hash())
    assert len(set(hashes)) == len(hashes)


def test_a_damaged_snapshot_is_refused() -> None:
    replica = Replica()
    run(replica, journal(SEEDS[0])[:50], 50)
    snapshot = replica.snapshot()
    for place in range(0, len(snapshot), 97):
        damaged = bytearray(snapshot)
        damaged[place] ^= 0x40
        with pytest.raises(ValueError):
            Replica.restore(bytes(damaged))
    for size in range(0, len(snapshot), 101):
        with pytest.raises(ValueError):
            Replica.restore(snapshot[:size])
