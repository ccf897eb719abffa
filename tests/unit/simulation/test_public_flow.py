"""The drawn public: rates, auctions, cancels of the right orders, fair values."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from tests.unit.simulation.days import SECOND, small_scenario

from tradepit.domain.wire import PLACE_ORDER_DTYPE, CommandKind, OrderType
from tradepit.simulation.fair_value import FairValue
from tradepit.simulation.opening import Accounts, clock_of
from tradepit.simulation.public_flow import PublicFlow
from tradepit.simulation.scenario import Flow, Scenario

ACCOUNTS = Accounts(firms={}, pump=1, recorded=2, flow_first=3, flow=20)
PLACE, CANCEL = int(CommandKind.PLACE_ORDER), int(CommandKind.CANCEL_ORDER)


def flow_of(scenario: Scenario, seed: int = 1) -> PublicFlow:
    print(f"seed {seed}")
    clock = clock_of(scenario)
    rng = np.random.default_rng(seed)
    fair = FairValue(scenario, rng, starts_ns=clock.pre_opens)
    return PublicFlow(scenario, clock, ACCOUNTS, rng, fair)


def records_of(data: bytes) -> np.ndarray:
    return np.frombuffer(data, PLACE_ORDER_DTYPE)


def nobody() -> None:
    return None


def test_every_cancel_names_an_order_that_was_placed_before_by_the_same_account() -> None:
    scenario = small_scenario()
    flow, clock = flow_of(scenario), clock_of(scenario)
    sequence, placed, cancels = 1, {}, 0
    for now in range(clock.pre_opens, clock.opens + 120 * SECOND, SECOND // 4):
        records = records_of(flow.take(now, sequence, nobody))
        for record in records:
            if record["kind"] == PLACE:
                placed[sequence] = record["account"]
            else:
                assert record["kind"] == CANCEL
                assert placed.pop(int(record["price"])) == record["account"]
                cancels += 1
            sequence += 1
    assert cancels > 500


def test_the_same_seed_draws_the_same_commands_however_they_are_cut() -> None:
    scenario = small_scenario()
    end = clock_of(scenario).opens + 30 * SECOND
    whole = flow_of(scenario).take(end, 1, nobody)
    cut, flow = b"", flow_of(scenario)
    for now in range(clock_of(scenario).pre_opens, end + 1, SECOND // 10):
        cut += flow.take(now, 1 + len(cut) // 96, nobody)
    assert cut == whole
    assert flow_of(scenario, seed=2).take(end, 1, nobody) != whole


def test_only_limit_orders_come_while_orders_gather_and_they_cross() -> None:
    scenario = small_scenario()
    clock = clock_of(scenario)
    records = records_of(flow_of(scenario).take(clock.opens, 1, nobody))
    placed = records[records["kind"] == PLACE]
    assert set(placed["order_type"]) == {OrderType.LIMIT}
    bids, asks = placed[placed["side"] == 1], placed[placed["side"] == 2]
    assert bids["price"].max() >= asks["price"].min()


def test_all_kinds_come_in_continuous_trading_at_the_rate_that_was_asked_for() -> None:
    scenario = small_scenario(
        flow=Flow(commands_per_second=100.0, accounts=20, day_shape=0.0, lifetime_seconds=1.0)
    )
    clock, flow = clock_of(scenario), flow_of(scenario)
    before = len(flow.take(clock.opens + 60 * SECOND, 1, nobody)) // 96
    data = flow.take(clock.opens + 460 * SECOND, 1 + before, nobody)
    records = records_of(data)
    assert abs(len(records) / 400 - 100) < 5
    placed = records[records["kind"] == PLACE]
    kinds = {OrderType.LIMIT, OrderType.MARKET, OrderType.STOP}
    assert set(placed["order_type"]) == kinds
    icebergs = placed[placed["display_quantity"] > 0]
    assert len(icebergs) > 0
    assert (icebergs["quantity"] > icebergs["display_quantity"]).all()


def test_nothing_comes_after_the_close() -> None:
    scenario = small_scenario()
    clock, flow = clock_of(scenario), flow_of(scenario)
    flow.take(clock.closes, 1, nobody)
    assert flow.take(clock.ends + 3_600 * SECOND, 1, nobody) == b""


def test_a_day_is_busiest_at_its_ends() -> None:
    scenario = small_scenario()
    clock, flow = clock_of(scenario), flow_of(scenario)
    sixth = (clock.closing - clock.opens) // 6
    flow.take(clock.opens, 1, nobody)
    counts = [len(flow.take(clock.opens + n * sixth, 1, nobody)) for n in range(1, 7)]
    assert min(counts[0], counts[5]) > max(counts[2], counts[3])


def test_fair_values_walk_and_are_remembered_for_two_chunks() -> None:
    scenario = small_scenario()
    fair = FairValue(scenario, np.random.default_rng(1), starts_ns=0)
    assert fair.at(0).tolist() == [10_000.0] * 4
    first = fair.advance().copy()
    fair.advance()
    assert fair.at(3 * SECOND + 5).tolist() == first[:, 3].tolist()
    assert fair.at(100 * SECOND).tolist() == fair.at(20 * SECOND).tolist()
    assert all(a != b for a, b in pairwise(first[0].tolist()))


def test_fair_values_follow_the_market_by_the_share_that_is_asked_for() -> None:
    scenario = small_scenario()
    fair = FairValue(scenario, np.random.default_rng(1), starts_ns=0)
    start = fair.at(0)
    path = fair.advance(start + 100, 0.25)
    assert path[:, 0].tolist() == (start + 25).tolist()
