"""Schedules between texts and the words of a record."""

from __future__ import annotations

from itertools import pairwise

import pytest

from tradepit.domain.schedule import (
    PHASES,
    Entry,
    ScheduleError,
    entry_of,
    ordered,
    phase_at,
    read_entries,
)
from tradepit.domain.wire import Phase

HOUR_MS = 3_600_000
DAY_NS = 86_400_000_000_000


@pytest.mark.parametrize(
    ("text", "at_ms", "shown"),
    [
        ("00:00", 0, "00:00"),
        ("08:30", 8 * HOUR_MS + 1_800_000, "08:30"),
        ("08:30:00", 8 * HOUR_MS + 1_800_000, "08:30"),
        ("08:30:05", 8 * HOUR_MS + 1_805_000, "08:30:05"),
        ("23:59:59.9", 24 * HOUR_MS - 100, "23:59:59.900"),
        ("23:59:59.999", 24 * HOUR_MS - 1, "23:59:59.999"),
    ],
)
def test_a_time_of_day_is_read_and_shown(text: str, at_ms: int, shown: str) -> None:
    entry = entry_of(text, "closed", None)
    assert (entry.at_ms, entry.at) == (at_ms, shown)


@pytest.mark.parametrize("text", ["", "8:00", "24:00", "08:60", "08:00:60", "08:00:00.", "08:00Z"])
def test_what_is_no_time_of_day_is_refused(text: str) -> None:
    with pytest.raises(ScheduleError) as found:
        entry_of(text, "closed", None)
    assert found.value.field == "at"


def test_words_hold_time_phase_and_weekdays() -> None:
    entry = entry_of("09:00", "Continuous", ["mon", "SUN"])
    assert entry.word == 9 * HOUR_MS | Phase.CONTINUOUS << 32 | 0b100_0001 << 40
    assert read_entries([entry.word, 0, 0]) == [entry]
    assert entry.days == ["mon", "sun"]


def test_all_weekdays_are_every_day() -> None:
    week = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
    assert entry_of("09:00", "closed", week) == entry_of("09:00", "closed", None)


def test_entries_are_put_in_order_and_are_at_most_seven() -> None:
    entries = [entry_of(f"0{hour}:00", "closed", None) for hour in (3, 1, 2)]
    assert all(before < after for before, after in pairwise(ordered(entries)))
    many = [Entry(hour * HOUR_MS, PHASES["closed"]) for hour in range(8)]
    assert len(ordered(many[:7])) == 7
    with pytest.raises(ScheduleError, match="at most 7"):
        ordered(many)


def test_the_phase_of_a_transition_is_that_of_its_weekday() -> None:
    entries = [entry_of("09:00", "auction", ["fri"])]
    nine = 9 * HOUR_MS * 1_000_000
    assert phase_at(entries, DAY_NS + nine) == Phase.AUCTION
    assert phase_at(entries, nine) == 0
    assert phase_at(entries, DAY_NS + nine + 1) == 0


def test_an_instrument_cannot_be_scheduled_to_be_removed() -> None:
    with pytest.raises(ScheduleError, match="phase must be one of"):
        entry_of("09:00", "removed", None)
