"""Short simulated days from end to end: determinism, auctions, halts, kills, pauses, checks."""

from __future__ import annotations

from pathlib import Path

import pytest
from msgspec.structs import replace
from tests.unit.simulation.days import (
    MINUTE,
    PEGGED,
    QUIET,
    SECOND,
    passed,
    require_all_fills_told,
    small_scenario,
)

from tradepit._native import Replica
from tradepit.domain.wire import RejectReason
from tradepit.journal.layout import DataDirectory
from tradepit.journal.scan import read_run, scan_journal
from tradepit.simulation.faults import Fault
from tradepit.simulation.journal_writer import JournalExists
from tradepit.simulation.scenario import Firm, Flow, Safety
from tradepit.simulation.simulation import Simulation

LEASE_NS = 3 * SECOND
STEP_NS = 250_000_000


@pytest.fixture(scope="module")
def quiet_day() -> Simulation:
    """A day on which nothing goes wrong."""
    return passed()


def strike(day: Simulation, *faults: Fault) -> None:
    """Let exactly this go wrong."""
    day.faults._plan = sorted(faults)


def test_makers_quote_all_day_and_earn_the_spread(quiet_day: Simulation) -> None:
    seats = quiet_day.fleet.seats
    tenures = [each for seat in seats for each in seat.reports if each.observed_s > 60]
    assert len(tenures) == len(seats)
    assert min(each.quote_uptime or 0.0 for each in tenures) > 0.9
    assert sum(seat.fills for seat in seats) > 100


def test_the_same_seed_gives_the_same_day_and_another_one_another(quiet_day: Simulation) -> None:
    again, other = passed(), passed(seed=2)
    hashes = [day.venue.replica.state_hash() for day in (quiet_day, again, other)]
    assert hashes[0] == hashes[1] != hashes[2]
    assert quiet_day.tape.trades.tolist() == again.tape.trades.tolist()


def test_both_auctions_uncross_every_symbol(quiet_day: Simulation) -> None:
    clock = quiet_day.clock
    done = {(a.instrument, a.phase, a.time_ns) for a in quiet_day.tape.auctions if a.trades}
    for number in (1, 2, 3, 4):
        assert (number, "auction", clock.opens) in done
        assert (number, "closing_auction", clock.closes) in done


def test_phases_follow_the_schedule_and_nothing_trades_outside(quiet_day: Simulation) -> None:
    changes = [c.phase for c in quiet_day.tape.phases if c.instrument == 1]
    assert changes == ["pre_open", "auction", "continuous", "closing_auction", "closed"]
    samples = quiet_day.sampler.samples
    assert sum(samples.symbols[0].trades) == quiet_day.tape.trades[0]


def test_public_orders_are_cancelled_by_the_sequence_that_they_got(quiet_day: Simulation) -> None:
    refused = quiet_day.tape.refusals
    assert set(refused) <= {RejectReason.UNKNOWN_ORDER, RejectReason.NOT_TRADING}
    assert refused[RejectReason.UNKNOWN_ORDER] < 0.2 * quiet_day.venue.commands


def test_a_killed_maker_loses_its_symbols_within_its_lease_and_gets_some_back() -> None:
    day = Simulation(small_scenario(), 3)
    at = day.clock.opens + 2 * MINUTE
    strike(day, Fault(at, "kill", 0, at + 60 * SECOND))
    assert day.run().holds
    after = [a for a in day.tape.assignments if a.account == 1 and a.time_ns >= at]
    lost = [a for a in after if a.time_ns < at + 60 * SECOND]
    assert {a.previous for a in lost} == {1}
    assert {a.maker for a in lost} == {2}
    assert len(lost) == 2
    # Its last sign of life was at most one heartbeat before the kill.
    assert all(a.time_ns <= at + LEASE_NS + 2 * STEP_NS for a in lost)
    back = [a for a in after if a.time_ns >= at + 60 * SECOND]
    assert len(back) == 2
    assert {a.previous for a in back} == {2}
    require_all_fills_told(day)


