"""A node that only looks: it has what the other has answered, and stays where the other stays."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from tests.contract.served_market import MARKET
from tests.segments import SMALL_SEGMENTS

from tradepit.domain import commands
from tradepit.journal.layout import DataDirectory
from tradepit.node.following import CannotFollow, FollowingNode
from tradepit.node.opening import NodeOptions, OpenNode, open_node
from tradepit.node.outcome import Stopped
from tradepit.node.recovery import History

HISTORY = History(10_000, 10_000)


async def opened_account(opened: OpenNode, name: str) -> None:
    text = commands.account_text(name)
    await opened.node.execute(commands.open_account(if_absent=True), text, 1, account=name)


def test_whoever_was_answered_finds_it_in_the_follower(tmp_path: Path) -> None:
    async def main() -> None:
        opened = await open_node(tmp_path, NodeOptions(market=MARKET, journal=SMALL_SEGMENTS))
        await opened_account(opened, "first")
        follower = FollowingNode(DataDirectory(tmp_path), HISTORY)
        assert follower.replica.account_number("first")
        heard: list[int] = []
        follower.add_listener(lambda sequence, *_: heard.append(sequence))
        for number in range(50):
            await opened_account(opened, f"a{number}")
            assert not follower.replica.account_number(f"a{number}")
            follower.catch_up()
            assert follower.replica.account_number(f"a{number}")
            assert follower.replica.state_hash() == opened.node.replica.state_hash()
        assert heard == sorted(heard)
        assert len(heard) == 50
        await opened.close()

    asyncio.run(main())


def test_it_follows_by_itself_and_says_when_it_has_everything(tmp_path: Path) -> None:
    async def main() -> None:
        opened = await open_node(tmp_path, NodeOptions(market=MARKET, journal=SMALL_SEGMENTS))
        follower = FollowingNode(DataDirectory(tmp_path), HISTORY)
        has_all = asyncio.Event()
        follower.start(has_all.set)
        for number in range(20):
            await opened_account(opened, f"a{number}")
        async with asyncio.timeout(5):
            while follower.replica.sequence < opened.node.replica.sequence:
                has_all.clear()
                await has_all.wait()
        assert follower.measure_lag() == 0
        follower.stop()
        await opened.close()

    asyncio.run(main())


def test_while_nobody_watches_frames_are_applied_without_a_word(tmp_path: Path) -> None:
    async def main() -> None:
        opened = await open_node(tmp_path, NodeOptions(market=MARKET, journal=SMALL_SEGMENTS))
        follower = FollowingNode(DataDirectory(tmp_path), HISTORY)
        heard: list[int] = []
        skipped: list[int] = []
        is_watched = False
        follower.add_listener(lambda sequence, *_: heard.append(sequence))
        follower.is_watched = lambda: is_watched
        follower.on_skipped = lambda: skipped.append(follower.replica.sequence)
        for number in range(20):
            await opened_account(opened, f"a{number}")
        follower.catch_up()
        assert heard == []
        assert skipped == [opened.node.replica.sequence]
        assert follower.replica.state_hash() == opened.node.replica.state_hash()
        is_watched = True
        await opened_account(opened, "watched")
        follower.catch_up()
        assert heard == [opened.node.replica.sequence]
        await opened.close()

    asyncio.run(main())


def test_its_lag_is_what_is_durable_now_and_not_applied(tmp_path: Path) -> None:
    async def main() -> None:
        opened = await open_node(tmp_path, NodeOptions(market=MARKET, journal=SMALL_SEGMENTS))
        follower = FollowingNode(DataDirectory(tmp_path), HISTORY)
        before = opened.node.replica.sequence
        for number in range(5):
            await opened_account(opened, f"a{number}")
        assert follower.measure_lag() == opened.node.replica.sequence - before > 0
        follower.catch_up()
        assert follower.measure_lag() == 0
        await opened.close()

    asyncio.run(main())


@pytest.mark.parametrize("is_watched", [True, False])
def test_a_journal_that_cannot_be_read_on_is_told_once(tmp_path: Path, is_watched: bool) -> None:
    async def main() -> None:
        opened = await open_node(tmp_path, NodeOptions(market=MARKET, journal=SMALL_SEGMENTS))
        directory = DataDirectory(tmp_path)
        follower = FollowingNode(directory, HISTORY)
        told = asyncio.Event()
        heard: list[int] = []
        follower.add_listener(lambda sequence, *_: heard.append(sequence))
        follower.is_watched = lambda: is_watched
        follower.on_failed = told.set
        await opened_account(opened, "before")
        follower.catch_up()
        known = follower.replica.sequence
        [segment] = directory.segments()
        path = directory.segment(segment)
        path.rename(tmp_path / "elsewhere")
        await opened_account(opened, "after")
        follower.start(lambda: None)
        async with asyncio.timeout(5):
            await told.wait()
        assert isinstance(follower.failure, CannotFollow)
        assert str(known) in str(follower.failure)
        (tmp_path / "elsewhere").rename(path)
        told.clear()
        follower.catch_up()  # nor when it could be read again: others were told that it has ended
        assert not told.is_set()
        assert follower.replica.sequence == known
        assert len(heard) == is_watched
        await opened.close()

    asyncio.run(main())


def test_it_takes_no_commands(tmp_path: Path) -> None:
    async def main() -> None:
        opened = await open_node(tmp_path, NodeOptions(market=MARKET, journal=SMALL_SEGMENTS))
        follower = FollowingNode(DataDirectory(tmp_path), HISTORY)
        assert not follower.is_ready
        with pytest.raises(Stopped):
            follower.submit(b"", b"", 0, lambda _outcome: None)
        with pytest.raises(Stopped):
            follower.gather(b"", None, lambda *_: None, 0)
        await opened.close()

    asyncio.run(main())
