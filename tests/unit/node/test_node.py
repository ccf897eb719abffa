import asyncio
import contextlib
from collections.abc import Awaitable, Callable

import pytest
from tests.unit.node.worlds import NOON, SECOND, World, order

from tradepit.domain import commands
from tradepit.domain.wire import CommandKind
from tradepit.journal.port import JournalFailed
from tradepit.node.node import TICK_SECONDS, NodeState
from tradepit.node.outcome import (
    Failure,
    NoSpace,
    Overloaded,
    ReadOnly,
    Stopped,
)
from tradepit.node.queue import Limits

Story = Callable[[World], Awaitable[None]]


def tell(story: Story, limits: Limits | None = None) -> World:
    """Run a story in a started world."""

    async def run() -> World:
        world = World(limits)
        await world.start()
        await story(world)
        return world

    return asyncio.run(run())


def test_nothing_is_visible_or_answered_before_it_is_durable():
    async def story(world: World) -> None:
        before = world.node.replica.state_hash()
        seen: list[int] = []
        world.node.add_listener(lambda first, *_: seen.append(first))
        world.submit("order", order())
        await world.turn()
        assert world.journal.is_busy
        assert world.node.replica.state_hash() == before
        assert world.outcomes == {}
        assert seen == []
        world.journal.deliver()
        assert world.kinds("order") == ["ORDER_ACCEPTED"]
        assert world.node.replica.top(1) == (6_900_000, 10, 0, 0)
        assert seen == [world.outcomes["order"].first_sequence]

    tell(story)


def test_commands_gather_while_the_group_before_is_being_synced():
    async def story(world: World) -> None:
        world.submit("first", order())
        await world.turn()
        frames = len(world.journal.frames)
        for number in range(50):
            world.submit(f"next {number}", order(price=6_000_000 + number))
            await world.turn()
        assert len(world.journal.frames) == frames
        world.journal.deliver()
        assert len(world.journal.frames) == frames + 1
        assert len(world.last_frame()) == 50
        world.journal.deliver()
        assert len(world.outcomes) == 51

    tell(story)


def test_the_next_group_is_handed_over_before_the_engine_runs():
    async def story(world: World) -> None:
        busy: list[bool] = []
        world.node.submit(order(), b"", 1, lambda _: busy.append(world.journal.is_busy))
        await world.turn()
        world.submit("next", order(price=6_000_000))
        world.journal.deliver()
        assert busy == [True]
        world.journal.deliver_all()

    tell(story)


def test_each_submission_gets_its_own_events_and_sequences():
    async def story(world: World) -> None:
        world.submit("sell", order(2, side=2) + order(2, 6_900_001, side=2))
        world.submit("buy", order(1, 6_900_001, 15))
        world.submit("bad", order(1, quantity=0))
        world.submit("open", commands.open_account(), commands.account_text("a3"))
        await world.settle()
        first = world.outcomes["sell"].first_sequence
        sequences = [world.outcomes[name].first_sequence for name in ("buy", "bad", "open")]
        assert sequences == [first + 2, first + 3, first + 4]
        assert world.kinds("sell") == ["ORDER_ACCEPTED", "ORDER_ACCEPTED"]
        assert world.kinds("buy") == ["ORDER_ACCEPTED", "TRADE", "TRADE"]
        assert world.kinds("bad") == ["COMMAND_REJECTED"]
        assert world.kinds("open") == ["ACCOUNT_OPENED", "FUNDS_MOVED", "FUNDS_MOVED"]
        assert world.outcomes["open"].texts() == commands.account_text("a3")
        assert world.outcomes["buy"].texts() == b""
        assert world.outcomes["buy"].time_ns == world.clock.now

    tell(story)


def test_a_failing_answer_and_a_failing_listener_hurt_nobody_else(capsys):
    async def story(world: World) -> None:
        def fail(*_: object) -> None:
            raise RuntimeError("broken")

        seen: list[int] = []
        world.node.add_listener(fail)
        world.node.add_listener(lambda first, *_: seen.append(first))
        world.node.submit(order(), b"", 1, fail)
        world.submit("other", order(price=6_000_000))
        await world.settle()
        assert world.kinds("other") == ["ORDER_ACCEPTED"]
        assert len(seen) == 1
        assert world.node.in_flight == 0
        assert world.node.state is NodeState.RUNNING

    tell(story)
    assert "broken" in capsys.readouterr().out


