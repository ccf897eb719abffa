"""Recorded events written as text, for tests and examples.

One line per record: `A B 100 5 #1` adds order 1, bid, price 100 (in 1e-9 units), size 5; a price of
`-` is none. A blank line ends an event. A first line `snapshot` makes the event one.
"""

from __future__ import annotations

from databento_dbn import F_LAST

from tradepit.marketdata.recorded_events import MboRecord, RecordedEvent


def parse_events(text: str) -> list[RecordedEvent]:
    """Read events from text; they are numbered from 0."""
    blocks = [block.split("\n") for block in text.strip().split("\n\n")]
    return [_event(number, lines) for number, lines in enumerate(blocks)]


def _event(number: int, lines: list[str]) -> RecordedEvent:
    rows = [line.split() for line in lines if line.strip()]
    is_snapshot = rows[0] == ["snapshot"]
    records = [_record(row) for row in rows if row != ["snapshot"]]
    records[-1] = records[-1]._replace(flags=F_LAST)
    return RecordedEvent(number, is_snapshot, tuple(records))


def _record(row: list[str]) -> MboRecord:
    action, side, price, size, order_id = row
    return MboRecord(
        action=action,
        side=side,
        price=None if price == "-" else int(price),
        size=int(size),
        order_id=int(order_id.lstrip("#")),
        flags=0,
        sequence=0,
        time_event_ns=0,
        time_received_ns=0,
    )
