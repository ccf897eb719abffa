from tradepit._native import scan_frames
from tradepit.domain import commands, wire
from tradepit.journal.frame import build_frame, frame_bytes, frame_crc, texts_of
from tradepit.journal.port import Group
from tradepit.testing import frames as plain

RECORDS = commands.open_account() + commands.tick() + commands.open_account()
TEXTS = commands.account_text("alice") + commands.account_text("bob", "Bob")
GROUP = Group(RECORDS, TEXTS, 3, 1_700_000_000_000_000_000)


def build(group: Group) -> bytes:
    return build_frame(
        group,
        first_sequence=7,
        incarnation=11,
        frame_number=13,
        generation=2,
        partition=3,
        previous_crc=0xDEADBEEF,
    ).data


def test_a_frame_is_byte_for_byte_what_the_independent_writer_writes():
    header = wire.FrameHeader(
        first_sequence=7,
        incarnation=11,
        frame_number=13,
        time_ns=GROUP.time_ns,
        generation=2,
        partition=3,
        previous_crc=0xDEADBEEF,
    )
    written = plain.build_frame(
        header,
        [
            plain.Command(RECORDS[:96], b"alice"),
            plain.Command(RECORDS[96:192]),
            plain.Command(RECORDS[192:], b"bob\x1fBob"),
        ],
    )
    assert build(GROUP) == written
    assert len(written) == frame_bytes(3, len(TEXTS))


def test_the_native_scanner_takes_the_frame():
    found = scan_frames(build(GROUP), 7, 0xDEADBEEF)
    assert found.problem == ""
    assert found.last_sequence == 9
    assert found.last_crc == frame_crc(build(GROUP))


def test_texts_are_split_by_the_records_that_own_them():
    assert texts_of(RECORDS[:96], TEXTS) == commands.account_text("alice")
    assert texts_of(RECORDS[:192], TEXTS) == commands.account_text("alice")
    assert texts_of(RECORDS, TEXTS) == TEXTS
    assert texts_of(b"", TEXTS) == b""
