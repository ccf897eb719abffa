"""When messages are due, for every trap that a recording has."""

from __future__ import annotations

import numpy as np
import pytest
from tests.unit.marketdata.replays.written import START_NS, adds

from tradepit.marketdata.records import FLAG_SNAPSHOT
from tradepit.marketdata.replays.event_clock import AHEAD_NS_MAX, EventClock
from tradepit.marketdata.sources.source import UNKNOWN_TIME, MboRecords

DAY = 86_400.0


def seconds_due(records: MboRecords, *, cut: int = 10**9) -> list[float]:
    """What the clock says, in seconds after the start."""
    clock = EventClock()
    parts = [clock.times(records[at : at + cut]) for at in range(0, len(records), cut)]
    times = np.concatenate(parts)
    times[: clock.leading] = clock.start_ns
    return [(int(time) - START_NS) / 1e9 for time in times]


@pytest.mark.parametrize("cut", [1, 2, 100])
def test_a_time_before_the_one_before_is_due_with_it(cut: int) -> None:
    assert seconds_due(adds([0, 2, 1, 2, 3, 0]), cut=cut) == [0, 2, 2, 2, 3, 3]


@pytest.mark.parametrize("cut", [1, 2, 100])
def test_a_snapshot_at_the_start_is_due_with_the_first_live_message(cut: int) -> None:
    records = adds([-3 * DAY, -2 * DAY, -DAY, 5, 6])
    records["flags"][:3] |= FLAG_SNAPSHOT
    assert seconds_due(records, cut=cut) == [5, 5, 5, 5, 6]


@pytest.mark.parametrize("cut", [1, 2, 100])
def test_a_snapshot_in_between_is_due_with_what_came_before(cut: int) -> None:
    records = adds([0, 1, -DAY, 50, 2])
    records["flags"][2:4] |= FLAG_SNAPSHOT
    assert seconds_due(records, cut=cut) == [0, 1, 1, 1, 2]


@pytest.mark.parametrize("unknown", [0, UNKNOWN_TIME, 2**63])
@pytest.mark.parametrize("cut", [1, 100])
def test_unknown_times_do_not_move_the_clock(unknown: int, cut: int) -> None:
    records = adds([0, 1, 2, 3])
    records["ts_event"][[0, 2]] = unknown
    assert seconds_due(records, cut=cut) == [1, 1, 1, 3]


def test_a_time_long_after_its_receipt_does_not_hold_up_the_rest() -> None:
    records = adds([0, 1, 2])
    records["ts_event"][1] = records["ts_recv"][1] + AHEAD_NS_MAX + 1
    assert seconds_due(records) == [0, 0, 2]
    records["ts_event"][1] -= 1
    ahead = (AHEAD_NS_MAX + 1_000) / 1e9
    assert seconds_due(records) == pytest.approx([0, 1 + ahead, 1 + ahead])


def test_without_a_time_of_receipt_every_time_counts() -> None:
    records = adds([0, 10 * DAY])
    records["ts_recv"] = 0
    assert seconds_due(records) == [0, 10 * DAY]


def test_a_snapshot_alone_is_due_when_it_was_received() -> None:
    records = adds([-DAY, -2 * DAY])
    records["flags"] |= FLAG_SNAPSHOT
    records["ts_recv"] = START_NS
    assert seconds_due(records) == [0, 0]
    records["ts_recv"] = 0
    assert seconds_due(records) == [-DAY, -DAY]
    records["ts_event"] = UNKNOWN_TIME
    assert seconds_due(records) == [-START_NS / 1e9] * 2
