"""A market on a data directory: the files of a node, on the disk when a call returns."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from tests.segments import SMALL_SEGMENTS

from tradepit.client.errors import NotFound
from tradepit.journal.lock import AlreadyRunning
from tradepit.market import Market
from tradepit.node.definitions import DefinitionRefused
from tradepit.node.opening import NodeOptions, open_node

SYMBOL = "ABC-USD"


def trade(market: Market) -> str:
    market.place(client_id="alice", instrument=SYMBOL, side="sell", price=101, quantity=3)
    market.advance(5)
    order = market.place(client_id="bob", instrument=SYMBOL, side="buy", price=101, quantity=5)
    return order.id


def test_a_closed_market_opens_where_it_was(tmp_path: Path) -> None:
    with Market(instruments=[SYMBOL], data_dir=tmp_path) as market:
        order_id = trade(market)
        then, sequence = market.now, market.sequence
        assert market.data_frame("trade")["quantity"].tolist() == [3.0]
        assert len(market.events("instrument_defined")) == 1
    with Market(data_dir=tmp_path) as market:
        assert market.order(order_id).remaining == 2
        assert market.now == then
        assert market.sequence == sequence + 1, "a start writes the time"
        assert market.cancel(order_id).status == "cancelled"
        with pytest.raises(NotFound):
            market.cancel(order_id + "0")


def test_a_node_opens_the_directory_and_the_other_way_round(tmp_path: Path) -> None:
    with Market(instruments=[SYMBOL], data_dir=tmp_path) as market:
        trade(market)

    async def visit() -> int:
        opened = await open_node(tmp_path, NodeOptions(journal=SMALL_SEGMENTS))
        replica = opened.node.replica
        trades = replica.counts()["trades"]
        await opened.close()
        return trades

    assert asyncio.run(visit()) == 1
    with Market(data_dir=tmp_path) as market:
        assert len(market.trades()) == 1
        assert market.now.year >= 2026


def test_copies_of_it_live_in_memory(tmp_path: Path) -> None:
    with Market(instruments=[SYMBOL], data_dir=tmp_path) as market:
        trade(market)
        fork, replayed = market.fork(), Market.replay(tmp_path)
        restored = Market.restore(market.snapshot())
        state = market.state_hash
        assert {fork.state_hash, replayed.state_hash, restored.state_hash} == {state}
        assert fork.orders(status="filled").items == market.orders(status="filled").items
        for copy in (fork, replayed, restored):
            trade(copy)
        assert market.state_hash == state
        assert fork.fork().state_hash == fork.state_hash
        with pytest.raises(ValueError, match="the journal is in"):
            market.journal()


def test_two_markets_do_not_share_a_directory(tmp_path: Path) -> None:
    with Market(data_dir=tmp_path), pytest.raises(AlreadyRunning):
        Market(data_dir=tmp_path)


def test_a_market_that_is_let_go_of_lets_go_of_its_directory(tmp_path: Path) -> None:
    market = Market(instruments=[SYMBOL], data_dir=tmp_path)
    trade(market)
    del market
    with Market(data_dir=tmp_path) as market:
        assert len(market.trades()) == 1


def test_a_contradicting_definition_is_refused(tmp_path: Path) -> None:
    Market(instruments=[SYMBOL], data_dir=tmp_path).close()
    with pytest.raises(DefinitionRefused):
        Market(instruments=[{"symbol": SYMBOL, "base": "XYZ", "quote": "USD"}], data_dir=tmp_path)
