"""Telling whether a recording is still the one that an index was made from."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from tradepit.journal.layout import DataDirectory
from tradepit.marketdata.replays.description import FORMAT_VERSION
from tradepit.marketdata.sources.source import RecordingError

FINGERPRINT_BYTES: Final = 16


def fingerprint_of(path: Path) -> str:
    """32 hex digits of where the recording lies, how long its files are and when they changed, and
    of the version of indexes.

    Raises: RecordingError when there is nothing, or it cannot be looked at.
    """
    try:
        place = path.resolve(strict=True)
        lines = [f"index {FORMAT_VERSION}"]
        for file in _files(place):
            facts = file.stat()
            lines.append(f"{facts.st_size} {facts.st_mtime_ns} {file}")
    except OSError as error:
        reason = f"cannot be read: {error.strerror or error}"
        raise RecordingError(path, reason) from error
    text = "\n".join(lines).encode("utf-8", "surrogateescape")
    return hashlib.blake2b(text, digest_size=FINGERPRINT_BYTES).hexdigest()


def _files(place: Path) -> Iterator[Path]:
    """What a source reads at this place; the place itself comes first."""
    yield place
    if place.is_dir():
        directory = DataDirectory(place)
        if directory.journal.is_dir():
            yield from sorted(directory.journal.iterdir())
            yield from filter(Path.exists, [directory.mark])
        else:
            yield from sorted(place.iterdir())
        return
    # LOBSTER has the book beside the messages.
    book = place.with_name(place.name.replace("_message_", "_orderbook_"))
    if book != place and book.exists():
        yield book
