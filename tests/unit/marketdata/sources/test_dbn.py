"""DBN files as order-by-order records, and files written from records."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import numpy as np
import pytest
from databento_dbn import Compression, DBNDecoder
from tests.unit.marketdata.sources.recordings import (
    CLX5,
    CONFORMANCE,
    ESH4,
    ESM4,
    recording,
)

from tradepit.marketdata.dbn_writer import DbnWriter, metadata_kept, metadata_of
from tradepit.marketdata.records import ACTION_ADD, FLAG_LAST, SIDE_BID
from tradepit.marketdata.sources.dbn import DbnSource
from tradepit.marketdata.sources.source import (
    Mapping,
    MboRecords,
    RecordingError,
    SourceInfo,
    new_records,
)

INFO = SourceInfo(
    "dbn", "3", "XNAS.ITCH", "mbo", 1_000, 2_000, ["ABC", "XYZ"],
    [Mapping("ABC", 1, date(2024, 1, 1), date(2024, 1, 2)),
     Mapping("XYZ", 2, date(2024, 1, 1), date(2024, 1, 3))],
)  # fmt: skip


def some_records(count: int) -> MboRecords:
    records = new_records(count, publisher_id=2, instrument_id=1)
    records["instrument_id"][1::2] = 2
    records["publisher_id"][::3] = 3
    records["order_id"] = np.arange(count)
    records["action"], records["side"], records["flags"] = ACTION_ADD, SIDE_BID, FLAG_LAST
    records["price"], records["size"] = 10**9, 5
    records["ts_event"] = records["ts_recv"] = np.arange(count) + 1_000
    return records


def write(path: Path, records: MboRecords, info: SourceInfo = INFO) -> None:
    with DbnWriter(path, metadata_of(info), is_compressed=path.suffix == ".zst") as writer:
        writer.write(records)
        writer.close()


def read(path: Path) -> MboRecords:
    return np.concatenate(list(DbnSource(path).chunks()))


@pytest.mark.parametrize("name", ["out.dbn", "out.dbn.zst"])
@pytest.mark.parametrize("count", [1, 1000, 200_000])
def test_written_records_are_read_back_and_by_the_formats_own_tools(
    tmp_path: Path, name: str, count: int
) -> None:
    path, records = tmp_path / name, some_records(count)
    write(path, records)
    source = DbnSource(path)
    assert (np.concatenate(list(source.chunks())) == records).all()
    assert (source.info.symbols, source.info.mappings) == (INFO.symbols, INFO.mappings)
    kind = Compression.from_str("zstd" if name.endswith("zst") else "none")
    header, *messages = DBNDecoder(compression=kind).write_and_decode(path.read_bytes())
    assert header.mappings.keys() == {"ABC", "XYZ"}
    assert b"".join(map(bytes, messages)) == records.tobytes()
    assert [each.name for each in tmp_path.iterdir()] == [name]


@pytest.mark.parametrize("name", ["out.dbn", "out.dbn.zst"])
def test_file_written_from_one_that_was_written_is_the_same(tmp_path: Path, name: str) -> None:
    first, second = tmp_path / name, tmp_path / f"again-{name}"
    write(first, some_records(150_000))
    source = DbnSource(first)
    assert source.header is not None
    with DbnWriter(
        second, metadata_kept(source.header), is_compressed=name.endswith("zst")
    ) as writer:
        for chunk in source.chunks():
            for part in np.array_split(chunk, 3):
                writer.write(part)
        writer.close()
    assert first.read_bytes() == second.read_bytes()


@pytest.mark.parametrize("name", ["out.dbn", "out.dbn.zst"])
def test_header_learned_late_takes_the_place_of_the_first(tmp_path: Path, name: str) -> None:
    path, records = tmp_path / name, some_records(70_000)
    little = SourceInfo("dbn", "3", "XNAS.ITCH", "mbo")
    with DbnWriter(path, metadata_of(little), is_compressed=name.endswith("zst")) as writer:
        writer.write(records[:66_000])
        writer.replace_header(metadata_of(INFO))
        writer.write(records[66_000:])
        later = SourceInfo(
            "dbn", "3", "XNAS.ITCH", "mbo", 1_000, 3_000, INFO.symbols, INFO.mappings
        )
        writer.close(metadata_of(later))
    source = DbnSource(path)
    assert (source.info.end_ns, source.info.mappings) == (3_000, INFO.mappings)
    assert (read(path) == records).all()


def test_abandoned_file_is_not_there(tmp_path: Path) -> None:
    with DbnWriter(tmp_path / "out.dbn", metadata_of(INFO), is_compressed=False) as writer:
        writer.write(some_records(10))
    assert list(tmp_path.iterdir()) == []


def test_live_file_gives_every_whole_record_and_tells_that_it_is_torn(tmp_path: Path) -> None:
    path, records = tmp_path / "out.dbn", some_records(1000)
    writer = DbnWriter(path, metadata_of(INFO), is_compressed=False, is_live=True)
    writer.write(records)
    writer.flush()
    assert (read(path) == records).all()
    writer.abandon()
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(RecordingError, match="cut short"):
        read(path)


def test_fragment_without_a_header_is_read(tmp_path: Path) -> None:
    path, records = tmp_path / "part.dbn", some_records(500)
    path.write_bytes(records.tobytes())
    source = DbnSource(path)
    assert source.header is None
    assert (read(path) == records).all()


@pytest.mark.parametrize(("name", "count"), [(ESH4, 68_792), (ESM4, 13_796), (CLX5, 38_212)])
def test_real_recordings_have_their_known_number_of_records(name: str, count: int) -> None:
    assert len(read(recording(name))) == count


def test_legacy_file_is_refused_with_what_to_do() -> None:
    with pytest.raises(RecordingError, match="legacy DBZ"):
        DbnSource(recording(f"{CONFORMANCE}/test_data.mbo.dbz"))
