"""The node's side of its feed process: hands connections over, asks, passes orders back."""

from __future__ import annotations

import asyncio
import os
import socket
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

import structlog

from tradepit.access.principals import Principal
from tradepit.gateway.arrival import Arrival
from tradepit.gateway.beside.link import Link
from tradepit.gateway.beside.messages import (
    Answered,
    Await,
    Call,
    Closed,
    Counted,
    End,
    Grown,
    HandOver,
    Heard,
    Ready,
    Said,
    decode_from_feeds,
    encode,
)
from tradepit.gateway.bindings import Bindings
from tradepit.gateway.problems import refused
from tradepit.gateway.replies import Answer
from tradepit.gateway.session import Session

if TYPE_CHECKING:
    from tradepit.gateway.gateway import Gateway
    from tradepit.gateway.socket import Sockets

log = structlog.get_logger(__name__)

CALL_SECONDS: Final = 30.0
"""Longest wait for the feed process to answer a request: a seek, a page of a book."""

QUIET_SECONDS: Final = 5.0
"""A feed process speaks once a second; one that says nothing for so long serves nobody."""

CALLS_MAX: Final = 256
"""Requests that wait for it at once; more are refused."""


class Voice(Session):
    """What stays with the node of a WebSocket that the feed process serves: its orders, and the
    sessions that end with it."""

    def __init__(self, sockets: Sockets, principal: Principal | None) -> None:
        super().__init__(sockets)
        self.principal = principal
        self.say: Callable[[bytes], None] = _say_nothing

    def send(self, frames: bytes, messages: int = 1) -> None:
        """Let the feed process write the answers."""
        if self._answers:
            frames = b"".join(self._answers) + frames
            self._answers.clear()
        self.say(frames)


class FeedDoor:
    """The way to the feed process, which may come and go."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway
        self._link: Link | None = None
        self._ready = asyncio.Event()
        self._is_expected = False
        self._heard_s = 0.0
        self._number = 0
        self._handed: dict[int, Principal | None] = {}
        self._voices: dict[int, Voice] = {}
        self._calls: dict[int, asyncio.Future[Answer]] = {}
        self._awaited: int | None = None
        self.counted: Counted | None = None
        """Its numbers, as it last said them."""

    @property
    def is_open(self) -> bool:
        """Whether connections can be handed over."""
        is_heard = time.monotonic() - self._heard_s < QUIET_SECONDS
        return is_heard and self._ready.is_set()

    async def wait_open(self) -> None:
        """Return when connections can be handed over."""
        await self._ready.wait()

    @property
    def is_expected(self) -> bool:
        """Whether this node has a feed process, even when it is not there at the moment."""
        return self._is_expected

    @property
    def connections(self) -> int:
        """Connections that the feed process has."""
        return len(self._handed)

    def attach(self, end: socket.socket) -> None:
        """Speak to a feed process that was started at the other end; it will say when it is
        ready."""
        self.close()
        self._is_expected = True
        self._link = Link(end, self._take, self._on_lost)

    def close(self) -> None:
        """Hand over no more."""
        self._ready.clear()
        if self._link is not None:
            self._link.close()
            self._on_lost()

    def hand_over(
        self,
        arrival: Arrival,
        principal: Principal | None,
        *,
        is_socket: bool,
        messages: list[bytes] | None = None,
        bindings: Bindings | None = None,
    ) -> bool:
        """Give a connection away.

        Args:
            messages: of a WebSocket that is open: what came and nobody has answered.
            bindings: sessions that it holds.
        Returns:
            False: nothing was done, it has to be served here.
        """
        link, transport = self._link, arrival.transport
        if link is None or not self.is_open or transport.get_write_buffer_size():
            return False
        transport.pause_reading()
        descriptor = os.dup(transport.get_extra_info("socket").fileno())
        self._number += 1
        self._handed[self._number] = principal
        over = HandOver(
            number=self._number,
            url=arrival.url,
            headers=arrival.headers,
            rest=arrival.rest,
            is_socket=is_socket,
            principal=principal,
            is_open=arrival.is_open,
            messages=messages or [],
        )
        if bindings is not None and bindings.sessions:
            self._voice(self._number).bindings = bindings
        transport.abort()  # closes our descriptor; the connection lives on through the other
        link.send(encode(over), descriptor)
        return True

    async def call(
        self, method: str, path: str, query: str, body: bytes, principal: Principal | None
    ) -> Answer:
        """Have a request answered there; raises `Refused` feeds_unavailable."""
        if self._link is None or not self.is_open:
            raise refused("feeds_unavailable", retry_after=1)
        if len(self._calls) >= CALLS_MAX:
            raise refused("overloaded", "too many requests wait for the feed process")
        self._number += 1
        number = self._number
        answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._calls[number] = answer
        self._link.send(encode(Call(number, method, path, query, body, principal)))
        try:
            async with asyncio.timeout(CALL_SECONDS):
                return await answer
        except TimeoutError:
            raise refused("feeds_unavailable", "it does not answer", retry_after=1) from None
        finally:
            self._calls.pop(number, None)

    def on_frame(self) -> None:
        """The node has applied a frame."""
        awaited, link = self._awaited, self._link
        if awaited is None or link is None or self._gateway.node.replica.sequence <= awaited:
            return
        self._awaited = None
        link.send(encode(Grown()))

    def end(self, is_valid: Callable[[Principal], bool]) -> None:
        """Close the connections of those who would not be let in any more."""
        ended = [
            number
            for number, principal in self._handed.items()
            if principal is not None and not is_valid(principal)
        ]
        if ended and self._link is not None:
            self._link.send(encode(End(ended)))
            for number in ended:
                self._forget(number)

    def _forget(self, number: int) -> None:
        self._handed.pop(number, None)
        voice = self._voices.pop(number, None)
        if voice is not None:
            voice.bindings.end()

    def _voice(self, number: int) -> Voice:
        voice = self._voices.get(number)
        if voice is None:
            voice = Voice(self._gateway.sockets, self._handed[number])
            voice.say = lambda frames: self._answer(number, frames)
            self._voices[number] = voice
        return voice

    def _on_lost(self) -> None:
        if self._ready.is_set():
            log.warning("the feed process is gone; the node serves streams itself")
        self._link = self.counted = self._awaited = None
        self._ready.clear()
        for number in list(self._handed):
            self._forget(number)
        for answer in self._calls.values():
            if not answer.done():
                answer.set_exception(refused("feeds_unavailable", retry_after=1))

    def _take(self, message: bytes, descriptor: int | None) -> None:
        if descriptor is not None:
            os.close(descriptor)
        self._heard_s = time.monotonic()
        match decode_from_feeds(message):
            case Ready():
                self._ready.set()
            case Await(sequence):
                self._awaited = sequence
                self.on_frame()
            case Closed(number):
                self._forget(number)
            case Said(number, said):
                self._hear(number, said)
            case Answered(number, status, body, retry_after):
                answer = self._calls.get(number)
                if answer is not None and not answer.done():
                    answer.set_result(Answer(status, body, retry_after=retry_after))
            case Counted() as counted:
                self.counted = counted

    def _hear(self, number: int, message: bytes) -> None:
        """An order that came to a WebSocket of the feed process."""
        if number not in self._handed:
            return
        self._voice(number).on_message(message)

    def _answer(self, number: int, frames: bytes) -> None:
        if self._link is not None and number in self._handed:
            self._link.send(encode(Heard(number, frames)))


def _say_nothing(_frames: bytes) -> None:
    """Until the door has said where to."""
