"""Rows of the native door: the names fit the tuples, field by field."""

from __future__ import annotations

from typing import Any

import pytest
from tests.unit.marketdata.frames import MarketOfFrames

from tradepit.domain import commands
from tradepit.engine import rows


@pytest.fixture
def traded() -> MarketOfFrames:
    """Two accounts, one trade, one order left on each side."""
    market = MarketOfFrames()
    for name in ("alice", "bob"):
        market.open_account(name)
    orders = [(1, 2, 100, 5), (2, 1, 100, 3), (2, 1, 90, 7)]
    for account, side, price, quantity in orders:
        market.run(
            [
                commands.place_order(
                    account=account, instrument=1, side=side, order_type=1, time_in_force=1,
                    price=price, quantity=quantity, definition_version=1,
                )
            ]
        )  # fmt: skip
    return market


def test_every_row_has_as_many_names_as_the_door_has_fields(traded: MarketOfFrames) -> None:
    replica = traded.replica
    order = replica.orders(1, 0, 0, 0, 1)[0]
    samples: list[tuple[Any, tuple[Any, ...] | None]] = [
        (rows.AssetRow, replica.assets()[0]),
        (rows.InstrumentRow, replica.instruments()[0]),
        (rows.AccountRow, replica.account(1)),
        (rows.BalanceRow, replica.balances(1)[0]),
        (rows.PositionRow, replica.positions(1)[0]),
        (rows.OrderRow, order),
        (rows.FillRow, replica.fills(int(str(order[0])), 10)[0]),
        (rows.TradeRow, replica.trades(0, 0, 0, 1)[0]),
        (rows.TopRow, replica.top(1)),
        (rows.LevelRow, replica.depth(1, 1, 1)[0]),
        (rows.QueuedRow, replica.queue(1, 1, 1)[0]),
    ]
    for shape, values in samples:
        assert values is not None
        assert len(shape._fields) == len(values), shape.__name__


def test_the_names_mean_what_they_say(traded: MarketOfFrames) -> None:
    replica = traded.replica
    instrument = rows.InstrumentRow._make(replica.instruments()[0])
    assert (instrument.symbol, instrument.last_price, instrument.unit) == ("AAA-BBB", 100, 1)
    position = rows.PositionRow._make(replica.positions(2)[0])
    assert (position.net - 10**12, position.open_buy) == (3, 7)
    order = rows.OrderRow(*replica.orders(1, 0, 0, 0, 1)[0])  # type: ignore[arg-type]
    assert (order.account, order.side, order.quantity, order.leaves) == (1, 2, 5, 2)
    assert (order.filled, order.filled_value, order.price) == (3, 300, 100)
    trade = rows.TradeRow._make(replica.trades(0, 0, 0, 1)[0])
    assert (trade.maker_account, trade.taker_account, trade.taker_side) == (1, 2, 1)
    assert rows.TopRow._make(replica.top(1)) == (90, 7, 100, 2)
    assert rows.LevelRow._make(replica.depth(1, 2, 1)[0]) == (100, 2, 1)
