"""What a request is answered, before it is bytes of HTTP or of a socket."""

from __future__ import annotations

from enum import Enum, auto
from typing import NamedTuple

import msgspec

from tradepit.gateway.problems import Problem, encode_problem
from tradepit.gateway.rejects import RETRY_AFTER_S


class Memory(Enum):
    """What an answer would have said, had the node not forgotten the order."""

    PLACED = auto()
    """How the order stood right after it was placed."""
    CANCELLED = auto()
    """How it stood when it was cancelled."""
    CLOSED = auto()
    """That it is finished, and no unknown one."""


class Recall(NamedTuple):
    """Ask the history about an order before this is answered."""

    order_id: int
    account: int
    """Who asks; 0 = the operator."""
    memory: Memory


class Answer(NamedTuple):
    """What a request is answered; the body is JSON, a problem document from 400 on."""

    status: int
    body: bytes
    sequence: int = 0
    is_replay: bool = False
    retry_after: int = 0
    recall: Recall | None = None
    """What the history may know better; without one the answer stands."""
    name: bytes = b""
    """What a batch or a socket calls it; empty: an order by its id, else a result."""


def problem_answer(
    problem: Problem, *, sequence: int = 0, is_replay: bool = False, retry_after: int = 0
) -> Answer:
    """Return the answer that carries a problem."""
    if problem.status == 429 and not retry_after:
        retry_after = RETRY_AFTER_S
    return Answer(problem.status, encode_problem(problem), sequence, is_replay, retry_after)


def problem_code(answer: Answer) -> str:
    """Return the code of an answer that is a problem."""
    return msgspec.json.decode(answer.body, type=Problem).code
