"""Live channels from engine events: the native board, and places in the journal.

One board per node writes the channels that somebody watches and does nothing for the others. What
it writes depends on the events alone, so it is the same on every node. How events become changes:
`crates/core/src/feed/changes.rs`; how they become messages: `board.rs` beside it.

Every message has two positions. Its `seq` counts the messages of its channel since the journal
began; replicas keep these counts (`Replica.feed_counts`) and carry them in snapshots. Its place
says where in the journal it happened: the sequence of the command, and an ordinal among all that
the command changed. Places order the messages of several channels.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from tradepit._native import FeedBoard

__all__ = [
    "COMMAND_SPAN",
    "FeedBoard",
    "Fill",
    "Report",
    "event_id",
    "last_id",
    "place_after",
    "place_of",
]

COMMAND_SPAN: Final = 1_000_000
"""Places of one command; `COMMAND_SPAN` of crates/core/src/feed/changes.rs."""

DIGITS_MAX: Final = 20
"""Of both parts of an event's id together; longer ones are none of ours."""


class Report(NamedTuple):
    """Something happened to an order of a watched account; the event's bytes say what."""

    place: int
    account: int
    kind: int
    order_id: int
    sequence: int
    event: bytes


class Fill(NamedTuple):
    """A position of a watched account right after one fill, and the fill; units as in
    `PositionRow`."""

    place: int
    account: int
    instrument: int
    net: int
    cost: int
    realised: int
    version: int
    trade_id: int
    lots: int
    """Bought; negative = sold."""
    price: int
    time_ns: int


def place_after(sequence: int) -> int:
    """The place after everything that commands up to this one changed."""
    return (sequence + 1) * COMMAND_SPAN - 1


def event_id(place: int) -> bytes:
    """A place as the id of an event: `journal sequence.index`."""
    return b"%d.%d" % divmod(place, COMMAND_SPAN)


def last_id(events: bytes) -> bytes | None:
    """The last id in events of a stream; None when none has one. Data are single lines."""
    start = events.rfind(b"\nid: ") + 1
    if not events.startswith(b"id: ", start):
        return None
    return events[start + len(b"id: ") : events.index(b"\n", start)]


def place_of(text: str) -> int | None:
    """What an event's id says; None when it is none of ours."""
    sequence, dot, index = text.partition(".")
    digits = sequence + index
    if not dot or not digits.isascii() or not digits.isdigit() or not (sequence and index):
        return None
    if len(digits) > DIGITS_MAX or int(index) >= COMMAND_SPAN:
        return None
    place = int(sequence) * COMMAND_SPAN + int(index)
    return place if place < 2**64 else None
