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

PAUSE_FIRST_S: Final = 0.1
PAUSE_MAX_S: Final = 1.0
"""Between attempts; hundreds of orders may be waiting for the same node."""


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


async def deliver(client: AsyncClient, place: Place, key: str) -> Delivery:
    """Send an order; again under the same key when the node is away or has no room.

    Args:
        client: one that does not repeat by itself.
    """
    begin = time.monotonic()
    attempts, pause = 0, PAUSE_FIRST_S
    while True:
        attempts += 1
        try:
            order = await client.place(place, key=key)
        except (NodeUnreachable, Overloaded) as error:
            waited = time.monotonic() - begin
            if waited + pause > PATIENCE_S:
                return Delivery(place, attempts, waited, error=error)
        except ClientError as error:
            return Delivery(place, attempts, time.monotonic() - begin, error=error)
        else:
            return Delivery(place, attempts, time.monotonic() - begin, order=order)
        await asyncio.sleep(pause)
        pause = min(2 * pause, PAUSE_MAX_S)
