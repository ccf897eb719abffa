"""Heartbeats, the lease that they renew, and whether this process slept meanwhile."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import Any, Final

import structlog

from tradepit.client import MakerLease
from tradepit.client.errors import ApiError, ClientError
from tradepit.client.operation_socket import OperationSocket
from tradepit.makers.live.clock import LocalClock
from tradepit.makers.live.faults import Faults, Point
from tradepit.makers.live.lease import Lease
from tradepit.makers.live.sender import Speaker

log = structlog.get_logger(__name__)

BEATS_PER_LEASE: Final = 3
BEAT_SECONDS_FIRST: Final = 1.0
"""Longest wait for the answer of the first heartbeat; later ones have at least this as well."""

RETRY_SECONDS: Final = (0.05, 1.0)
"""Between heartbeats that are not answered: at first, and at most."""

AWAKE_SECONDS: Final = 0.05
SLEEPS_PER_LEASE: Final = 2
"""A process that did not run for half a lease was paused: what it knows is old."""

NS_PER_SECOND: Final = 1e9


class StaleMaker(Exception):
    """A newer run of the same name is alive: this one must not go on."""


class Heart:
    """Keeps a maker alive in the market, and says when it may not be any more."""

    def __init__(
        self,
        socket: OperationSocket,
        speaker: Speaker,
        clock: LocalClock,
        faults: Faults,
        *,
        on_renewed: Callable[[tuple[str, ...], int], Awaitable[None]],
        on_void: Callable[[], None],
    ) -> None:
        """
        Args:
            on_renewed: told what is owned, and when the heartbeat that says so was sent.
            on_void: told when the lease may be over: what is known counts no more.
        """
        self._socket, self._speaker, self._clock = socket, speaker, clock
        self._faults, self._on_renewed, self._on_void = faults, on_renewed, on_void
        self.lease = Lease()
        self.lapses = 0
        self.last_error: str | None = None
        """Why the last heartbeat was not answered; None: it was."""
        self._awake_ns = clock.now_ns()
        self._is_wanted = asyncio.Event()

    def beat_now(self) -> None:
        """Do not wait for the next heartbeat."""
        self._is_wanted.set()

    def is_sure(self) -> bool:
        """Whether what is owned is surely still owned, and what is known is not old."""
        now_ns = self._clock.now_ns()
        return self.lease.is_held(now_ns) and not self._has_slept(now_ns)

    def check(self) -> None:
        """Forget everything if the lease may be over."""
        if not self.lease.symbols or self.is_sure():
            return
        self.lapses += 1
        log.warning("the lease may be over", symbols=len(self.lease.symbols))
        self._awake_ns = self._clock.now_ns()
        self.lease.end()
        self._on_void()
        self.beat_now()

    async def stay_awake(self) -> None:
        """Notice when this process was paused."""
        while True:
            self.check()
            self._awake_ns = self._clock.now_ns()
            await asyncio.sleep(min(AWAKE_SECONDS, self._beat_seconds / BEATS_PER_LEASE))

    async def beat(self) -> None:
        """Heartbeats, for ever. Raises: StaleMaker."""
        pause_s = RETRY_SECONDS[0]
        while True:
            try:
                await self._beat_once()
            except ClientError as error:
                self._explain(error)
                await asyncio.sleep(pause_s)
                pause_s = min(2 * pause_s, RETRY_SECONDS[1])
                continue
            pause_s, self.last_error = RETRY_SECONDS[0], None
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._beat_seconds):
                    await self._is_wanted.wait()

    async def say_goodbye(self) -> None:
        """Give everything up. Raises: ClientError, StaleMaker."""
        await self._heartbeat(is_leaving=True)
        self.lease.end()

    @property
    def _beat_seconds(self) -> float:
        lasts_ns = self.lease.lasts_ns
        return lasts_ns / NS_PER_SECOND / BEATS_PER_LEASE if lasts_ns else BEAT_SECONDS_FIRST

    def _has_slept(self, now_ns: int) -> bool:
        return now_ns - self._awake_ns > self.lease.lasts_ns // SLEEPS_PER_LEASE

    async def _beat_once(self) -> None:
        if not await self._faults.reach(Point.BEFORE_HEARTBEAT):
            return
        self.check()
        self._is_wanted.clear()
        sent_ns = self._clock.now_ns()
        try:
            async with asyncio.timeout(max(BEAT_SECONDS_FIRST, self._beat_seconds)):
                answer = await self._heartbeat(is_leaving=False)
        except TimeoutError:
            return
        # Between its sending and now this process may have slept.
        self.check()
        self.lease.renew(answer, sent_ns=sent_ns)
        if self.lease.is_held(self._clock.now_ns()):
            await self._on_renewed(answer.symbols, sent_ns)
        else:
            self.lease.end()
            self._on_void()

    async def _heartbeat(self, *, is_leaving: bool) -> MakerLease:
        operation: dict[str, Any] = {
            "op": "heartbeat",
            "client_id": self._speaker.firm,
            "maker": self._speaker.name,
            "epoch": self._speaker.epoch,
        }
        if is_leaving:
            operation["leaving"] = True
        try:
            return await self._socket.request(operation, MakerLease)
        except ApiError as error:
            if error.code == "stale_maker":
                raise StaleMaker(str(error)) from error
            raise

    def _explain(self, error: ClientError) -> None:
        if str(error) != self.last_error:
            log.warning("no heartbeat", reason=str(error))
        self.last_error = str(error)
        self.check()
