"""Writing order-by-order records to DBN: conversions, and the live market."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Final

from databento_dbn import Metadata

from tradepit.marketdata.dbn_writer import DbnWriter, metadata_kept, metadata_of
from tradepit.marketdata.sources.dbn import DbnSource
from tradepit.marketdata.sources.journal import JournalTail
from tradepit.marketdata.sources.source import Mapping, Progress, Source

POLL_SECONDS: Final = 0.05
"""Between two looks at the journal of a quiet market."""

FLUSH_SECONDS: Final = 1.0
"""How long what has happened may wait for its place in a file that is followed; a compressed file
gets a piece each time."""


def is_compressed(path: Path) -> bool:
    """Whether a file of this name is to be written compressed."""
    return path.suffix == ".zst"


def convert(source: Source, out: Path, progress: Progress | None = None) -> int:
    """Write a whole source as a DBN file; gives the number of records.

    The file appears under its name when it is whole. The header of a DBN file is kept.

    Raises:
        RecordingError: the source is damaged; no file is left.
        OSError: the file cannot be written.
    """
    with DbnWriter(out, _header(source), is_compressed=is_compressed(out)) as writer:
        for chunk in source.chunks(progress):
            writer.write(chunk)
        writer.close(_header(source))
        return writer.records


def _header(source: Source) -> Metadata:
    if isinstance(source, DbnSource) and source.header is not None:
        return metadata_kept(source.header)
    return metadata_of(source.info)


def follow(
    tail: JournalTail,
    out: Path,
    *,
    wait: Callable[[float], bool],
    flush_seconds: float = FLUSH_SECONDS,
) -> int:
    """Write a market's records as they come; gives their number.

    The file grows under its own name. Killed at any moment it has all whole pieces that were
    flushed; a reader gives those and then tells that the end is torn.

    Args:
        wait: sleeps for so many seconds; True = stop.
    Raises:
        RecordingError: the journal is damaged or holds what no record can.
        OSError: the file cannot be written.
    """
    records = tail.step()
    described = _described(tail)
    with DbnWriter(
        out, _open_header(tail), is_compressed=is_compressed(out), is_live=True
    ) as writer:
        is_stopping = False
        flushed = time.monotonic()
        while records is not None or not is_stopping:
            if records is not None:
                writer.write(records)
            if _described(tail) != described:
                described = _described(tail)
                writer.replace_header(_open_header(tail))
            if time.monotonic() - flushed >= flush_seconds:
                writer.flush()
                flushed = time.monotonic()
            if records is None:
                is_stopping = wait(POLL_SECONDS)
            records = tail.step()
        writer.close(metadata_of(tail.info))
        return writer.records


def _described(tail: JournalTail) -> tuple[int | None, list[Mapping]]:
    """What the header of a file says that is still growing."""
    return tail.info.start_ns, tail.info.mappings


def _open_header(tail: JournalTail) -> Metadata:
    """A header without an end."""
    return metadata_of(replace(tail.info, end_ns=None))
