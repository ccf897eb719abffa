"""One order, sent until it is answered: through lost nodes, under one idempotency key."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from typing import Final

from tradepit.client import AsyncClient
from tradepit.client.errors import ApiError, ClientError, NodeUnreachable, Overloaded
from tradepit.client.models import Order, Place

PATIENCE_S: Final = 10.0
"""How long an order is tried; a node that restarts is back before."""

PAUSE_S: Final = 0.1
"""Between attempts, and between looks for a node that is away."""

AT_ONCE_MAX: Final = 64
"""Attempts under way together: fewer than the client has connections, so that none waits in line
for one while its time runs."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """What came of an order. Without `order` it was refused, or not answered in time."""

    place: Place
    attempts: int
    seconds: float
    order: Order | None = None
    error: ClientError | None = None

    @property
    def refusal(self) -> str | None:
        """Code of a refusal: the order had no effect."""
        if isinstance(self.error, ApiError) and not isinstance(self.error, Overloaded):
            return self.error.code
        return None

    @property
    def is_unknown(self) -> bool:
        """No answer in time; the order may have had its effect, at most once."""
        return self.order is None and self.refusal is None


class Courier:
    """Delivers orders to one node. While it is away one look is kept for all that wait: hundreds of
    orders that try by themselves would take the processor that the node needs to come back."""

    def __init__(self, client: AsyncClient) -> None:
        """
        Args:
            client: one that does not repeat by itself.
        """
        self._client = client
        self._hands = asyncio.Semaphore(AT_ONCE_MAX)
        self._looking: asyncio.Task[None] | None = None

    async def deliver(self, place: Place, key: str) -> Delivery:
        """Send an order; again under the same key when the node is away or has no room."""
        begin = time.monotonic()
        attempts = 0
        error: ClientError | None = None
        while (left := begin + PATIENCE_S - time.monotonic()) > 0:
            if not await self._node_is_there(left):
                continue
            attempts += 1
            try:
                async with self._hands:
                    order = await self._client.place(place, key=key)
            except NodeUnreachable as lost:
                error = lost
                self._look()
            except Overloaded as full:
                error = full
                await asyncio.sleep(PAUSE_S)
            except ClientError as refused:
                return Delivery(place, attempts, time.monotonic() - begin, error=refused)
            else:
                return Delivery(place, attempts, time.monotonic() - begin, order=order)
        error = error or NodeUnreachable("the node", "it was away all the time")
        return Delivery(place, attempts, time.monotonic() - begin, error=error)

    async def close(self) -> None:
        """Look no longer."""
        if self._looking is not None:
            self._looking.cancel()
            await asyncio.gather(self._looking, return_exceptions=True)

    async def _node_is_there(self, seconds: float) -> bool:
        """Wait for a node that was lost."""
        if self._looking is None:
            return True
        return bool((await asyncio.wait({self._looking}, timeout=seconds))[0])

    def _look(self) -> None:
        if self._looking is None:
            self._looking = asyncio.create_task(self._until_back())

    async def _until_back(self) -> None:
        while True:
            await asyncio.sleep(PAUSE_S)
            try:
                await self._client.health()
            except ClientError:
                continue
            self._looking = None
            return
