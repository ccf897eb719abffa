"""A command's events are not all its own: what is due comes before, triggered orders run after.

Market time moves with the very frame of a command here, so that both stand under its sequence.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tradepit.client.errors import ApiError
from tradepit.client.models import MassCancel, Place
from tradepit.market import Market

START_NS = 1_767_225_600_000_000_000
SECOND_NS = 1_000_000_000
SYMBOL = "ABC-USD"


class Hand:
    """The hand of a clock that tests move, by less than market time may jump."""

    def __init__(self) -> None:
        self.time_ns = START_NS

    def __call__(self) -> int:
        return self.time_ns

    def move(self, seconds: float = 1.0) -> None:
        self.time_ns += int(seconds * SECOND_NS)


@pytest.fixture
def hand() -> Hand:
    return Hand()


@pytest.fixture
def market(hand: Hand) -> Market:
    return Market(instruments=[SYMBOL], balances={"USD": 10**9, "ABC": 10**6}, clock=hand)


def rest(market: Market, client_id: str, side: str = "buy", price: int = 90) -> str:
    order = market.place(client_id=client_id, instrument=SYMBOL, side=side, price=price, quantity=1)
    return order.id


def code_of(call: Callable[[], object]) -> str:
    with pytest.raises(ApiError) as found:
        call()
    return found.value.problem.code


def one_command(market: Market, before: int) -> None:
    """What was asked since was one command: its moment was its own frame's."""
    assert market.sequence == before + 1


def test_a_cancel_of_an_order_that_the_dead_man_takes_first_is_refused(
    market: Market, hand: Hand
) -> None:
    order_id = rest(market, "alice")
    market.set_dead_man("alice", timeout_ms=500)
    hand.move()
    before = market.sequence
    assert code_of(lambda: market.cancel(order_id)) == "order_closed"
    one_command(market, before)
    assert market.order(order_id).status == "cancelled"


def test_a_cancel_of_an_order_that_an_auction_fills_first_is_refused(
    market: Market, hand: Hand
) -> None:
    market.set_phase(SYMBOL, "auction")
    bought, sold = rest(market, "alice", "buy", 101), rest(market, "bob", "sell", 100)
    market.set_schedule(SYMBOL, [{"at": "00:00:00.500", "phase": "continuous"}])
    hand.move()
    before = market.sequence
    assert code_of(lambda: market.cancel(bought)) == "order_closed"
    one_command(market, before)
    assert {market.order(order_id).status for order_id in (bought, sold)} == {"filled"}


def test_a_cancel_behind_an_auction_and_a_dead_man_answers_with_its_own_order(
    market: Market, hand: Hand
) -> None:
    market.set_phase(SYMBOL, "auction")
    for number in range(3):
        rest(market, f"buyer-{number}", "buy", 101)
        rest(market, f"seller-{number}", "sell", 100)
    own = rest(market, "alice", "buy", 50)
    gone = rest(market, "bob", "buy", 51)
    market.set_dead_man("bob", timeout_ms=400)
    market.set_schedule(SYMBOL, [{"at": "00:00:00.500", "phase": "continuous"}])
    hand.move()
    before = market.sequence
    order = market.cancel(own)
    one_command(market, before)
    assert (order.id, order.status) == (own, "cancelled")
    assert market.order(gone).status == "cancelled"
    assert len(market.trades()) == 3


def test_a_mass_cancel_counts_its_own_and_not_the_dead_mans(market: Market, hand: Hand) -> None:
    rest(market, "alice")
    for _ in range(5):
        rest(market, "bob")
    market.set_dead_man("bob", timeout_ms=500)
    hand.move()
    before = market.sequence
    assert market.mass_cancel(client_id="alice") == 1
    one_command(market, before)
    assert len(market.orders(client_id="bob", status="open")) == 0


def test_a_mass_cancel_that_is_too_late_is_refused_though_a_dead_man_cancelled(
    market: Market, hand: Hand
) -> None:
    rest(market, "alice")
    rest(market, "bob")
    market.set_dead_man("bob", timeout_ms=500)
    hand.move()
    wanted = MassCancel(client_id="alice", valid_until="2026-01-01T00:00:00.500Z")
    (result,) = market.batch([wanted])
    assert result.status == 422
    assert result.problem is not None
    assert result.problem.code == "too_late"
    assert len(market.orders(client_id="alice", status="open")) == 1


