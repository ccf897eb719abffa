"""Recorded order-by-order sessions: Databento DBN files (MBO schema) as a stream of events.

An event is a run of records that change the book in one step. It ends with a record that carries
`F_LAST`; looking at the book before that record shows states that never existed. Snapshot records
make one event of their own: older files give them neither a clear record before nor `F_LAST` after.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final, NamedTuple

from databento_dbn import (
    F_LAST,
    F_SNAPSHOT,
    UNDEF_PRICE,
    Compression,
    DBNDecoder,
    DBNError,
    MBOMsg,
    Metadata,
    Schema,
)

PRICE_SCALE: Final = 1_000_000_000
"""Prices of a recording are whole numbers of 1e-9 units of the quote currency."""

CHUNK_BYTES: Final = 256 * 1024
"""Read size: large enough to amortise the call, small enough to stream a day of data."""

EVENT_RECORDS_MAX: Final = 4_000_000
"""A file whose events never end is refused instead of filling the memory."""

ZSTD_MAGIC: Final = b"\x28\xb5\x2f\xfd"


class RecordingError(Exception):
    """The file is no readable order-by-order recording; `path` and `reason` say why."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(f"{path.name}: {reason}")
        self.path = path
        self.reason = reason


class MboRecord(NamedTuple):
    """One market-by-order record.

    Units: price in 1e-9 of the quote currency (None when the record has none), size in lots, times
    in ns since the Unix epoch. `action` is one of A, C, M, R, T, F, N; `side` is B, A or N.
    """

    action: str
    side: str
    price: int | None
    size: int
    order_id: int
    flags: int
    sequence: int
    time_event_ns: int
    time_received_ns: int


class RecordedEvent(NamedTuple):
    """Records that change the book in one step; `number` counts the file's events from 0."""

    number: int
    is_snapshot: bool
    records: tuple[MboRecord, ...]

    @property
    def time_ns(self) -> int:
        """When the recorder received the end of the event, in ns since the Unix epoch."""
        return self.records[-1].time_received_ns


class RecordingInfo(NamedTuple):
    """What the header of a recording says."""

    dataset: str
    symbols: tuple[str, ...]
    start_ns: int
    end_ns: int | None


def read_info(path: Path) -> RecordingInfo:
    """Read the header of a recording without its records.

    Raises: RecordingError when the file is no DBN file of MBO records.
    """
    for item in _decode(path):
        if isinstance(item, Metadata):
            return _info(path, item)
        break
    raise RecordingError(path, "the header is missing")


def read_events(path: Path, *, instrument_id: int | None = None) -> Iterator[RecordedEvent]:
    """Yield the events of one instrument of a recording, in file order.

    Args:
        instrument_id: the instrument wanted; may be omitted when the file holds only one.
    Raises:
        RecordingError: not DBN, not MBO, damaged, or several instruments and none chosen.
    """
    return group_events(_records(path, instrument_id))


def group_events(records: Iterable[MboRecord]) -> Iterator[RecordedEvent]:
    """Cut a stream of records of one instrument into events."""
    pending: list[MboRecord] = []
    in_snapshot = False
    number = 0
    for record in records:
        snapshot = bool(record.flags & F_SNAPSHOT)
        if pending and snapshot != in_snapshot:
            yield RecordedEvent(number, in_snapshot, tuple(pending))
            number += 1
            pending.clear()
        in_snapshot = snapshot
        pending.append(record)
        if record.flags & F_LAST:
            yield RecordedEvent(number, in_snapshot, tuple(pending))
            number += 1
            pending.clear()
        elif len(pending) > EVENT_RECORDS_MAX:
            raise ValueError(f"an event of more than {EVENT_RECORDS_MAX} records")
    if pending:
        yield RecordedEvent(number, in_snapshot, tuple(pending))


def _records(path: Path, instrument_id: int | None) -> Iterator[MboRecord]:
    chosen = instrument_id
    for message in _decode(path):
        if isinstance(message, Metadata):
            _info(path, message)
            continue
        if not isinstance(message, MBOMsg):
            raise RecordingError(path, f"holds {type(message).__name__} records, not MBO")
        if chosen is None:
            chosen = message.instrument_id
        elif message.instrument_id != chosen:
            if instrument_id is None:
                raise RecordingError(path, "holds several instruments; choose one by its id")
            continue
        price = message.price
        yield MboRecord(
            str(message.action),
            str(message.side),
            None if price == UNDEF_PRICE else price,
            message.size,
            message.order_id,
            int(message.flags),
            message.sequence,
            message.ts_event,
            message.ts_recv,
        )


def _decode(path: Path) -> Iterator[object]:
    with path.open("rb") as file:
        chunk = file.read(CHUNK_BYTES)
        decoder = DBNDecoder(compression=_compression(chunk))
        while chunk:
            try:
                messages = decoder.write_and_decode(chunk)
            except DBNError as error:
                raise RecordingError(path, str(error)) from error
            yield from messages
            chunk = file.read(CHUNK_BYTES)
        if decoder.buffer():
            raise RecordingError(path, "ends inside a record")


def _compression(start: bytes) -> Compression:
    return Compression.from_str("zstd" if start.startswith(ZSTD_MAGIC) else "none")


def _info(path: Path, metadata: Metadata) -> RecordingInfo:
    if metadata.schema is not None and metadata.schema != Schema.MBO:
        raise RecordingError(path, f"holds {metadata.schema} records, not MBO")
    return RecordingInfo(
        dataset=metadata.dataset,
        symbols=tuple(metadata.symbols),
        start_ns=metadata.start,
        end_ns=metadata.end,
    )
