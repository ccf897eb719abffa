"""Candles, statistics and performance equal a recount from trades and the engine's own sums."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from tests.contract.served_market import MARKET, ServedMarket, Trader
from tests.contract.test_history import pages, trade_a_while
from tests.segments import SMALL_SEGMENTS

from tradepit.gateway.config import GatewayConfig
from tradepit.node.opening import NodeOptions
from tradepit.node.recovery import History


@pytest.fixture(scope="module")
def trader(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Trader]:
    """Somebody who has traded, on a node that remembers little of it."""
    root = tmp_path_factory.mktemp("analytics")
    options = NodeOptions(market=MARKET, journal=SMALL_SEGMENTS, history=History(40, 40))
    url = f"sqlite:///{root / 'history.sqlite'}"
    served = ServedMarket(root / "data", GatewayConfig(), options, database_url=url)
    somebody = Trader(served)
    somebody.list_instrument(maker_fee_bps="-1", taker_fee_bps="3")
    trade_a_while(somebody, 120)
    yield somebody
    somebody.close()
    served.stop()


def seconds_of(text: str) -> int:
    """Seconds since the epoch, rounded down."""
    return int(datetime.fromisoformat(text[:19] + "+00:00").timestamp())


def recount(trades: list[dict[str, Any]], seconds: int) -> dict[int, list[Any]]:
    """Candles from trades, newest first given: start to open, high, low, close, volume, count."""
    found: dict[int, list[Any]] = {}
    for trade in reversed(trades):
        price, quantity = Decimal(trade["price"]), Decimal(trade["quantity"])
        start = seconds_of(trade["executed_at"]) // seconds * seconds
        candle = found.setdefault(start, [price, price, price, price, Decimal(0), 0, Decimal(0)])
        candle[1], candle[2] = max(candle[1], price), min(candle[2], price)
        candle[3] = price
        candle[4] += quantity
        candle[5] += 1
        candle[6] += price * quantity
    return found


@pytest.mark.parametrize(
    ("interval", "seconds"),
    [("1s", 1), ("2s", 2), ("15s", 15), ("1m", 60), ("90m", 5400), ("4h", 14_400), ("1d", 86_400)],
)
def test_candles_equal_a_recount(trader: Trader, interval: str, seconds: int) -> None:
    trades = pages(trader, "/trades", limit=500, instrument=trader.symbol)
    expected = recount(trades, seconds)
    path = {"instrument": trader.symbol, "interval": interval}
    candles = pages(trader, "/candles", limit=2, **path)
    assert [seconds_of(candle["start"]) for candle in candles] == sorted(expected, reverse=True)
    for candle in candles:
        o, h, low, c, volume, count, value = expected[seconds_of(candle["start"])]
        told = [Decimal(candle[name]) for name in ("open", "high", "low", "close", "volume")]
        assert told == [o, h, low, c, volume]
        assert candle["trades"] == count
        assert abs(Decimal(candle["vwap"]) - value / volume) < Decimal("0.00000001")
        assert "carried" not in candle


def test_gaps_are_carried_forward_only_when_asked(trader: Trader) -> None:
    path = {"instrument": trader.symbol, "interval": "1s", "limit": 1000}
    plain = trader.http.get("/candles", params=path).json()["items"]
    carried = trader.http.get("/candles", params=path | {"gaps": "carry"}).json()["items"]
    starts = [datetime.fromisoformat(candle["start"][:19]) for candle in carried]
    assert starts == [starts[0] - timedelta(seconds=at) for at in range(len(starts))]
    assert [candle for candle in carried if "carried" not in candle] == plain
    for newer, older in itertools.pairwise(carried):
        if "carried" in newer:
            assert newer["open"] == newer["high"] == newer["low"] == newer["close"]
            assert newer["close"] == older["close"]
            assert (newer["trades"], newer["vwap"]) == (0, None)


def test_a_range_of_candles_is_half_open(trader: Trader) -> None:
    path = {"instrument": trader.symbol, "interval": "1s", "limit": 1000}
    everything = trader.http.get("/candles", params=path).json()["items"]
    begin, end = everything[-1]["start"], everything[0]["start"]
    answer = trader.http.get("/candles", params=path | {"from": begin, "to": end})
    assert answer.json()["items"] == everything[1:]


@pytest.mark.parametrize("interval", ["0s", "7s", "25h", "2d", "m", "1", "1w", "-1m", "99999s"])
def test_an_interval_that_does_not_divide_a_day_is_refused(trader: Trader, interval: str) -> None:
    answer = trader.http.get("/candles", params={"instrument": trader.symbol, "interval": interval})
    assert (answer.status_code, answer.json()["field"]) == (400, "interval")


def test_statistics_are_those_of_a_day(trader: Trader) -> None:
    trades = pages(trader, "/trades", limit=500, instrument=trader.symbol)
    ((o, h, low, c, volume, count, value),) = recount(trades, 10**12).values()
    told = trader.http.get(f"/instruments/{trader.symbol}/statistics").json()
    assert [Decimal(told[name]) for name in ("open", "high", "low", "last", "volume")] == [
        o,
        h,
        low,
        c,
        volume,
    ]
    assert told["trades"] == count
    assert Decimal(told["change"]) == c - o
    assert abs(Decimal(told["change_percent"]) - (c - o) / o * 100) < Decimal("0.0000001")
    assert abs(Decimal(told["vwap"]) - value / volume) < Decimal("0.00000001")


def test_an_instrument_without_trades_has_empty_statistics(trader: Trader) -> None:
    told = trader.http.get("/instruments/BTC-USD/statistics").json()
    assert (told["last"], told["open"], told["vwap"], told["trades"]) == (None, None, None, 0)
    candles = trader.http.get("/candles", params={"instrument": "BTC-USD"}).json()
    assert (candles["items"], candles["next"]) == ([], None)


@pytest.mark.parametrize("name", ["alice", "bob"])
def test_performance_ends_where_the_engine_stands(trader: Trader, name: str) -> None:
    account = getattr(trader, name)
    told = trader.http.get(f"/accounts/{account}/performance?points=20").json()["items"]
    positions = trader.http.get(f"/accounts/{account}/positions").json()["items"]
    assert [item["instrument"] for item in told] == [item["instrument"] for item in positions]
    for item, position in zip(told, positions, strict=True):
        for field in ("net_quantity", "average_price", "realised_pnl", "unrealised_pnl"):
            assert item[field] == position[field], field
    traded = next(item for item in told if item["instrument"] == trader.symbol)
    fills = pages(trader, f"/accounts/{account}/trades", limit=500)
    assert traded["fills"] == len(fills) > 20
    for side, field in (("buy", "average_buy_price"), ("sell", "average_sell_price")):
        of_side = [fill for fill in fills if fill["side"] == side]
        value = sum(Decimal(fill["price"]) * Decimal(fill["quantity"]) for fill in of_side)
        quantity = sum(Decimal(fill["quantity"]) for fill in of_side)
        assert abs(Decimal(traded[field]) - value / quantity) < Decimal("0.00000001")
    assert Decimal(traded["fees"]) == sum(Decimal(fill["fee"]) for fill in fills)
    assert 10 <= len(traded["points"]) <= 20
    assert traded["points"][-1]["realised_pnl"] == traded["realised_pnl"]
    times = [point["at"] for point in traded["points"]]
    assert times == sorted(times)
