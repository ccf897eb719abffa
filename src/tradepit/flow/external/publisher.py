"""The external order publisher: an open loop of crossing orders, and quotes to begin with."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import time
from collections.abc import Collection, Iterable
from typing import Final

from tradepit.client import AsyncClient
from tradepit.client.errors import ClientError, Forbidden
from tradepit.client.models import Instrument, Place
from tradepit.flow.external.bootstrap import Bootstrap
from tradepit.flow.external.crossing import (
    Crossing,
    CrossingStream,
    crossing_price,
    whole_units,
)
from tradepit.flow.external.delivery import Courier, Delivery
from tradepit.flow.external.participants import TAKER, open_participants
from tradepit.flow.external.tally import Tally
from tradepit.flow.external.tops import Tops

IN_FLIGHT_MAX: Final = 500
"""Unanswered orders; a node that is that far behind gets no more of the schedule."""

SUBMIT_AT_ONCE: Final = 50
"""Orders on their way for one call of `submit`."""

LOOK_S: Final = 2.0
"""Between looks at instruments and quotes."""

PRICES_S: Final = 5.0
"""For the first best prices; then orders go out without."""

LEAVE_S: Final = 3.0
"""For answers on their way when the publisher ends."""

NODE_PAUSE_S: Final = 1.0
"""Between attempts to begin, while there is no node."""


class Publisher:
    """Sends a seeded stream of crossing orders to a node until it is stopped."""

    def __init__(
        self, client: AsyncClient, *, rate: float, seed: int, symbols: Collection[str] = ()
    ) -> None:
        """
        Args:
            client: one that does not repeat by itself.
            rate: orders a second, over all symbols; 0: only those that are asked for.
            symbols: to trade; none = all that are in continuous trading and have a price.
        """
        self._client = client
        self._rate = rate
        self._courier = Courier(client)
        self._wanted = frozenset(symbols)
        self._stream = CrossingStream((), seed)
        self._run = secrets.token_hex(6)
        """Part of the keys, so that runs of one seed differ."""
        self._number = 0
        self._instruments: dict[str, Instrument] = {}
        self._flying: set[asyncio.Task[Delivery | None]] = set()
        self._stopping = asyncio.Event()
        self._tops = Tops()
        self.bootstrap = Bootstrap(client, self._tops.of)
        self.tally = Tally()
        self.is_ready = asyncio.Event()
        """Set once accounts are open, quotes seeded, and best prices heard."""

    @property
    def symbols(self) -> list[str]:
        """What is traded now."""
        return sorted(self._instruments)

    def stop(self) -> None:
        """Send no more; what is on its way is waited for a moment."""
        self._stopping.set()

    async def run(self) -> None:
        """Publish until stopped, through any absence of the node. Raises: Forbidden, without a key
        that may."""
        await self._begin()
        tasks = [
            asyncio.create_task(self._tops.follow(self._client)),
            asyncio.create_task(self._keep()),
            asyncio.create_task(self._schedule()),
        ]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            await self._leave(tasks)

    async def _leave(self, tasks: Iterable[asyncio.Task[None]]) -> None:
        """Let answers come in, end the rest; a task that failed raises."""
        if self._flying:
            await asyncio.wait(self._flying, timeout=LEAVE_S)
        failures = []
        for task in [*tasks, *self._flying]:
            if task.done() and not task.cancelled() and task.exception() is not None:
                failures.append(task.exception())
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError, Exception):
                await task
        await self._courier.close()
        if self._instruments:
            with contextlib.suppress(ClientError):
                await self.bootstrap.end_all()
        for failure in failures:
            assert failure is not None
            raise failure

    async def submit(self, count: int) -> int:
        """Send so many orders of the stream now; how many were accepted."""
        await self.is_ready.wait()
        accepted = 0
        for start in range(0, count, SUBMIT_AT_ONCE):
            now = time.monotonic()
            sends = [self._send(now) for _ in range(min(SUBMIT_AT_ONCE, count - start))]
            done = await asyncio.gather(*sends)
            accepted += sum(each is not None and each.order is not None for each in done)
        return accepted

    async def seed(self, symbols: Iterable[str]) -> list[str]:
        """Quote those symbols that nobody quotes; see `Bootstrap.seed`."""
        await self.is_ready.wait()
        return await self.bootstrap.seed(symbols, self._instruments)

    async def _begin(self) -> None:
        while not self._stopping.is_set():
            try:
                await self._refresh()
                await open_participants(self._client, self._instruments.values())
                await self.bootstrap.seed(self.symbols, self._instruments)
            except Forbidden:
                raise  # no key, or one that may not: waiting does not help
            except ClientError as error:
                self.tally.last_failure = str(error)
                await self._stopped_before(time.monotonic() + NODE_PAUSE_S)
            else:
                return

    async def _refresh(self) -> None:
        """Learn what can be traded now, and last prices."""
        self._instruments = {
            one.symbol: one
            for one in await self._client.instruments()
            if one.phase == "continuous"
            and (one.reference_price or one.last_price)
            and (not self._wanted or one.symbol in self._wanted)
        }
        self._stream.use(self._instruments)

    async def _keep(self) -> None:
        """Follow the list of instruments, and keep the quotes to begin with."""
        while True:
            await asyncio.sleep(LOOK_S)
            try:
                await self._refresh()
                await self.bootstrap.look(self._instruments)
            except ClientError as error:
                self.tally.last_failure = str(error)

    async def _schedule(self) -> None:
        """Send one order each time one is due, whether those before were answered or not; those
        that a pause of this process delayed go out at once."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._tops.is_followed.wait(), PRICES_S)
        self.is_ready.set()
        if not self._rate:
            await self._stopping.wait()
            return
        due = time.monotonic()
        while not await self._stopped_before(due):
            if len(self._flying) < IN_FLIGHT_MAX:
                task = asyncio.create_task(self._send(due))
                self._flying.add(task)
                task.add_done_callback(self._flying.discard)
            else:
                self.tally.skipped += 1
            due += 1 / self._rate

    async def _send(self, due: float) -> Delivery | None:
        crossing = self._stream.next()
        place = None if crossing is None else self._order(crossing)
        if place is None:
            return None
        self._number += 1
        self.tally.went(max(0.0, time.monotonic() - due))
        try:
            delivery = await self._courier.deliver(place, f"{self._run}-{self._number}")
        except asyncio.CancelledError:
            self.tally.left()
            raise
        self.tally.came(delivery)
        return delivery

    def _order(self, crossing: Crossing) -> Place | None:
        one = self._instruments.get(crossing.symbol)
        if one is None:
            return None  # halted or removed since the round began
        price = crossing_price(crossing.side, self._tops.of(one.symbol), one)
        if price is None:
            return None
        return Place(
            client_id=TAKER,
            instrument=one.symbol,
            side=crossing.side,
            quantity=whole_units(crossing.quantity, one),
            price=price,
            time_in_force="ioc",
        )

    async def _stopped_before(self, due: float) -> bool:
        """Wait until something is due; true when told to stop."""
        pause = due - time.monotonic()
        if pause <= 0:
            await asyncio.sleep(0)
            return self._stopping.is_set()
        try:
            await asyncio.wait_for(self._stopping.wait(), pause)
        except TimeoutError:
            return False
        return True