def test_a_kill_counts_its_own_orders(market: Market, hand: Hand) -> None:
    for _ in range(2):
        rest(market, "alice")
    for _ in range(5):
        rest(market, "bob")
    market.set_dead_man("bob", timeout_ms=500)
    hand.move()
    assert market.kill("alice").cancelled == 2


def test_setting_the_dead_man_anew_when_it_is_due_shows_the_new_time(
    market: Market, hand: Hand
) -> None:
    order_id = rest(market, "alice")
    market.set_dead_man("alice", timeout_ms=500)
    hand.move()
    timer = market.set_dead_man("alice", timeout_ms=5_000)
    assert timer.expires_at == "2026-01-01T00:00:06.000000000Z"
    assert market.order(order_id).status == "cancelled"


def test_a_new_order_behind_expiries_and_an_auction_answers_for_itself(
    market: Market, hand: Hand
) -> None:
    market.set_phase(SYMBOL, "auction")
    rest(market, "buyer", "buy", 101)
    rest(market, "seller", "sell", 100)
    rest(market, "alice", "buy", 30)
    expiring = market.place(
        client_id="late",
        instrument=SYMBOL,
        side="buy",
        price=40,
        quantity=1,
        time_in_force="gtd",
        expires_at="2026-01-01T00:00:00.250Z",
    )
    market.set_schedule(SYMBOL, [{"at": "00:00:00.500", "phase": "continuous"}])
    hand.move()
    before = market.sequence
    order = market.place(client_id="alice", instrument=SYMBOL, side="buy", price=60, quantity=2)
    one_command(market, before)
    assert (order.client_id, order.status, order.fills) == ("alice", "new", ())
    assert market.order(expiring.id).status == "expired"


def test_a_refused_order_behind_others_fills_is_refused(market: Market, hand: Hand) -> None:
    market.set_phase(SYMBOL, "auction")
    rest(market, "buyer", "buy", 101)
    rest(market, "seller", "sell", 100)
    rest(market, "alice")
    market.set_schedule(SYMBOL, [{"at": "00:00:00.500", "phase": "closed"}])
    hand.move()
    order = {"client_id": "alice", "instrument": SYMBOL, "side": "buy", "price": 60, "quantity": 1}
    assert code_of(lambda: market.place(**order)) == "not_trading"  # type: ignore[arg-type]


def test_a_phase_set_behind_a_scheduled_one_is_answered_with_the_last(
    market: Market, hand: Hand
) -> None:
    market.set_schedule(SYMBOL, [{"at": "00:00:00.500", "phase": "auction"}])
    hand.move()
    before = market.sequence
    assert market.set_phase(SYMBOL, "halted").phase == "halted"
    one_command(market, before)


def test_each_order_of_a_batch_answers_for_itself_through_a_cascade(market: Market) -> None:
    def order(client_id: str, side: str, price: int | None, **more: object) -> Place:
        fields = {"client_id": client_id, "instrument": SYMBOL, "side": side, "quantity": 1}
        return Place(**fields, price=price, **more)  # type: ignore[arg-type]

    rest(market, "maker", "sell", 100)
    rest(market, "first", "buy", 100)
    operations = [
        order("stop-1", "buy", None, type="stop", stop_price=101),
        order("stop-2", "buy", None, type="stop", stop_price=102),
        order("maker", "sell", 101),
        order("maker", "sell", 102),
        order("maker", "sell", 103),
        order("taker", "buy", 101),
        order("last", "buy", 50),
    ]
    results = [result.order for result in market.batch(operations)]
    orders = [found for found in results if found is not None]
    assert [found.client_id for found in orders] == [each.client_id for each in operations]
    assert [found.status for found in orders] == ["new"] * 5 + ["filled", "new"]
    assert [len(found.fills) for found in orders] == [0] * 5 + [1, 0]
    now = [market.order(found.id) for found in orders]
    assert [str(found.average_price) for found in now[:2]] == ["102.00", "103.00"]
