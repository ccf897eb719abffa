"""Takes connections from a listening socket, many per turn of the loop.

libuv, and so uvloop's own server, accepts one connection per turn. Under load a turn lasts several
milliseconds, and thousands of clients that arrive together would wait for minutes, be dropped from
the kernel's queue, and see resets.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from typing import Final

import structlog

log = structlog.get_logger(__name__)

ACCEPTED_PER_TURN_MAX: Final = 128
"""Making a connection costs some 50 us: a turn grows by a few milliseconds at most."""

PAUSE_SECONDS: Final = 1.0
"""How long to wait when the process has no file descriptor left."""


class Listener:
    """Accepts connections until it is closed."""

    def __init__(
        self, listener: socket.socket, connection: Callable[[], asyncio.Protocol], backlog: int
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._listener = listener
        self._connection = connection
        self._tasks: set[asyncio.Task[object]] = set()
        self._resume: asyncio.TimerHandle | None = None
        listener.setblocking(False)
        listener.listen(backlog)
        self._start()

    def close(self) -> None:
        """Take no more connections."""
        if self._resume is not None:
            self._resume.cancel()
        self._loop.remove_reader(self._listener)
        for task in self._tasks:
            task.cancel()
        self._listener.close()

    def _start(self) -> None:
        self._resume = None
        self._loop.add_reader(self._listener, self._accept)

    def _accept(self) -> None:
        for _ in range(ACCEPTED_PER_TURN_MAX):
            try:
                accepted, _ = self._listener.accept()
            except (BlockingIOError, InterruptedError):
                return
            except ConnectionAbortedError:
                continue
            except OSError as error:
                log.error("no connection can be taken", error=str(error))
                self._loop.remove_reader(self._listener)
                self._resume = self._loop.call_later(PAUSE_SECONDS, self._start)
                return
            task = self._loop.create_task(self._connect(accepted))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _connect(self, accepted: socket.socket) -> None:
        accepted.setblocking(False)
        try:
            await self._loop.connect_accepted_socket(self._connection, accepted)
        except OSError:  # it is gone again
            accepted.close()
        except BaseException:
            accepted.close()
            raise
