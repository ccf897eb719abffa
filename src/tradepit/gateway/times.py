"""Times at the public surface: RFC 3339 in UTC with nanoseconds; whole nanoseconds inside."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Final

NS: Final = 1_000_000_000
TIME_MAX_NS: Final = 253_402_300_799 * NS
"""The last second of the year 9999, beyond which RFC 3339 has no notation."""

_RFC3339: Final = re.compile(
    r"(\d{4}-\d{2}-\d{2})[Tt ](\d{2}:\d{2}:\d{2})(?:\.(\d{1,9}))?([Zz]|[+-]\d{2}:\d{2})", re.ASCII
)


class _Clockface:
    """Remembers the text of the last second and the last instant: frames share one stamp."""

    __slots__ = ("_instant", "_second", "_second_text", "_text")

    def __init__(self) -> None:
        self._instant = -1
        self._second = -1
        self._text = ""
        self._second_text = ""

    def format(self, time_ns: int) -> str:
        if time_ns == self._instant:
            return self._text
        second, fraction = divmod(time_ns, NS)
        if second != self._second:
            moment = datetime.fromtimestamp(second, UTC)
            self._second_text = moment.strftime("%Y-%m-%dT%H:%M:%S")
            self._second = second
        self._instant = time_ns
        self._text = f"{self._second_text}.{fraction:09d}Z"
        return self._text


format_time: Final = _Clockface().format
"""Return the RFC 3339 text of nanoseconds since the epoch, always with nine digits."""


def seconds_text(duration_ns: int) -> str:
    """Seconds of a duration as a decimal without idle zeros: `30`, `0.25`."""
    seconds, rest = divmod(duration_ns, NS)
    return f"{seconds}.{rest:09}".rstrip("0").rstrip(".")


def parse_time(text: str) -> int | None:
    """Return nanoseconds since the epoch of an RFC 3339 time; None when it is none, or not in
    the years 1970 to 9999."""
    match = _RFC3339.fullmatch(text)
    if match is None:
        return None
    date, clock, fraction, zone = match.groups()
    try:
        moment = datetime.fromisoformat(f"{date}T{clock}{'+00:00' if zone in 'Zz' else zone}")
    except ValueError:
        return None
    seconds = int((moment - datetime(1970, 1, 1, tzinfo=UTC)).total_seconds())
    time_ns = seconds * NS + int((fraction or "").ljust(9, "0"))
    return time_ns if 0 <= time_ns <= TIME_MAX_NS else None
