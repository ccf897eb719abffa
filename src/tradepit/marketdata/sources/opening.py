"""Finding out what a path holds, and opening it."""

from __future__ import annotations

from pathlib import Path

from tradepit.journal.layout import DataDirectory
from tradepit.marketdata.sources.dbn import DbnSource
from tradepit.marketdata.sources.itch import ItchSource
from tradepit.marketdata.sources.journal import JournalSource
from tradepit.marketdata.sources.lobster import LobsterSource, is_lobster
from tradepit.marketdata.sources.source import RecordingError, Source


def open_source(path: Path) -> Source:
    """Open what a path holds: DBN, LOBSTER, ITCH, or a data directory of a market.

    Raises:
        RecordingError: it is none of these, or cannot be read.
    """
    try:
        if is_lobster(path):
            return LobsterSource(path)
        if path.is_dir():
            if DataDirectory(path).journal.is_dir():
                return JournalSource(path)
            raise RecordingError(path, "the folder holds neither LOBSTER files nor a journal")
        if "itch" in path.name.lower() and ".dbn" not in path.name.lower():
            return ItchSource(path)
        return DbnSource(path)
    except OSError as error:
        raise RecordingError(path, f"cannot be read: {error.strerror or error}") from error
