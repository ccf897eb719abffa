"""A recorded session in place of the drawn public: a written one, and a real one if it is there."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Final

import pytest
from msgspec.structs import replace
from tests.unit.simulation.days import SECOND, small_scenario

from tradepit.domain.wire import Side
from tradepit.flow.recorded_book import RecordedBook
from tradepit.makers import StrategyChoice
from tradepit.marketdata.recorded_events import MboRecord, RecordedEvent
from tradepit.simulation.recording import Recording, read_recording, recorded_scenario
from tradepit.simulation.scenario import Pump, Scenario, with_strategy
from tradepit.simulation.simulation import Simulation

REAL: Final = Path(__file__).parents[4] / "shared/data/dbn/esm4-glbx-mdp3-20240508-2s.mbo.dbn.zst"
START: Final = 1_700_000_000 * SECOND
TICK: Final = 250_000_000
"""A quarter, in 1e-9."""


def event(number: int, second: float, *records: tuple[str, str, int, int, int]) -> RecordedEvent:
    """Action, side, price in ticks, size, order id."""
    at = START + int(second * SECOND)
    made = tuple(
        MboRecord(action, side, price * TICK, size, order_id, 0, 0, at, at)
        for action, side, price, size, order_id in records
    )
    return RecordedEvent(number, False, made)


def written() -> Recording:
    """Two levels a side; a buyer takes the first ask; the ask is placed anew."""
    events = [
        event(0, 0, ("A", "B", 399, 5, 1), ("A", "A", 401, 5, 2)),
        event(1, 1, ("A", "B", 398, 9, 3), ("A", "A", 402, 9, 4)),
        event(2, 5, ("T", "B", 401, 5, 90), ("F", "A", 401, 5, 2), ("C", "A", 401, 5, 2)),
        event(3, 9, ("A", "A", 401, 7, 5)),
        event(4, 20, ("C", "B", 398, 9, 3)),
    ]
    return Recording(
        events, "INDEX", Decimal("0.25"), Decimal("100.25"), START, START, START + 20 * SECOND
    )


def scenario_of(recording: Recording, base: Scenario | None = None) -> Scenario:
    return recorded_scenario(base or small_scenario(firms=[], step_ms=10), recording)


def depth(day: Simulation, side: Side) -> list[tuple[int, int, int]]:
    return day.venue.replica.depth(1, side, 1_000_000)


def test_without_outsiders_the_market_is_the_recording() -> None:
    recording = written()
    day = Simulation(scenario_of(recording), 1, recording=recording)
    assert day.run().holds
    assert depth(day, Side.BUY) == [(399, 5, 1)]
    assert depth(day, Side.SELL) == [(401, 7, 1), (402, 9, 1)]
    assert day.tape.trades.tolist() == [1]
    assert day.venue.replica.market_time_ns >= START + 20 * SECOND


def test_one_strategy_quotes_among_the_recorded_orders() -> None:
    recording = written()
    base = with_strategy(small_scenario(step_ms=10), "book-pegged", {"quantity": "2"})
    day = Simulation(scenario_of(recording, base), 1, recording=recording)
    report = day.run()
    assert report.holds
    assert [row.strategy for row in report.makers] == ["book-pegged"]
    [seat] = day.fleet.seats
    # At the back of the queue at 399 and 401: the aggressor took the five before it.
    assert (seat.bid.ticks, seat.ask.ticks) == (399, 401)
    assert (7, 2) in {(quantity, orders) for _, quantity, orders in depth(day, Side.BUY)}
    assert seat.fills == 0


def test_a_maker_before_the_recorded_order_takes_its_trade_and_the_order_is_trimmed() -> None:
    recording = written()
    choice = StrategyChoice(name="book-pegged", parameters={"offset_ticks": -1, "quantity": "2",
                                                            "spread_min_ticks": 1})  # fmt: skip
    base = with_strategy(small_scenario(step_ms=10), "book-pegged", {})
    base = replace(base, firms=[replace(base.firms[0], strategy=choice)])
    day = Simulation(scenario_of(recording, base), 1, recording=recording)
    assert day.run().holds
    [seat] = day.fleet.seats
    assert seat.fills > 0
    assert day.source.counts.outsider_hits > 0


def test_what_the_bot_took_of_a_recorded_order_is_not_given_back() -> None:
    recording = written()
    pump = Pump(symbol="ACORN", quantity=Decimal(3), orders=1, every_seconds=1.0, wait_seconds=2.0)
    base = small_scenario(firms=[], step_ms=10, pump=pump)
    day = Simulation(scenario_of(recording, base), 2, recording=recording)
    assert day.run().holds
    assert day.pump.bought_lots == day.pump.sold_lots == 3
    assert day.source.counts.hit_by_outsider_quantity == 6
    assert day.source.counts.lost_orders == 0


@pytest.mark.skipif(not REAL.exists(), reason="the recordings beside the repository are absent")
def test_a_real_session_ends_with_the_recorded_book() -> None:
    recording = read_recording(REAL)
    day = Simulation(scenario_of(recording), 1, recording=recording)
    assert day.run().holds
    book = RecordedBook()
    for each in recording.events:
        book.take_in(each)
    assert not book.is_crossed
    best, (bid, bid_lots, ask, ask_lots) = book.best, day.venue.replica.top(1)
    assert (bid * TICK, bid_lots, ask * TICK, ask_lots) == best
    sides = {"buy": Side.BUY, "sell": Side.SELL}
    for name, side in sides.items():
        recorded = book._levels.levels(name)  # type: ignore[arg-type]
        market = {price * TICK: lots for price, lots, _ in depth(day, side)}
        assert market == recorded
