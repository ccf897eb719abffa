"""Channels: frames, numbers, and what a reconnect may resume."""

from __future__ import annotations

import pytest

from tradepit.gateway.channels import Channel, Name, text_frame


class Listener:
    def __init__(self) -> None:
        self.got: list[bytes] = []

    def send(self, frames: bytes) -> None:
        self.got.append(frames)


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


def test_messages_name_their_number_and_the_one_before() -> None:
    channel = channel_of(11, 15)
    listener = Listener()
    channel.subscribers[listener] = None
    channel.flush()
    assert listener.got == [
        text_frame(b'{"channel":"book:X","seq":11,"previous_seq":10,"data":{}}')
        + text_frame(b'{"channel":"book:X","seq":15,"previous_seq":11,"data":{}}')
    ]
    channel.flush()
    assert len(listener.got) == 1


def test_a_reconnect_gets_exactly_what_it_missed() -> None:
    channel = channel_of(11, 15, 16)
    frames = [frame for _, _, frame in channel.window]
    assert channel.since(10) == b"".join(frames)
    assert channel.since(11) == b"".join(frames[1:])
    assert channel.since(13) == b"".join(frames[1:])
    assert channel.since(16) == b""


def test_beyond_the_window_or_ahead_nothing_can_be_resumed() -> None:
    channel = channel_of(*range(11, 31))
    assert channel.since(25) is None
    assert channel.since(26) is not None
    assert channel.since(31) is None
    assert channel.since(0) is None
    assert channel_of().since(9) is None
    assert channel_of().since(10) == b""
