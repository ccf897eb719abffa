"""Metrics: plain integers where the work is done, Prometheus samples when somebody asks.

prometheus-client's own counters take a lock per increment; an order cannot afford a dozen of them.
So rooms keep integers, and a `Source` reads them at the time of a scrape.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator
from typing import Final, NamedTuple

from prometheus_client import CollectorRegistry, Metric
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
)
from prometheus_client.registry import Collector

BUCKETS_US: Final = (
    100, 200, 300, 500, 750, 1_000, 1_500, 2_000, 3_000, 5_000, 7_500, 10_000, 20_000, 50_000,
    100_000, 500_000, 1_000_000,
)  # fmt: skip
"""Upper bounds in microseconds: fine where the targets are, coarse beyond."""


class Sample(NamedTuple):
    """One number at the time of a scrape."""

    name: str
    help: str
    value: float
    is_counter: bool = False


class LatencyHistogram:
    """Durations in microseconds, counted in fixed buckets."""

    __slots__ = ("counts", "help", "name", "total_us")

    def __init__(self, name: str, help: str) -> None:
        self.name = name
        self.help = help
        self.counts = [0] * (len(BUCKETS_US) + 1)
        self.total_us = 0.0

    def add(self, duration_us: float) -> None:
        """Count one duration."""
        self.counts[bisect_left(BUCKETS_US, duration_us)] += 1
        self.total_us += duration_us

    def family(self) -> HistogramMetricFamily:
        """The histogram in seconds, cumulative."""
        buckets: list[tuple[str, float]] = []
        running = 0
        for bound, count in zip(BUCKETS_US, self.counts, strict=False):
            running += count
            buckets.append((str(bound / 1e6), running))
        buckets.append(("+Inf", running + self.counts[-1]))
        family = HistogramMetricFamily(self.name, self.help)
        family.add_metric([], buckets=buckets, sum_value=self.total_us / 1e6)
        return family


class Source(Collector):
    """Reads samples and histograms when Prometheus scrapes."""

    def __init__(
        self,
        samples: Callable[[], Iterable[Sample]],
        histograms: Iterable[LatencyHistogram] = (),
    ) -> None:
        self._samples = samples
        self._histograms = tuple(histograms)

    def collect(self) -> Iterator[Metric]:
        for sample in self._samples():
            kind = CounterMetricFamily if sample.is_counter else GaugeMetricFamily
            yield kind(sample.name, sample.help, value=sample.value)
        for histogram in self._histograms:
            yield histogram.family()


def new_registry(*sources: Source) -> CollectorRegistry:
    """Return a registry of these sources and nothing else."""
    registry = CollectorRegistry(auto_describe=False)
    for source in sources:
        registry.register(source)
    return registry