def test_a_maker_that_is_back_within_its_lease_goes_on_with_its_symbols() -> None:
    day = Simulation(small_scenario(), 3)
    at = day.clock.opens + 2 * MINUTE
    strike(day, Fault(at, "kill", 0, at + SECOND))
    assert day.run().holds
    assert [a for a in day.tape.assignments if a.time_ns > at] == []
    maker = day.fleet.makers[0]
    assert (maker.number, maker.epoch) == (1, 2)
    times = [len(seat.reports) for seat in day.fleet.seats if seat.owner == 1][:2]
    assert times == [2, 2]


def test_a_paused_maker_that_wakes_up_cannot_quote_what_it_no_longer_owns() -> None:
    pegged = [Firm(name="pegged", makers=2, strategy=PEGGED, lease_seconds=3.0)]
    day = Simulation(small_scenario(firms=pegged), 4)
    at = day.clock.opens + 2 * MINUTE
    strike(day, Fault(at, "pause", 0, at + 20 * SECOND))
    assert day.run().holds
    require_all_fills_told(day)
    assert day.fleet.late_refusals > 0
    assert day.fleet.refusals[RejectReason.NOT_OWNER] >= day.fleet.late_refusals


def test_a_short_pause_is_caught_up_with() -> None:
    day = Simulation(small_scenario(), 4)
    at = day.clock.opens + 2 * MINUTE
    strike(day, Fault(at, "pause", 0, at + SECOND))
    report = day.run()
    assert report.holds
    assert day.fleet.late_refusals == 0
    assert {row.times for row in report.makers} == {1}


def test_an_operator_halts_one_symbol_and_lets_it_go_on() -> None:
    day = Simulation(small_scenario(), 5)
    at = day.clock.opens + 2 * MINUTE
    strike(day, Fault(at, "halt", 2, 0), Fault(at + MINUTE, "resume", 2, 0))
    report = day.run()
    assert report.holds
    [halt] = report.halts
    assert (halt.symbol, halt.reason) == ("BIRCH", "operator")
    assert MINUTE <= halt.until_ns - halt.time_ns <= MINUTE + STEP_NS


def test_a_sudden_move_halts_by_its_band_and_reopens_by_an_auction() -> None:
    flow = Flow(commands_per_second=15.0, accounts=20, jumps_per_day=400.0, jump_percent=4.0)
    safety = Safety(band_percent=2.0, halt_seconds=20.0, reopening_auction_seconds=20.0)
    day = passed(small_scenario(flow=flow, safety=safety), seed=6)
    phases = {(c.phase, c.reason) for c in day.tape.phases}
    assert {("halted", "band"), ("auction", "reopening"), ("continuous", "reopening")} <= phases


def test_without_budget_nobody_quotes_and_with_a_small_one_it_is_never_exceeded() -> None:
    scenario = small_scenario()
    firms = [replace(firm, budget=firm.budget * 0 + 12) for firm in scenario.firms]
    day = passed(replace(scenario, firms=firms, session_hours=0.1), seed=7)
    for budget in day.fleet.budgets.values():
        assert 0 < budget.most_units <= budget.units


def test_a_day_leaves_a_journal_that_is_whole_and_replays_to_the_same_state(tmp_path: Path) -> None:
    scenario = small_scenario(session_hours=0.05)
    report = Simulation(scenario, 8, journal=tmp_path / "day").run()
    directory = DataDirectory(tmp_path / "day")
    tail = scan_journal(directory)
    assert tail.end == tail.mark.place
    replica = Replica()
    assert sum(replica.replay(read_run(directory, run)) for run in tail.runs) == report.commands
    assert replica.state_hash() == report.state_hash
    with pytest.raises(JournalExists):
        Simulation(scenario, 8, journal=tmp_path / "day")


def test_a_day_without_makers_still_passes() -> None:
    day = passed(small_scenario(firms=[], session_hours=0.1, faults=QUIET), seed=9)
    assert day.tape.trades.sum() > 0
