"""The side of the feed process: every connection that comes to it is served or closed."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, cast

import pytest
import uvloop
from tests.contract.served_market import MARKET
from tests.segments import SMALL_SEGMENTS

from tradepit.domain import commands
from tradepit.gateway.beside.link import Link
from tradepit.gateway.beside.messages import (
    Closed,
    FromFeeds,
    HandOver,
    Ready,
    decode_from_feeds,
    encode,
)
from tradepit.gateway.beside.serving import FeedServer
from tradepit.gateway.config import GatewayConfig
from tradepit.gateway.gateway import Gateway
from tradepit.gateway.ports import MarketNode
from tradepit.journal.layout import DataDirectory
from tradepit.node.following import CannotFollow, FollowingNode
from tradepit.node.opening import NodeOptions, OpenNode, open_node
from tradepit.node.recovery import History

SECONDS = 10.0


class Feeds:
    """A feed server on this loop, and the node's end of its link."""

    def __init__(self, root: Path, opened: OpenNode, config: GatewayConfig) -> None:
        self.opened = opened
        self.node = FollowingNode(DataDirectory(root), History(1_000, 1_000))
        ours, theirs = socket.socketpair()
        self.server = FeedServer(self.node, Gateway(cast(MarketNode, self.node), config), theirs)
        self.heard: list[FromFeeds] = []
        self._changed = asyncio.Event()
        self.link = Link(ours, self._take, self._changed.set)
        self.serving = asyncio.ensure_future(self.server.serve())
        self._number = 0

    def _take(self, message: bytes, _descriptor: int | None) -> None:
        self.heard.append(decode_from_feeds(message))
        self._changed.set()

    async def until(self, wanted: FromFeeds) -> None:
        """Wait until the feed process has said this."""
        async with asyncio.timeout(SECONDS):
            while wanted not in self.heard:
                self._changed.clear()
                await self._changed.wait()

    async def hand_over(self) -> tuple[int, asyncio.StreamReader, asyncio.StreamWriter]:
        """Give it a connection that asks for an event stream; the client's side."""
        near, far = socket.socketpair()
        self._number += 1
        url = b"/api/v1/stream?channels=book:BTC-USD"
        over = HandOver(self._number, url, [], b"", is_socket=False, principal=None)
        self.link.send(encode(over), os.dup(far.fileno()))
        far.close()
        return self._number, *await asyncio.open_connection(sock=near)

    async def grow(self) -> None:
        """Add a command to the journal."""
        text = commands.account_text(f"a{self._number}")
        record = commands.open_account(if_absent=True)
        await self.opened.node.execute(record, text, 1, account="a")


def run(
    root: Path, test: Callable[[Feeds], Coroutine[Any, Any, None]], config: GatewayConfig
) -> None:
    async def main() -> None:
        opened = await open_node(root, NodeOptions(market=MARKET, journal=SMALL_SEGMENTS))
        feeds = Feeds(root, opened, config)
        try:
            await feeds.until(Ready())
            await test(feeds)
        finally:
            feeds.link.close()
            await asyncio.wait([feeds.serving], timeout=SECONDS)
            await opened.close()
        assert feeds.serving.done(), "it does not end with its link"

    uvloop.run(main())


async def all_of(reader: asyncio.StreamReader) -> bytes:
    """What is said until the connection is closed."""
    said = b""
    async with asyncio.timeout(SECONDS):
        try:
            while data := await reader.read(1 << 16):
                said += data
        except ConnectionResetError:
            pass
    return said


def test_a_connection_that_cannot_be_served_is_closed_and_the_next_one_served(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail() -> None:
        raise ValueError("the listing cannot be read")

    async def test(feeds: Feeds) -> None:
        feeds.node.on_skipped, works = fail, feeds.node.on_skipped
        await feeds.grow()
        number, reader, writer = await feeds.hand_over()
        assert await all_of(reader) == b""
        writer.close()
        await feeds.until(Closed(number))
        feeds.node.on_skipped = works
        number, reader, writer = await feeds.hand_over()
        async with asyncio.timeout(SECONDS):
            assert b"text/event-stream" in await reader.readuntil(b"snapshot")
        writer.close()

    run(tmp_path, test, GatewayConfig())
    assert "a connection cannot be served" in capsys.readouterr().out


def test_a_connection_beyond_the_bound_is_refused_and_the_node_is_told(tmp_path: Path) -> None:
    async def test(feeds: Feeds) -> None:
        _, reader, writer = await feeds.hand_over()
        async with asyncio.timeout(SECONDS):
            await reader.readuntil(b"snapshot")
        number, refused, other = await feeds.hand_over()
        assert b" 503 " in (await all_of(refused)).split(b"\r\n")[0]
        await feeds.until(Closed(number))
        other.close()
        writer.close()

    run(tmp_path, test, GatewayConfig(connections_max=1))


def test_a_journal_that_breaks_ends_the_streams_and_the_process(tmp_path: Path) -> None:
    async def test(feeds: Feeds) -> None:
        _, reader, writer = await feeds.hand_over()
        async with asyncio.timeout(SECONDS):
            await reader.readuntil(b"snapshot")
        directory = DataDirectory(tmp_path)
        [segment] = directory.segments()
        directory.segment(segment).rename(tmp_path / "elsewhere")
        await feeds.grow()
        assert b"stream_ended" in await all_of(reader)
        with pytest.raises(CannotFollow):
            await feeds.serving
        writer.close()

    run(tmp_path, test, GatewayConfig())
