"""Commands to frame bytes. The layout is schema/records.toml, [frame]."""

from __future__ import annotations

from typing import Final, NamedTuple
from zlib import crc32

from tradepit.domain.wire import (
    FRAME_HEADER,
    FRAME_HEADER_BYTES,
    FRAME_MAGIC,
    RECORD_BYTES,
    SCHEMA_VERSION,
    RecordFlag,
)
from tradepit.journal.port import Group

ALIGNMENT_BYTES: Final = 8
CRC_BYTES: Final = 4
"""The checksum is the last field of the header."""

_PADDING: Final = tuple(bytes(-length % ALIGNMENT_BYTES) for length in range(ALIGNMENT_BYTES))


class Frame(NamedTuple):
    """A frame's bytes and their checksum, which the next frame repeats."""

    data: bytes
    crc: int


def frame_bytes(record_count: int, text_bytes: int) -> int:
    """Return the size of a frame in bytes."""
    return FRAME_HEADER_BYTES + RECORD_BYTES * record_count + text_bytes + -text_bytes % 8


def build_frame(
    group: Group,
    *,
    first_sequence: int,
    incarnation: int,
    frame_number: int,
    generation: int,
    partition: int,
    previous_crc: int,
) -> Frame:
    """Return the frame of a group of commands, checksum included."""
    text_bytes = len(group.texts)
    fields = (
        FRAME_MAGIC,
        SCHEMA_VERSION,
        0,
        group.commands,
        text_bytes,
        first_sequence,
        incarnation,
        frame_number,
        group.time_ns,
        generation,
        partition,
        previous_crc,
    )
    body = group.records + group.texts + _PADDING[text_bytes % ALIGNMENT_BYTES]
    crc = crc32(body, crc32(FRAME_HEADER.pack(*fields, 0)))
    return Frame(FRAME_HEADER.pack(*fields, crc) + body, crc)


def frame_crc(data: bytes) -> int:
    """Return the checksum that a frame's bytes should carry."""
    start = FRAME_HEADER_BYTES - CRC_BYTES
    return crc32(data[FRAME_HEADER_BYTES:], crc32(bytes(CRC_BYTES), crc32(data[:start])))


def texts_of(records: bytes, texts: bytes) -> bytes:
    """Return the text entries that belong to these records, from the front of a frame's texts."""
    at = 0
    for start in range(0, len(records), RECORD_BYTES):
        if records[start + 1] & RecordFlag.TEXT:
            at += 2 + int.from_bytes(texts[at : at + 2], "little")
    return texts[:at]
