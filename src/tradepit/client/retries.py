"""When to try again, and after how long.

Only what is safe is repeated: reads, and writes that carry an idempotency key. A lost connection
and the answers "too many" and "not available" count as worth another try.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from tradepit.client.errors import ClientError, NodeUnreachable, Overloaded


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """Attempts and pauses, in seconds; the pause doubles from `first_s` to `longest_s`."""

    attempts: int = 6
    first_s: float = 0.05
    longest_s: float = 2.0

    def pauses(self) -> Iterator[float]:
        """The pause after each failed attempt; one fewer than the attempts."""
        pause = self.first_s
        for _ in range(self.attempts - 1):
            yield pause
            pause = min(2 * pause, self.longest_s)


RECONNECTS = RetryPolicy(attempts=60, first_s=0.02, longest_s=1.0)
"""A stream waits about a minute for its node: the time of a restart, or of an operator."""

NO_RETRIES = RetryPolicy(attempts=1)


def pause_before_retry(error: ClientError, pauses: Iterator[float]) -> float:
    """Seconds to wait before the next attempt; raises the error when there is none."""
    if not isinstance(error, NodeUnreachable | Overloaded):
        raise error
    pause = next(pauses, None)
    if pause is None:
        raise error
    if isinstance(error, Overloaded) and error.retry_after_s is not None:
        return max(pause, error.retry_after_s)
    return pause
