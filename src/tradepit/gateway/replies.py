"""What a request is answered, before it is bytes of HTTP or of a socket."""

from __future__ import annotations

from typing import NamedTuple

import msgspec

from tradepit.gateway.problems import Problem, encode_problem
from tradepit.gateway.rejects import RETRY_AFTER_S


class Answer(NamedTuple):
    """What a request is answered; the body is JSON, a problem document from 400 on."""

    status: int
    body: bytes
    sequence: int = 0
    is_replay: bool = False
    retry_after: int = 0


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
