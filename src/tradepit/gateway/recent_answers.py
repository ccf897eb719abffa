"""Answers of late, for those who ask again under the same key."""

from __future__ import annotations

from collections import OrderedDict
from typing import Final

ANSWERS_MAX: Final = 16_384
"""About ten megabytes; a retry comes within seconds."""


class RecentAnswers:
    """The newest answers by the sequence of their command. What quotes and reservations were
    granted is told once and then lived; the history keeps it in SQL, not here."""

    def __init__(self, answers_max: int = ANSWERS_MAX) -> None:
        self._answers: OrderedDict[int, bytes] = OrderedDict()
        self._answers_max = answers_max

    def keep(self, sequence: int, body: bytes) -> None:
        """Remember an answer; the oldest is forgotten when there are too many."""
        self._answers[sequence] = body
        if len(self._answers) > self._answers_max:
            self._answers.popitem(last=False)

    def of(self, sequence: int) -> bytes | None:
        """The answer that a command was given; None when it is forgotten."""
        return self._answers.get(sequence)
