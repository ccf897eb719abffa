"""Messages, some with a file descriptor, between two processes of one machine."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
from collections import deque
from collections.abc import Callable
from typing import Final

import structlog

log = structlog.get_logger(__name__)

SIZE_BYTES: Final = 4
READ_BYTES: Final = 1 << 18
DESCRIPTORS_PER_READ: Final = 64
"""The kernel passes no more than 253 at once."""

PENDING_BYTES_MAX: Final = 64 << 20
"""What waits for a process that does not read; beyond it the link counts as broken."""

MESSAGE_BYTES_MAX: Final = 64 << 20

Take = Callable[[bytes, int | None], None]
"""One message, and the descriptor that came with it, which now belongs to the taker. What it raises
is logged."""


class Link:
    """One end of a pair of connected Unix sockets, on the running event loop.

    A message that carries a descriptor says so in its first byte: descriptors arrive in the order
    of their messages, and with or before their bytes.
    """

    def __init__(self, end: socket.socket, take: Take, on_lost: Callable[[], None]) -> None:
        end.setblocking(False)
        self._end = end
        self._take = take
        self._on_lost = on_lost
        self._loop = asyncio.get_running_loop()
        self._read = bytearray()
        self._descriptors: deque[int] = deque()
        self._pending: deque[tuple[memoryview, int | None]] = deque()
        self._pending_bytes = 0
        self._is_closed = False
        self._loop.add_reader(end.fileno(), self._on_readable)

    @property
    def is_closed(self) -> bool:
        return self._is_closed

    def send(self, message: bytes, descriptor: int | None = None) -> None:
        """Send a message; a descriptor is passed on, and closed here once it is on its way."""
        if self._is_closed:
            _close(descriptor)
            return
        flag = b"\x00" if descriptor is None else b"\x01"
        data = (len(message) + 1).to_bytes(SIZE_BYTES, "little") + flag + message
        self._pending.append((memoryview(data), descriptor))
        self._pending_bytes += len(data)
        if len(self._pending) == 1:
            self._write()
        if self._pending_bytes > PENDING_BYTES_MAX:
            self._lose()

    def close(self) -> None:
        """Let go of the other side, without telling anybody here."""
        if self._is_closed:
            return
        self._is_closed = True
        self._loop.remove_reader(self._end.fileno())
        self._loop.remove_writer(self._end.fileno())
        self._end.close()
        for _, descriptor in self._pending:
            _close(descriptor)
        for descriptor in self._descriptors:
            _close(descriptor)
        self._pending.clear()
        self._descriptors.clear()

    def _lose(self) -> None:
        if not self._is_closed:
            self.close()
            self._on_lost()

    def _write(self) -> None:
        while self._pending:
            data, descriptor = self._pending[0]
            try:
                if descriptor is None:
                    sent = self._end.send(data)
                else:
                    sent = socket.send_fds(self._end, [data], [descriptor])
            except (BlockingIOError, InterruptedError):
                self._loop.add_writer(self._end.fileno(), self._on_writable)
                return
            except OSError:
                self._lose()
                return
            _close(descriptor)
            self._pending_bytes -= sent
            if sent == len(data):
                self._pending.popleft()
            else:
                self._pending[0] = (data[sent:], None)

    def _on_writable(self) -> None:
        self._loop.remove_writer(self._end.fileno())
        self._write()

    def _on_readable(self) -> None:
        try:
            data, descriptors, _, _ = socket.recv_fds(
                self._end, READ_BYTES, DESCRIPTORS_PER_READ, socket.MSG_CMSG_CLOEXEC
            )
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            self._lose()
            return
        self._descriptors.extend(descriptors)
        if not data:
            self._lose()
            return
        self._read += data
        self._take_messages()

    def _take_messages(self) -> None:
        while not self._is_closed and len(self._read) >= SIZE_BYTES:
            size = int.from_bytes(self._read[:SIZE_BYTES], "little")
            if not 0 < size <= MESSAGE_BYTES_MAX:
                self._lose()
                return
            end = SIZE_BYTES + size
            if len(self._read) < end:
                return
            has_descriptor = bool(self._read[SIZE_BYTES])
            if has_descriptor and not self._descriptors:  # the kernel could not pass it on
                self._lose()
                return
            descriptor = self._descriptors.popleft() if has_descriptor else None
            message = bytes(self._read[SIZE_BYTES + 1 : end])
            del self._read[:end]  # before anything can fail: nothing comes twice
            self._deliver(message, descriptor)

    def _deliver(self, message: bytes, descriptor: int | None) -> None:
        """Hand over a message; one that fails takes none of the next with it."""
        try:
            self._take(message, descriptor)
        except Exception:
            log.exception("a message between processes failed", size_bytes=len(message))


def _close(descriptor: int | None) -> None:
    if descriptor is not None:
        with contextlib.suppress(OSError):
            os.close(descriptor)
