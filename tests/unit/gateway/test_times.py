"""Times: RFC 3339 in and out, to the nanosecond."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tradepit.gateway.times import TIME_MAX_NS, format_time, parse_time


@pytest.mark.parametrize(
    ("text", "time_ns"),
    [
        ("1970-01-01T00:00:00Z", 0),
        ("1970-01-01T00:00:00.000000001Z", 1),
        ("1970-01-01t00:00:01.5z", 1_500_000_000),
        ("1970-01-01 01:00:00+01:00", 0),
        ("2026-02-28T23:59:59.123456789-00:30", 1_772_324_999_123_456_789),
        ("9999-12-31T23:59:59Z", TIME_MAX_NS),
    ],
)
def test_times_are_read_to_the_nanosecond(text: str, time_ns: int) -> None:
    assert parse_time(text) == time_ns


@pytest.mark.parametrize(
    "text",
    [
        "", "now", "2026-01-01", "2026-01-01T00:00:00", "2026-01-01T00:00:00.1234567890Z",
        "2026-02-29T00:00:00Z", "2026-01-01T24:00:00Z", "2026-01-01T00:00:60Z",
        "1969-12-31T23:59:59Z", "1970-01-01T00:00:00+00:01", "0000-01-01T00:00:00Z",
        "2026-01-01T00:00:00+99:99", "2026-01-01T00:00:00.Z", "٢٠٢٦-01-01T00:00:00Z",
    ],
)  # fmt: skip
def test_what_is_no_time_is_none(text: str) -> None:
    assert parse_time(text) is None


@given(st.integers(0, TIME_MAX_NS))
def test_times_survive_the_way_out_and_in(time_ns: int) -> None:
    text = format_time(time_ns)
    assert len(text) == 30
    assert parse_time(text) == time_ns
