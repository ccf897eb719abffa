"""Control of the publisher over HTTP."""

from __future__ import annotations

from typing import Final

import msgspec
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

from tradepit.client.errors import ClientError
from tradepit.flow.external.publisher import Publisher
from tradepit.observe.metrics import new_registry
from tradepit.observe.own_port import Page, PageRefused, Request, Routes, json_page, text_page

COUNT_MAX: Final = 10_000
"""Orders of one call."""

NO_FAILURE: Final = "none"


class PublisherPages:
    """The publisher's routes."""

    def __init__(self, publisher: Publisher) -> None:
        self._publisher = publisher
        self._registry = new_registry(publisher.tally.source())

    def routes(self) -> Routes:
        """All of them."""
        return {
            ("GET", "/health"): self.health,
            ("GET", "/metrics"): self.metrics,
            ("GET", "/"): self.status,
            ("GET", "/status"): self.status,
            ("GET", "/publisher/last-failure"): self.last_failure,
            ("POST", "/publisher/seed-quotes"): self.seed_quotes,
            ("POST", "/publisher/submit-orders"): self.submit_orders,
        }

    async def health(self, _request: Request) -> Page:
        """Whether the publisher runs, and has found its node."""
        return json_page({"status": "ok", "ready": self._publisher.is_ready.is_set()})

    async def metrics(self, _request: Request) -> Page:
        """For Prometheus."""
        return Page(generate_latest(self._registry), CONTENT_TYPE_LATEST)

    async def status(self, _request: Request) -> Page:
        """Symbols, quotes to begin with, and what came of the orders."""
        publisher = self._publisher
        return json_page(
            {
                "symbols": publisher.symbols,
                "bootstrap_quotes": publisher.bootstrap.standing,
                "orders": publisher.tally.document(),
            }
        )

    async def last_failure(self, _request: Request) -> Page:
        """The newest refusal or lost order, in words."""
        return text_page(self._publisher.tally.last_failure or NO_FAILURE)

    async def seed_quotes(self, request: Request) -> Page:
        """Quote the symbols of the body that nobody quotes; without a body, all."""
        self._require_ready()
        try:
            symbols = msgspec.json.decode(request.body or b"[]", type=list[str])
            ids = await self._publisher.seed(symbols or self._publisher.symbols)
        except msgspec.MsgspecError as error:
            detail = f"a list of symbols is expected: {error}"
            raise PageRefused(400, "malformed_body", detail) from error
        except KeyError as error:
            detail = f"{error.args[0]} is not traded, or not here"
            raise PageRefused(404, "unknown_instrument", detail) from error
        except ClientError as error:
            raise PageRefused(503, "node_unavailable", str(error)) from error
        return json_page(ids)

    async def submit_orders(self, request: Request) -> Page:
        """Send `count` orders; the number of those that were accepted."""
        text = request.query.get("count", "1")
        if not text.isdecimal() or not 1 <= int(text) <= COUNT_MAX:
            raise PageRefused(400, "invalid_field", f"count is 1 to {COUNT_MAX:,}")
        self._require_ready()
        return json_page(await self._publisher.submit(int(text)))

    def _require_ready(self) -> None:
        if not self._publisher.is_ready.is_set():
            raise PageRefused(503, "not_ready", "the node has not answered yet")
