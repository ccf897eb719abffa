"""The native engine gives the same bytes as the naive one, and the auditor has no complaint."""

from __future__ import annotations

import functools
import time

import pytest

from tradepit._native import FrameError, Replica
from tradepit.domain.wire import (
    EventKind,
    FrameHeader,
    Genesis,
    RejectReason,
    SelfTradePrevention,
    Tick,
    TimeInForce,
)
from tradepit.testing.comparison import compare_seed, require_same
from tradepit.testing.coverage import REACHABLE_COMBINATIONS, UNREACHABLE_REJECTS, Coverage
from tradepit.testing.frames import FrameWriter, build_frame, command
from tradepit.testing.generator import Generator
from tradepit.testing.oracle import FrameRefused, Oracle
from tradepit.testing.script import opening

SEEDS = range(9)
COMMANDS_PER_SEED = 5_000
FULL_SEEDS = range(100, 150)
FULL_COMMANDS_PER_SEED = 20_000


@functools.cache
def coverage_of(seed: int) -> Coverage:
    """Compare once per seed, whichever test asks first."""
    return compare_seed(seed, COMMANDS_PER_SEED, Replica)


@pytest.mark.parametrize("seed", SEEDS)
def test_events_and_state_are_those_of_the_rulebook(seed: int) -> None:
    assert coverage_of(seed).commands.total() >= COMMANDS_PER_SEED


def test_streams_reach_every_combination_and_every_reject_reason() -> None:
    total = Coverage()
    for seed in SEEDS:
        total.merge(coverage_of(seed))
    assert total.missing() == []


def test_unreachable_combinations_are_those_that_entry_refuses() -> None:
    """LIMIT takes five times in force, MARKET two, stops three; each with five self-trade modes."""
    assert len(REACHABLE_COMBINATIONS) == (5 + 2 + 3 * 3) * len(SelfTradePrevention)
    market_times = {time for type_, time, _ in REACHABLE_COMBINATIONS if type_.name == "MARKET"}
    assert market_times == {TimeInForce.IOC, TimeInForce.FOK}
    assert set(UNREACHABLE_REJECTS) == {RejectReason.ORDER_CLOSED}


@pytest.mark.full
def test_a_million_random_commands_over_fifty_seeds_agree(
    capsys: pytest.CaptureFixture[str],
) -> None:
    total, started = Coverage(), time.monotonic()
    for done, seed in enumerate(FULL_SEEDS, start=1):
        total.merge(compare_seed(seed, FULL_COMMANDS_PER_SEED, Replica))
        rate = total.commands.total() / (time.monotonic() - started)
        line = f"{done}/{len(FULL_SEEDS)} seeds, {total.commands.total():,} commands, {rate:,.0f}/s"
        with capsys.disabled():
            print(f"\r{line}", end="", flush=True)
    assert total.commands.total() >= 1_000_000
    assert total.missing() == []


def test_a_quarantined_command_is_skipped_by_both() -> None:
    steps = list(Generator(7).steps(1_500))
    skipped = range(40, 1_500, 13)
    oracle, replica = Oracle(), Replica()
    for sequence in skipped:
        oracle.quarantine(sequence)
        replica.quarantine(sequence)
    coverage = Coverage()
    for step in steps:
        expected = oracle.apply(step.frame)
        require_same(step.frame, expected, replica.apply(step.frame))
        coverage.add(step.frame, expected.values)
    assert coverage.events[EventKind.COMMAND_QUARANTINED] == len(skipped)


def test_a_repeated_frame_is_dropped_until_its_incarnation_is_forgotten() -> None:
    oracle, replica = Oracle(), Replica()

    def is_applied(incarnation: int) -> bool:
        header = FrameHeader(incarnation=incarnation, frame_number=3)
        frame = build_frame(header, opening() if oracle.market.sequence == 0 else [TICK])
        expected = oracle.apply(frame)
        require_same(frame, expected, replica.apply(frame))
        return expected.first_sequence != 0

    assert all(is_applied(incarnation) for incarnation in range(1, 65))
    assert not any(is_applied(incarnation) for incarnation in range(1, 65))
    assert is_applied(65)  # and 1 is forgotten
    assert not is_applied(2)
    assert is_applied(1)  # and 2 is forgotten
    assert [is_applied(incarnation) for incarnation in (1, 65, 3, 2)] == [False] * 3 + [True]


def test_a_frame_at_the_wrong_sequence_stops_both_and_changes_nothing() -> None:
    oracle, replica = Oracle(), Replica()
    first = FrameWriter().write(opening(), 0)
    require_same(first, oracle.apply(first), replica.apply(first))
    before = replica.state_hash()
    wrong = FrameWriter(incarnation=9, next_sequence=99).write([TICK], 0)
    with pytest.raises(FrameRefused):
        oracle.apply(wrong)
    with pytest.raises(FrameError):
        replica.apply(wrong)
    assert replica.state_hash() == before


def test_a_genesis_of_unknown_rules_stops_both() -> None:
    frame = FrameWriter().write([command(Genesis(rules_version=3, schema_version=1))], 0)
    with pytest.raises(FrameRefused):
        Oracle().apply(frame)
    with pytest.raises(FrameError):
        Replica().apply(frame)


TICK = command(Tick())
