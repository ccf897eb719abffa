"""Lengths of candles, as they are written."""

from __future__ import annotations

import re
from typing import Final

from tradepit.gateway.problems import refused

DAY_SECONDS: Final = 86_400
UNITS: Final = {"s": 1, "m": 60, "h": 3_600, "d": DAY_SECONDS}


def interval_seconds(text: str, *, code: str = "invalid_parameter", field: str = "interval") -> int:
    """Seconds of an interval such as `15m`, which must divide a day; raises `Refused`."""
    match = re.fullmatch(r"([1-9]\d{0,4})([smhd])", text, re.ASCII)
    seconds = int(match[1]) * UNITS[match[2]] if match else 0
    if not 0 < seconds <= DAY_SECONDS or DAY_SECONDS % seconds:
        detail = "interval must be 1s to 1d and divide a day, such as 1s, 5m, 1h"
        raise refused(code, detail, field=field)
    return seconds
