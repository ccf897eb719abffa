"""What came of the orders: counts, reasons, lateness."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable
from decimal import Decimal
from typing import Any, Final

from tradepit.client.errors import ClientError
from tradepit.flow.external.delivery import Delivery
from tradepit.observe.metrics import LatencyHistogram, Sample, Source

KEPT: Final = 100_000
"""Newest times of which quantiles are taken."""

US_PER_SECOND: Final = 1e6
MS_PER_SECOND: Final = 1e3


class Tally:
    """Counts since the publisher began."""

    def __init__(self) -> None:
        self.sent = 0
        """Orders that went out, each counted once however often it was tried."""
        self.skipped = 0
        """Orders that were due and not sent: too many were unanswered."""
        self.accepted = 0
        self.filled = 0
        """Of the accepted: in full."""
        self.partly_filled = 0
        self.unfilled = 0
        self.repeated = 0
        """Orders that took more than one attempt."""
        self.refused: Counter[str] = Counter()
        """By code."""
        self.unanswered: Counter[str] = Counter()
        """By kind of error: what became of them is not known."""
        self.quantity = Decimal(0)
        self.last_failure: str | None = None
        self.lateness_histogram = LatencyHistogram(
            "tradepit_external_lateness_seconds", "How much later than due orders went out."
        )
        self.answer_histogram = LatencyHistogram(
            "tradepit_external_answer_seconds", "From the first attempt to the answer."
        )
        self._lateness: deque[float] = deque(maxlen=KEPT)
        self._answers: deque[float] = deque(maxlen=KEPT)

    def went(self, late_s: float) -> None:
        """An order went out, so long after it was due."""
        self.sent += 1
        self._lateness.append(late_s)
        self.lateness_histogram.add(late_s * US_PER_SECOND)

    def came(self, delivery: Delivery) -> None:
        """An order's answer came, or did not in time."""
        self.repeated += delivery.attempts > 1
        if delivery.error is not None:
            self._failed(delivery, delivery.error)
            return
        assert delivery.order is not None
        self._answers.append(delivery.seconds)
        self.answer_histogram.add(delivery.seconds * US_PER_SECOND)
        filled = delivery.order.filled_quantity
        self.accepted += 1
        self.quantity += filled
        if not filled:
            self.unfilled += 1
        elif filled < delivery.order.quantity:
            self.partly_filled += 1
        else:
            self.filled += 1

    def left(self) -> None:
        """An order was under way when the publisher ended."""
        self.unanswered["publisher_ended"] += 1

    def _failed(self, delivery: Delivery, error: ClientError) -> None:
        place = delivery.place
        self.last_failure = f"{place.side} {place.quantity} {place.instrument}: {error}"
        if delivery.refusal is not None:
            self.refused[delivery.refusal] += 1
        else:
            self.unanswered[getattr(error, "code", "no_answer")] += 1

    @property
    def lateness_ms(self) -> dict[str, float]:
        """p50, p99 and maximum of how late orders went out."""
        return _quantiles(self._lateness)

    @property
    def answer_ms(self) -> dict[str, float]:
        """p50, p99 and maximum of the time to the answer."""
        return _quantiles(self._answers)

    def document(self) -> dict[str, Any]:
        """Everything, for programs."""
        return {
            "sent": self.sent,
            "accepted": self.accepted,
            "filled": self.filled,
            "partly_filled": self.partly_filled,
            "unfilled": self.unfilled,
            "quantity": str(self.quantity),
            "refused": dict(self.refused),
            "unanswered": dict(self.unanswered),
            "repeated": self.repeated,
            "skipped": self.skipped,
            "lateness_ms": self.lateness_ms,
            "answer_ms": self.answer_ms,
            "last_failure": self.last_failure,
        }

    def source(self) -> Source:
        """The numbers for /metrics."""
        return Source(self._samples, [self.lateness_histogram, self.answer_histogram])

    def _samples(self) -> Iterable[Sample]:
        for name, text, value in (
            ("sent", "Orders that went out.", self.sent),
            ("accepted", "Orders that the market took.", self.accepted),
            ("filled", "Orders filled in full.", self.filled),
            ("partly_filled", "Orders filled in part.", self.partly_filled),
            ("unfilled", "Orders taken that met nothing.", self.unfilled),
            ("refused", "Orders that a rule refused.", self.refused.total()),
            ("unanswered", "Orders without an answer in time.", self.unanswered.total()),
            ("repeated", "Orders that took several attempts.", self.repeated),
            ("skipped", "Orders due and not sent.", self.skipped),
        ):
            yield Sample(f"tradepit_external_{name}", text, value, True)


def _quantiles(seconds: Iterable[float]) -> dict[str, float]:
    times = sorted(seconds) or [0.0]
    return {
        "p50": round(times[len(times) // 2] * MS_PER_SECOND, 3),
        "p99": round(times[len(times) * 99 // 100] * MS_PER_SECOND, 3),
        "max": round(times[-1] * MS_PER_SECOND, 3),
    }
