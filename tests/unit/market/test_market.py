"""The market in process does what the public interface does, and raises what it refuses."""

from __future__ import annotations

import inspect
import subprocess
import sys
import time
from datetime import timedelta
from decimal import Decimal

import pytest

import tradepit
from tradepit.client import Client
from tradepit.client.errors import KeyReused, Malformed, NotFound, Rejected
from tradepit.config import ConfigError
from tradepit.market import Cancel, Market, MassCancel, Place, Replace

SYMBOL = "ABC-USD"


@pytest.fixture
def market() -> Market:
    return Market(instruments=[SYMBOL])


def bid(market: Market, price: object, quantity: object, client_id: str = "alice") -> str:
    order = market.place(
        client_id=client_id,
        instrument=SYMBOL,
        side="buy",
        price=price,  # type: ignore[typeddict-item]
        quantity=quantity,  # type: ignore[typeddict-item]
    )
    return order.id


def test_the_package_names_it_and_imports_neither_pandas_nor_a_web_framework() -> None:
    assert tradepit.Market is Market
    code = (
        "import sys, tradepit; tradepit.Market(); "
        "print([m for m in ('pandas', 'litestar', 'uvicorn') if m in sys.modules])"
    )
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert answer.stdout.strip() == "[]", answer.stderr
    with pytest.raises(AttributeError, match="Mraket"):
        _ = tradepit.Mraket


def test_a_market_starts_in_milliseconds() -> None:
    Market()
    began = time.perf_counter()
    for _ in range(10):
        Market()
    assert (time.perf_counter() - began) / 10 < 0.1


def test_an_order_rests_trades_and_is_read_back(market: Market) -> None:
    first = bid(market, "99.5", 10)
    second = bid(market, 99.5, "5", "bob")
    assert market.queue_place(second) == (Decimal(10), 1)
    assert market.order(second).queue_ahead == 10
    sold = market.place(
        client_id="carol", instrument=SYMBOL, side="sell", type="market", quantity=12
    )
    assert sold.status == "filled"
    assert [(fill.price, fill.quantity) for fill in sold.fills] == [
        (Decimal("99.50"), 10),
        (Decimal("99.50"), 2),
    ]
    assert market.order(first).status == "filled"
    assert market.queue_place(first) is None
    book = market.order_book(SYMBOL)
    assert [(level.price, level.quantity, level.orders) for level in book.bids] == [
        (Decimal("99.5"), 3, 1)
    ]
    assert book.asks == ()
    assert market.top(SYMBOL).bid_price == Decimal("99.5")
    assert market.top(SYMBOL).ask_price is None
    assert [order.order_id for order in market.order_queue(SYMBOL).bids] == [second]
    trades = market.trades(instrument=SYMBOL)
    assert [(trade.maker_order_id, trade.quantity) for trade in trades] == [
        (second, 2),
        (first, 10),
    ]
    assert market.instrument(SYMBOL).last_price == Decimal("99.5")


def test_money_and_positions_follow(market: Market) -> None:
    market.open_account(id="alice", name="Alice")
    assert market.account("alice").balance("USD").total == 1_000_000
    bid(market, 100, 10)
    assert market.account("alice").balance("USD").held == 1_000
    market.place(client_id="bob", instrument=SYMBOL, side="sell", price=100, quantity=4)
    dollars = market.balances("alice")[0]
    assert (dollars.total, dollars.held, dollars.available) == (999_600, 600, 999_000)
    assert market.positions("alice")[0].net_quantity == 1_004
    fills = market.account_trades("alice")
    assert [(fill.side, fill.quantity, fill.liquidity) for fill in fills] == [("buy", 4, "maker")]
    assert market.deposit("alice", asset="USD", amount="0.5").balance("USD").total == Decimal(
        "999600.5"
    )
    market.withdraw("alice", asset="USD", amount=0.5)
    market.transfer("alice", to="bob", asset="ABC", amount=4)
    assert market.account("alice").balance("ABC").total == 1_000


