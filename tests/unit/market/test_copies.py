"""Snapshots, forks and replays are the same market, and then go their own way."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tradepit._native import EnginePanicked
from tradepit.client.errors import Overloaded
from tradepit.domain import commands
from tradepit.market import Market

SYMBOL = "ABC-USD"


def traded(**arguments: object) -> Market:
    """A market with a finished order, a resting one and some time gone by."""
    market = Market(instruments=[SYMBOL], **arguments)  # type: ignore[arg-type]
    market.place(client_id="alice", instrument=SYMBOL, side="sell", price=101, quantity=3)
    market.advance(10)
    market.place(client_id="bob", instrument=SYMBOL, side="buy", price=101, quantity=5, key="k")
    return market


def go_on(market: Market) -> None:
    market.advance(3)
    market.place(client_id="carol", instrument=SYMBOL, side="sell", price=100, quantity=9)


@pytest.mark.parametrize("way", ["fork", "restore", "replay", "fork of restore"])
def test_a_copy_is_equal_and_stays_equal_under_the_same_calls(way: str) -> None:
    market = traded()
    copy = {
        "fork": lambda: market.fork(),
        "restore": lambda: Market.restore(market.snapshot()),
        "replay": lambda: Market.replay(market.journal()),
        "fork of restore": lambda: Market.restore(market.snapshot()).fork(),
    }[way]()
    assert (copy.state_hash, copy.sequence, copy.now) == (
        market.state_hash,
        market.sequence,
        market.now,
    )
    before = market.state_hash
    go_on(copy)
    assert market.state_hash == before
    go_on(market)
    assert copy.state_hash == market.state_hash


def test_two_markets_under_the_same_calls_write_the_same_bytes() -> None:
    assert traded().journal() == traded().journal()
    assert traded(market_id=2).state_hash != traded().state_hash


@pytest.mark.parametrize("way", ["fork", "restore", "replay"])
def test_a_copy_remembers_finished_orders(way: str) -> None:
    market = traded()
    finished = market.orders(status="filled").items
    assert finished
    copy = {
        "fork": lambda: market.fork(),
        "restore": lambda: Market.restore(market.snapshot()),
        "replay": lambda: Market.replay(market.journal()),
    }[way]()
    assert copy.orders(status="filled").items == finished
    assert copy.trades().items == market.trades().items
    if way != "restore":
        assert np.array_equal(copy.events(), market.events())
        assert copy.journal() == market.journal()


def test_a_market_without_a_journal_says_so() -> None:
    market = traded(keep_journal=False)
    assert market.fork().state_hash == market.state_hash
    for each in (market, market.fork(), Market.restore(market.snapshot())):
        with pytest.raises(ValueError, match="no journal"):
            each.journal()


def test_a_replay_stops_where_it_is_told_to(tmp_path: Path) -> None:
    market = traded()
    states = {market.sequence: market.state_hash}
    go_on(market)
    then = next(iter(states))
    file = tmp_path / "frames"
    file.write_bytes(market.journal())
    replayed = Market.replay(file, until=then)
    assert (replayed.sequence, replayed.state_hash) == (then, states[then])
    go_on(replayed)
    assert replayed.state_hash == market.state_hash


def test_what_is_no_snapshot_or_journal_is_refused() -> None:
    market = traded()
    with pytest.raises(ValueError, match="no snapshot"):
        Market.restore(b"nonsense")
    image = bytearray(market.snapshot())
    image[len(image) // 2] ^= 1
    with pytest.raises(ValueError, match="not a snapshot"):
        Market.restore(bytes(image))
    frames = bytearray(market.journal())
    frames[len(frames) // 2] ^= 1
    with pytest.raises(ValueError, match="no whole frame"):
        Market.replay(bytes(frames))


def test_records_are_applied_as_they_are() -> None:
    one, other = Market(instruments=[SYMBOL]), Market(instruments=[SYMBOL])
    account = commands.account_text("alice")
    events = one.apply(commands.open_account(if_absent=True), account)
    other.apply(
        np.frombuffer(commands.open_account(if_absent=True), "V96"),  # type: ignore[arg-type]
        account,
    )
    assert one.state_hash == other.state_hash
    assert len(events) % 96 == 0
    assert one.account("alice").id == "alice"


def test_a_panic_ends_the_market_and_says_so() -> None:
    market = traded()
    replica = market._ground.node.replica  # type: ignore[attr-defined]
    replica.inject_panic(market.sequence + 1)
    with pytest.raises(EnginePanicked):
        go_on(market)
    with pytest.raises(Overloaded, match="panicked"):
        market.place(client_id="bob", instrument=SYMBOL, side="buy", price=1, quantity=1)