def test_one_waiter_that_is_cancelled_does_not_hurt_the_others():
    async def story(world: World) -> None:
        first = asyncio.ensure_future(world.node.execute(order(), b"", 1))
        second = asyncio.ensure_future(world.node.execute(order(price=6_000_000), b"", 1))
        await world.turn()
        first.cancel()
        await world.turn()
        world.journal.deliver()
        outcome = await second
        assert outcome.failure is None
        with contextlib.suppress(asyncio.CancelledError):
            await first
        assert world.node.replica.counts()["live_orders"] == 2

    tell(story)


def test_urgent_commands_go_first_within_a_group():
    async def story(world: World) -> None:
        world.submit("busy", order())
        await world.turn()
        world.submit("order", order(price=6_000_000), account="a1")
        world.submit("cancel", commands.mass_cancel(account=2), urgent=True, account="a2")
        world.journal.deliver()
        assert world.last_frame() == [CommandKind.MASS_CANCEL, CommandKind.PLACE_ORDER]
        world.journal.deliver()
        assert world.kinds("cancel") == ["MASS_CANCELLED"]

    tell(story)


def test_overload_refuses_before_anything_is_taken():
    async def story(world: World) -> None:
        for number in range(5):
            world.submit(f"order {number}", order(price=6_000_000 + number), account="a1")
        with pytest.raises(Overloaded):
            world.submit("one too many", order(), account="a1")
        world.submit("cancel", commands.mass_cancel(account=1), urgent=True, account="a1")
        await world.settle()
        assert "one too many" not in world.outcomes
        world.submit("later", order(), account="a1")
        await world.settle()
        assert world.kinds("later") == ["ORDER_ACCEPTED"]

    tell(story, Limits(node_max=50, urgent_extra=5, account_max=5, frame_max=1001))


def test_a_submission_that_is_no_run_of_records_is_a_mistake_of_the_caller():
    async def story(world: World) -> None:
        for records, count in ((b"", 0), (order()[:-1], 1), (order(), 2)):
            with pytest.raises(ValueError, match="commands"):
                world.node.submit(records, b"", count, print)
        with pytest.raises(ValueError, match="fits no frame"):
            world.node.submit(order() * 1000, b"", 1000, print)

    tell(story)


def test_a_long_pause_is_bridged_by_a_time_jump():
    async def story(world: World) -> None:
        world.clock.now += 2 * SECOND
        world.submit("within the bound", order())
        await world.settle()
        assert world.last_frame() == [CommandKind.PLACE_ORDER]
        assert world.node.replica.market_time_ns == NOON + 2 * SECOND
        world.clock.now += 2 * SECOND + 1
        world.submit("beyond it", order(price=6_000_000))
        await world.settle()
        assert world.last_frame() == [CommandKind.TIME_JUMP, CommandKind.PLACE_ORDER]
        assert world.node.replica.market_time_ns == world.clock.now
        assert world.kinds("beyond it") == ["ORDER_ACCEPTED"]

    tell(story)


def test_a_clock_that_goes_back_does_not_move_market_time():
    async def story(world: World) -> None:
        world.clock.now -= 100 * SECOND
        world.submit("order", order())
        await world.settle()
        assert world.node.replica.market_time_ns == NOON
        assert world.last_frame() == [CommandKind.PLACE_ORDER]

    tell(story)


async def until(condition: Callable[[], bool]) -> None:
    end = asyncio.get_running_loop().time() + 100 * TICK_SECONDS
    while not condition():
        assert asyncio.get_running_loop().time() < end
        await asyncio.sleep(TICK_SECONDS / 10)


def test_an_idle_market_ticks_when_an_order_is_due_and_only_then():
    async def story(world: World) -> None:
        world.submit("order", order(expires=NOON + SECOND))
        await world.settle()
        frames = len(world.journal.frames)
        await asyncio.sleep(3 * TICK_SECONDS)
        assert len(world.journal.frames) == frames
        world.clock.now += SECOND
        await until(lambda: world.journal.is_busy)
        assert world.last_frame() == [CommandKind.TICK]
        world.journal.deliver()
        assert world.node.replica.counts()["live_orders"] == 0
        await asyncio.sleep(3 * TICK_SECONDS)
        assert len(world.journal.frames) == frames + 1

    tell(story)


