"""Rules of version 2 broken on purpose, for the test that comparison and auditor see it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from tradepit.domain.wire import EndReason, Phase, PhaseReason
from tradepit.testing.oracle import (
    auctions,
    firms,
    icebergs,
    keys,
    makers,
    market,
    matching,
    moments,
    order_events,
    phases,
    placing,
    safety,
    sessions,
    stops,
    triggers,
    waiting,
)


@dataclass(frozen=True)
class Fault:
    """A rule broken on purpose: what stands for `owner.name` instead."""

    owner: Any
    name: str
    instead: Callable[..., Any]
    audited: bool = True
    """Whether the auditor, which knows neither limits nor keys in full, must see it too."""


def refresh_in_place(market_: Any, order: market.Order, quantity: int) -> bool:
    place = order.place
    kept = SOUND_FILL(market_, order, quantity)
    order.place = place
    return kept


def silent_refresh(market_: Any, order: market.Order, **how: Any) -> Any:
    return SOUND_FILLED(market_, order, **{**how, "kept": True})


def unreached(order: market.Order, price: int) -> bool:
    return SOUND_REACHED(order, price) and price != order.stop_price


def last_first(order: market.Order) -> tuple[int, ...]:
    return tuple(-part for part in SOUND_TURN(order))


def any_candidate(candidates: list[Any], reference: int) -> Any:
    return candidates[0]


def least_volume(bids: list[market.Order], asks: list[market.Order]) -> list[Any]:
    return [level for level in SOUND_LEVELS(bids, asks) if level.volume][:1]


def earlier_takes(market_: Any, instrument: market.Instrument, price: int) -> Any:
    pair = SOUND_MEETING(market_, instrument, price)
    return pair[::-1] if pair else None


def one_round(market_: Any, instrument: market.Instrument) -> int:
    level = auctions.round_of(market_, instrument)
    if level is None:
        return 0
    auctions.run_round(market_, instrument, level)
    return level.price


def reopen_at_once(market_: Any, instrument: market.Instrument) -> None:
    reason = PhaseReason.REOPENING
    phases.enter_phase(market_, instrument, Phase.CONTINUOUS, reason)


def budget_per_instrument(market_: Any, account: Any, instrument: Any, requested: Any) -> Any:
    alone = replace(account, quotes={})
    return SOUND_GRANT(market_, alone, instrument, requested)


def unmindful(market_: Any, order: market.Order, amount: int, reason: Any = 0) -> None:
    SOUND_LOWER(market_, order, amount, order_events.LEAVES_RESERVATION[0])


def all_to_the_first(firm: Any) -> dict[int, int]:
    return dict.fromkeys(firm.owners, min(firm.makers, default=0))


def end_everything(market_: Any, session: Any, reason: EndReason) -> None:
    for order in market_.live_of(session.account):
        order.session = session.number
    SOUND_END(market_, session, reason)


def waits_like_any_other(market_: Any, order: market.Order) -> int:
    return SOUND_CAPACITY(market_, order) + 1


SOUND_FILL = icebergs.fill_resting
SOUND_FILLED = icebergs.filled
SOUND_REACHED = triggers.is_reached
SOUND_TURN = triggers.turn
SOUND_LEVELS = auctions.levels_of
SOUND_MEETING = auctions.meeting
SOUND_GRANT = firms.grant
SOUND_LOWER = order_events.lower_leaves
SOUND_END = sessions.end
SOUND_CAPACITY = waiting.capacity_for

FAULTS_OF_VERSION_2 = {
    "a fresh slice keeps its place": Fault(icebergs, "fill_resting", refresh_in_place),
    "a fresh slice is told as kept": Fault(icebergs, "filled", silent_refresh),
    "a fill of an iceberg is not told to its reservation": Fault(
        icebergs, "lower_leaves", unmindful
    ),
    "stops are reached one tick late": Fault(triggers, "is_reached", unreached),
    "trailing stops stand still": Fault(triggers, "trail", lambda *_: None),
    "the last stop reached runs first": Fault(triggers, "turn", last_first),
    "stop orders never run": Fault(waiting, "run_triggered", lambda _: None),
    "a triggered reduce-only order is clipped to more": Fault(
        waiting, "capacity_for", waits_like_any_other
    ),
    "a stop's worst price is its stop": Fault(
        stops, "worst_price", lambda instrument, side, stop_price: stop_price, audited=False
    ),
    "the auction's price is any of the best": Fault(auctions, "by_pressure", any_candidate),
    "the auction executes little": Fault(auctions, "levels_of", least_volume),
    "the earlier order takes in an auction": Fault(auctions, "meeting", earlier_takes),
    "one round is enough": Fault(phases, "uncross", one_round),
    "nothing is uncrossed": Fault(phases, "uncross", lambda *_: 0),
    "bands do not bind": Fault(matching, "band_of", lambda _: None),
    "no auction after a halt": Fault(phases, "reopen", reopen_at_once, audited=False),
    "a missed transition is skipped": Fault(
        phases, "follow_schedule", lambda _, instrument: skip(instrument), audited=False
    ),
    "indicative values are not told": Fault(
        moments, "publish_indicative", lambda _: None, audited=False
    ),
    "each instrument has the whole budget": Fault(firms, "grant", budget_per_instrument),
    "one maker owns everything": Fault(makers, "new_owners", all_to_the_first),
    "a session's end cancels all": Fault(sessions, "end", end_everything),
    "any session will do": Fault(placing, "check_session", lambda *_: None),
    "the owner does not matter": Fault(firms, "check_owner", lambda *_: None),
    "messages are not counted": Fault(safety, "count_message", lambda *_: None, audited=False),
    "repeats are not counted": Fault(safety, "count_repeat", lambda *_: None, audited=False),
    "trades are not counted": Fault(safety, "count_traded", lambda *_: None, audited=False),
    "own bounds are ignored": Fault(safety, "check_value", lambda *_: None, audited=False),
    "a maker of a key matters": Fault(keys, "MAKER_KINDS", (), audited=False),  # type: ignore[arg-type]
}


def skip(instrument: market.Instrument) -> None:
    due = instrument.next_transition
    instrument.next_transition = phases.transition_after(instrument.schedule, due)
