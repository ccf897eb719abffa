"""Streams come from their seed alone and keep what the comparison relies on."""

from __future__ import annotations

import pytest

from tradepit.testing.coverage import Coverage
from tradepit.testing.frames import read_frames
from tradepit.testing.generator import Generator


def test_a_seed_gives_the_same_stream_again() -> None:
    one, two = ([s.frame for s in Generator(5).steps(600)] for _ in range(2))
    assert one == two


def test_seeds_differ() -> None:
    assert [s.frame for s in Generator(5).steps(300)] != [s.frame for s in Generator(6).steps(300)]


def test_frames_are_of_many_sizes_and_some_are_repeats() -> None:
    steps = list(Generator(5).steps(3_000)) + list(Generator(20).steps(3_000))
    sizes = {next(read_frames(step.frame)).header.record_count for step in steps}
    assert {1, 2, 8, 20} <= sizes
    assert any(step.applied.first_sequence == 0 for step in steps)


def test_some_seed_makes_frames_of_256_commands() -> None:
    seed = next(seed for seed in range(50) if Generator(seed).profile.busy_frames)
    steps = Generator(seed).steps(6_000)
    assert 256 in {next(read_frames(step.frame)).header.record_count for step in steps}


@pytest.mark.parametrize("seed", range(30))
def test_opening_commands_are_accepted_whatever_the_profile(seed: int) -> None:
    steps = Generator(seed).steps(1)
    next(steps)
    coverage, opening = Coverage(), next(steps)
    coverage.add(opening.frame, opening.applied.values)
    assert coverage.rejects.total() == 0


def test_coverage_tells_what_is_missing() -> None:
    missing = Coverage().missing()
    assert "reject <RejectReason.KEY_REUSED: 1>" in missing
    assert not any("ORDER_CLOSED" in name for name in missing)
