"""What goes wrong, as exceptions that carry their facts."""

from __future__ import annotations

from decimal import Decimal

from tradepit.client.models import Problem


class ClientError(Exception):
    """Anything that a call of the client raises."""


class NodeUnreachable(ClientError):
    """No answer came. A write may have taken effect: repeat it with the same key to learn."""

    def __init__(self, url: str, reason: str) -> None:
        super().__init__(f"no answer from {url}: {reason}")
        self.url = url
        self.reason = reason


class UnreadableAnswer(ClientError):
    """The answer is not what the API promises: something else listens at this address."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(f"unreadable answer (HTTP {status}): {reason}")
        self.status = status
        self.reason = reason


class ApiError(ClientError):
    """The node answered with a problem document."""

    def __init__(self, problem: Problem, *, retry_after_s: float | None = None) -> None:
        where = f" ({problem.field})" if problem.field else ""
        super().__init__(f"{problem.code}{where}: {problem.detail or problem.title}")
        self.problem = problem
        self.retry_after_s = retry_after_s

    @property
    def code(self) -> str:
        """The stable word for what went wrong."""
        return self.problem.code

    @property
    def status(self) -> int:
        """The HTTP status."""
        return self.problem.status

    @property
    def required(self) -> Decimal | None:
        """What the command asked for, when the rule that refused it compares amounts."""
        return self.problem.required

    @property
    def available(self) -> Decimal | None:
        """What there is, or the nearest that the rule allows."""
        return self.problem.available


class Malformed(ApiError):
    """400, 413, 415: the request has the wrong form; nothing was journaled."""


class Forbidden(ApiError):
    """401, 403: no key, a bad key, or not allowed."""


class ClockSkew(Forbidden):
    """401: the clocks of this machine and of the node are too far apart; the text says how far.
    Set the clock (NTP); signing again does not help."""


class NotFound(ApiError):
    """404: unknown, or not yours."""


class KeyReused(ApiError):
    """409: the idempotency key belongs to another command."""


class Rejected(ApiError):
    """422: a market rule refused the command; it never took effect."""


class Overloaded(ApiError):
    """429, 503: not now; `problem.outcome` says whether a write may have taken effect."""


_BY_CODE: dict[str, type[ApiError]] = {"timestamp_outside_window": ClockSkew}
_BY_STATUS: dict[int, type[ApiError]] = {
    400: Malformed,
    401: Forbidden,
    403: Forbidden,
    404: NotFound,
    409: KeyReused,
    413: Malformed,
    415: Malformed,
    422: Rejected,
    429: Overloaded,
    503: Overloaded,
}


def api_error(problem: Problem, *, retry_after_s: float | None = None) -> ApiError:
    """The exception of a problem document."""
    kind = _BY_CODE.get(problem.code) or _BY_STATUS.get(problem.status, ApiError)
    return kind(problem, retry_after_s=retry_after_s)
