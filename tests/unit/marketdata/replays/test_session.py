"""Sessions on a clock of the test: what is due when, and every control."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from tests.unit.marketdata.replays.written import INSTRUMENT, PUBLISHER, START_NS, adds, index_of

from tradepit.marketdata.records import FLAG_LAST, FLAG_SNAPSHOT
from tradepit.marketdata.replays.index import NoSuchPlace
from tradepit.marketdata.replays.session import (
    LAP_NS_MIN,
    STEP_MESSAGES_MAX,
    Jump,
    ReplaySession,
    ReplayState,
    Steps,
)
from tradepit.marketdata.sources.source import MboRecords

SECOND = 1_000_000_000
WALL = 2_000_000_000 * SECOND


class WallClock:
    """Stands until it is moved."""

    def __init__(self) -> None:
        self.now_ns = WALL

    def __call__(self) -> int:
        return self.now_ns

    def pass_seconds(self, seconds: float) -> None:
        self.now_ns += round(seconds * SECOND)


@pytest.fixture
def wall() -> WallClock:
    return WallClock()


Open = Callable[..., ReplaySession]


@pytest.fixture
def opened(tmp_path: Path, wall: WallClock) -> Open:
    """Opens a session over records, by default one order a second for ten seconds."""

    def opening(records: MboRecords | None = None, **settings: object) -> ReplaySession:
        chosen = adds([float(at) for at in range(10)]) if records is None else records
        index = index_of(tmp_path, chosen, keyframe_messages=4)
        return ReplaySession(index, wall, **settings)  # type: ignore[arg-type]

    return opening


def taken(session: ReplaySession, limit: int = 100) -> list[int]:
    """Numbers of what is due now, until nothing is."""
    numbers: list[int] = []
    while (steps := session.take_due(limit)) is not None:
        assert isinstance(steps, Steps)
        assert steps.count == len(steps.effects) == len(steps.left_ns) > 0
        numbers += range(steps.first_number, steps.first_number + steps.count)
    return numbers


def seconds_to_due(session: ReplaySession, wall: WallClock) -> float | None:
    due = session.next_due_ns()
    return None if due is None else (due - wall.now_ns) / SECOND


def test_a_new_session_waits_at_the_start(opened: Open, wall: WallClock) -> None:
    session = opened()
    assert (session.state, session.position, session.count) == (ReplayState.PAUSED, 0, 10)
    assert session.clock_ns == START_NS
    wall.pass_seconds(100)
    assert session.take_due(10) is None
    assert session.next_due_ns() is None


def test_messages_leave_at_their_time_and_say_so(opened: Open, wall: WallClock) -> None:
    session = opened()
    session.play()
    assert taken(session) == [1]
    assert seconds_to_due(session, wall) == 1
    wall.pass_seconds(0.999_999_999)
    assert session.take_due(10) is None
    wall.pass_seconds(0.000_000_001)
    assert taken(session) == [2]
    wall.pass_seconds(3.5)
    steps = session.take_due(10)
    assert isinstance(steps, Steps)
    assert steps.first_number == 3
    assert [(int(left) - WALL) / SECOND for left in steps.left_ns] == [2, 3, 4]
    assert steps.records["order_id"].tolist() == [3, 4, 5]
    assert session.clock_ns == START_NS + 4 * SECOND


@pytest.mark.parametrize("speed", [0.1, 0.333, 1.0, 7.0, 1000.0])
def test_a_message_is_due_exactly_when_it_was_said(
    opened: Open, wall: WallClock, speed: float
) -> None:
    """Odd gaps and speeds: never early, never a nanosecond after the time that was named."""
    rng = np.random.default_rng(1)
    session = opened(adds(np.cumsum(rng.integers(1, 10**9, 40) / 1e9).tolist()), speed=speed)
    session.play()
    numbers = []
    while session.state is ReplayState.PLAYING:
        due = session.next_due_ns()
        assert due is not None
        if due > wall.now_ns:
            wall.now_ns = due - 1
            assert session.take_due(100) is None
            wall.now_ns = due
        steps = session.take_due(100)
        assert isinstance(steps, Steps)
        assert steps.left_ns.tolist() == [due] * steps.count
        numbers += range(steps.first_number, steps.first_number + steps.count)
    assert numbers == list(range(1, 41))
    whole = int(session.index.clock[-1] - session.index.clock[0])
    assert (wall.now_ns - WALL) == pytest.approx(whole / speed, abs=1)


def test_speed_changes_from_now_on_only(opened: Open, wall: WallClock) -> None:
    session = opened()
    session.play()
    wall.pass_seconds(1.5)
    assert taken(session) == [1, 2]
    session.set_speed(0.5)
    assert seconds_to_due(session, wall) == 1.0
    wall.pass_seconds(1.0)
    assert taken(session) == [3]
    session.set_speed(100)
    assert seconds_to_due(session, wall) == 0.01
    assert session.speed == 100


def test_a_pause_keeps_the_rest_of_the_wait(opened: Open, wall: WallClock) -> None:
    session = opened()
    session.play()
    wall.pass_seconds(1.25)
    assert taken(session) == [1, 2]
    session.pause()
    wall.pass_seconds(1_000)
    assert (session.take_due(10), session.next_due_ns()) == (None, None)
    session.play()
    assert seconds_to_due(session, wall) == 0.75
    session.pause()
    session.pause()
    session.set_speed(2)
    session.play()
    assert seconds_to_due(session, wall) == 0.375


def test_what_was_due_before_a_pause_leaves_after_it(opened: Open, wall: WallClock) -> None:
    session = opened()
    session.play()
    wall.pass_seconds(2)
    session.pause()
    wall.pass_seconds(5)
    session.play()
    assert seconds_to_due(session, wall) == 0
    steps = session.take_due(10)
    assert isinstance(steps, Steps)
    assert steps.count == 3
    assert steps.left_ns.tolist() == [wall.now_ns] * 3


def test_without_a_speed_as_much_leaves_as_is_asked_for(opened: Open, wall: WallClock) -> None:
    session = opened(speed=None)
    session.play()
    assert session.next_due_ns() == wall.now_ns
    steps = session.take_due(4)
    assert isinstance(steps, Steps)
    assert steps.count == 4
    assert steps.left_ns.tolist() == [wall.now_ns] * 4
    session.set_speed(1)
    assert seconds_to_due(session, wall) == 1
    session.set_speed(None)
    assert taken(session) == [5, 6, 7, 8, 9, 10]
    assert session.state is ReplayState.ENDED


def test_a_limit_cuts_between_events_where_it_can(opened: Open) -> None:
    records = adds([0.0] * 10)
    records["flags"] = [0, 0, FLAG_LAST, 0, 0, 0, FLAG_LAST, 0, 0, FLAG_LAST]
    session = opened(records, speed=None)
    session.play()
    counts = []
    while (steps := session.take_due(5)) is not None:
        assert isinstance(steps, Steps)
        counts.append(steps.count)
    assert counts == [3, 4, 3]
    session.seek_start()
    session.play()
    steps = session.take_due(2)
    assert isinstance(steps, Steps)
    assert steps.count == 2, "no event ends within so few"


def test_the_end_is_reached_once_and_play_begins_anew(opened: Open, wall: WallClock) -> None:
    session = opened()
    session.play()
    wall.pass_seconds(50)
    assert taken(session) == list(range(1, 11))
    assert (session.state, session.next_due_ns()) == (ReplayState.ENDED, None)
    session.pause()
    assert session.state is ReplayState.ENDED
    assert session.play() == Jump(0, START_NS)
    assert session.state is ReplayState.PLAYING
    assert session.books.live_orders == 0
    assert taken(session) == [1]


def test_a_loop_goes_on_without_losing_time(opened: Open, wall: WallClock) -> None:
    session = opened(loop=True)
    session.play()
    wall.pass_seconds(9.5)
    steps = session.take_due(100)
    assert isinstance(steps, Steps)
    assert steps.count == 10
    assert session.state is ReplayState.PLAYING
    assert seconds_to_due(session, wall) == -0.5
    assert session.take_due(100) == Jump(0, START_NS)
    again = session.take_due(100)
    assert isinstance(again, Steps)
    assert again.first_number == 1
    assert (int(again.left_ns[0]) - WALL) / SECOND == 9
    assert seconds_to_due(session, wall) == 0.5


def test_a_loop_of_one_moment_takes_a_breath_every_lap(opened: Open, wall: WallClock) -> None:
    session = opened(adds([0.0, 0.0]), loop=True)
    session.play()
    laps = 0
    while wall.now_ns < WALL + SECOND:
        steps = session.take_due(10)
        if isinstance(steps, Jump):
            laps += 1
        elif steps is None:
            due = session.next_due_ns()
            assert due is not None
            assert due > wall.now_ns
            wall.now_ns = due
    assert laps == SECOND // LAP_NS_MIN - 1


def test_a_pause_between_two_laps_ends(opened: Open, wall: WallClock) -> None:
    session = opened(adds([0.0, 0.0]), loop=True)
    session.play()
    assert taken(session) == [1, 2]
    assert session.state is ReplayState.PLAYING
    session.pause()
    assert session.state is ReplayState.ENDED
    assert session.play() == Jump(0, START_NS)
    assert taken(session) == [1, 2]


def test_a_loop_switched_off_at_the_end_ends(opened: Open, wall: WallClock) -> None:
    session = opened(loop=True)
    session.play()
    wall.pass_seconds(9)
    session.take_due(100)
    session.set_loop(False)
    assert (session.state, session.loop) == (ReplayState.ENDED, False)


def test_steps_forward_say_when_they_were_asked_for(opened: Open, wall: WallClock) -> None:
    session = opened()
    wall.pass_seconds(3)
    steps = session.step(3)
    assert isinstance(steps, Steps)
    assert (steps.first_number, steps.count, session.position) == (1, 3, 3)
    assert steps.left_ns.tolist() == [wall.now_ns] * 3
    assert session.state is ReplayState.PAUSED
    rest = session.step(100)
    assert isinstance(rest, Steps)
    assert rest.count == 7
    assert session.state is ReplayState.ENDED
    nothing = session.step(1)
    assert isinstance(nothing, Steps)
    assert nothing.count == 0


def test_steps_back_restore_the_queue(opened: Open) -> None:
    session = opened()
    session.step(7)
    assert session.step(-1) == Jump(6, START_NS + 5 * SECOND)
    level = session.books.level(INSTRUMENT, PUBLISHER, side=ord("B"), price=100 * SECOND)
    assert level is not None
    assert [order.order_id for order in level.orders] == [1, 2, 3, 4, 5, 6]
    assert session.step(-100) == Jump(0, START_NS)
    session.seek_end()
    assert session.state is ReplayState.ENDED
    session.step(-1)
    assert session.state is ReplayState.PAUSED


def test_playing_goes_on_from_a_step(opened: Open, wall: WallClock) -> None:
    session = opened()
    session.play()
    session.step(4)
    assert session.state is ReplayState.PLAYING
    assert seconds_to_due(session, wall) == 1
    session.step(-2)
    assert seconds_to_due(session, wall) == 1
    wall.pass_seconds(1)
    assert taken(session) == [3]


def test_seeks_find_their_place(opened: Open, wall: WallClock) -> None:
    session = opened()
    assert session.seek(5) == Jump(5, START_NS + 4 * SECOND)
    assert session.seek_fraction(0.5).position == 5
    assert session.seek_fraction(1).position == 10
    assert session.state is ReplayState.ENDED
    assert session.seek_start() == Jump(0, START_NS)
    assert session.state is ReplayState.PAUSED
    assert session.seek_sequence(4).position == 3
    assert session.seek_time(START_NS + 3 * SECOND).position == 3
    assert session.seek_time(START_NS + 3 * SECOND + 1).position == 4
    assert session.seek_time(0).position == 0
    assert session.seek_time(2**70).position == 10
    for wrong in (-0.1, 1.1, float("nan")):
        with pytest.raises(ValueError, match="fraction"):
            session.seek_fraction(wrong)
    for position in (-1, 11):
        with pytest.raises(ValueError, match="position"):
            session.seek(position)
    with pytest.raises(NoSuchPlace):
        session.seek_sequence(11)
    assert session.position == 10, "what is refused moves nothing"


def test_played_from_a_time_the_next_message_waits_for_its_own(
    opened: Open, wall: WallClock
) -> None:
    session = opened()
    session.seek_time(START_NS + 3 * SECOND + SECOND // 4)
    session.play()
    assert seconds_to_due(session, wall) == 0.75
    session.seek_time(START_NS - SECOND)
    assert seconds_to_due(session, wall) == 0, "nobody waits for the recording to begin"


def test_a_seek_while_playing_goes_on_playing(opened: Open, wall: WallClock) -> None:
    session = opened()
    session.play()
    wall.pass_seconds(3)
    session.seek(7)
    assert session.state is ReplayState.PLAYING
    assert seconds_to_due(session, wall) == 1
    session.seek_end()
    assert session.state is ReplayState.ENDED


def test_a_snapshot_leaves_at_once_with_the_first_live_message(opened: Open) -> None:
    records = adds([-500_000.0, -400_000.0, 0, 1])
    records["flags"][:2] = FLAG_SNAPSHOT
    session = opened(records)
    session.play()
    assert taken(session) == [1, 2, 3]


def test_an_empty_recording_has_ended(opened: Open) -> None:
    session = opened(adds([]), loop=True)
    assert (session.state, session.clock_ns) == (ReplayState.ENDED, None)
    assert session.play() is None
    assert (session.take_due(1), session.next_due_ns()) == (None, None)
    assert session.seek_fraction(0.5) == Jump(0, None)
    assert session.seek_time(5) == Jump(0, None)
    steps = session.step(1)
    assert isinstance(steps, Steps)
    assert steps.count == 0
    with pytest.raises(NoSuchPlace):
        session.seek_sequence(1)


def test_one_message_is_a_recording(opened: Open) -> None:
    session = opened(adds([0.0]))
    session.play()
    assert taken(session) == [1]
    assert session.state is ReplayState.ENDED
    assert session.step(-1) == Jump(0, START_NS)
    assert session.state is ReplayState.PAUSED


def test_settings_out_of_range_are_refused_and_change_nothing(opened: Open) -> None:
    session = opened()
    for speed in (0.0, 0.09, 1000.1, -1.0, float("nan"), float("inf")):
        with pytest.raises(ValueError, match="speed"):
            session.set_speed(speed)
    assert session.speed == 1.0
    for count in (0, STEP_MESSAGES_MAX + 1):
        with pytest.raises(ValueError, match="at a time"):
            session.take_due(count)
        with pytest.raises(ValueError, match="at a time"):
            session.step(count)
