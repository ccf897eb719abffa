"""Steps as JSON: each message, its effect on the book, and when it left the clock.

    {"seq": 7, "number": 7, "time": "2024-03-04T00:00:00.000000001Z", "instrument": "ESH4",
     "instrument_id": 17077, "publisher_id": 1, "action": "add", "side": "bid",
     "order_id": "6413", "price": "5040.25", "size": 3, "last": true, "flags": 130,
     "venue_sequence": 123,
     "effect": {"kind": "added", "error": "...", "orders_cleared": 1,
                "old": {"side": "bid", "price": "5040", "size": 3, "orders_ahead": 0},
                "new": {"side": "bid", "price": "5040.25", "size": 3, "orders_ahead": 4,
                        "size_ahead": 17}},
     "left_ns": 1763000000000000000}

In this order, without spaces. `seq` is the stream's, `number` the message's place in the recording
from 1. Left out when there is nothing to say: `time` (not known), `instrument` (no symbol), `side`,
`order_id` (0), `price` (none), `last` (the event goes on), `error`, `orders_cleared` (0), `old` (no
order before), `new` (none left). Prices are exact decimals without zeros at their end. Action and
kind are `unknown` for bytes that the format does not have.
"""

from __future__ import annotations

from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from tradepit._native import Symbols, render_steps
from tradepit.marketdata.replays.description import IndexDescription, SymbolDays, midnight_ns
from tradepit.marketdata.replays.session import Steps
from tradepit.marketdata.sources.source import MboRecords


class RenderStyle(StrEnum):
    """How messages follow each other."""

    LINES = "lines"
    """One per line (NDJSON)."""
    EVENTS = "events"
    """Server-Sent Events: `id: <seq>`, `data: <text>`, an empty line."""
    FRAMES = "frames"
    """WebSocket text frames of a server, not masked."""


def symbols_of(description: IndexDescription) -> Symbols:
    """The symbols of a recording for `render`; made once per recording."""
    return Symbols([_named(each) for each in description.symbols])


def render(steps: Steps, style: RenderStyle, *, first_seq: int, symbols: Symbols) -> bytes:
    """All steps in one buffer.

    Args:
        first_seq: of the first message; each following one has one more.
        symbols: by `symbols_of`; one valid at the message's time, else the last one is named.
    """
    return render_steps(
        steps.records.view(np.uint8).data,
        steps.effects.view(np.uint8).data,
        steps.left_ns.view(np.uint8).data,
        first_seq,
        steps.first_number,
        symbols,
        style,
    )


def render_untimed(
    records: MboRecords, effects: NDArray[np.void], *, first_number: int, symbols: Symbols
) -> bytes:
    """Messages that no session played, in lines: `seq` is their number, `left_ns` left out."""
    return render_steps(
        records.view(np.uint8).data,
        effects.view(np.uint8).data,
        None,
        first_number,
        first_number,
        symbols,
        RenderStyle.LINES,
    )


def _named(each: SymbolDays) -> tuple[int, str, int, int]:
    return each.instrument_id, each.symbol, midnight_ns(each.start), midnight_ns(each.end)
