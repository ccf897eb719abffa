"""Control of the publisher over HTTP."""

from __future__ import annotations

from typing import Final

import msgspec
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

from tradepit.client.errors import ClientError
from tradepit.flow.external.publisher import Publisher
from tradepit.flow.external.web import (
    Answer,
    Door,
    Request,
    json_answer,
    problem,
    text_answer,
)
from tradepit.observe.metrics import new_registry

COUNT_MAX: Final = 10_000
"""Orders of one call."""

NO_FAILURE: Final = "none"


class PublisherDoors:
    """The publisher's routes."""

    def __init__(self, publisher: Publisher) -> None:
        self._publisher = publisher
        self._registry = new_registry(publisher.tally.source())

    def door(self) -> Door:
        """A port to open."""
        return Door(
            {
                ("GET", "/health"): self.health,
                ("GET", "/metrics"): self.metrics,
                ("GET", "/status"): self.status,
                ("GET", "/publisher/last-failure"): self.last_failure,
                ("POST", "/publisher/seed-quotes"): self.seed_quotes,
                ("POST", "/publisher/submit-orders"): self.submit_orders,
            }
        )

    async def health(self, _request: Request) -> Answer:
        """Whether the publisher runs, and has found its node."""
        return json_answer({"status": "ok", "ready": self._publisher.is_ready.is_set()})

    async def metrics(self, _request: Request) -> Answer:
        """For Prometheus."""
        return Answer(generate_latest(self._registry), content_type=CONTENT_TYPE_LATEST)

    async def status(self, _request: Request) -> Answer:
        """Symbols, quotes to begin with, and what came of the orders."""
        publisher = self._publisher
        return json_answer(
            {
                "symbols": publisher.symbols,
                "bootstrap_quotes": publisher.bootstrap.standing,
                "orders": publisher.tally.document(),
            }
        )

    async def last_failure(self, _request: Request) -> Answer:
        """The newest refusal or lost order, in words."""
        return text_answer(self._publisher.tally.last_failure or NO_FAILURE)

    async def seed_quotes(self, request: Request) -> Answer:
        """Quote the symbols of the body that nobody quotes; without a body, all."""
        if not self._publisher.is_ready.is_set():
            return problem(503, "not_ready", "the node has not answered yet")
        try:
            symbols = msgspec.json.decode(request.body or b"[]", type=list[str])
            ids = await self._publisher.seed(symbols or self._publisher.symbols)
        except msgspec.MsgspecError as error:
            return problem(400, "malformed_body", f"a list of symbols is expected: {error}")
        except KeyError as error:
            detail = f"{error.args[0]} is not traded, or not here"
            return problem(404, "unknown_instrument", detail)
        except ClientError as error:
            return problem(503, "node_unavailable", str(error))
        return json_answer(ids)

    async def submit_orders(self, request: Request) -> Answer:
        """Send `count` orders; the number of those that were accepted."""
        text = request.query.get("count", "1")
        if not text.isdecimal() or not 1 <= int(text) <= COUNT_MAX:
            return problem(400, "invalid_field", f"count is 1 to {COUNT_MAX:,}")
        if not self._publisher.is_ready.is_set():
            return problem(503, "not_ready", "the node has not answered yet")
        return json_answer(await self._publisher.submit(int(text)))
