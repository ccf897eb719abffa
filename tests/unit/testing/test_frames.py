"""The tests' own frame writer and reader."""

from __future__ import annotations

import zlib

import pytest

from tradepit._native import scan_frames
from tradepit.domain import wire
from tradepit.testing.frames import (
    Command,
    Event,
    FrameWriter,
    command,
    crc_of,
    pack_events,
    pack_texts,
    read_events,
    read_frames,
    unknown_command,
)

COMMANDS = [
    command(wire.OpenAccount(mode=wire.AccountType.CASH), "ann\x1fÄnn"),
    command(wire.PlaceOrder(account=1, price=-5, quantity=2**62), None),
    command(wire.DefineAsset(asset=1), ""),
    unknown_command(200),
]


def test_a_frame_reads_back_as_it_was_written() -> None:
    writer = FrameWriter(incarnation=3)
    buffer = writer.write(COMMANDS, 99) + writer.write(COMMANDS[1:2], 100, sequence_given=False)
    first, second = read_frames(buffer)
    assert list(first.commands) == COMMANDS
    assert list(second.commands) == COMMANDS[1:2]
    assert (first.header.first_sequence, second.header.first_sequence) == (1, 0)
    assert (first.header.frame_number, second.header.frame_number) == (1, 2)
    assert second.header.previous_crc == first.header.crc


def test_the_crc_covers_the_frame_with_the_crc_field_zero() -> None:
    frame = FrameWriter().write(COMMANDS, 0)
    assert len(frame) % 8 == 0
    assert zlib.crc32(frame[:60] + bytes(4) + frame[64:]) == crc_of(frame)


def test_the_native_scanner_accepts_what_the_writer_writes() -> None:
    writer = FrameWriter()
    buffer = b"".join(writer.write(COMMANDS, stamp) for stamp in range(3))
    scan = scan_frames(buffer, 1, 0)
    assert (scan.problem, scan.frames, scan.valid_bytes) == ("", 3, len(buffer))
    assert (scan.last_sequence, scan.last_crc) == (3 * len(COMMANDS), writer.previous_crc)


def test_text_flag_follows_from_the_text() -> None:
    assert command(wire.Tick(), "x").record[1] & wire.RecordFlag.TEXT
    assert not command(wire.Tick(flags=wire.RecordFlag.TEXT)).record[1]


def test_an_unknown_kind_shows_its_header_only() -> None:
    assert unknown_command(200).fields() == wire.CommandHeader(kind=200)


def test_something_else_is_no_frame() -> None:
    with pytest.raises(ValueError):
        list(read_frames(bytes(64)))


def test_events_read_back_with_the_texts_that_belong_to_them() -> None:
    events = [
        Event(wire.MassCancelled(kind=wire.EventKind.MASS_CANCELLED, count=3)),
        Event(
            wire.AssetDefined(kind=wire.EventKind.ASSET_DEFINED, flags=wire.RecordFlag.TEXT),
            b"USD",
        ),
    ]
    assert read_events(pack_events(events), pack_texts([b"USD"])) == events
    with pytest.raises(ValueError):
        read_events(pack_events(events), pack_texts([b"USD", b"left over"]))


def test_a_command_is_its_record_and_text() -> None:
    assert Command(COMMANDS[0].record, COMMANDS[0].text) == COMMANDS[0]
