"""Edges of every type, sums beyond 64 bits, very long sweeps: defined answers, never a stop."""

from __future__ import annotations

from typing import Any

import pytest

from tradepit._native import EnginePanicked, Replica
from tradepit.domain import wire
from tradepit.domain.wire import Deposit, EventKind, OrderType, PlaceOrder, RejectReason, Side
from tradepit.testing.comparison import require_same
from tradepit.testing.frames import Command, Event, FrameWriter, command, read_events
from tradepit.testing.generator.wild import wild_frames
from tradepit.testing.oracle import Oracle
from tradepit.testing.script import START_NS, opening

MANY = 5_000


def compare_wild(seed: int, commands: int) -> None:
    oracle, replica = Oracle(), Replica()
    for frame in wild_frames(seed, commands):
        try:
            require_same(frame, oracle.apply(frame), replica.apply(frame))
        except Exception as error:
            raise AssertionError(f"wild seed {seed}: {error}") from error


@pytest.mark.parametrize("seed", range(12))
def test_fields_with_any_value_get_the_same_answer(seed: int) -> None:
    compare_wild(seed, 300)


@pytest.mark.full
def test_many_streams_of_fields_with_any_value_get_the_same_answer() -> None:
    for seed in range(1_000, 1_500):
        compare_wild(seed, 400)


class Both:
    """Both engines behind one writer; every answer has to be the same."""

    def __init__(self) -> None:
        self.oracle, self.replica, self.writer = Oracle(), Replica(), FrameWriter()
        self.send(*opening())

    def send(self, *commands: Command, time_ns: int = START_NS) -> list[Event]:
        frame = self.writer.write(commands, time_ns)
        expected = self.oracle.apply(frame)
        require_same(frame, expected, self.replica.apply(frame))
        return [event for event in expected.values if event.kind != EventKind.FRAME_APPLIED]

    def reasons(self, *commands: Command) -> list[int]:
        """RejectReason of each command, 0 for an accepted one; one event each is expected."""
        return [getattr(event.fields, "reason", 0) for event in self.send(*commands)]


def order(account: int, side: Side, price: int, quantity: int, **fields: Any) -> Command:
    return command(
        PlaceOrder(
            account=account,
            side=side,
            instrument=1,
            order_type=fields.pop("order_type", OrderType.LIMIT),
            time_in_force=fields.pop("time_in_force", wire.TimeInForce.GTC),
            price=price,
            quantity=quantity,
            definition_version=1,
            **fields,
        )
    )


def deposit(account: int, asset: int, amount: int) -> Command:
    return command(Deposit(account=account, asset=asset, amount=amount))


def test_deposits_of_many_accounts_may_exceed_63_bits_together() -> None:
    both = Both()
    both.send(*(deposit(account, 1, 2**62 - 1_000_000) for account in (1, 2, 3)))
    deposits, withdrawals, total, fees = both.replica.asset_totals(1)
    assert deposits == total == 3 * 2**62 > 2**63
    assert withdrawals == fees == 0


def test_a_balance_may_grow_by_trading_beyond_what_deposits_may_bring() -> None:
    both = Both()
    both.send(*(deposit(account, 1, 2**62 - 1_000_000) for account in (1, 2)))
    both.send(*(order(3, Side.SELL, 2**61, 1) for _ in range(4)))
    both.send(*(order(account, Side.BUY, 2**61, 1) for account in (1, 1, 2)))
    totals = {asset: total for asset, total, _, _ in both.replica.balances(3)}
    assert totals[1] == 3 * 2**61 + 1_000_000
    assert both.reasons(deposit(3, 1, 1)) == [RejectReason.BALANCE_OVERFLOW]
    withdraw = command(wire.Withdraw(account=3, asset=1, amount=1))
    assert both.send(withdraw)[0].kind == EventKind.FUNDS_MOVED


