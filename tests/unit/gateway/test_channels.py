"""Channels: frames, numbers, and what a reconnect may resume."""

from __future__ import annotations

import pytest

from tradepit.gateway.channels import Channel, Name
from tradepit.gateway.messages import (
    Message,
    as_events,
    as_frames,
    event_id,
    feed_sequence_of,
    text_frame,
)


@pytest.mark.parametrize("size", [0, 1, 125, 126, 127, 65_535, 65_536, 200_000])
def test_frames_say_their_length_as_rfc_6455_wants(size: int) -> None:
    payload = b"x" * size
    frame = text_frame(payload)
    assert frame[0] == 0x81
    if size < 126:
        assert (frame[1], frame[2:]) == (size, payload)
    elif size < 65_536:
        assert (frame[1], int.from_bytes(frame[2:4], "big"), frame[4:]) == (126, size, payload)
    else:
        assert (frame[1], int.from_bytes(frame[2:10], "big"), frame[10:]) == (127, size, payload)


def channel_of(*places: int, window: int = 4) -> Channel:
    channel = Channel(Name("book", 1), '{"channel":"book:X","seq":', 10, window)
    for place in places:
        channel.push(place, "{}")
    return channel


FIRST = b'{"channel":"book:X","seq":11,"previous_seq":10,"data":{}}'
SECOND = b'{"channel":"book:X","seq":15,"previous_seq":11,"data":{}}'


def test_messages_name_their_number_and_the_one_before() -> None:
    messages = channel_of(11, 15).pending
    assert as_frames(messages) == text_frame(FIRST) + text_frame(SECOND)
    assert as_events(messages) == b"id: 0.11\ndata: %b\n\nid: 0.15\ndata: %b\n\n" % (FIRST, SECOND)


def test_events_of_several_channels_come_in_one_order_and_an_id_covers_all_before_it() -> None:
    one = [Message(3_000_001, 0, b"a"), Message(3_000_004, 0, b"d")]
    other = [Message(3_000_001, 0, b"b"), Message(3_000_002, 0, b"c")]
    assert as_events([*one, *other]) == (
        b"data: a\n\nid: 3.1\ndata: b\n\nid: 3.2\ndata: c\n\nid: 3.4\ndata: d\n\n"
    )
    assert as_events([]) == b""


@pytest.mark.parametrize("text", ["", "1", "1.", ".1", "1.1000000", "-1.1", "1.-1", "٣.1", "1.2.3"])
def test_what_is_no_id_is_told(text: str) -> None:
    assert feed_sequence_of(text) is None


def test_ids_are_read_as_they_were_written() -> None:
    for feed_sequence in (0, 1, 999_999, 1_000_000, 7_000_000_000_001):
        assert feed_sequence_of(event_id(feed_sequence).decode()) == feed_sequence


def test_a_reconnect_gets_exactly_what_it_missed() -> None:
    channel = channel_of(11, 15, 16)
    messages = list(channel.window)
    assert channel.since(10) == messages
    assert channel.since(11) == messages[1:]
    assert channel.since(13) == messages[1:]
    assert channel.since(16) == channel.since(31) == []


def test_beyond_the_window_nothing_can_be_resumed() -> None:
    channel = channel_of(*range(11, 31))
    assert channel.since(25) is None
    assert channel.since(26) is not None
    assert channel.since(0) is None
    assert channel_of().since(9) is None
    assert channel_of().since(10) == []
