"""The pages of a maker process: /health, /ready, /metrics, /status, and for tests /test/faults."""

from __future__ import annotations

import msgspec
from prometheus_client import CONTENT_TYPE_LATEST

from tradepit.makers.live.faults import Fault
from tradepit.makers.live.metrics import MakerMetrics
from tradepit.makers.live.node import MakerNode
from tradepit.makers.live.status import status_of
from tradepit.observe.own_port import Page, PageRefused, Request, Routes, json_page


class MakerPages:
    """The pages of one maker."""

    def __init__(self, node: MakerNode) -> None:
        self._node = node
        self._metrics = MakerMetrics(node)

    def routes(self) -> Routes:
        """All of them."""
        return {
            ("GET", "/"): self._status,
            ("GET", "/status"): self._status,
            ("GET", "/health"): self._health,
            ("GET", "/ready"): self._ready,
            ("GET", "/metrics"): self._metrics_text,
            ("GET", "/test/faults"): self._faults,
            ("POST", "/test/faults"): self._arm_fault,
            ("DELETE", "/test/faults"): self._clear_faults,
        }

    async def _health(self, _request: Request) -> Page:
        speaker = self._node.options.speaker
        return json_page({"status": "alive", "name": speaker.name, "firm": speaker.firm})

    async def _ready(self, _request: Request) -> Page:
        """Ready: a lease is held and the market is heard."""
        node = self._node
        if not node.heart.lease.is_held(node.clock.now_ns()):
            reason = node.heart.last_error or "no heartbeat is answered yet"
            raise PageRefused(503, "no_lease", reason)
        if not node.feed.is_live:
            raise PageRefused(503, "no_feed", "the market is not heard")
        return json_page({"status": "ready", "symbols": len(node.seats)})

    async def _status(self, _request: Request) -> Page:
        return json_page(status_of(self._node))

    async def _metrics_text(self, _request: Request) -> Page:
        return Page(self._metrics.text(), CONTENT_TYPE_LATEST)

    async def _faults(self, _request: Request) -> Page:
        faults = self._node.faults
        if not faults.is_enabled:
            raise PageRefused(403, "no_fault_injection", "start it with --fault-injection")
        return json_page(faults.state())

    async def _arm_fault(self, request: Request) -> Page:
        await self._faults(request)
        try:
            self._node.faults.arm(msgspec.json.decode(request.body, type=Fault))
        except (msgspec.MsgspecError, ValueError) as error:
            raise PageRefused(400, "invalid_fault", str(error)) from error
        return await self._faults(request)

    async def _clear_faults(self, request: Request) -> Page:
        await self._faults(request)
        self._node.faults.clear()
        return await self._faults(request)
