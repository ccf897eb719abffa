"""The readers of the fan-out benchmark notice everything that is wrong with a stream."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime, timedelta

import pytest
from bench.programs import LoadFailed
from bench.reading import Got, Readers, read_streams
from tests.unit.bench.stream_server import Pieces, Stream, Wrap, event, message, serving, snapshot

pytestmark = pytest.mark.skipif(shutil.which("cargo") is None, reason="the readers need Rust")

SECONDS = 0.4
FIRST = 41
TOGETHER = 50
"""Messages of one write."""
BOTH = ("sse", "ws")


def read(stream: Stream, *, drain: float = 0.0, **counts: int) -> Got:
    counts = counts or {"sse": 3, "ws": 2}
    readers = Readers(**counts, seconds=SECONDS, warm_up=0.1, drain=drain)
    with serving(stream) as port:
        return read_streams(readers, port)


def numbers(*seqs: int) -> Stream:
    """A stream of these numbers, the first one its snapshot."""

    def stream(wrap: Wrap) -> Pieces:
        yield wrap(snapshot(seqs[0]))
        yield b"".join(wrap(message(seq)) for seq in seqs[1:])

    return stream


def right(wrap: Wrap) -> Pieces:
    """Goes on for ever; pieces end in the middle of messages."""
    yield wrap(snapshot(FIRST))
    seq, rest = FIRST, b""
    while True:
        seqs = range(seq + 1, seq + 1 + TOGETHER)
        data = rest + b"".join(wrap(message(each)) for each in seqs)
        cut = len(data) - seq % 97
        yield data[:cut]
        seq, rest = seqs[-1], data[cut:]


def test_right_streams_are_right_and_counted() -> None:
    got = read(right)
    assert (got.readers, got.served, got.errors, got.problem) == (5, 5, 0, None)
    assert 0 < got.measured <= got.messages
    assert got.per_second == pytest.approx(got.measured / SECONDS)
    assert 0 < got.slowest_per_second <= got.per_second / 5
    assert got.timed == got.measured
    assert 0 < got.p50_ms <= got.p99_ms <= got.max_ms < 10_000


def test_readers_that_are_drained_end_at_the_same_message() -> None:
    got = read(numbers(*range(FIRST, FIRST + 500)), drain=5.0)
    assert (got.errors, got.messages) == (0, 5 * 500)
    assert got.last_seq_min == got.last_seq_max == FIRST + 499


@pytest.mark.parametrize("way", BOTH)
@pytest.mark.parametrize(
    ("seqs", "gaps", "repeats"),
    [
        ((5, 6, 7, 8, 9), 0, 0),
        ((5, 7, 8, 9), 1, 0),
        ((5, 6, 6, 7), 0, 1),
        ((5, 6, 8, 7, 9), 1, 1),
        ((5, 6, 7, 5, 6, 7, 8), 0, 3),
        ((5, 4, 6), 0, 1),
    ],
)
def test_gaps_repeats_and_swaps_are_found_at_every_reader(
    way: str, seqs: tuple[int, ...], gaps: int, repeats: int
) -> None:
    got = read(numbers(*seqs), **{way: 2})
    assert (got.gaps, got.repeats, got.malformed) == (2 * gaps, 2 * repeats, 0)
    assert (got.problem is None) == (gaps + repeats == 0)


def test_one_wrong_reader_among_many_is_found() -> None:
    served: list[int] = []

    def one_is_wrong(wrap: Wrap) -> Pieces:
        served.append(1)
        yield from numbers(*((5, 6, 8) if len(served) == 7 else (5, 6, 7)))(wrap)

    got = read(one_is_wrong, sse=10, ws=10)
    assert (got.gaps, got.errors) == (1, 1)


@pytest.mark.parametrize("way", BOTH)
@pytest.mark.parametrize("kept", [1, 9, 30])
def test_message_that_is_cut_by_the_end_is_found(way: str, kept: int) -> None:
    def cut(wrap: Wrap) -> Pieces:
        yield wrap(snapshot(1))
        yield wrap(message(2))
        yield wrap(message(3))[:-kept]
        raise OSError

    got = read(cut, **{way: 1})
    assert (got.messages, got.malformed, got.ended) == (2, 1, 1)


@pytest.mark.parametrize("way", BOTH)
@pytest.mark.parametrize(
    "text", [b'{"seq":3', b'{"seq":}', b'{"number":3,"seq":3}', b'{"seq":3,"text":"x"', b""]
)
def test_text_that_is_no_message_is_found(way: str, text: bytes) -> None:
    def stream(wrap: Wrap) -> Pieces:
        yield wrap(snapshot(1))
        yield wrap(message(2))
        yield wrap(text)

    got = read(stream, **{way: 1})
    assert (got.messages, got.malformed) == (2, 1)


def test_frame_that_is_no_whole_text_is_found() -> None:
    def stream(wrap: Wrap) -> Pieces:
        yield wrap(snapshot(1))
        whole = wrap(message(2))
        yield b"\x01" + whole[1:]

    got = read(stream, ws=1)
    assert (got.messages, got.malformed) == (1, 1)


def test_event_without_its_field_is_found() -> None:
    def stream(wrap: Wrap) -> Pieces:
        yield event(snapshot(1))
        yield event(message(2)).replace(b"data: ", b"date: ")

    got = read(stream, sse=1)
    assert (got.messages, got.malformed) == (1, 1)


@pytest.mark.parametrize("way", BOTH)
def test_reader_that_is_cut_is_found_with_the_reason(way: str) -> None:
    def stream(wrap: Wrap) -> Pieces:
        yield wrap(snapshot(1))
        if wrap is event:
            yield b'event: error\ndata: {"code":"slow_consumer"}\n\n'
        else:
            yield b"\x88\x0f" + (4008).to_bytes(2, "big") + b"slow_consumer"

    got = read(stream, **{way: 1})
    assert (got.ended, got.malformed) == (1, 0)
    assert "slow_consumer" in (got.problem or "")


def test_control_messages_count_and_need_no_time() -> None:
    def stream(wrap: Wrap) -> Pieces:
        yield wrap(snapshot(1))
        yield wrap(b'{"seq":2,"state":"playing"}')
        yield b": keep-alive\n\n" if wrap is event else b"\x89\x02hi"
        yield wrap(b'{"seq":3}') + wrap(message(4))

    got = read(stream, sse=1, ws=1)
    assert (got.errors, got.messages) == (0, 8)


@pytest.mark.parametrize("age_ms", [50, 3_000])
def test_latency_is_from_leaving_to_receipt(age_ms: int) -> None:
    def stream(wrap: Wrap) -> Pieces:
        yield wrap(snapshot(0))
        seq = 0
        while True:
            seq += 1
            yield wrap(message(seq, age_ns=age_ms * 1_000_000))

    got = read(stream)
    assert age_ms <= got.p50_ms < age_ms + 40


def test_message_from_the_future_is_an_error() -> None:
    def stream(wrap: Wrap) -> Pieces:
        yield wrap(snapshot(0))
        seq = 0
        while True:
            seq += 1
            yield wrap(message(seq, age_ns=-1_000_000_000))

    got = read(stream)
    assert got.early == got.timed > 0
    assert got.errors > 0


@pytest.mark.parametrize("sample", [1, 16, 1_000])
def test_sample_has_its_share_and_the_last_of_each_read(sample: int) -> None:
    with serving(right) as port:
        readers = Readers(sse=2, seconds=SECONDS, warm_up=0.1, sample=sample)
        got = read_streams(readers, port)
    assert got.errors == 0
    assert got.measured / sample <= got.timed + 2
    assert got.timed == got.measured if sample == 1 else got.timed < got.measured / 4


def test_readers_that_come_and_go_are_served_and_checked() -> None:
    def stream(wrap: Wrap) -> Pieces:
        yield from numbers(*range(5, 300), 301)(wrap)

    readers = Readers(sse=1, ws=1, reconnecting=10, seconds=2.5, warm_up=0.0)
    with serving(stream) as port:
        got = read_streams(readers, port)
    assert got.reconnects >= 20
    assert got.reconnects_unserved == 0
    assert got.gaps >= 2 + got.reconnects
    assert 0 < got.reconnect_p50_ms < 1_000


def trade(channel: bytes, seq: int, age_ms: int = 0) -> bytes:
    moment = datetime.now(UTC) - timedelta(milliseconds=age_ms)
    stamp = moment.strftime("%Y-%m-%dT%H:%M:%S.%f").encode() + b"000Z"
    return b'{"channel":"%b","seq":%d,"data":{"executed_at":"%b"}}' % (channel, seq, stamp)


def channels(*messages: tuple[bytes, int], age_ms: int = 0) -> Stream:
    """The answer to what was asked, then messages of channels, one read after the other."""

    def stream(wrap: Wrap) -> Pieces:
        if wrap is event:
            yield b"id: 3.9\n\n"
        yield wrap(b'{"id":1,"op":"subscribe","channel":"trades:*","status":200}')
        for _ in range(15):
            yield b""
        for channel, seq in messages:
            yield wrap(trade(channel, seq, age_ms))

    return stream


def read_channels(stream: Stream) -> Got:
    asked = '{"id":1,"op":"subscribe","channel":"trades:*"}'
    readers = Readers(kind="channel", subscribe=asked, sse=2, ws=2, seconds=SECONDS, warm_up=0.0)
    with serving(stream) as port:
        return read_streams(readers, port)


def test_channels_of_one_stream_are_counted_apart() -> None:
    got = read_channels(channels((b"a", 1), (b"b", 7), (b"b", 8), (b"a", 2), age_ms=500))
    assert (got.errors, got.messages, got.messages_min, got.messages_max) == (0, 16, 4, 4)
    assert 500 <= got.p50_ms < 600


def test_gap_and_repeat_in_one_of_the_channels_are_found() -> None:
    got = read_channels(channels((b"a", 1), (b"b", 7), (b"a", 3), (b"b", 7), (b"b", 8)))
    assert (got.gaps, got.repeats, got.errors) == (4, 4, 8)


def test_slow_readers_take_nothing_until_they_are_cut() -> None:
    def stream(wrap: Wrap) -> Pieces:
        yield wrap(snapshot(0))
        seq = 0
        while True:
            yield b"".join(wrap(message(each)) for each in range(seq + 1, seq + 5_001))
            seq += 5_000

    with serving(stream, patience=0.3) as port:
        readers = Readers(sse=1, ws=1, slow=4, seconds=2.0, warm_up=0.1)
        got = read_streams(readers, port)
    assert (got.slow, got.slow_cut) == (4, 4)
    assert (got.readers, got.errors) == (2, 0)


def test_streams_that_never_begin_are_said_to_have_none() -> None:
    def refusing(wrap: Wrap) -> Pieces:
        raise OSError
        yield b""

    with serving(refusing) as port, pytest.raises(LoadFailed, match="have no stream"):
        read_streams(Readers(sse=1), port)
