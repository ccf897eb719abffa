"""What waits for a consumer that reads too slowly: counted, and bounded three ways.

A write goes to the kernel at once while the consumer keeps up. What the kernel does not take waits
in the transport; how much of it, in messages and for how long, is known here, because the transport
counts bytes only.
"""

from __future__ import annotations

import asyncio
import socket
from collections import deque
from typing import Final, NamedTuple

from tradepit.gateway.config import GatewayConfig

SEND_BUFFER_BYTES: Final = 256 << 10
"""Of the kernel, per connection (it takes twice as much). Left to itself it grows to megabytes,
and a consumer that stalls holds messages that are long out of date."""


class _Batch(NamedTuple):
    """One write that has not been taken whole."""

    end: int
    """Bytes written to the connection up to its end."""
    messages: int
    since_s: float


class Outlet:
    """The way to one consumer."""

    __slots__ = ("_batches", "_limits", "_messages", "_wire", "_written")

    def __init__(self, wire: asyncio.Transport, limits: GatewayConfig) -> None:
        self._wire = wire
        self._limits = limits
        self._batches: deque[_Batch] = deque()
        self._messages = 0
        self._written = 0
        end = wire.get_extra_info("socket")
        if end is not None:
            end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)

    def write(self, data: bytes, messages: int, now_s: float) -> None:
        """Write some messages; look at `excess` before."""
        self._wire.write(data)
        self._written += len(data)
        if self._batches or self._wire.get_write_buffer_size():
            self._batches.append(_Batch(self._written, messages, now_s))
            self._messages += messages

    def excess(self, now_s: float) -> str | None:
        """Which bound is exceeded, in words; None while the consumer keeps up."""
        waiting = self._wire.get_write_buffer_size()
        if not waiting:
            self._batches.clear()
            self._messages = 0
            return None
        taken = self._written - waiting
        batches = self._batches
        while batches and batches[0].end <= taken:
            self._messages -= batches.popleft().messages
        limits = self._limits
        if waiting > limits.socket_buffer_max:
            return f"{waiting} bytes wait, at most {limits.socket_buffer_max} may"
        if self._messages > limits.socket_messages_max:
            return f"{self._messages} messages wait, at most {limits.socket_messages_max} may"
        if batches and now_s - batches[0].since_s > limits.socket_wait_max:
            return f"a message has waited for more than {limits.socket_wait_max:g} seconds"
        return None

    @property
    def waiting_bytes(self) -> int:
        """Bytes that the kernel has not taken."""
        return self._wire.get_write_buffer_size()