def test_a_failed_journal_makes_the_flight_unknown_and_the_queue_rejected():
    async def story(world: World) -> None:
        world.submit("in flight", order())
        await world.turn()
        world.submit("waiting", order(price=6_000_000))
        world.journal.fail(JournalFailed("the disk is gone"))
        assert world.outcomes["in flight"].failure is Failure.UNKNOWN
        assert world.outcomes["waiting"].failure is Failure.REJECTED
        assert world.node.state is NodeState.FAILED
        assert not world.node.is_ready
        await world.node.wait_ended()
        with pytest.raises(Stopped):
            world.submit("too late", order())
        await world.node.stop()
        assert world.journal.is_closed
        assert isinstance(world.node.failure, JournalFailed)

    tell(story)


def test_a_panic_makes_the_node_read_only_at_the_state_before_it():
    async def story(world: World) -> None:
        world.node.replica.inject_panic(world.journal.sequence + 2)
        world.submit("before", order())
        world.submit("poison", order(price=6_000_000))
        await world.turn()
        world.submit("next group", order(price=6_000_001))
        world.submit("waiting", order(price=6_000_002))
        sequence = world.journal.sequence
        world.journal.deliver()
        failures = {name: outcome.failure for name, outcome in world.outcomes.items()}
        assert failures == dict.fromkeys(
            ("before", "poison", "next group", "waiting"), Failure.UNKNOWN
        )
        assert world.node.state is NodeState.READ_ONLY
        assert world.node.panicked_sequence == sequence
        assert world.rebuilt == [sequence - 1]
        with pytest.raises(ReadOnly, match=f"sequence {sequence}"):
            world.submit("refused", order())
        replica = world.node.replica
        world.journal.deliver()
        assert world.node.replica is replica
        assert replica.sequence == 0
        await world.node.stop()

    tell(story)


def test_a_full_disk_refuses_orders_and_takes_cancels():
    async def story(world: World) -> None:
        world.submit("resting", order(), account="a1")
        await world.settle()
        world.submit("busy", order(price=6_000_000), account="a1")
        await world.turn()
        world.submit("waiting", order(price=6_000_001), account="a2")
        world.journal.is_full, world.journal.space_left = True, 0
        world.journal.reserve_left = 1000
        with pytest.raises(NoSpace):
            world.submit("refused", order(), account="a1")
        world.submit("cancel", commands.mass_cancel(account=1), urgent=True, account="a1")
        world.journal.deliver_all()
        assert world.outcomes["waiting"].failure is Failure.REJECTED
        assert world.kinds("cancel")[-1] == "MASS_CANCELLED"
        assert not world.node.is_ready
        world.journal.reserve_left = 100
        world.submit("no room at all", commands.mass_cancel(account=2), urgent=True)
        await world.turn()
        assert world.outcomes["no room at all"].failure is Failure.REJECTED
        world.journal.is_full, world.journal.space_left = False, 64 << 10
        world.journal.reserve_left = 64 << 10
        world.submit("again", order(), account="a1")
        await world.settle()
        assert world.kinds("again") == ["ORDER_ACCEPTED"]

    tell(story)


def test_commands_wait_while_the_next_segment_is_being_prepared():
    async def story(world: World) -> None:
        world.journal.space_left = 0
        frames = len(world.journal.frames)
        world.submit("order", order())
        await world.turn()
        assert len(world.journal.frames) == frames
        world.journal.space_left = 64 << 10
        world.journal.more_room()
        world.journal.deliver()
        assert world.kinds("order") == ["ORDER_ACCEPTED"]

    tell(story)


def test_a_stop_finishes_what_was_taken_and_refuses_the_rest():
    async def story(world: World) -> None:
        world.submit("first", order())
        await world.turn()
        world.submit("second", order(price=6_000_000))
        stopping = asyncio.ensure_future(world.node.stop())
        await world.turn()
        with pytest.raises(Stopped):
            world.submit("third", order())
        assert not world.journal.is_closed
        world.journal.deliver_all()
        await stopping
        assert world.journal.is_closed
        assert world.kinds("first") == world.kinds("second") == ["ORDER_ACCEPTED"]
        assert world.node.state is NodeState.STOPPED
        await world.node.wait_ended()
        await world.node.stop()

    tell(story)


def test_a_node_that_has_not_started_takes_nothing():
    world = World()
    with pytest.raises(Stopped):
        world.submit("order", order())


def test_a_frame_that_the_engine_does_not_take_stops_the_node():
    async def story(world: World) -> None:
        world.submit("order", order())
        await world.turn()
        flight = world.journal.frames[-1]
        world.node.replica.apply(flight)
        world.journal.deliver()
        assert world.outcomes["order"].failure is Failure.UNKNOWN
        assert world.node.state is NodeState.FAILED

    tell(story)
