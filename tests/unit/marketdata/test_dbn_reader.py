"""DBN files read natively: every form of them, and what is told of damaged ones."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from pathlib import Path

import numpy as np
import pytest
from databento_dbn import Compression, DBNDecoder, MBOMsg
from tests.unit.marketdata.sources.recordings import CLX5, CONFORMANCE, ESH4, recording

from tradepit.marketdata.books import Applied, Books
from tradepit.marketdata.dbn_reader import (
    DbnError,
    DbnMapping,
    DbnReader,
    decode_apply,
)
from tradepit.marketdata.dbn_writer import DbnWriter, metadata_of
from tradepit.marketdata.records import MBO_BYTES, MBO_DTYPE
from tradepit.marketdata.sources.source import Mapping, MboRecords, SourceInfo
from tradepit.testing.mbo_streams import random_records

INFO = SourceInfo(
    "dbn", "3", "XNAS.ITCH", "mbo", 1_000, 2_000, ["ABC"],
    [Mapping("ABC", 7, date(2024, 1, 1), date(2024, 1, 2))],
)  # fmt: skip
COUNT = 5_000


def records() -> MboRecords:
    found = random_records(5, COUNT)
    return found[found["rtype"] == 0xA0]


def written(tmp_path: Path, name: str) -> Path:
    path = tmp_path / name
    with DbnWriter(path, metadata_of(INFO), is_compressed=path.suffix == ".zst") as writer:
        writer.write(records())
        writer.close()
    return path


def read(path: Path, chunk_records: int = 1_000) -> MboRecords:
    return np.concatenate(list(DbnReader(path, chunk_records=chunk_records)))


@pytest.mark.parametrize("name", ["out.dbn", "out.dbn.zst"])
@pytest.mark.parametrize("chunk_records", [1, 999, 1_000_000])
def test_records_come_back_as_they_were_written(
    tmp_path: Path, name: str, chunk_records: int
) -> None:
    path = written(tmp_path, name)
    assert (read(path, chunk_records) == records()).all()


def test_the_header_says_what_the_file_holds(tmp_path: Path) -> None:
    header = DbnReader(written(tmp_path, "out.dbn")).header
    assert header is not None
    assert (header.version, header.dataset, header.schema) == (3, "XNAS.ITCH", "mbo")
    assert (header.start_ns, header.end_ns, header.symbols) == (1_000, 2_000, ("ABC",))
    [mapping] = header.mappings
    assert mapping in (
        DbnMapping("ABC", "7", "2024-01-01", "2024-01-02"),
        DbnMapping("7", "ABC", "2024-01-01", "2024-01-02"),
    )


def test_a_fragment_has_no_header_and_all_its_records(tmp_path: Path) -> None:
    path = tmp_path / "out.dbn.frag"
    path.write_bytes(records().tobytes())
    assert DbnReader(path).header is None
    assert (read(path) == records()).all()


def test_times_of_sending_are_taken_off(tmp_path: Path) -> None:
    stamped = np.zeros(len(records()), [("record", MBO_DTYPE), ("ts_out", "<u8")])
    stamped["record"], stamped["ts_out"] = records(), 17
    stamped["record"]["length"] += 2
    path = tmp_path / "live.dbn.frag"
    path.write_bytes(stamped.tobytes())
    assert (read(path) == records()).all()


def test_reading_into_books_equals_reading_then_applying(tmp_path: Path) -> None:
    path = written(tmp_path, "out.dbn.zst")
    fused, apart = Books(), Books()
    applied = decode_apply(path, fused)
    assert applied == apart.apply(records())
    assert fused.save() == apart.save()


def test_a_reader_can_be_applied_in_portions(tmp_path: Path) -> None:
    reader, portions, whole = DbnReader(written(tmp_path, "out.dbn")), Books(), Books()
    sizes = []
    while (applied := reader.apply_to(portions, records=300)).records:
        sizes.append(applied.records)
    whole.apply(records())
    assert sum(sizes) == len(records())
    assert max(sizes) < 600
    assert portions.save() == whole.save()
    assert reader.progress.done_bytes == reader.progress.all_bytes


def cut_inside_a_record(data: bytes) -> bytes:
    return data[:-20]


def name_no_length(data: bytes) -> bytes:
    """The record before the last one has the length 0."""
    return data[: -2 * MBO_BYTES] + b"\0" + data[-2 * MBO_BYTES + 1 :]


@pytest.mark.parametrize(
    ("damage", "lost", "text"),
    [(cut_inside_a_record, 1, "is cut short: 36 bytes"), (name_no_length, 2, "at byte")],
)
def test_all_before_the_damage_is_delivered_and_the_place_is_named(
    tmp_path: Path, damage: Callable[[bytes], bytes], lost: int, text: str
) -> None:
    path = written(tmp_path, "out.dbn")
    path.write_bytes(damage(path.read_bytes()))
    header_bytes = len(written(tmp_path, "whole.dbn").read_bytes()) - records().nbytes
    delivered: list[MboRecords] = []
    with pytest.raises(DbnError, match=text) as told:
        delivered.extend(DbnReader(path, chunk_records=100))
    expected = records()[:-lost]
    assert (np.concatenate(delivered) == expected).all()
    byte = header_bytes + expected.nbytes
    assert f"record {len(expected)} at byte {byte}" in str(told.value)


def test_books_hold_all_before_the_damage(tmp_path: Path) -> None:
    path = written(tmp_path, "out.dbn")
    path.write_bytes(cut_inside_a_record(path.read_bytes()))
    books, expected = Books(), Books()
    with pytest.raises(DbnError, match="cut short"):
        decode_apply(path, books)
    expected.apply(records()[:-1])
    assert books.save() == expected.save()


@pytest.mark.parametrize("share", [0.3, 0.7, 0.99])
def test_a_torn_compressed_file_gives_a_true_beginning_and_an_error(
    tmp_path: Path, share: float
) -> None:
    path = written(tmp_path, "out.dbn.zst")
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
    found = [np.empty(0, MBO_DTYPE)]
    with pytest.raises(DbnError, match="decompressed byte"):
        found.extend(DbnReader(path, chunk_records=100))
    delivered = np.concatenate(found)
    assert (delivered == records()[: len(delivered)]).all()


def test_a_flipped_byte_in_a_compressed_file_is_an_error_not_a_crash(tmp_path: Path) -> None:
    path = written(tmp_path, "out.dbn.zst")
    data = bytearray(path.read_bytes())
    seen = 0
    for at in range(200, len(data), len(data) // 40):
        damaged = bytearray(data)
        damaged[at] ^= 0x55
        path.write_bytes(damaged)
        try:
            for _ in DbnReader(path):
                pass
        except DbnError:
            seen += 1
    assert seen > 0


@pytest.mark.parametrize(
    "content", [b"", b"DBN", b"DBN\x03\xff\xff", b"hello, world, this is text"]
)
def test_what_is_no_recording_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "other.dbn"
    path.write_bytes(content)
    with pytest.raises(DbnError):
        DbnReader(path)


def test_a_missing_file_is_the_systems_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"nothing\.dbn"):
        DbnReader(tmp_path / "nothing.dbn")


def test_a_legacy_file_is_refused_by_name() -> None:
    with pytest.raises(DbnError, match="legacy DBZ"):
        DbnReader(recording(CONFORMANCE) / "test_data.mbo.dbz")


@pytest.mark.parametrize("version", [1, 2, 3])
def test_every_version_gives_what_the_formats_own_library_gives(version: int) -> None:
    path = recording(CONFORMANCE) / f"test_data.mbo.v{version}.dbn.zst"
    assert read(path).tobytes() == by_the_library(path)
    header = DbnReader(path).header
    assert header is not None
    assert header.version == version


@pytest.mark.parametrize("name", [ESH4, CLX5])
def test_a_whole_recording_is_read_as_the_formats_own_library_reads_it(name: str) -> None:
    path = recording(name)
    assert read(path).tobytes() == by_the_library(path)


def by_the_library(path: Path) -> bytes:
    decoder = DBNDecoder(compression=compression(path))
    messages = decoder.write_and_decode(path.read_bytes())
    return b"".join(bytes(m)[:MBO_BYTES] for m in messages if isinstance(m, MBOMsg))


def compression(path: Path) -> Compression:
    return Compression.from_str("zstd" if path.suffix == ".zst" else "none")


@pytest.mark.parametrize("schema", ["mbp-1", "mbp-10", "trades"])
def test_records_of_other_kinds_are_counted_and_passed_over(schema: str) -> None:
    reader = DbnReader(recording(CONFORMANCE) / f"test_data.{schema}.v3.dbn.zst")
    assert list(reader) == []
    assert list(reader.skipped.values()) == [2]


def test_nothing_is_applied_of_an_empty_recording(tmp_path: Path) -> None:
    path = tmp_path / "empty.dbn"
    with DbnWriter(path, metadata_of(INFO), is_compressed=False) as writer:
        writer.close()
    assert decode_apply(path, Books()) == Applied(0, 0, 0)
