"""What a run wants to know of a recording beforehand."""

from __future__ import annotations

import math
from pathlib import Path
from typing import NamedTuple

import numpy as np

from tradepit.flow.comparison import format_price
from tradepit.marketdata.records import PRICE_NONE, PRICE_SCALE
from tradepit.marketdata.sources.dbn import DbnSource
from tradepit.marketdata.sources.source import RecordingError


class Survey(NamedTuple):
    """One instrument of a recording."""

    instrument_id: int
    records: int
    """Of this instrument."""
    tick_size: str
    """The step of its prices, as decimal text."""
    first_trade: int
    """Messages of the file up to its first trade, that one included; 0 without any."""


def survey(path: Path, instrument_id: int | None) -> Survey:
    """Read a recording through.

    Raises: RecordingError: no DBN file of MBO records, or several instruments and none chosen.
    """
    chosen, count, step, first_trade, before = instrument_id, 0, 0, 0, 0
    for chunk in DbnSource(path).chunks():
        if chosen is None:
            chosen = int(chunk["instrument_id"][0])
        wanted = chunk["instrument_id"] == chosen
        if instrument_id is None and not wanted.all():
            raise RecordingError(path, "holds several instruments; choose one by its id")
        prices = chunk["price"][wanted & (chunk["price"] != PRICE_NONE)]
        step = math.gcd(step, int(np.gcd.reduce(prices))) if len(prices) else step
        trades = np.flatnonzero(wanted & (chunk["action"] == ord("T")))
        if not first_trade and len(trades):
            first_trade = before + int(trades[0]) + 1
        count += int(wanted.sum())
        before += len(chunk)
    return Survey(chosen or 0, count, format_price(step or PRICE_SCALE), first_trade)
