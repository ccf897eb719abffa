"""What a store should hold, counted again from the records without the store or its books."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from tradepit.marketdata.generated import GeneratedSource, SessionSettings
from tradepit.marketdata.recorder import convert
from tradepit.marketdata.records import ACTION_TRADE, FLAG_LAST
from tradepit.marketdata.sources.source import MboRecords
from tradepit.marketdata.timeseries.queries import Query, open_store
from tradepit.testing.naive_books import NaiveBooks, NaiveOrder, messages

SECOND = 1_000_000_000
Row = tuple[Any, ...]


def write_session(path: Path, *, seed: int, rate: float = 20.0, records: int = 3_000) -> Path:
    """A generated recording of three instruments; at a low rate it spans several days."""
    settings = SessionSettings(
        seed=seed, records=records, instruments=3, orders=60, pre_open_orders=40,
        events_per_second=rate,
    )  # fmt: skip
    convert(GeneratedSource(settings), path)
    return path


def rows_of(store: Path, sql: str) -> list[Row]:
    with open_store(store) as opened:
        return list(opened.ask(Query(sql)))


def everything(store: Path) -> dict[str, list[Row]]:
    """All rows of all tables, sorted; not which source they came from."""
    with open_store(store) as opened:
        return {
            table: sorted(opened.ask(Query(f"SELECT * EXCLUDE (source) FROM {table}")), key=repr)
            for table in ("messages", "trades", "bbo", "depth")
        }


def trades_of(records: MboRecords) -> MboRecords:
    return records[records["action"] == ACTION_TRADE]


class NaiveRows:
    """Best prices and levels, from the naive books, one event after the other."""

    def __init__(self, records: MboRecords, levels: int) -> None:
        self.best: list[Row] = []
        """Publisher, instrument, record, bid, ask: changes only; a side is price, size, orders."""
        self.depth: dict[tuple[int, int, int], tuple[list[Row], list[Row]]] = {}
        """By publisher, instrument and the second that is over."""
        books = NaiveBooks()
        shown: dict[tuple[int, int], Row] = {}
        seconds = _last_of_seconds(records)
        for number, message in enumerate(messages(records)):
            books.apply(message)
            key = message.publisher_id, message.instrument_id
            if not message.flags & FLAG_LAST:
                continue
            bids, asks = (books.books[key].sides[side] for side in "BA")
            best = _total(bids, max(bids, default=None)), _total(asks, min(asks, default=None))
            if shown.get(key) != best:
                shown[key] = best
                self.best.append((*key, number, *best))
            if number in seconds:
                self.depth[(*key, seconds[number])] = (
                    [_total(bids, price) for price in sorted(bids, reverse=True)[:levels]],
                    [_total(asks, price) for price in sorted(asks)[:levels]],
                )


def _last_of_seconds(records: MboRecords) -> dict[int, int]:
    """Records that end the last event of a second of their book, and the second that is over."""
    clocks: dict[tuple[int, int], int] = {}
    last: dict[tuple[int, int, int], int] = {}
    for number, message in enumerate(messages(records)):
        key = message.publisher_id, message.instrument_id
        clocks[key] = max(clocks.get(key, 0), message.ts_event)
        if message.flags & FLAG_LAST:
            last[(*key, clocks[key] // SECOND + 1)] = number
    return {number: second for (_, _, second), number in last.items()}


def _total(side: dict[int, list[NaiveOrder]], price: int | None) -> Any:
    if price is None:
        return None
    return price, sum(order.size for order in side[price]), len(side[price])


def candles_of(records: MboRecords, interval_ns: int) -> dict[int, Row]:
    """Open, high, low, close, volume, trades by the start of the interval, in 1e-9 units."""
    found: dict[int, Row] = {}
    trades = trades_of(records)
    starts = trades["ts_event"] // interval_ns * interval_ns
    for start in np.unique(starts).tolist():
        part = trades[starts == start]
        order = np.argsort(part["ts_event"], kind="stable")
        prices = part["price"][order]
        found[start] = (
            int(prices[0]), int(prices.max()), int(prices.min()), int(prices[-1]),
            int(part["size"].sum()), len(part),
        )  # fmt: skip
    return found
