"""A recording of a market with icebergs, stops and auctions has the books that it showed."""

from __future__ import annotations

import random

import numpy as np
import pytest
from tests.unit.marketdata.random_flow import INSTRUMENT
from tests.unit.marketdata.sources.plain_book import PlainBook
from tests.unit.marketdata.venue_flow import live_orders, venue

from tradepit.domain.wire import EVENT_HEADER_DTYPE, EventKind, Side
from tradepit.engine.rows import InstrumentRow
from tradepit.marketdata.records import PRICE_SCALE
from tradepit.marketdata.sources.market_records import EventRecords

FRAMES = 1_200


@pytest.mark.parametrize("seed", range(6))
def test_replayed_books_are_what_the_engine_showed_after_every_frame(seed: int) -> None:
    print("seed", seed)
    rng = random.Random(seed)
    market, flow = venue(rng, quotes=True)
    maker = EventRecords([InstrumentRow._make(row) for row in market.replica.instruments()])
    book, traded = PlainBook(), 0
    kinds: set[int] = set()
    for _ in range(FRAMES):
        live = live_orders(market)
        events = market.run([each for _ in range(rng.choice([1, 5])) for each in flow.next(live)])
        kinds |= set(np.frombuffer(events, EVENT_HEADER_DTYPE)["kind"].tolist())
        for record in maker.records(events):
            book.apply(record)
            traded += int(record["size"]) * (chr(record["action"]) == "T")
        assert not book.errors, f"seed {seed}"
        for letter, side in (("B", Side.BUY), ("A", Side.SELL)):
            shown = [
                (order_id, price * PRICE_SCALE, lots)
                for order_id, price, lots, _ in market.replica.queue(INSTRUMENT, side, 10_000)
            ]
            assert book.orders(letter) == shown, f"seed {seed}"
    trades = market.replica.trades(INSTRUMENT, 0, 0, 100_000)
    assert traded == sum(row[5] for row in trades)
    assert kinds >= {EventKind.ORDER_TRIGGERED, EventKind.ORDER_FILLED, EventKind.AUCTION_UNCROSSED}
