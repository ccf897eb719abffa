"""Journal frames for tests: a plain writer and reader, independent of the node's own.

Layout: schema/records.toml.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from tradepit.domain import wire

COMMAND_STRUCTS = {kind: getattr(wire, kind.name) for kind in wire.CommandKind}
EVENT_STRUCTS = {kind: getattr(wire, kind.name) for kind in wire.EventKind}
COMMAND_KINDS: dict[type[Any], int] = {cls: kind for kind, cls in wire.COMMANDS.items()}
EVENT_KINDS: dict[type[Any], int] = {cls: kind for kind, cls in wire.EVENTS.items()}
TEXT_LENGTH = struct.Struct("<H")
CRC_OFFSET = wire.FRAME_HEADER_BYTES - 4


@dataclass(frozen=True, slots=True)
class Command:
    """One command as it stands in a frame: the record's 96 bytes and its text, if any."""

    record: bytes
    text: bytes | None = None

    @property
    def kind(self) -> int:
        return self.record[0]

    def fields(self) -> Any:
        """The record as the NamedTuple of its kind; only the header for an unknown kind."""
        if self.kind in wire.COMMANDS:
            cls: Any = wire.COMMANDS[self.kind]
            return cls._make(COMMAND_STRUCTS[wire.CommandKind(self.kind)].unpack(self.record))
        return wire.CommandHeader._make(wire.COMMAND_HEADER.unpack(self.record))


@dataclass(frozen=True, slots=True)
class Frame:
    """A whole frame, taken apart."""

    header: wire.FrameHeader
    commands: tuple[Command, ...]


@dataclass(frozen=True, slots=True)
class Event:
    """One event: the NamedTuple of its kind and its text, if any."""

    fields: Any
    text: bytes | None = None

    @property
    def kind(self) -> int:
        return int(self.fields.kind)


def command(fields: Any, text: bytes | str | None = None) -> Command:
    """Pack a wire NamedTuple; kind and the TEXT flag follow from class and text."""
    if isinstance(text, str):
        text = text.encode()
    kind = wire.CommandKind(COMMAND_KINDS[type(fields)])
    flags = fields.flags & ~wire.RecordFlag.TEXT
    if text is not None:
        flags |= wire.RecordFlag.TEXT
    return Command(COMMAND_STRUCTS[kind].pack(*fields._replace(kind=kind, flags=flags)), text)


def unknown_command(kind: int) -> Command:
    """A command record of a kind that this schema does not have."""
    return Command(wire.COMMAND_HEADER.pack(*wire.CommandHeader(kind=kind)))


def pack_texts(texts: Sequence[bytes]) -> bytes:
    return b"".join(TEXT_LENGTH.pack(len(text)) + text for text in texts)


def pack_events(events: Sequence[Event]) -> bytes:
    return b"".join(EVENT_STRUCTS[wire.EventKind(e.kind)].pack(*e.fields) for e in events)


def read_events(records: bytes, texts: bytes = b"") -> list[Event]:
    """Event records and their texts as the engines return them, taken apart."""
    result = []
    offset = 0
    for start in range(0, len(records), wire.RECORD_BYTES):
        kind = wire.EventKind(records[start])
        cls: Any = wire.EVENTS[kind]
        fields = cls._make(EVENT_STRUCTS[kind].unpack_from(records, start))
        text = None
        if fields.flags & wire.RecordFlag.TEXT:
            (length,) = TEXT_LENGTH.unpack_from(texts, offset)
            text = texts[offset + 2 : offset + 2 + length]
            offset += 2 + length
        result.append(Event(fields, text))
    if offset != len(texts):
        raise ValueError(f"{len(texts) - offset} bytes of text belong to no event")
    return result


class FrameWriter:
    """Writes the frames of one incarnation, each chained to the one before."""

    def __init__(self, incarnation: int = 1, *, next_sequence: int = 1) -> None:
        self.incarnation = incarnation
        self.next_sequence = next_sequence
        self.frame_number = 0
        self.previous_crc = 0

    def write(
        self, commands: Sequence[Command], time_ns: int, *, sequence_given: bool = True
    ) -> bytes:
        """One frame; `sequence_given` False leaves first_sequence 0 (order of arrival)."""
        self.frame_number += 1
        header = wire.FrameHeader(
            first_sequence=self.next_sequence if sequence_given else 0,
            incarnation=self.incarnation,
            frame_number=self.frame_number,
            time_ns=time_ns,
            generation=1,
            previous_crc=self.previous_crc,
        )
        frame = build_frame(header, commands)
        self.next_sequence += len(commands)
        self.previous_crc = crc_of(frame)
        return frame


def crc_of(frame: bytes) -> int:
    """The crc that the next frame has to name."""
    return int.from_bytes(frame[CRC_OFFSET : CRC_OFFSET + 4], "little")


def build_frame(header: wire.FrameHeader, commands: Sequence[Command]) -> bytes:
    """A frame with this header; magic, version, counts and crc are filled in."""
    texts = pack_texts([c.text for c in commands if c.text is not None])
    body = b"".join(c.record for c in commands) + texts
    header = header._replace(
        magic=wire.FRAME_MAGIC,
        schema_version=wire.SCHEMA_VERSION,
        record_count=len(commands),
        text_bytes=len(texts),
        crc=0,
    )
    frame: bytes = wire.FRAME_HEADER.pack(*header) + body
    frame += bytes(-len(frame) % 8)
    return frame[:CRC_OFFSET] + zlib.crc32(frame).to_bytes(4, "little") + frame[CRC_OFFSET + 4 :]


def read_frames(buffer: bytes) -> Iterator[Frame]:
    """Take whole frames apart. The crc is the writer's business, not looked at here."""
    offset = 0
    while offset < len(buffer):
        header = wire.FrameHeader._make(wire.FRAME_HEADER.unpack_from(buffer, offset))
        if header.magic != wire.FRAME_MAGIC:
            raise ValueError(f"no frame at {offset}")
        records = offset + wire.FRAME_HEADER_BYTES
        text = records + header.record_count * wire.RECORD_BYTES
        commands = []
        for start in range(records, text, wire.RECORD_BYTES):
            record = buffer[start : start + wire.RECORD_BYTES]
            words = None
            if record[1] & wire.RecordFlag.TEXT:
                (length,) = TEXT_LENGTH.unpack_from(buffer, text)
                words = buffer[text + 2 : text + 2 + length]
                text += 2 + length
            commands.append(Command(record, words))
        yield Frame(header, tuple(commands))
        size = records - offset + len(commands) * wire.RECORD_BYTES + header.text_bytes
        offset += size + -size % 8
