"""Drafts: one write each, from a parsed body to command records, and from events to the answer.

A draft knows the records it needs in the journal and how to read its own events afterwards. It
does no input or output; `desk` submits drafts, alone or many in one commit. Here is what all have
in common; `placing`, `changing` and `administration` hold the kinds.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Final

import numpy as np

from tradepit.domain import commands
from tradepit.domain.wire import COMMAND_REPEATED, EventKind, RejectReason
from tradepit.gateway.answers import Renderer
from tradepit.gateway.fields import visible
from tradepit.gateway.listing import Instrument, Listing
from tradepit.gateway.ports import MarketNode, Replica
from tradepit.gateway.problems import Problem, problem_of
from tradepit.gateway.recent_answers import RecentAnswers
from tradepit.gateway.rejects import Reject, read_reject, reject_problem
from tradepit.gateway.replies import Answer, problem_answer

EVENT_BYTES: Final = 96

_REJECTED: Final = int(EventKind.COMMAND_REJECTED)
_REPEATED: Final = int(EventKind.COMMAND_REPEATED)
_ACCEPTED: Final = int(EventKind.ORDER_ACCEPTED)
_STALE: Final = int(RejectReason.STALE_DEFINITION)


class Market:
    """What drafts look things up in."""

    __slots__ = ("listing", "node", "recent_answers", "renderer")

    def __init__(self, node: MarketNode) -> None:
        self.node = node
        self.listing = Listing(node)
        self.renderer = Renderer(node, self.listing)
        self.recent_answers = RecentAnswers()

    @property
    def replica(self) -> Replica:
        """Asked for each time: the node replaces it when the engine panics."""
        return self.node.replica


class StaleDefinition(Exception):
    """The instrument changed under the command: nothing was recorded, draft it anew."""


class Draft(ABC):
    """One write. `records` and `texts` go to the journal; `answer` reads what came back.

    The events of a command are not all its own. Before them stands what market time brought about
    (expiries, phases and their auctions, timers), after them the runs of stop orders that were
    triggered: other orders, other takers, under the same sequence. What a draft takes for its own
    is therefore told apart by more than the kind of an event. Rejects and repeats are always the
    command's.
    """

    is_last = False
    """Of several events that concern it, the last is its own; else the first is."""

    __slots__ = (
        "account",
        "count",
        "instrument",
        "is_urgent",
        "market",
        "records",
        "speaker",
        "texts",
    )

    def __init__(self, market: Market) -> None:
        self.market = market
        self.records = b""
        self.texts = b""
        self.count = 1
        self.account = 0
        self.speaker: int | str = 0
        self.is_urgent = False
        self.instrument: Instrument | None = None

    def redraft(self) -> None:  # noqa: B027 (most have nothing to translate)
        """Translate anew under the definitions of now."""

    def answer(self, events: bytes, start: int, stop: int, sequence: int) -> Answer:
        """Read this draft's events, `events[start:stop]`; `sequence` is its first command's.

        Raises `StaleDefinition` when the draft must be translated anew.
        """
        found = -1
        for position in range(start, stop, EVENT_BYTES):
            kind = events[position]
            if kind == _REJECTED:
                return self._rejected(events, position, sequence)
            if kind == _REPEATED:
                return self._repeated(events, position)
            if kind > _REPEATED and self._concerns(events, position, kind):
                found = position
                if not self.is_last:
                    break
        if found < 0:
            return problem_answer(problem_of("unknown_outcome", outcome="unknown"))
        return self._done(events, found, stop, sequence + self.count - 1)

    @abstractmethod
    def _concerns(self, events: bytes, position: int, kind: int) -> bool:
        """Whether this event tells that the command was done."""

    @abstractmethod
    def _done(self, events: bytes, position: int, stop: int, sequence: int) -> Answer:
        """Read the answer to a command that was done; its event is at `position`."""

    @abstractmethod
    def _replayed(self, order_id: int, sequence: int, result: int) -> Answer:
        """Answer a command that was done before, at `sequence`, under the same key."""

    def _rejected(self, events: bytes, position: int, sequence: int) -> Answer:
        reject = read_reject(events, position)
        if reject.reason == _STALE:
            raise StaleDefinition
        own = int.from_bytes(events[position + 8 : position + 16], "little")
        return problem_answer(self._problem(reject), sequence=own)

    def _repeated(self, events: bytes, position: int) -> Answer:
        fields = COMMAND_REPEATED.unpack_from(events, position)
        reason, original, order_id, result = fields[11], fields[13], fields[14], fields[15]
        if reason:
            problem = self._problem(Reject(reason, order_id=order_id))
            return problem_answer(problem, sequence=original, is_replay=True)
        answer = self._replayed(order_id, original, result)
        status = 200 if answer.status < 400 else answer.status
        return answer._replace(status=status, sequence=original, is_replay=answer.status < 400)

    def _problem(self, reject: Reject) -> Problem:
        return reject_problem(reject, self.market.listing, self.instrument)

    def _prefix_open(self, account_id: str) -> None:
        """Open the account in front of the command, which then means the account opened here."""
        visible(account_id, "client_id")
        self.records = commands.open_account(if_absent=True) + self.records
        self.texts = commands.account_text(account_id) + self.texts
        self.count += 1


def offset_of(record: np.dtype[np.void], field: str) -> int:
    """Where a field of a record stands."""
    assert record.fields is not None
    return int(record.fields[field][1])


def is_accepted(events: bytes, start: int, stop: int) -> bool:
    """Whether the first event says that a new order was taken."""
    return start < stop and events[start] == _ACCEPTED