def test_amend_cancel_and_mass_cancel(market: Market) -> None:
    first, second = bid(market, 90, 5), bid(market, 91, 5)
    assert market.replace(first, quantity=3, client_id="alice").quantity == 3
    assert market.replace(int(first), price="92").price == 92
    assert market.cancel(second, client_id="alice").status == "cancelled"
    bid(market, 80, 1, "bob")
    assert market.mass_cancel(client_id="alice") == 1
    assert [order.client_id for order in market.orders(status="open")] == ["bob"]
    bid(market, 81, 1, "bob")
    assert market.mass_cancel(instrument=SYMBOL, side="buy") == 2


def test_a_cancel_by_name_meets_the_late_order(market: Market) -> None:
    assert market.mass_cancel(client_id="alice", client_order_id="mine") == 0
    with pytest.raises(Rejected) as refused:
        market.place(
            client_id="alice",
            instrument=SYMBOL,
            side="buy",
            price=1,
            quantity=1,
            client_order_id="mine",
        )
    assert refused.value.code == "cancelled_before_arrival"


def test_a_batch_tells_each_result(market: Market) -> None:
    resting = bid(market, 90, 5)
    placed = Place(client_id="alice", instrument=SYMBOL, side="buy", price="91", quantity=1)
    results = market.batch(
        [
            placed,
            Replace(order_id=resting, quantity=4),
            Cancel(order_id="999"),
            MassCancel(client_id="alice"),
        ]
    )
    assert [result.status for result in results] == [201, 200, 404, 200]
    assert results[2].problem is not None
    assert results[2].problem.code == "unknown_order"
    assert results[3].result is not None
    assert results[3].result.cancelled == 2


def test_a_refusal_carries_code_text_and_amounts(market: Market) -> None:
    with pytest.raises(Rejected) as refused:
        bid(market, 100, 10_001)
    error = refused.value
    assert (error.code, error.status, error.problem.asset) == ("insufficient_funds", 422, "USD")
    assert (error.required, error.available) == (1_000_100, 1_000_000)
    assert "1000000" in str(error)


@pytest.mark.parametrize(
    ("fields", "kind", "code"),
    [
        ({"price": "0.001"}, Malformed, "tick_size"),
        ({"quantity": "0.5"}, Malformed, "lot_size"),
        ({"price": float("nan")}, Malformed, "invalid_field"),
        ({"side": "up"}, Malformed, "invalid_field"),
        ({"client_id": "two words"}, Malformed, "invalid_account_id"),
        ({"instrument": "XYZ-USD"}, Rejected, "unknown_instrument"),
        ({"expires_at": "2025-01-01T00:00:00Z"}, Rejected, "invalid_expiry"),
    ],
)
def test_what_is_malformed_is_refused_and_changes_nothing(
    market: Market, fields: dict[str, object], kind: type[Exception], code: str
) -> None:
    before = market.sequence
    given = {"client_id": "a", "instrument": SYMBOL, "side": "buy", "price": 1, "quantity": 1}
    with pytest.raises(kind) as refused:
        market.place(**given | fields)  # type: ignore[arg-type]
    assert refused.value.code == code  # type: ignore[attr-defined]
    assert market.sequence == before or code == "invalid_expiry"


def test_reads_of_what_is_not_there_raise(market: Market) -> None:
    for ask in (
        lambda: market.order("7"),
        lambda: market.account("nobody"),
        lambda: market.cancel("7"),
    ):
        with pytest.raises(NotFound):
            ask()
    with pytest.raises(Rejected):
        market.order_book("XYZ-USD")
    order = bid(market, 1, 1)
    with pytest.raises(NotFound):
        market.order(order, client_id="bob")
    assert market.orders(client_id="nobody").items == ()


def test_a_key_is_good_once(market: Market) -> None:
    order = Place(client_id="alice", instrument=SYMBOL, side="buy", price=1, quantity=1)
    first = market.place(order, key="k")
    assert market.place(order, key="k").id == first.id
    with pytest.raises(KeyReused):
        market.place(client_id="alice", instrument=SYMBOL, side="buy", price=2, quantity=1, key="k")
    assert len(market.orders(client_id="alice")) == 1


