"""Tables of a market with stops, icebergs, auctions, quotes and a firm, in batches of any size."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest
from tests.unit.journal.reference import write_journal
from tests.unit.marketdata.frames import MarketOfFrames
from tests.unit.marketdata.venue_flow import live_orders, venue
from tests.unit.projections.journals import SEGMENTS
from tests.unit.projections.test_projector import catch_up, rows_of, with_database

from tradepit._native import Replica
from tradepit.domain.wire import EventKind, Option, OrderType
from tradepit.journal.layout import DataDirectory
from tradepit.journal.scan import read_run, scan_journal
from tradepit.node.recovery import History
from tradepit.projections.database import Database
from tradepit.projections.tables import fills, orders, phases, reservations
from tradepit.projections.verification import find_differences
from tradepit.testing.fold import Fold
from tradepit.testing.frames import Event, read_events

FRAMES = 1_500
FORGETFUL: dict[str, Any] = {"history": History(orders=8, trades=1), "batch_bytes": 1}


def journal_of(root: Path, seed: int) -> tuple[DataDirectory, MarketOfFrames]:
    rng = random.Random(seed)
    market, flow = venue(rng, quotes=True)
    for _ in range(FRAMES):
        market.run(flow.next(live_orders(market)))
    return write_journal(root, market.groups, options=SEGMENTS), market


def events_of(directory: DataDirectory) -> list[Event]:
    replica, found = Replica(), []
    for run in scan_journal(directory).runs:
        applied = replica.apply(read_run(directory, run))
        found += read_events(applied.events, applied.texts)
    return found


@pytest.mark.parametrize("settings", [{}, FORGETFUL], ids=["ordinary", "forgetful"])
@pytest.mark.parametrize("seed", [1, 2])
def test_tables_are_what_the_events_say(
    database_url: str, tmp_path: Path, seed: int, settings: dict[str, Any]
) -> None:
    print("seed", seed)
    directory, _ = journal_of(tmp_path / "data", seed)
    events = events_of(directory)

    async def work(database: Database) -> None:
        await catch_up(directory, database, settings)
        await expect_orders(database, events)
        await expect_venue(database, events)
        assert await find_differences(directory, database) == []

    with_database(database_url, work)


async def expect_orders(database: Database, events: list[Event]) -> None:
    fold = Fold()
    fold.add(events)
    by = {
        e.fields.order_id: e.fields.sequence for e in events if e.kind == EventKind.ORDER_TRIGGERED
    }
    first = {e.fields.order_id: e.fields for e in events if e.kind == EventKind.ORDER_ACCEPTED}
    found = await rows_of(database, orders)
    assert len(found) == len(fold.orders) > 300
    for row in found:
        order = fold.orders[row.order_id]
        expected = order.row()
        assert (row.order_id, row.account, row.instrument, *row[4:16]) == expected[:15]
        assert (row.expires_ns, row.created_ns, row.updated_ns) == expected[15:18]
        assert (row.display_quantity, row.stop_price) == expected[20:]
        assert row.first_stop_price == first[row.order_id].stop_price
        assert row.triggered_sequence == by.get(row.order_id, 0)
    types = {OrderType.STOP, OrderType.STOP_LIMIT, OrderType.TRAILING_STOP}
    assert {row.order_type for row in found if row.triggered_sequence} == types
    assert any(row.options & Option.QUOTE for row in found)
    stored = [(row.order_id, row.trade_id) for row in await rows_of(database, fills)]
    told = [(order_id, fill[0]) for order_id, each in fold.fills.items() for fill in each]
    assert sorted(stored) == sorted(told)


async def expect_venue(database: Database, events: list[Event]) -> None:
    """Phases and reservations, one row for each event."""
    told = [
        (e.fields.sequence, e.fields.instrument, e.fields.status, e.fields.reason, e.fields.until)
        for e in events
        if e.kind == EventKind.PHASE_CHANGED
    ]
    stored = [
        (row.sequence, row.instrument, row.phase, row.reason, row.until_ns)
        for row in await rows_of(database, phases)
    ]
    assert stored == told
    assert len({reason for *_, reason, _ in told}) == 3
    granted = [
        (e.fields.sequence, e.fields.status, e.fields.granted_bid, e.fields.granted_ask)
        for e in events
        if e.kind == EventKind.RESERVED
    ]
    freed = [
        (e.fields.sequence, e.fields.status, e.fields.freed_bid, e.fields.freed_ask)
        for e in events
        if e.kind == EventKind.RESERVATION_RELEASED
    ]
    rows = await rows_of(database, reservations)
    for expected, is_release in ((granted, False), (freed, True)):
        assert [
            (row.sequence, row.status, row.bid, row.ask)
            for row in rows
            if row.is_release == is_release
        ] == expected
        assert len(expected) > 3
