"""What becomes of a submission, and the refusals before one is made."""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from typing import Any, Final

import msgspec

from tradepit._native import Applied
from tradepit.domain.wire import RECORD_BYTES, RecordFlag


class Failure(Enum):
    """Why there are no events."""

    UNKNOWN = "unknown"
    """Handed to the journal, and then the node stopped: it may or may not be in effect. A retry
    with the same idempotency key is safe."""
    REJECTED = "rejected"
    """Never handed to the journal: not in effect, and never will be."""


class Outcome(msgspec.Struct, frozen=True, gc=False):
    """The result of one submission."""

    failure: Failure | None
    """None: durable and applied."""
    first_sequence: int = 0
    """Sequence of the submission's first command; the others follow without gaps."""
    events: bytes = b""
    """Event records of 96 bytes caused by these commands, in cause order. Orders that expired
    right before the commands are among them, the frame's own FRAME_APPLIED is not."""
    time_ns: int = 0
    """Market time after the frame."""
    applied: Applied | None = None
    """The whole frame's events; these are `first_event` up to `end_event`, exclusive."""
    first_event: int = 0
    end_event: int = 0

    def texts(self) -> bytes:
        """Return the text entries of these events: u16 length, UTF-8."""
        if self.applied is None:
            return b""
        return texts_between(
            self.applied.events, self.applied.texts, self.first_event, self.end_event
        )


Done = Callable[[Outcome], None]
"""Called once per submission, on the event loop. Must be cheap; what it raises is logged."""

GatheredDone = Callable[[list[Any], Outcome], None]
"""Called once for commands that were gathered: their items in order, and the outcome of all."""

UNKNOWN: Final = Outcome(Failure.UNKNOWN)
REJECTED: Final = Outcome(Failure.REJECTED)


class NotAccepted(Exception):
    """A submission was refused before anything of it was handed over: not in effect."""


class Overloaded(NotAccepted):
    """Too many commands in flight; try again shortly."""

    def __init__(self, scope: str, limit: int) -> None:
        super().__init__(f"more than {limit} commands in flight for the {scope}")
        self.scope = scope
        """`node` or `account`."""
        self.limit = limit


class NoSpace(NotAccepted):
    """The disk is full: only urgent commands (cancels, kill switch, heartbeats) are taken."""

    def __init__(self) -> None:
        super().__init__("the disk is full; cancels are still taken")


class ReadOnly(NotAccepted):
    """The engine panicked on a journaled command: reads are served, writes are not."""

    def __init__(self, sequence: int) -> None:
        super().__init__(
            f"the command at sequence {sequence} panics the engine; the node serves reads only "
            f"until an operator quarantines it (tradepit journal quarantine --sequence {sequence})"
        )
        self.sequence = sequence


class Stopped(NotAccepted):
    """The node is starting, stopping, or has stopped after a failure."""


def texts_between(events: bytes, texts: bytes, start: int, stop: int) -> bytes:
    """Return the text entries that belong to events `start` to `stop` (exclusive).

    Args:
        events: all events of the frame. texts: all their text entries, in order.
    """
    at = begin = 0
    for index in range(stop):
        if index == start:
            begin = at
        if events[index * RECORD_BYTES + 1] & RecordFlag.TEXT:
            at += 2 + int.from_bytes(texts[at : at + 2], "little")
    return texts[begin:at] if stop > start else b""
