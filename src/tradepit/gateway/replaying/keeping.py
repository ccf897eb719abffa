"""Replays that outlive their process: what is kept of each, in one small file."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

import msgspec
import structlog

from tradepit.gateway.replaying.shapes import ReplayWish

log = structlog.get_logger(__name__)

FILE_NAME: Final = "replays.json"

SEQ_JUMP: Final = 1_000_000_000
"""Added to the seq of a replay that comes back: what was sent since it was kept is unknown, and no
number of it may be given out again. More than the fastest replay sends between two keepings."""


class Kept(msgspec.Struct, frozen=True, kw_only=True):
    """One replay as it was when it was kept."""

    id: str
    wish: ReplayWish
    """With the present speed, loop and state."""
    owner: str | None
    position: int
    seq: int


class Keeper:
    """Keeps the replays of a process in a folder."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / FILE_NAME
        self._kept = b"[]"

    def keep(self, replays: list[Kept]) -> None:
        """Write what has changed; a failure costs only what a restart would bring back."""
        data = msgspec.json.encode(replays)
        if data == self._kept:
            return
        growing = self._path.with_suffix(".partial")
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            growing.write_bytes(data)
            os.replace(growing, self._path)
        except OSError as error:
            log.warning("replays are not kept", reason=str(error))
            return
        self._kept = data

    def kept(self) -> list[Kept]:
        """What the process before has kept; nothing when it cannot be read."""
        try:
            self._kept = self._path.read_bytes()
            return msgspec.json.decode(self._kept, type=list[Kept])
        except FileNotFoundError:
            return []
        except (OSError, msgspec.MsgspecError) as error:
            log.warning("kept replays are forgotten", reason=str(error))
            return []
