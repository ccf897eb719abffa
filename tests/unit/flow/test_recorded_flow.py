"""A recorded session played into a market gives the recorded market back, outsiders aside."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest

from tradepit.flow.generated_session import TICK, generate_session
from tradepit.flow.local_market import LocalMarket
from tradepit.flow.market_port import OrderState
from tradepit.flow.operations import Cancel, Operation, Outcome
from tradepit.flow.recorded import OutsiderOrder, RecordedFlow, RunResult
from tradepit.flow.recorded_book import RecordedBook
from tradepit.flow.recorded_source import Happening, Lull, Moved, at_once
from tradepit.flow.recorded_truth import RecordedTruth
from tradepit.marketdata.recorded_events import (
    EventGrouper,
    MboRecord,
    RecordedEvent,
    read_events,
)

DATA = Path(__file__).parents[4] / "shared" / "data" / "dbn"


def play(
    events: list[RecordedEvent],
    market: LocalMarket | None = None,
    outsiders: Sequence[OutsiderOrder] = (),
) -> RunResult:
    flow = RecordedFlow(market or LocalMarket(), outsiders=outsiders)
    return asyncio.run(flow.run(at_once(events)))


class BusyMarket(LocalMarket):
    """A market in which outsiders trade, rest and leave before each batch, unannounced."""

    def __init__(self, seed: int) -> None:
        super().__init__()
        self._random = random.Random(seed)

    def can_follow(self, _operation: Operation, batch: Sequence[Operation]) -> bool:
        return len(batch) < 7

    async def execute(self, batch: Sequence[Operation]) -> list[Outcome]:
        quote = await self.quote()
        if self._random.random() < 0.3 and quote.bid_quantity and quote.ask_quantity:
            side = self._random.choice(("buy", "sell"))
            price = quote.ask_price if side == "buy" else quote.bid_price
            away = self._random.randint(-1, 2) * TICK
            immediate = self._random.random() < 0.6
            self.outside(side, price + away, self._random.randint(1, 9), immediate=immediate)
        return await super().execute(batch)


class SurprisedMarket(LocalMarket):
    """A market that one outsider sweeps once, unannounced, before the batch with this number."""

    def __init__(self, batch_number: int) -> None:
        super().__init__()
        self._batches_until = batch_number

    def can_follow(self, _operation: Operation, batch: Sequence[Operation]) -> bool:
        return len(batch) < 7

    async def execute(self, batch: Sequence[Operation]) -> list[Outcome]:
        self._batches_until -= 1
        if self._batches_until == 0:
            await self.take("buy", 40)
        return await super().execute(batch)

    async def inspect(self, handle: int) -> OrderState | None:
        assert self._batches_until <= 0, "nothing is looked up while all goes as foreseen"
        return await super().inspect(handle)


class OperatedMarket(LocalMarket):
    """A market whose operator takes fifty resting orders away after the first batches."""

    def __init__(self) -> None:
        super().__init__()
        self.batches = 0

    def can_follow(self, _operation: Operation, batch: Sequence[Operation]) -> bool:
        return len(batch) < 7

    async def execute(self, batch: Sequence[Operation]) -> list[Outcome]:
        self.batches += 1
        if self.batches == 60:
            open_handles = [handle for handle in self._sent if self._book.order(handle)]
            for handle in open_handles[-50:]:
                self._book.execute(Cancel(handle))
        return await super().execute(batch)


@pytest.mark.parametrize("seed", range(5))
def test_an_undisturbed_market_ends_in_the_recorded_book(seed: int) -> None:
    result = play(generate_session(seed=seed, events=1_500))
    report = result.comparison
    assert report.is_within_targets
    assert report.events_compared == 1_500
    assert report.orders_traded > 100
    assert result.unforeseen == 0


def test_hidden_quantity_and_self_match_cancels_occur_in_generated_sessions() -> None:
    events = generate_session(seed=1, events=1_500)
    result = play(events)
    kinds = {"".join(record.action for record in event.records) for event in events}
    assert "AC" in kinds
    assert result.counts.refreshed_orders > 0
    assert result.counts.held_events > 0


@pytest.mark.parametrize("seed", range(8))
def test_among_outsiders_no_order_stands_larger_than_recorded(seed: int) -> None:
    events = generate_session(seed=seed, events=1_000)
    market = BusyMarket(seed)
    result = play(events, market)
    counts = result.counts
    assert counts.outsider_hits >= 5
    assert counts.hit_by_outsider >= 5
    assert counts.trimmed_orders > 0
    assert result.unforeseen > 0
    truth = RecordedTruth()
    for event in events:
        truth.apply(event)
    for side in ("buy", "sell"):
        recorded = truth.levels(side)
        for price, quantity in market.own_levels(side).items():
            assert quantity <= recorded[price][0], (seed, side, price)


@pytest.mark.parametrize("seed", range(5))
def test_what_an_outsider_did_is_learnt_once_and_foreseen_from_then_on(seed: int) -> None:
    result = play(generate_session(seed=seed, events=1_000), SurprisedMarket(60))
    assert result.counts.hit_by_outsider_quantity == 40
    assert result.unforeseen <= 2 * 7


def test_orders_that_an_operator_took_away_are_not_sent_again() -> None:
    result = play(generate_session(seed=1, events=1_000), OperatedMarket())
    assert 10 < result.counts.lost_orders <= 50


def test_a_large_outside_order_moves_the_market_and_it_comes_back() -> None:
    order = OutsiderOrder(event_number=400, side="buy", quantity=60)
    result = play(generate_session(seed=3, events=1_500), outsiders=[order])
    (report,) = result.outsiders
    assert report.filled == 60
    assert report.right_after.ask_price > report.before.ask_price
    assert report.equal_again_after is not None
    assert result.counts.hit_by_outsider_quantity == 60
    assert result.comparison.price_share > 0.8


def test_the_same_session_gives_the_same_result_twice() -> None:
    events = generate_session(seed=4, events=500)
    first, second = play(events, BusyMarket(1)), play(events, BusyMarket(1))
    assert first.comparison == second.comparison
    assert first.counts == second.counts


def test_the_main_recording_is_reproduced() -> None:
    path = DATA / "esh4-glbx-mdp3-20231225.mbo.dbn.zst"
    if not path.exists():
        pytest.skip("esh4-glbx-mdp3-20231225 is not here (../shared/data/dbn)")
    result = play(list(read_events(path)))
    report = result.comparison
    assert report.is_within_targets
    assert report.events_compared == 46_096
    assert (report.bids.market_levels, report.asks.market_levels) == (922, 565)
    assert report.bids.market_orders + report.asks.market_orders == 11_217
    assert (report.price_share, report.size_share, report.fills_share) == (1.0, 1.0, 1.0)
    assert report.volume_difference == 0


def test_a_recording_without_a_snapshot_differs_only_by_what_spreads_traded() -> None:
    path = DATA / "clx5-glbx-mdp3-20250924.mbo.dbn"
    if not path.exists():
        pytest.skip("clx5-glbx-mdp3-20250924 is not here (../shared/data/dbn)")
    result = play(list(read_events(path)))
    report = result.comparison
    assert (report.price_share, report.size_share) == (1.0, 1.0)
    assert report.fills_share >= 0.95
    assert report.volume_recorded - report.volume_market == report.volume_implied
    assert result.ends_in_auction


@pytest.mark.parametrize("seed", range(3))
def test_a_move_cancels_everything_and_goes_on_from_the_book_of_the_new_place(seed: int) -> None:
    events = generate_session(seed=seed, events=1_500)
    market = BusyMarket(seed)

    async def happenings() -> AsyncIterator[Happening]:
        for event in events[:400]:
            yield event
        yield Lull()
        yield Moved(book_after(events[:200]))
        for event in events[200:]:
            yield event

    alone = asyncio.run(RecordedFlow(LocalMarket()).run(happenings()))
    assert alone.comparison.is_within_targets
    assert alone.comparison.events_compared == len(events[200:]) + 1
    assert any("laid anew once" in note for note in alone.notes)
    result = asyncio.run(RecordedFlow(market).run(happenings()))
    assert (result.moves, result.counts.outsider_hits > 5) == (1, True)
    truth = RecordedTruth()
    for event in events:
        truth.apply(event)
    for side in ("buy", "sell"):
        recorded = truth.levels(side)
        for price, quantity in market.own_levels(side).items():
            assert quantity <= recorded[price][0], (seed, side, price)


def book_after(events: Sequence[RecordedEvent]) -> RecordedEvent:
    """The whole recorded book as one event."""
    book = RecordedBook()
    orders: dict[int, None] = {}
    for event in events:
        book.take_in(event)
        orders |= dict.fromkeys(record.order_id for record in event.records)
    grouper = EventGrouper()
    sides = {"buy": "B", "sell": "A"}
    found = [(number, book.order(number)) for number in orders]
    return grouper.replace(
        MboRecord("A", sides[order.side], order.price, order.size, number, 0, 0, 0, 0)
        for number, order in found
        if order is not None
    )
