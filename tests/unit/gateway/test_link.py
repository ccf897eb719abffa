"""Messages and descriptors between two processes: whole, in order, and an end that is told."""

from __future__ import annotations

import asyncio
import os
import random
import socket
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from tradepit.gateway.beside.link import PENDING_BYTES_MAX, Link

FAILING = b"fail"
"""Whoever is sent a message that begins so fails."""


class End:
    """One end, with what came to it."""

    def __init__(self, end: socket.socket) -> None:
        self.messages: list[tuple[bytes, int | None]] = []
        self.is_lost = False
        self._changed = asyncio.Event()
        self.link = Link(end, self._take, self._lose)

    def _take(self, message: bytes, descriptor: int | None) -> None:
        self.messages.append((message, descriptor))
        self._changed.set()
        if message.startswith(FAILING):
            raise ValueError("this message cannot be handled")

    def _lose(self) -> None:
        self.is_lost = True
        self._changed.set()

    async def until(self, count: int) -> None:
        """Wait for so many messages."""
        await self._wait(lambda: len(self.messages) >= count)

    async def until_lost(self) -> None:
        await self._wait(lambda: self.is_lost)

    async def _wait(self, is_so: Callable[[], bool]) -> None:
        async with asyncio.timeout(10):
            while not is_so():
                self._changed.clear()
                await self._changed.wait()


def run(test: Callable[[End, End, socket.socket], Coroutine[Any, Any, None]]) -> None:
    async def main() -> None:
        ours, theirs = socket.socketpair()
        raw = theirs.dup()
        left, right = End(ours), End(theirs)
        try:
            await test(left, right, raw)
        finally:
            left.link.close()
            right.link.close()
            raw.close()

    asyncio.run(main())


def test_messages_of_any_size_arrive_whole_and_in_order() -> None:
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    chance = random.Random(seed)
    sent = [chance.randbytes(chance.choice([0, 1, 3, 1000, 300_000])) for _ in range(200)]

    async def test(left: End, right: End, _raw: socket.socket) -> None:
        for message in sent:
            left.link.send(message)
        await right.until(len(sent))
        assert [message for message, _ in right.messages] == sent

    run(test)


def test_each_descriptor_comes_with_its_message() -> None:
    async def test(left: End, right: End, _raw: socket.socket) -> None:
        for number in range(300):
            descriptor = None
            if number % 3 == 0:
                descriptor, writing = os.pipe()
                os.write(writing, b"%d" % number)
                os.close(writing)
            left.link.send(b"%d" % number + b"x" * (number * 50), descriptor)
        await right.until(300)
        for number, (message, came) in enumerate(right.messages):
            assert message.rstrip(b"x") == b"%d" % number
            assert (came is not None) == (number % 3 == 0)
            if came is not None:
                assert os.read(came, 10) == b"%d" % number
                os.close(came)

    run(test)


def test_the_end_of_the_other_process_is_told_once() -> None:
    async def test(left: End, right: End, raw: socket.socket) -> None:
        right.link.close()
        raw.close()
        await left.until_lost()
        assert left.link.is_closed
        read, write = os.pipe()
        left.link.send(b"nobody hears this", read)
        try:
            os.fstat(read)
        except OSError:
            pass
        else:
            raise AssertionError("the descriptor was left open")
        os.close(write)

    run(test)


def test_a_process_that_does_not_read_is_given_up_at_a_bound() -> None:
    async def test(left: End, right: End, _raw: socket.socket) -> None:
        asyncio.get_running_loop().remove_reader(right.link._end.fileno())
        piece = b"x" * (1 << 20)
        sent = 0
        while not left.is_lost:
            left.link.send(piece)
            sent += len(piece)
            assert sent < 2 * PENDING_BYTES_MAX

    run(test)


def test_bytes_that_are_no_messages_end_the_link() -> None:
    async def test(left: End, right: End, raw: socket.socket) -> None:
        raw.send(b"\xff\xff\xff\xff and more")
        await left.until_lost()
        assert left.messages == []

    run(test)


def test_a_message_that_fails_comes_once_and_keeps_no_other_from_coming(
    capsys: pytest.CaptureFixture[str],
) -> None:
    sent = [FAILING if number % 4 == 1 else b"%d" % number for number in range(40)]

    async def test(left: End, right: End, _raw: socket.socket) -> None:
        kept = []
        for number, message in enumerate(sent):
            descriptor = None
            if number % 2:
                descriptor, writing = os.pipe()
                kept.append(os.fstat(descriptor).st_ino)
                os.close(writing)
            left.link.send(message, descriptor)
        await right.until(len(sent))
        assert [message for message, _ in right.messages] == sent
        came = [descriptor for _, descriptor in right.messages if descriptor is not None]
        assert [os.fstat(descriptor).st_ino for descriptor in came] == kept
        for descriptor in came:
            os.close(descriptor)
        assert not right.link.is_closed

    run(test)
    assert capsys.readouterr().out.count(f"failed size_bytes={len(FAILING)}") == 10


def test_a_message_whose_descriptor_is_missing_ends_the_link() -> None:
    async def test(left: End, right: End, raw: socket.socket) -> None:
        raw.send(b"\x02\0\0\0\x01x")
        await left.until_lost()
        assert left.messages == []

    run(test)
