"""Making an index: one pass over a recording, books saved along the way.

Works in a folder that nobody else looks into; what makes it an index is the rename at the end,
which is `cache`'s. Native calls and writes leave the interpreter free for others.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Final

import msgspec
import numpy as np

from tradepit.marketdata.books import Books
from tradepit.marketdata.records import FLAG_SNAPSHOT, MBO_BYTES
from tradepit.marketdata.replays.description import (
    CLOCK_NAME,
    DESCRIPTION_NAME,
    FORMAT_VERSION,
    KEYFRAMES_NAME,
    RECORDS_NAME,
    SEQUENCES_NAME,
    BookName,
    IndexDescription,
    Keyframe,
    SymbolDays,
)
from tradepit.marketdata.replays.event_clock import EventClock
from tradepit.marketdata.replays.index import CLOCK_DTYPE, SEQUENCE_DTYPE
from tradepit.marketdata.sources.source import (
    MboRecords,
    Progress,
    RecordingError,
    Source,
)

KEYFRAME_MESSAGES: Final = 250_000
"""Between two saved books: what a seek has to apply at most, some 15 ms."""

FILL_RECORDS: Final = 1 << 16
"""Of the clock, written at once."""


class IndexingCancelled(Exception):
    """Building an index was given up because its caller asked for it."""


class IndexBuilder:
    """Writes the files of one index."""

    def __init__(
        self, folder: Path, *, keyframe_messages: int, reserve: Callable[[int], None]
    ) -> None:
        """
        Args:
            folder: empty, of this builder alone.
            keyframe_messages: see `KEYFRAME_MESSAGES`.
            reserve: called before so many bytes are written; raises to refuse them.
        """
        self._folder = folder
        self._keyframe_messages = keyframe_messages
        self._reserve = reserve
        self._files = ExitStack()
        self._records, self._clock, self._sequences, self._saved = (
            self._files.enter_context((folder / name).open("xb"))
            for name in (RECORDS_NAME, CLOCK_NAME, SEQUENCES_NAME, KEYFRAMES_NAME)
        )
        self._books = Books()
        self._times = EventClock()
        self._count = 0
        self._last_ns = 0
        self._keyframes: list[Keyframe] = []
        self._keyframe_due = 0

    def build(
        self,
        source: Source,
        fingerprint: str,
        *,
        progress: Progress | None,
        is_cancelled: Callable[[], bool],
    ) -> None:
        """Read the source to its end, or to where it is damaged; when this returns, all is on the
        disk.

        Raises:
            RecordingError: nothing of it can be read.
            IndexingCancelled, OSError, and what `reserve` raises.
        """
        problem = None
        with self._files:
            self._save_books()
            try:
                for records in source.chunks(progress):
                    if is_cancelled():
                        raise IndexingCancelled(source.path.name)
                    self._add(records)
            except RecordingError as error:
                if not self._count:
                    raise
                problem = error.reason
            self._fill_leading()
            self._sync()
        self._describe(source, fingerprint, problem)

    def _add(self, records: MboRecords) -> None:
        if not len(records):
            return
        times = self._times.times(records)
        sequences = np.where(records["flags"] & FLAG_SNAPSHOT, 0, records["sequence"])
        columns = (
            (self._records, records.view(np.uint8)),
            (self._clock, times.astype(CLOCK_DTYPE)),
            (self._sequences, sequences.astype(SEQUENCE_DTYPE)),
        )
        self._reserve(sum(values.nbytes for _, values in columns))
        for file, values in columns:
            file.write(values.data)
        self._last_ns = int(times[-1])
        self._apply(records)

    def _apply(self, records: MboRecords) -> None:
        """Move the books along and save them where a keyframe is due."""
        while len(records):
            part = records[: self._keyframe_due - self._count]
            self._books.apply(part)
            self._count += len(part)
            if self._count == self._keyframe_due:
                self._save_books()
            records = records[len(part) :]

    def _save_books(self) -> None:
        saved = self._books.save()
        self._reserve(len(saved))
        self._keyframes.append(Keyframe(self._count, self._saved.tell(), len(saved)))
        self._saved.write(saved)
        # Large books are saved less often, so that keyframes never outgrow the records.
        self._keyframe_due = self._count + max(self._keyframe_messages, len(saved) // MBO_BYTES)

    def _fill_leading(self) -> None:
        """Give the messages before the first known time that time."""
        self._clock.seek(0)
        for start in range(0, self._times.leading, FILL_RECORDS):
            count = min(FILL_RECORDS, self._times.leading - start)
            self._clock.write(np.full(count, self._times.start_ns, CLOCK_DTYPE).data)

    def _sync(self) -> None:
        for file in (self._records, self._clock, self._sequences, self._saved):
            file.flush()
            os.fsync(file.fileno())

    def _describe(self, source: Source, fingerprint: str, problem: str | None) -> None:
        info = source.info
        first_ns = self._times.start_ns if self._count else None
        description = IndexDescription(
            version=FORMAT_VERSION,
            fingerprint=fingerprint,
            name=source.path.name,
            format=info.format,
            format_version=info.version,
            dataset=info.dataset,
            messages=self._count,
            first_ns=first_ns,
            last_ns=None if first_ns is None else max(first_ns, self._last_ns),
            start_ns=info.start_ns,
            end_ns=info.end_ns,
            symbols=[SymbolDays(m.symbol, m.instrument_id, m.start, m.end) for m in info.mappings],
            publishers=info.publishers,
            books=[BookName(*key) for key in self._books.keys()],  # noqa: SIM118
            notes=info.notes,
            problem=problem,
            keyframes=self._keyframes,
        )
        data = msgspec.json.format(msgspec.json.encode(description))
        self._reserve(len(data))
        with (self._folder / DESCRIPTION_NAME).open("xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
