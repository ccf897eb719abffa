"""A maker process as Prometheus reads it: numbers of the status, made when somebody asks."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from prometheus_client import CollectorRegistry, Metric, generate_latest
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
)
from prometheus_client.registry import Collector

from tradepit.makers.live.counts import BUCKETS_S, profit_of
from tradepit.makers.live.node import MakerNode

SYMBOL: Final = ["symbol"]


class MakerCollector(Collector):
    """Reads a maker node."""

    def __init__(self, node: MakerNode) -> None:
        self._node = node

    def collect(self) -> Iterator[Metric]:
        yield from self._process()
        yield from self._counts()
        yield from self._symbols()
        yield self._round_trips()

    def _process(self) -> Iterator[Metric]:
        node, lease = self._node, self._node.heart.lease
        now_ns = node.clock.now_ns()
        gauges = {
            "uptime_seconds": ("Since the process began.", (now_ns - node.began_ns) / 1e9),
            "lease_held": (
                "1 while its symbols are surely its own.",
                lease.is_held(now_ns),
            ),
            "lease_remaining_seconds": (
                "Until the lease is over without a heartbeat.",
                max(0, lease.held_until_ns - now_ns) / 1e9,
            ),
            "feed_live": ("1 while the market is heard.", node.feed.is_live),
            "symbols": ("Symbols that it owns.", len(node.seats)),
        }
        for name, (text, value) in gauges.items():
            yield GaugeMetricFamily(f"tradepit_maker_{name}", text, value=float(value))
        counters = {
            "heartbeats": ("Heartbeats that were answered.", lease.renewals),
            "lapses": ("Times that the lease may have been over.", node.heart.lapses),
            "feed_streams": ("Times that the feed began from snapshots.", node.feed.streams),
            "stale_positions": ("Positions heard that were no news.", node.holdings.stale),
        }
        for name, (text, value) in counters.items():
            yield CounterMetricFamily(f"tradepit_maker_{name}", text, value=value)

    def _counts(self) -> Iterator[Metric]:
        sent = _counter("quotes_sent", "Quotes sent.", [*SYMBOL, "reason"])
        granted = _counter("quotes_granted", "Quotes granted, in full or in part.")
        refused = _counter("quotes_refused", "Quotes refused.", [*SYMBOL, "code"])
        unknown = _counter("quotes_unknown", "Quotes whose answer was lost.")
        fills = _counter("fills", "Own fills.")
        filled = _counter("filled_quantity", "Quantity of own fills.")
        for symbol, counts in self._node.counts.items():
            for reason, count in counts.by_reason.items():
                sent.add_metric([symbol, reason], count)
            for code, count in counts.by_code.items():
                refused.add_metric([symbol, code], count)
            granted.add_metric([symbol], counts.granted)
            unknown.add_metric([symbol], counts.unknown)
            fills.add_metric([symbol], counts.fills)
            filled.add_metric([symbol], counts.filled_quantity)
        yield from (sent, granted, refused, unknown, fills, filled)

    def _symbols(self) -> Iterator[Metric]:
        inventory = _gauge("inventory", "Net quantity of the firm.")
        profit = _gauge("profit", "Realised and unrealised, since it took the symbol over.")
        captured = _gauge("spread_captured", "Quantity times distance to the mid, of its fills.")
        uptime = _gauge("quote_uptime_ratio", "Share of the time with both sides quoted.")
        quoted = _gauge("quoted", "1 while a quote stands, as far as is known.")
        for symbol, seat in self._node.seats.items():
            report, counts = seat.report(), seat.counts
            inventory.add_metric([symbol], float(report.inventory))
            profit.add_metric([symbol], float(counts.past_profit + profit_of(report)))
            spread = counts.past_spread_captured + report.spread_captured
            captured.add_metric([symbol], float(spread))
            quoted.add_metric([symbol], float(seat.standing is not None))
            if report.quote_uptime is not None:
                uptime.add_metric([symbol], report.quote_uptime)
        yield from (inventory, profit, captured, uptime, quoted)

    def _round_trips(self) -> Metric:
        trips = self._node.counts.round_trips
        buckets: list[tuple[str, float]] = []
        running = 0
        for bound, count in zip(BUCKETS_S, trips.counts, strict=False):
            running += count
            buckets.append((str(bound), running))
        buckets.append(("+Inf", running + trips.counts[-1]))
        text = "From a fill heard of to the answer of the quote sent after it."
        family = HistogramMetricFamily("tradepit_maker_quote_round_trip_seconds", text)
        family.add_metric([], buckets=buckets, sum_value=trips.total_s)
        return family


def _counter(name: str, text: str, labels: list[str] = SYMBOL) -> CounterMetricFamily:
    return CounterMetricFamily(f"tradepit_maker_{name}", text, labels=labels)


def _gauge(name: str, text: str) -> GaugeMetricFamily:
    return GaugeMetricFamily(f"tradepit_maker_{name}", text, labels=SYMBOL)


class MakerMetrics:
    """The page of metrics of one maker."""

    def __init__(self, node: MakerNode) -> None:
        self._registry = CollectorRegistry(auto_describe=False)
        self._registry.register(MakerCollector(node))

    def text(self) -> bytes:
        """The page as it is now."""
        return generate_latest(self._registry)