def test_a_balance_beyond_63_bits_stops_the_engine_and_never_wraps() -> None:
    both = Both()
    both.send(*(deposit(account, 1, 2**62 - 1_000_000) for account in (1, 2)))
    both.send(*(order(3, Side.SELL, 2**61, 1) for _ in range(4)))
    frame = both.writer.write([order(a, Side.BUY, 2**61, 1) for a in (1, 1, 2, 2)], START_NS)
    with pytest.raises(EnginePanicked) as stopped:
        both.replica.apply(frame)
    assert stopped.value.args[1] == both.writer.next_sequence - 1


def test_a_repriced_order_must_be_representable_at_its_new_price() -> None:
    both = Both()
    both.send(deposit(1, 1, 2**61), deposit(2, 2, 2**41), order(1, Side.BUY, 2**60, 1))
    repriced = order(2, Side.SELL, 1, 2**40, options=wire.Option.POST_ONLY_REPRICE)
    assert both.reasons(repriced) == [RejectReason.MAX_VALUE]


def test_a_market_buy_of_more_than_can_be_represented_is_refused() -> None:
    both = Both()
    both.send(deposit(1, 2, 2**50))
    both.send(*(order(1, Side.SELL, 2**21, 2**40) for _ in range(5)))
    everything = order(2, Side.BUY, 0, 2**40, order_type=OrderType.MARKET, time_in_force=4)
    assert both.reasons(everything) == [RejectReason.INSUFFICIENT_FUNDS]
    both.send(*(order(1, Side.SELL, 2**62 // 2**20 - 1, 2**20) for _ in range(3)))
    rules = wire.SetInstrumentRules(instrument=1, quantity_min=1, quantity_max=2**40)
    both.send(command(rules), command(wire.MassCancel(side=Side.SELL)))
    both.send(*(order(1, Side.SELL, 2**42 - 1, 2**19) for _ in range(3)))
    all_three = order(2, Side.BUY, 0, 3 * 2**19, order_type=OrderType.MARKET, time_in_force=4)
    assert both.reasons(all_three) == [RejectReason.MAX_VALUE]


def test_market_time_stops_at_its_bound() -> None:
    both = Both()
    both.send(command(wire.TimeJump(to_ns=2**63 - 1)))
    both.send(order(1, Side.BUY, 1, 1, time_in_force=wire.TimeInForce.DAY), time_ns=2**63 - 1)
    both.send(command(wire.Tick()), time_ns=2**63 - 1)
    assert both.replica.market_time_ns == 2**62


def native_events(replica: Replica, writer: FrameWriter, *commands: Command) -> list[Event]:
    applied = replica.apply(writer.write(commands, START_NS))
    return read_events(applied.events, applied.texts)


@pytest.mark.parametrize("spread", [0, 1, 7, 10**6, 2**30])
def test_five_thousand_fills_in_one_command_are_in_price_time_order(spread: int) -> None:
    """One order sweeps that many makers, at one price, at neighbours, or far apart."""
    replica, writer = Replica(), FrameWriter()
    native_events(replica, writer, *opening(), deposit(1, 1, 2**61), deposit(2, 2, MANY))
    places = [(k * 2_654_435_761) % MANY for k in range(MANY)]
    makers = [order(2, Side.SELL, 100 + place * spread, 1) for place in places]
    first_id = writer.next_sequence
    native_events(replica, writer, *makers)
    best_first = sorted(range(MANY), key=lambda k: (places[k] * spread, k))
    highest = 100 + MANY * spread
    sweep = order(1, Side.BUY, highest, MANY + 1, time_in_force=wire.TimeInForce.IOC)
    _, accepted, *trades, remainder = native_events(replica, writer, sweep)
    assert accepted.fields.trade_count == len(trades) == MANY
    assert [trade.fields.maker_order_id - first_id for trade in trades] == best_first
    assert remainder.fields.cancelled_quantity == 1
    assert replica.top(1) == (0, 0, 0, 0)
