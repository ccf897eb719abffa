"""A server of streams that are right, or wrong in a way that a reader has to notice."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

EVENT_HEAD: Final = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n"
SOCKET_HEAD: Final = b"HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\n\r\n"
PAUSE_SECONDS: Final = 0.01
"""Between two writes, so that a stream lasts a while."""

Pieces = Iterator[bytes]
Wrap = Callable[[bytes], bytes]
Stream = Callable[[Wrap], Pieces]
"""Makes the pieces of a stream; what it is given wraps the text of a message."""


def event(text: bytes) -> bytes:
    return b"id: 1\ndata: %b\n\n" % text


def frame(text: bytes) -> bytes:
    size = len(text)
    if size < 126:
        return bytes((0x81, size)) + text
    return b"\x81\x7e" + size.to_bytes(2, "big") + text


def snapshot(seq: int) -> bytes:
    return b'{"seq":%d,"snapshot":{"bids":[],"asks":[]}}' % seq


def message(seq: int, *, age_ns: int = 0) -> bytes:
    filling = b"x" * (seq % 300)
    return b'{"seq":%d,"text":"%b","left_ns":%d}' % (seq, filling, time.time_ns() - age_ns)


@contextmanager
def serving(stream: Stream, *, patience: float | None = None) -> Iterator[int]:
    """Serve it to whoever comes, as events or, where an upgrade is asked for, as frames.

    Args:
        patience: seconds after which a reader is cut that takes nothing.
    """
    stopped = threading.Event()
    threads: list[threading.Thread] = []

    def serve(connection: socket.socket) -> None:
        with connection:
            head = b""
            while not head.endswith(b"\r\n\r\n"):
                head += connection.recv(1)
            connection.settimeout(patience)
            is_socket = b"Upgrade: websocket" in head
            try:
                connection.sendall(SOCKET_HEAD if is_socket else EVENT_HEAD)
                for piece in stream(frame if is_socket else event):
                    connection.sendall(piece)
                    if stopped.wait(PAUSE_SECONDS):
                        return
                stopped.wait()
            except OSError:
                return

    def accept() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            threads.append(threading.Thread(target=serve, args=(connection,)))
            threads[-1].start()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        acceptor = threading.Thread(target=accept)
        acceptor.start()
        try:
            yield listener.getsockname()[1]
        finally:
            stopped.set()
            listener.shutdown(socket.SHUT_RDWR)
            acceptor.join()
            for thread in threads:
                thread.join()
