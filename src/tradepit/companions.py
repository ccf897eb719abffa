"""Processes beside the node: the projector, participants. They end with it, however it ends."""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import os
import signal
import socket
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

from rich.console import Console

STOP_SECONDS: Final = 5.0
PAUSE_SECONDS: Final = 1.0
PAUSE_SECONDS_MAX: Final = 30.0
"""Before a process that ended is started again: at first, and at most."""

STEADY_SECONDS: Final = 5.0
"""A process that ran for so long did not fail to start: it is back after the first pause."""

PR_SET_PDEATHSIG: Final = 1

SECRETS: Final = frozenset({"TRADEPIT_ACCESS__MASTER_KEY"})
"""Variables of the node that nobody beside it needs."""

errors = Console(stderr=True, soft_wrap=True)


class Companion:
    """A process that runs from now until `stop`. It gets no signals of the terminal."""

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        *,
        environment: Mapping[str, str] | None = None,
        is_needed: bool = False,
        attach: Callable[[socket.socket], None] | None = None,
        log: Path | None = None,
    ) -> None:
        """
        Args:
            name: what a person calls it.
            environment: variables beside our own.
            is_needed: start it again when it ends, and let it speak on standard error.
            log: a file that its standard error goes to instead; begun anew.
            attach: called before each start with one end of a new pair of sockets; the process
                inherits the other, whose number ends its command line.
        """
        self._name = name
        self._command = command
        own = {name: value for name, value in os.environ.items() if name not in SECRETS}
        self._environment = own | dict(environment or {})
        self._is_needed = is_needed
        self._attach = attach
        self._log = log
        if log is not None:
            log.parent.mkdir(parents=True, exist_ok=True)
            log.write_bytes(b"")
        self._process: asyncio.subprocess.Process | None = None
        self._running = asyncio.ensure_future(self._run())

    async def _run(self) -> None:
        pause = PAUSE_SECONDS
        while True:
            started = time.monotonic()
            link = self._new_link()
            speech = self._open_speech()
            descriptors = [] if link is None else [link.fileno()]
            self._process = await asyncio.create_subprocess_exec(
                *self._command,
                *map(str, descriptors),
                pass_fds=descriptors,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.DEVNULL,
                stderr=speech,
                start_new_session=True,
                preexec_fn=_die_with_parent(),
                env=self._environment,
            )
            if link is not None:
                link.close()
            if speech is not None and speech > 0:
                os.close(speech)
            code = await self._process.wait()
            end = "ended" if code == 0 else f"failed with exit code {code}"
            errors.print(f"`{self._name}` {end}; the market goes on")
            if not self._is_needed:
                return
            if time.monotonic() - started > STEADY_SECONDS:
                pause = PAUSE_SECONDS
            await asyncio.sleep(pause)
            pause = min(2 * pause, PAUSE_SECONDS_MAX)

    def _open_speech(self) -> int | None:
        """Where its standard error goes: a descriptor, or what `subprocess` takes for one."""
        if self._log is not None:
            return os.open(self._log, os.O_WRONLY | os.O_APPEND)
        return None if self._is_needed else asyncio.subprocess.DEVNULL

    def _new_link(self) -> socket.socket | None:
        """The process's end of a new pair."""
        if self._attach is None:
            return None
        ours, theirs = socket.socketpair()
        self._attach(ours)
        return theirs

    async def stop(self) -> None:
        """End the process, kindly at first."""
        self._running.cancel()
        await asyncio.gather(self._running, return_exceptions=True)
        process = self._process
        if process is None or process.returncode is not None:
            return
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        try:
            await asyncio.wait_for(process.wait(), STOP_SECONDS)
        except TimeoutError:
            process.kill()
            await process.wait()


def _die_with_parent() -> Callable[[], None]:
    prctl = ctypes.CDLL(None).prctl

    def ask() -> None:
        prctl(PR_SET_PDEATHSIG, signal.SIGTERM)

    return ask
