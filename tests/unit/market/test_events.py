"""Events as arrays and as data frames."""

from __future__ import annotations

import builtins
from typing import Any

import numpy as np
import pytest

from tradepit.domain import commands
from tradepit.domain.wire import EventKind
from tradepit.market import Market, event_log
from tradepit.market.event_log import EventLog

SYMBOL = "ABC-USD"


@pytest.fixture
def market() -> Market:
    market = Market(instruments=[{"symbol": SYMBOL, "taker_fee_bps": 10}])
    market.place(client_id="alice", instrument=SYMBOL, side="sell", price="100.05", quantity=3)
    market.advance(1)
    market.place(client_id="bob", instrument=SYMBOL, side="buy", price="100.10", quantity=5)
    return market


def test_events_are_wire_records_in_cause_order(market: Market) -> None:
    events = market.events()
    assert events.dtype.itemsize == 96
    assert np.all(np.diff(events["sequence"].astype(int)) >= 0)
    trades = market.events("trade")
    assert trades["price"].tolist() == [10005]
    assert trades["quantity"].tolist() == [3]
    assert len(market.events(since=market.sequence)) == 0
    last = market.events(since=market.sequence - 1)["kind"].tolist()
    assert last == [EventKind.ORDER_ACCEPTED, EventKind.TRADE]
    with pytest.raises(ValueError, match="no kind"):
        market.events("nonsense")


def test_a_data_frame_speaks_of_symbols_ids_and_decimals(market: Market) -> None:
    trades = market.data_frame("trade")
    row = trades.iloc[0]
    assert (row["price"], row["quantity"], row["taker_fee"]) == (100.05, 3.0, 0.30015)
    assert (row["account"], row["maker_account"]) == ("bob", "alice")
    assert (row["instrument"], row["side"]) == (SYMBOL, "buy")
    assert str(row["time"]) == "2026-01-01 00:00:01+00:00"
    orders = market.data_frame("order_accepted")
    assert orders["status"].tolist() == ["new", "partially_filled"]
    assert orders["expires_at"].isna().all()
    moved = market.data_frame("funds_moved")
    assert set(moved["asset"]) == {"USD", "ABC"}
    assert market.data_frame("trade", since=market.sequence).empty


@pytest.mark.parametrize("kind", [kind.name for kind in EventKind])
def test_every_kind_has_a_data_frame(market: Market, kind: str) -> None:
    frame = market.data_frame(kind)
    assert len(frame) == len(market.events(kind))


def test_reasons_and_phases_are_words(market: Market) -> None:
    market.set_phase(SYMBOL, "halted")
    market.mass_cancel(client_id="bob")
    market.apply(commands.deposit(account=77, asset=1, amount=5))
    assert market.data_frame("phase_changed")["status"].tolist() == ["halted"]
    assert market.data_frame("order_cancelled")["reason"].tolist() == ["mass_cancel"]
    assert market.data_frame("command_rejected")["reason"].tolist() == ["unknown_account"]


def test_without_pandas_the_message_says_what_to_install(
    market: Market, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = builtins.__import__

    def absent(name: str, *arguments: Any, **more: Any) -> Any:
        if name == "pandas":
            raise ImportError(name)
        return real(name, *arguments, **more)

    monkeypatch.setattr(builtins, "__import__", absent)
    with pytest.raises(ImportError, match=r"tradepit\[notebook\]"):
        market.data_frame("trade")


def test_the_log_is_bounded_and_says_what_it_forgot(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(event_log, "EVENTS_MAX", 3)
    log = EventLog()
    for number in range(1, 8):
        log.append(bytes((1,)) + bytes(7) + number.to_bytes(8, "little") + bytes(80))
    assert log.dropped == 4
    assert log.array(None, 0)["sequence"].tolist() == [5, 6, 7]
