"""Channels: frames, names, and what may be conflated."""

from __future__ import annotations

import pytest

from tradepit.gateway.channel_names import Name, Pattern, check_conflation, parse
from tradepit.gateway.messages import as_one, text_frame
from tradepit.gateway.problems import Refused


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


def test_one_message_is_a_frame_or_an_event() -> None:
    assert as_one(b"{}", is_stream=False) == text_frame(b"{}")
    assert as_one(b"{}", is_stream=True) == b"data: {}\n\n"


@pytest.mark.parametrize("channel", ["", "book", "book:", "weather:X", "execution:X", "prints"])
def test_what_is_no_channel_is_refused(channel: str) -> None:
    if channel == "book:":
        assert parse(channel, 0) == Pattern("book", "")
        return
    with pytest.raises(Refused):
        parse(channel, 0)


def test_only_books_are_conflated() -> None:
    assert parse("book:A-B", 100) == Pattern("book", "A-B", 100)
    assert parse("bbo:A-B", 100) == Pattern("bbo", "A-B", 100)
    assert parse("orders:A-B", 100) == Pattern("orders", "A-B")
    assert parse("execution", 100) == Pattern("execution")


def test_conflation_has_bounds() -> None:
    assert [check_conflation(given) for given in (None, 10, 10_000)] == [0, 10, 10_000]
    for given in (9, 10_001, 0, -1):
        with pytest.raises(Refused) as refused:
            check_conflation(given)
        assert refused.value.problem.status == 400


def test_a_subscriber_calls_every_form_of_a_channel_by_one_name() -> None:
    assert Name("book", 1).is_same_channel(Name("book", 1, 0, 100))
    assert Name("orders", 1).is_same_channel(Name("orders", 1, 7))
    assert not Name("book", 1).is_same_channel(Name("book", 2))
    assert not Name("execution", 0, 1).is_same_channel(Name("execution", 0, 2))