def test_time_moves_when_it_is_told_to(market: Market) -> None:
    assert market.now.isoformat() == "2026-01-01T00:00:00+00:00"
    order = market.place(
        client_id="alice",
        instrument=SYMBOL,
        side="buy",
        price=1,
        quantity=1,
        time_in_force="gtd",
        expires_at="2026-01-01T00:00:01.5Z",
    )
    market.advance(1.4)
    assert market.order(order.id).status == "new"
    market.advance(timedelta(milliseconds=100))
    assert market.order(order.id).status == "expired"
    market.advance_to("2026-01-02T00:00:00Z")
    assert market.now.day == 2
    with pytest.raises(ValueError, match="back"):
        market.advance(-1)
    with pytest.raises(ValueError, match="RFC 3339"):
        market.advance_to("tomorrow")


def test_a_clock_of_ones_own() -> None:
    ticks = iter(range(10**18, 10**18 + 10**14, 10**10))
    market = Market(instruments=[SYMBOL], clock=lambda: next(ticks))
    before = market.time_ns
    bid(market, 1, 1)
    assert market.time_ns - before >= 10**10
    with pytest.raises(ValueError, match="clock of its own"):
        market.advance(1)
    assert abs(Market(clock="wall").now.timestamp() - time.time()) < 5
    with pytest.raises(ValueError, match="'wall'"):
        Market(clock="sundial")


def test_phases_limits_and_the_kill_switch(market: Market) -> None:
    assert market.set_phase(SYMBOL, "halted").phase == "halted"
    with pytest.raises(Rejected) as refused:
        bid(market, 1, 1)
    assert refused.value.code == "not_trading"
    market.set_phase(SYMBOL, "continuous")
    bid(market, 1, 1)
    assert market.set_limits("alice", open_orders_max=1).open_orders_max == 1
    with pytest.raises(Rejected):
        bid(market, 1, 1)
    assert market.kill("alice").cancelled == 1
    assert market.resume("alice").state == "active"
    assert market.suspend("alice").state == "suspended"
    with pytest.raises(TypeError, match="open_order_max"):
        market.set_limits("alice", open_order_max=1)


def test_instruments_come_and_go(market: Market) -> None:
    made = market.create_instrument(symbol="NEW-EUR", tick_size="0.5", lot_size="1")
    assert (made.symbol, made.base_asset, made.tick_size) == ("NEW-EUR", "NEW", Decimal("0.5"))
    assert {each.symbol for each in market.instruments()} == {SYMBOL, "NEW-EUR"}
    market.remove_instrument("NEW-EUR")
    assert {each.symbol for each in market.instruments()} == {SYMBOL}


def test_instruments_and_balances_are_given_in_python() -> None:
    market = Market(
        instruments=[
            "ABC-USD",
            {"symbol": "DEF-EUR", "tick_size": 0.5, "reference_price": 20, "taker_fee_bps": 3},
        ],
        balances={"EUR": 50, "XYZ": "1.5"},
    )
    account = market.open_account(id="alice")
    assert {each.asset: each.total for each in account.balances} == {
        "USD": 1_000_000,
        "EUR": 50,
        "ABC": 1_000,
        "DEF": 1_000,
        "XYZ": Decimal("1.5"),
    }
    assert market.instrument("DEF-EUR").taker_fee_bps == 3


def test_a_configuration_is_found_by_name_and_mistakes_are_told() -> None:
    assert len(Market("coin-exchange").instruments()) == 1
    assert len(Market().instruments()) == 14
    with pytest.raises(ConfigError, match="nonsense"):
        Market("nonsense")
    with pytest.raises(ConfigError, match="lot_sizes"):
        Market(instruments=[{"symbol": "A-B", "lot_sizes": 1}])
    with pytest.raises(ConfigError, match="not both"):
        Market("demo", instruments=["A-B"])
    with pytest.raises(ConfigError, match="balances"):
        Market(balances={"USD": 1})


SHARED = (
    "account account_trades balances batch cancel create_instrument deposit instrument instruments "
    "kill mass_cancel open_account order order_book order_queue orders place positions "
    "remove_instrument replace resume set_limits set_phase suspend trades transfer withdraw"
)


@pytest.mark.parametrize("name", SHARED.split())
def test_code_for_the_client_runs_on_the_market(name: str) -> None:
    here, there = (
        [
            (parameter.name, parameter.kind)
            for parameter in inspect.signature(getattr(side, name)).parameters.values()
        ]
        for side in (Market, Client)
    )
    assert here == there
