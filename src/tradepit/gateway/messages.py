"""Feed messages, and how they travel: frames of a WebSocket, or events of an event stream.

A message is written once; each way of travelling wraps that text once per flush, for all receivers.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, NamedTuple, Protocol

from tradepit.marketdata.feeds import COMMAND_SPAN

_SHORT: Final = 126
_LONG: Final = 2**16


class Message(NamedTuple):
    """One message of a channel."""

    feed_sequence: int
    previous: int
    """Feed sequence of the channel's message before."""
    text: bytes


class Subscriber(Protocol):
    """Somebody who is sent messages."""

    is_stream: bool
    """Takes events of an event stream; otherwise frames of a WebSocket."""

    def send(self, data: bytes, messages: int = 1) -> None: ...


def text_frame(payload: bytes) -> bytes:
    """A server's WebSocket text frame: one message, unmasked."""
    size = len(payload)
    if size < _SHORT:
        return bytes((0x81, size)) + payload
    if size < _LONG:
        return b"\x81\x7e" + size.to_bytes(2, "big") + payload
    return b"\x81\x7f" + size.to_bytes(8, "big") + payload


def as_frames(messages: Iterable[Message]) -> bytes:
    """Messages as WebSocket frames."""
    return b"".join([text_frame(message.text) for message in messages])


def as_events(messages: Iterable[Message]) -> bytes:
    """Messages, in the order of their feed sequences, as events of an event stream.

    An event's id says that everything up to it was sent: of messages with one feed sequence (of
    several channels) only the last carries it, and a reader that was cut between them goes on
    before the first.
    """
    pieces: list[bytes] = []
    after = -1
    ordered = sorted(messages, key=_by_sequence)
    for message in ordered[::-1]:
        sequence = message.feed_sequence
        head = b"" if sequence == after else b"id: %b\n" % event_id(sequence)
        pieces.append(b"%bdata: %b\n\n" % (head, message.text))
        after = sequence
    return b"".join(reversed(pieces))


def event_id(feed_sequence: int) -> bytes:
    """`journal sequence.index`."""
    return b"%d.%d" % divmod(feed_sequence, COMMAND_SPAN)


def feed_sequence_of(text: str) -> int | None:
    """What an event's id says; None when it is none of ours."""
    sequence, dot, index = text.partition(".")
    digits = sequence + index
    if not dot or not digits.isascii() or not digits.isdigit() or not (sequence and index):
        return None
    if len(digits) > 20 or int(index) >= COMMAND_SPAN:
        return None
    return int(sequence) * COMMAND_SPAN + int(index)


def _by_sequence(message: Message) -> int:
    return message.feed_sequence
