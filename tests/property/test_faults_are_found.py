"""The suite can fail: deliberate faults in an engine are seen by comparison and by the auditor.

The faulty engine is the oracle with one rule broken; it plays streams that the sound oracle made.
"""

from __future__ import annotations

import functools
from typing import Any

import pytest
from tests.property.faults import FAULTS_OF_VERSION_2, Fault

from tradepit._native import Replica
from tradepit.domain.wire import EventKind, Side
from tradepit.testing.auditor import AuditFailure, Auditor
from tradepit.testing.comparison import Difference, require_same
from tradepit.testing.frames import EVENT_STRUCTS, Event, read_events
from tradepit.testing.generator import Generator, Step
from tradepit.testing.oracle import (
    funds,
    keys,
    market,
    matching,
    moments,
    placing,
    positions,
    replacing,
    safety,
)
from tradepit.testing.oracle_engine import OracleEngine
from tradepit.testing.shrink import DROPPED, Case, engine_failure, shrink
from tradepit.testing.summary import summary_of_oracle

SEEDS = (1, 17, 20)
COMMANDS = 4_000


def round_up(notional: int, ppm: int) -> int:
    return -(-notional * ppm // 1_000_000)


def latest_first(order: market.Order) -> tuple[int, int]:
    return (-order.price if order.side == Side.BUY else order.price, -order.place)


def strict_limit(side: Side, limit: int | None, price: int) -> bool:
    return limit is None or (price < limit if side == Side.BUY else price > limit)


def any_price(side: Side, limit: int | None, price: int) -> bool:
    return True


def demoting_trade(market_: Any, maker: market.Order, taker: market.Order) -> Any:
    trade = SOUND_TRADE(market_, maker, taker)
    market_.last_place += 1
    maker.place = market_.last_place
    return trade


def oldest_shrinks(*arguments: Any) -> list[market.Order]:
    return list(reversed(SOUND_RESTING_REDUCE_ONLY(*arguments)))


def replace_anew(market_: Any, order: market.Order, instrument: Any, total: int) -> None:
    replacing.lose_place(market_, order, instrument, order.price, total)


def cheap_market_buy(market_: Any, taker: market.Order, limit: int | None) -> int:
    return SOUND_COST(market_, taker, limit) - 1


def forgetful_hold(*arguments: Any) -> tuple[int, int]:
    asset, _ = SOUND_HOLD(*arguments)
    return asset, 0


def late_due(market_: Any) -> Any:
    market_.time_ns -= 1
    try:
        return SOUND_DUE(market_)
    finally:
        market_.time_ns += 1


def own_order_counts(maker: market.Order, taker: market.Order) -> bool:
    return False


def maker_mode_governs(maker: market.Order, taker: market.Order) -> bool:
    return maker.self_trade_prevention != 0 and SOUND_IS_OWN(maker, taker)


def averaged_away(position: market.Position, side: Side, price: int, quantity: int) -> None:
    SOUND_CHANGE_NET(position, side, price, quantity)
    position.cost += 1


SOUND_TRADE = matching.trade
SOUND_IS_OWN = matching.is_own
SOUND_RESTING_REDUCE_ONLY = positions.resting_reduce_only
SOUND_COST = funds.market_buy_cost
SOUND_HOLD = funds.hold
SOUND_DUE = moments.first_due
SOUND_CHANGE_NET = positions.change_net

FAULTS = {
    "trade at the taker's price": Fault(
        matching, "trade_price", lambda maker, taker: taker.price or maker.price
    ),
    "last in, first out": Fault(market, "priority", latest_first),
    "fees rounded up": Fault(funds, "fee", round_up),
    "limit price exclusive": Fault(matching, "reaches", strict_limit),
    "trade through the limit": Fault(matching, "reaches", any_price),
    "partial fill demotes the maker": Fault(matching, "trade", demoting_trade),
    "size down loses the place": Fault(replacing, "keep_place", replace_anew, audited=False),
    "fill or kill always tries": Fault(matching, "fill_or_kill_is_possible", lambda *_: True),
    "self-trade never prevented": Fault(matching, "is_own", own_order_counts),
    "the maker's self-trade mode has a say": Fault(matching, "is_own", maker_mode_governs),
    "expiry a nanosecond late": Fault(moments, "first_due", late_due),
    "reduce-only never shrinks": Fault(matching, "shrink_reduce_only", lambda *_: None),
    "oldest reduce-only shrinks first": Fault(
        positions, "resting_reduce_only", oldest_shrinks, audited=False
    ),
    "nothing is held": Fault(funds, "hold", forgetful_hold),
    "market buy may pay less than it costs": Fault(
        funds, "market_buy_cost", cheap_market_buy, audited=False
    ),
    "post-only takes": Fault(
        placing, "post_only_price", lambda market_, order, price, leaves: price
    ),
    "keys are never forgotten": Fault(keys, "forget_old", lambda market_: None, audited=False),
    "keys are forgotten at once": Fault(keys, "forget_old", lambda market_: market_.keys.clear()),
    "collar ignored": Fault(placing, "check_collar", lambda *_: None, audited=False),
    "open orders not counted": Fault(placing, "check_open_orders", lambda *_: None, audited=False),
    "position limit ignored": Fault(
        placing, "check_position_limit", lambda *_: None, audited=False
    ),
    "suspension ignored": Fault(safety, "check_account_state", lambda *_: None),
    **FAULTS_OF_VERSION_2,
}


@functools.cache
def steps_of(seed: int) -> list[Step]:
    return list(Generator(seed).steps(COMMANDS))


def compare(streams: list[list[Step]]) -> None:
    """Play what the sound oracle answered on the faulty one."""
    for stream in streams:
        faulty = OracleEngine()
        for step in stream:
            require_same(step.frame, step.applied, faulty.apply(step.frame))


def audit(streams: list[list[Step]]) -> None:
    for stream in streams:
        faulty, auditor = OracleEngine(), Auditor()
        for step in stream:
            applied = faulty.apply(step.frame)
            auditor.follow(step.frame, applied.events, applied.texts, applied.ends)


@pytest.mark.parametrize("name", FAULTS)
def test_comparison_finds_the_fault(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    steps = [steps_of(seed) for seed in SEEDS]
    monkeypatch.setattr(FAULTS[name].owner, FAULTS[name].name, FAULTS[name].instead)
    with pytest.raises(Difference):
        compare(steps)


@pytest.mark.parametrize("name", [name for name, fault in FAULTS.items() if fault.audited])
def test_the_auditor_finds_the_fault(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    steps = [steps_of(seed) for seed in SEEDS]
    monkeypatch.setattr(FAULTS[name].owner, FAULTS[name].name, FAULTS[name].instead)
    with pytest.raises(AuditFailure):
        audit(steps)


def test_a_wrong_position_cost_is_seen_in_the_state(monkeypatch: pytest.MonkeyPatch) -> None:
    steps = steps_of(SEEDS[0])
    sound = Replica()
    monkeypatch.setattr(positions, "change_net", averaged_away)
    faulty = OracleEngine()
    for step in steps[:60]:
        sound.apply(step.frame)
        faulty.apply(step.frame)
    costs = {key: row[1] for key, row in summary_of_oracle(faulty.market).positions.items()}
    assert any(
        cost != costs[account, instrument]
        for account in faulty.market.accounts
        for instrument, _, cost, *_ in sound.positions(account)
        if (account, instrument) in costs
    )


def test_the_shrinker_leaves_a_handful_of_commands() -> None:
    steps = steps_of(SEEDS[0])[:60]

    class TradesOneTooDear(OracleEngine):
        def apply(self, frames: bytes) -> Any:
            applied = super().apply(frames)
            return dear(applied)

    check = engine_failure(TradesOneTooDear)
    case = Case.of_frames([step.frame for step in steps])
    assert check(case.frames()) is not None
    small = shrink(case, check)
    kept = [command for command in small.commands if command != DROPPED]
    assert check(small.frames()) is not None
    assert len(kept) <= 15


def dear(applied: Any) -> Any:
    """The same answer with every trade printed one tick higher."""
    events = b"".join(
        EVENT_STRUCTS[EventKind(event.kind)].pack(*one_tick_higher(event).fields)
        for event in read_events(applied.events, applied.texts)
    )
    return type(applied)(
        events, applied.texts, applied.ends, applied.first_sequence, applied.values
    )


def one_tick_higher(event: Event) -> Event:
    if not hasattr(event.fields, "trade_id"):
        return event
    return Event(event.fields._replace(price=event.fields.price + 1), event.text)
