"""The gateway's metrics, read when Prometheus asks."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from tradepit.observe.metrics import Sample, Source

if TYPE_CHECKING:
    from tradepit.gateway.beside.door import FeedDoor
    from tradepit.gateway.gateway import Gateway

NS = 1_000_000_000


def gateway_source(gateway: Gateway) -> Source:
    """Return the source of a gateway's metrics."""

    def samples() -> Iterable[Sample]:
        replica = gateway.node.replica
        desk = gateway.desk
        yield Sample("tradepit_sequence", "Last sequence applied.", replica.sequence)
        yield Sample("tradepit_ready", "1 when new orders are taken.", gateway.node.is_ready)
        yield Sample("tradepit_in_flight", "Commands not answered yet.", gateway.node.in_flight)
        yield Sample("tradepit_answers", "Writes answered.", desk.answered_count, True)
        yield Sample("tradepit_refused", "Writes the node did not take.", desk.refused_count, True)
        yield Sample("tradepit_failed", "Writes of unknown outcome.", desk.failed_count, True)
        yield Sample("tradepit_connections", "Open HTTP connections.", len(gateway.connections))
        yield Sample("tradepit_sockets", "Open WebSockets.", len(gateway.sockets))
        yield Sample(
            "tradepit_slow_consumers", "Sockets closed with 4008.", gateway.sockets.slow_count, True
        )
        yield from _feeds(gateway.feeds)
        if gateway.access is not None:
            denied = gateway.access.failed_count
            yield Sample("tradepit_denied", "Failed authentications.", denied, True)
        keys, oldest = replica.key_statistics()
        age = (replica.market_time_ns - oldest) / NS if oldest else 0.0
        yield Sample("tradepit_idempotency_keys", "Keys held.", keys)
        yield Sample("tradepit_idempotency_oldest_seconds", "Age of the oldest finished key.", age)
        for name, value in replica.counts().items():
            yield Sample(f"tradepit_{name}", f"Engine count: {name}.", value)

    return Source(samples, [gateway.desk.latency])


def _feeds(door: FeedDoor) -> Iterable[Sample]:
    """What the feed process has said of itself."""
    yield Sample("tradepit_feed_process", "1 when it serves streams.", door.is_open)
    yield Sample("tradepit_feed_connections", "Connections that it serves.", door.connections)
    counted = door.counted
    if counted is not None:
        yield Sample("tradepit_feed_lag", "Commands that it had not applied.", counted.lag)
        yield Sample("tradepit_feed_channels", "Channels that somebody follows.", counted.channels)
        yield Sample("tradepit_replays", "Replays of recordings.", counted.replays)
        yield Sample("tradepit_feed_slow_consumers", "Closed as too slow.", counted.slow, True)
