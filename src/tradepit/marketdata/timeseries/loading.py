"""Loading recordings and journals into a store, each record once."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
import xxhash

from tradepit.journal.layout import Place as Boundary
from tradepit.marketdata.records import FLAG_SNAPSHOT
from tradepit.marketdata.sources.journal import JournalSource, JournalTail, goes_on, market_number
from tradepit.marketdata.sources.opening import open_source
from tradepit.marketdata.sources.source import (
    CHUNK_RECORDS,
    UNKNOWN_TIME,
    MboRecords,
    Progress,
    RecordingError,
    Source,
    SourceInfo,
    new_records,
)
from tradepit.marketdata.timeseries.catalog import (
    Catalog,
    Load,
    LoadedBook,
    Place,
    StoreError,
)
from tradepit.marketdata.timeseries.sampling import Sampler
from tradepit.marketdata.timeseries.staging import Staging

LEVELS: Final = 10
"""Of each side of the book that are kept of every second."""

READ_BYTES: Final = 1 << 20

ProgressOf = Callable[[str], Progress]
"""Gives the progress of a named step."""


class Outcome(NamedTuple):
    """What one source came to."""

    load: Load
    records: int
    """New ones; 0 = it was there."""
    overlaps: tuple[str, ...]
    """Names of loads that cover a part of the same time of the same book."""


class Changed(StoreError):
    """A file was loaded before with other content."""

    def __init__(self, path: Path, old: Load) -> None:
        super().__init__(
            f"{path.name} was loaded before with other content ({old.records:,} records): "
            "--replace puts this one in its place"
        )
        self.old = old


def load_path(
    root: Path,
    path: Path,
    *,
    levels: int = LEVELS,
    replace: bool = False,
    progress_of: ProgressOf | None = None,
) -> Outcome:
    """Load a recording, or go on with a market's journal.

    Args:
        levels: of each side, for `depth`.
        replace: let a file that was loaded under this path with other content give way to it.
    Raises:
        RecordingError: the source is damaged; nothing of it is in the store then.
        Changed: the file's content is another than before, and `replace` was not given.
        StoreError: the store cannot be used.
        OSError: the disk.
    """
    source = open_source(path)
    catalog = Catalog(root)
    with catalog.writing():
        if isinstance(source, JournalSource):
            return _load_journal(catalog, path, levels, progress_of)
        return _load_file(catalog, source, levels, replace, progress_of)


class _Loading:
    """The rows of a source while it is read."""

    def __init__(self, folder: Path, levels: int, before: Load | None = None) -> None:
        self.staging = Staging(folder, levels)
        self.sampler = Sampler(levels)
        self.records = 0 if before is None else before.records
        self._applied = self.records
        self.books: dict[tuple[int, int], LoadedBook] = {}
        for book in () if before is None else before.books:
            self.books[book.publisher_id, book.instrument_id] = book

    def resume(self, snapshot: MboRecords, seconds: dict[int, int]) -> None:
        """Begin with books as a journal left them; they have been loaded."""
        self.sampler.resume(snapshot, seconds)
        self._applied -= len(snapshot)

    def close(self) -> None:
        self.staging.close()

    def add(self, records: MboRecords) -> None:
        best, samples = self.sampler.apply(records)
        self.staging.add_messages(records, self.records)
        self.staging.add_best(best, self._applied)
        self.staging.add_samples(samples)
        self.records += len(records)
        self._count(records)

    def _count(self, records: MboRecords) -> None:
        keys = records["publisher_id"].astype(np.int64) << 32 | records["instrument_id"]
        order = np.argsort(keys, kind="stable")
        keys, records = keys[order], records[order]
        starts = np.flatnonzero(np.append(True, keys[1:] != keys[:-1]))
        counts = np.diff(np.append(starts, len(keys)))
        times = records["ts_event"]
        is_timed = (times != UNKNOWN_TIME) & ((records["flags"] & FLAG_SNAPSHOT) == 0)
        first = np.minimum.reduceat(np.where(is_timed, times, UNKNOWN_TIME), starts)
        last = np.maximum.reduceat(np.where(is_timed, times, 0), starts)
        found = (each.tolist() for each in (keys[starts], counts, first, last))
        for key, count, first_ns, last_ns in zip(*found, strict=True):
            self._count_book(key >> 32, key & 0xFFFFFFFF, count, first_ns, last_ns)

    def _count_book(
        self, publisher_id: int, instrument_id: int, count: int, first_ns: int, last_ns: int
    ) -> None:
        names = publisher_id, instrument_id
        book = self.books.get(names)
        if book is None:
            book = self.books[names] = LoadedBook(
                publisher_id=publisher_id, instrument_id=instrument_id, symbols=[], records=0
            )
        book.records += count
        if first_ns != UNKNOWN_TIME:
            book.first_ns = first_ns if book.first_ns is None else min(first_ns, book.first_ns)
            book.last_ns = last_ns if book.last_ns is None else max(last_ns, book.last_ns)

    def named_books(self, info: SourceInfo) -> list[LoadedBook]:
        for book in self.books.values():
            book.symbols = info.symbols_of(book.instrument_id) or [str(book.instrument_id)]
        return [self.books[key] for key in sorted(self.books)]


def _load_file(
    catalog: Catalog,
    source: Source,
    levels: int,
    replace: bool,
    progress_of: ProgressOf | None,
) -> Outcome:
    name = str(source.path.resolve())
    loads = catalog.loads()
    content = _content(source)
    for load in loads:
        if content in load.contents:
            return _known(catalog, load, name, content)
    former = next((load for load in loads if name in load.names), None)
    if former is not None and not replace:
        raise Changed(source.path, former)
    with closing(_Loading(catalog.staging, levels)) as loading:
        digest = xxhash.xxh3_128()
        for chunk in source.chunks(progress_of and progress_of(f"reading {source.path.name}")):
            digest.update(chunk.tobytes())
            loading.add(chunk)
        if not loading.records:
            raise RecordingError(source.path, "holds no order-by-order records")
        load_id = _fingerprint(digest, source.info)
        for load in loads:
            if load.id == load_id:
                return _known(catalog, load, name, content)
        loading.staging.add_samples(loading.sampler.finish())
        progress = progress_of and progress_of(f"writing {source.path.name}")
        out = loading.staging.write(source.info, load_id, progress)
        load = Load(
            id=load_id,
            kind=source.info.format,
            dataset=source.info.dataset or "none",
            names=[name],
            contents=[content],
            records=loading.records,
            levels=levels,
            books=loading.named_books(source.info),
            files=catalog.move_in(out, load_id),
            replaces=[former.id] if former is not None else [],
        )
    catalog.write(load)
    others = [each for each in loads if each is not former]
    return Outcome(load, load.records, _overlaps(load, others))


def _load_journal(
    catalog: Catalog, path: Path, levels: int, progress_of: ProgressOf | None
) -> Outcome:
    load_id = f"market-{market_number(path):016x}"
    before = next((load for load in catalog.loads() if load.id == load_id), None)
    tail = _tail(path, before)
    if before is not None:
        levels = before.levels
    with closing(_Loading(catalog.staging, levels, before)) as loading:
        first = 1
        if before is not None and before.place is not None:
            first = before.place.sequence + 1
            snapshot = tail.step() if tail.has_snapshot else None
            seconds = {_key(name): second for name, second in before.place.seconds.items()}
            loading.resume(new_records(0) if snapshot is None else snapshot, seconds)
        for records in _rest(tail, progress_of and progress_of(f"reading {path.name}")):
            loading.add(records)
        new = loading.records - (0 if before is None else before.records)
        if before is not None and not new:
            return Outcome(before, 0, ())
        progress = progress_of and progress_of(f"writing {path.name}")
        out = loading.staging.write(tail.info, load_id, progress)
        files = catalog.move_in(out, f"{load_id}-{first:020}")
        load = Load(
            id=load_id,
            kind="journal",
            dataset=tail.info.dataset,
            names=[str(path.resolve())],
            contents=[],
            records=loading.records,
            levels=levels,
            books=loading.named_books(tail.info),
            files=[*(() if before is None else before.files), *files],
            place=_place(tail, loading.sampler),
        )
    catalog.write(load)
    return Outcome(load, new, ())


def _tail(path: Path, before: Load | None) -> JournalTail:
    """The journal from where it was left."""
    if before is None or before.place is None:
        return JournalTail(path, first_sequence=1)
    place = before.place
    if not goes_on(path, Boundary(place.segment, place.offset, place.sequence, place.crc)):
        raise StoreError(
            f"{path} is not the journal that was loaded, or is damaged: it does not go on from "
            f"sequence {place.sequence:,} as it was"
        )
    return JournalTail(path, first_sequence=place.sequence + 1)


def _rest(tail: JournalTail, progress: Progress | None) -> Iterator[MboRecords]:
    """Everything up to what was durable when the journal was opened, or a little more."""
    while tail.place.sequence < tail.durable_sequence and (records := tail.step()) is not None:
        for start in range(0, len(records), CHUNK_RECORDS):
            yield records[start : start + CHUNK_RECORDS]
        if progress is not None:
            progress(tail.place.sequence, tail.durable_sequence)


def _place(tail: JournalTail, sampler: Sampler) -> Place:
    names = {f"{key >> 32}:{key & 0xFFFFFFFF}": key for key in sampler.seconds}
    return Place(
        **tail.place._asdict(),
        seconds={name: sampler.seconds[key] for name, key in names.items()},
    )


def _key(name: str) -> int:
    publisher, instrument = map(int, name.split(":"))
    return publisher << 32 | instrument


def _known(catalog: Catalog, load: Load, name: str, content: str) -> Outcome:
    """What is there already; another name or another form of it is noted."""
    if name not in load.names or content not in load.contents:
        load.names = list(dict.fromkeys([*load.names, name]))
        load.contents = list(dict.fromkeys([*load.contents, content]))
        catalog.write(load)
    return Outcome(load, 0, ())


def _content(source: Source) -> str:
    """Fingerprint of a source's files, and of their name where it says what is in them."""
    path = source.path
    digest = xxhash.xxh3_128(b"" if source.info.format == "dbn" else path.name.encode())
    files = sorted(each for each in path.iterdir() if each.is_file()) if path.is_dir() else [path]
    for file in files:
        with file.open("rb") as opened:
            while data := opened.read(READ_BYTES):
                digest.update(data)
    return digest.hexdigest()


def _fingerprint(digest: xxhash.xxh3_128, info: SourceInfo) -> str:
    """Of records and what their numbers stand for."""
    named = xxhash.xxh3_128(digest.digest())
    for each in sorted(info.mappings, key=lambda each: (each.instrument_id, each.start)):
        named.update(f"{each.symbol}\0{each.instrument_id}\0{each.start}\0{each.end}\0".encode())
    named.update(info.dataset.encode())
    return named.hexdigest()


def _overlaps(load: Load, others: list[Load]) -> tuple[str, ...]:
    """Loads with records of the same book in the same time: such records are there twice."""
    return tuple(
        other.names[0]
        for other in others
        if other.dataset == load.dataset
        and any(_overlap(mine, theirs) for mine in load.books for theirs in other.books)
    )


def _overlap(mine: LoadedBook, theirs: LoadedBook) -> bool:
    if (mine.publisher_id, mine.symbols) != (theirs.publisher_id, theirs.symbols):
        return False
    if mine.first_ns is None or theirs.first_ns is None:
        return False
    return mine.first_ns <= (theirs.last_ns or 0) and theirs.first_ns <= (mine.last_ns or 0)
