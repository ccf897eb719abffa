"""How messages travel: frames of a WebSocket, or events of an event stream.

The messages of channels are wrapped natively (`crates/core/src/feed/channel.rs`), once per flush
for all receivers; here is what is sent to one.
"""

from __future__ import annotations

from typing import Final, Protocol

_SHORT: Final = 126
_LONG: Final = 2**16


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


def as_one(text: bytes, *, is_stream: bool) -> bytes:
    """One message, as a subscriber of this sort takes it; an event without an id."""
    return b"data: %b\n\n" % text if is_stream else text_frame(text)
