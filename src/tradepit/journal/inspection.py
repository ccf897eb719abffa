"""Looking into a journal: counts, and commands as records that people read."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from tradepit.domain import wire
from tradepit.domain.wire import (
    FRAME_HEADER,
    FRAME_HEADER_BYTES,
    RECORD_BYTES,
    CommandKind,
    FrameHeader,
    RecordFlag,
)
from tradepit.journal.frame import frame_bytes
from tradepit.journal.layout import DataDirectory
from tradepit.journal.scan import Run, Tail, read_run


class JournalCounts(NamedTuple):
    """What a journal holds."""

    frames: int
    commands: int
    size_bytes: int
    """Bytes of frames, without preallocated space."""
    first_time_ns: int
    last_time_ns: int
    incarnations: int
    """Runs of nodes that wrote it."""
    kinds: Counter[str]
    """Commands by kind."""


class Command(NamedTuple):
    """One command, taken apart."""

    sequence: int
    time_ns: int
    kind: str
    fields: dict[str, Any]
    """Header and body, without fields that are zero."""
    text: str | None


def count(directory: DataDirectory, tail: Tail) -> JournalCounts:
    """Count what a checked journal holds."""
    frames = size_bytes = first_time = last_time = 0
    incarnations: set[int] = set()
    kinds = np.zeros(256, dtype=np.int64)
    for run in tail.runs:
        data = read_run(directory, run)
        size_bytes += len(data)
        for at, header in _headers(data):
            frames += 1
            first_time = first_time or header.time_ns
            last_time = header.time_ns
            incarnations.add(header.incarnation)
            start = at + FRAME_HEADER_BYTES
            end = start + header.record_count * RECORD_BYTES
            for kind in data[start:end:RECORD_BYTES]:
                kinds[kind] += 1
    named = Counter({_kind_name(kind): int(kinds[kind]) for kind in np.flatnonzero(kinds).tolist()})
    return JournalCounts(
        frames, named.total(), size_bytes, first_time, last_time, len(incarnations), named
    )


def read_commands(
    directory: DataDirectory, tail: Tail, *, first: int, last: int | None
) -> Iterator[Command]:
    """Yield the commands from sequence `first` through `last` (None: to the end)."""
    for run, after in zip(tail.runs, [*tail.runs[1:], None], strict=True):
        begins_later = last is not None and run.first_sequence > last
        ends_before = after is not None and after.first_sequence <= first
        if not begins_later and not ends_before:
            yield from _commands(directory, run, first, last)


def _commands(
    directory: DataDirectory, run: Run, first: int, last: int | None
) -> Iterator[Command]:
    data = read_run(directory, run)
    for at, header in _headers(data):
        text_at = at + FRAME_HEADER_BYTES + header.record_count * RECORD_BYTES
        for index in range(header.record_count):
            start = at + FRAME_HEADER_BYTES + index * RECORD_BYTES
            record, text = data[start : start + RECORD_BYTES], None
            if record[1] & RecordFlag.TEXT:
                length = int.from_bytes(data[text_at : text_at + 2], "little")
                text = data[text_at + 2 : text_at + 2 + length].decode(errors="replace")
                text_at += 2 + length
            sequence = header.first_sequence + index
            if sequence >= first and (last is None or sequence <= last):
                kind = _kind_name(record[0])
                yield Command(sequence, header.time_ns, kind, _fields(record), text)


def _headers(data: bytes) -> Iterator[tuple[int, FrameHeader]]:
    at = 0
    while at < len(data):
        header = FrameHeader(*FRAME_HEADER.unpack_from(data, at))
        yield at, header
        at += frame_bytes(header.record_count, header.text_bytes)


def _kind_name(kind: int) -> str:
    return CommandKind(kind).name if kind in wire.COMMANDS else f"UNKNOWN_{kind}"


def _fields(record: bytes) -> dict[str, Any]:
    kind = record[0]
    is_known = kind in wire.COMMANDS
    layout: Any = wire.COMMANDS[kind] if is_known else wire.CommandHeader
    packed = getattr(wire, _kind_name(kind)) if is_known else wire.COMMAND_HEADER
    values = zip(layout._fields, packed.unpack(record), strict=True)
    return {name: value for name, value in values if value and name != "kind"}
