"""Recordings are read as events, whatever form the file has."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from tests.unit.marketdata.sources.recordings import recording

from tradepit.flow.generated_session import generate_records, generate_session, write_dbn
from tradepit.marketdata.recorded_events import read_events, read_symbols
from tradepit.marketdata.sources.source import RecordingError


def test_a_written_session_is_read_back_record_for_record(tmp_path: Path) -> None:
    path = tmp_path / "session.dbn"
    write_dbn(path, generate_records(seed=1, events=300))
    assert list(read_events(path)) == generate_session(seed=1, events=300)
    assert read_symbols(path) == ["TEST"]


def test_an_event_ends_with_its_last_record_and_a_snapshot_stands_alone() -> None:
    events = generate_session(seed=2, events=200)
    assert [event.is_snapshot for event in events] == [True] + [False] * (len(events) - 1)
    assert all(event.records[-1].flags & 128 for event in events[1:])
    assert not any(record.flags & 128 for event in events for record in event.records[:-1])


def test_a_file_cut_short_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "cut.dbn"
    write_dbn(path, generate_records(seed=1, events=10))
    path.write_bytes(path.read_bytes()[:-7])
    with pytest.raises(RecordingError, match="cut short"):
        list(read_events(path))


@pytest.mark.parametrize("content", [b"", b"DBN", b"no recording at all" * 20])
def test_what_is_no_recording_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "wrong.dbn"
    path.write_bytes(content)
    with pytest.raises(RecordingError):
        read_symbols(path)


@pytest.mark.parametrize(
    "name",
    [
        "test_data.mbo.v1.dbn.zst",
        "test_data.mbo.v2.dbn.zst",
        "test_data.mbo.v3.dbn",
        "test_data.mbo.v3.dbn.zst",
    ],
)
def test_every_version_of_the_format_gives_the_same_events(name: str) -> None:
    reference = list(read_events(recording("dbn/conformance/test_data.mbo.dbn")))
    assert list(read_events(recording(f"dbn/conformance/{name}"))) == reference


def test_records_of_another_schema_are_refused() -> None:
    with pytest.raises(RecordingError, match="not MBO"):
        list(read_events(recording("dbn/conformance/test_data.mbp-1.dbn")))


def test_the_main_recording_has_the_known_counts() -> None:
    events = list(read_events(recording("dbn/esh4-glbx-mdp3-20231225.mbo.dbn.zst")))
    actions = Counter(record.action for event in events for record in event.records)
    assert actions == {"A": 29_216, "C": 17_999, "M": 12_233, "T": 2_973, "F": 6_371}
    assert events[0].is_snapshot
    assert len(events[0].records) == 8_725
    assert len(events) - 1 == 47_022
