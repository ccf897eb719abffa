"""Recorded flow: drives a market with a recorded session and compares what comes of it.

Operations travel in batches. What each will do is foreseen with a local book of the flow's own
orders, so that the corrections that end an event need no round trip. The market's answers are held
against what was foreseen; where an outsider made a difference, the trades are fetched, the orders
concerned are looked up, and the policy corrects them.

Time is not this room's business: what happens, and when, is told by a source.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import AsyncIterable, Callable, Iterable
from dataclasses import dataclass, field
from typing import Final

from tradepit.flow.answered_book import AnsweredBook
from tradepit.flow.comparison import Comparison, ComparisonReport
from tradepit.flow.level_quantities import BestQuote
from tradepit.flow.market_port import Market, OrderState
from tradepit.flow.operations import Operation, Side, Trade
from tradepit.flow.price_time_book import Execution, PriceTimeBook
from tradepit.flow.recorded_policy import PolicyCounts, RecordedPolicy
from tradepit.flow.recorded_source import Happening, Lull, Moved
from tradepit.flow.recorded_truth import RecordedTruth, TruthStep
from tradepit.marketdata.recorded_events import RecordedEvent

BATCH_MAX: Final = 1_000
"""Operations in one request: the limit of the batch route."""

SYNC_OPERATIONS: Final = 2_000
"""Operations after which the trades are fetched even when everything went as foreseen."""

ROUNDS_MAX: Final = 5
"""Corrections can meet outsiders in turn; after so many rounds the next event goes first."""

WATCH_EVENTS: Final = (1, 10, 100, 1_000, 5_000, 10_000)
"""Events after an outsider's order at which the market is looked at."""


@dataclass(slots=True, frozen=True)
class OutsiderOrder:
    """A large marketable order of somebody else, sent before the event with this index."""

    event_number: int
    side: Side
    quantity: int


@dataclass(slots=True)
class OutsiderMark:
    """The market beside the recording, so many events after an outsider's order."""

    events_after: int
    market: BestQuote
    recorded: BestQuote


@dataclass(slots=True)
class OutsiderReport:
    """What an outsider's order did. Units: price in 1e-9 of the quote currency, quantity lots."""

    order: OutsiderOrder
    filled: int
    worst_price: int
    before: BestQuote
    right_after: BestQuote
    marks: list[OutsiderMark] = field(default_factory=list)
    equal_again_after: int | None = None
    """Events until best bid and offer had the recorded prices again; None = not yet."""


@dataclass(slots=True)
class RunResult:
    """One run of a recording through a market."""

    comparison: ComparisonReport
    counts: PolicyCounts
    outsiders: list[OutsiderReport]
    events: int
    operations: int
    batches: int
    unforeseen: int
    """Operations that did something else than foreseen."""
    seconds: float
    ends_in_auction: bool
    """The recording ends with a crossed book, which was not sent."""
    moves: int = 0
    """How often the book was laid anew: the replay jumped, or messages were lost."""

    @property
    def notes(self) -> list[str]:
        """What keeps the market from being the recorded one in this run."""
        notes = []
        if self.counts.outsider_hits or self.counts.hit_by_outsider:
            notes.append("outsiders traded: the targets are for a run without them")
        if self.moves:
            times = "once" if self.moves == 1 else f"{self.moves:,} times"
            notes.append(f"the book was laid anew {times}: compared from the last time on")
        if self.ends_in_auction:
            notes.append(
                "the recording ends with a crossed book: the market keeps the one from before"
            )
        return notes


class RecordedFlow:
    """One recording going into one market."""

    def __init__(
        self,
        market: Market,
        *,
        outsiders: Iterable[OutsiderOrder] = (),
        on_event: Callable[[RecordedEvent], None] | None = None,
    ) -> None:
        self._market = market
        self._waiting = sorted(outsiders, key=lambda order: order.event_number)
        self._on_event = on_event
        self._policy = RecordedPolicy()
        self._truth = RecordedTruth()
        self._foresight = PriceTimeBook()
        self._answered = AnsweredBook()
        self._comparison = Comparison()
        self._batch: list[Operation] = []
        self._foreseen: list[Execution] = []
        self._steps: list[tuple[int, TruthStep]] = []
        self._foreseen_trades: Counter[Trade] = Counter()
        self._suspects: set[int] = set()
        self._since_sync = 0
        self._outsiders: list[OutsiderReport] = []
        self._operations = self._batches = self._unforeseen = self._events = self._moves = 0

    async def run(self, happenings: AsyncIterable[Happening]) -> RunResult:
        """Send what happens; the comparison at the end."""
        started = time.monotonic()
        async for happening in happenings:
            match happening:
                case RecordedEvent():
                    await self._outside(happening)
                    await self._play(happening)
                case Moved(event):
                    await self._move(event)
                case Lull():
                    await self._flush()
                    await self._sync()
        await self._flush()
        await self._sync()
        recorded: dict[Side, dict[int, tuple[int, int]]] = {
            "buy": self._truth.levels("buy"),
            "sell": self._truth.levels("sell"),
        }
        return RunResult(
            comparison=self._comparison.report(recorded, await self._market.levels()),
            counts=self._policy.counts,
            outsiders=self._outsiders,
            events=self._events,
            operations=self._operations,
            batches=self._batches,
            unforeseen=self._unforeseen,
            seconds=time.monotonic() - started,
            ends_in_auction=self._truth.is_crossed,
            moves=self._moves,
        )

    async def _move(self, event: RecordedEvent) -> None:
        """Lay the book at another place of the recording anew; the comparison begins there."""
        await self._flush()
        await self._sync()
        await self._market.withdraw()
        await self._market.trades()
        self._policy.begin_anew()
        self._truth = RecordedTruth()
        self._foresight = PriceTimeBook()
        self._answered = AnsweredBook()
        self._comparison.restart()
        self._moves += 1
        await self._play(event)

    async def _play(self, event: RecordedEvent) -> None:
        step = self._truth.apply(event)
        for operations in self._policy.play(event):
            for operation in operations:
                await self._add(operation)
        self._steps.append((len(self._batch), step))
        if step.is_uncross:
            await self._flush()
            await self._sync()
            if not self._comparison.has_traded:
                self._comparison.restart()
        elif self._suspects or self._since_sync >= SYNC_OPERATIONS:
            await self._flush()
            await self._sync()
        await self._watch(step)
        self._events += 1
        if self._on_event is not None:
            self._on_event(event)

    async def _add(self, operation: Operation) -> None:
        full = len(self._batch) >= BATCH_MAX
        if full or not self._market.can_follow(operation, self._batch):
            await self._flush()
        execution = self._foresight.execute(operation)
        self._policy.report(execution.trades)
        self._foreseen_trades.update(execution.trades)
        self._batch.append(operation)
        self._foreseen.append(execution)

    async def _flush(self) -> None:
        """Send what is gathered and hold the answers against what was foreseen."""
        batch, foreseen, steps = self._batch, self._foreseen, self._steps
        self._batch, self._foreseen, self._steps = [], [], []
        outcomes = await self._market.execute(batch) if batch else []
        waiting = iter([*steps, (len(batch) + 1, None)])
        position, step = next(waiting)
        for number, operation in enumerate(batch):
            while position <= number and step is not None:
                self._compare(step)
                position, step = next(waiting)
            outcome = outcomes[number]
            self._answered.apply(operation, outcome)
            for fill in outcome.fills:
                self._comparison.observe_volume(fill.price, fill.quantity)
            if outcome != foreseen[number].outcome:
                self._unforeseen += 1
                self._suspects.add(operation.handle)
        while step is not None:
            self._compare(step)
            position, step = next(waiting)
        self._operations += len(batch)
        self._batches += bool(batch)
        self._since_sync += len(batch)

    def _compare(self, step: TruthStep) -> None:
        quote = self._answered.quote
        self._comparison.observe_event(step, quote)
        truth = step.quote
        if (quote.bid_price, quote.ask_price) == (truth.bid_price, truth.ask_price):
            for report in self._outsiders:
                if report.equal_again_after is None and step.is_continuous:
                    report.equal_again_after = _events_since(report, step)

    async def _sync(self) -> None:
        """Fetch the trades; where they are not the foreseen ones, correct."""
        for _ in range(ROUNDS_MAX):
            self._since_sync = 0
            actual = Counter(await self._market.trades())
            foreseen, self._foreseen_trades = self._foreseen_trades, Counter()
            self._tally(actual)
            missing = list((foreseen - actual).elements())
            extra = list((actual - foreseen).elements())
            suspects = sorted(self._suspects | _handles(missing) | _handles(extra))
            self._suspects = set()
            if not suspects:
                self._policy.settle()
                return
            await self._learn(missing, extra, suspects)
            for operation in self._policy.revisit(suspects):
                await self._add(operation)
            await self._flush()

    async def _learn(self, missing: list[Trade], extra: list[Trade], suspects: list[int]) -> None:
        self._policy.retract(missing)
        self._policy.report(extra)
        for trade in extra:
            self._answered.apply_outside(trade)
        for handle in suspects:
            sent = self._answered.order(handle)
            if sent is None:
                continue
            state = await self._market.inspect(handle)
            if state is None:  # refused at entry
                state = OrderState(handle, sent.price, total=0, filled=0, is_open=False)
            total = state.total if state.is_open else state.filled
            self._foresight.put(handle, sent.side, state.price, total=total, filled=state.filled)
            self._policy.observe(
                handle,
                price=state.price,
                total=state.total,
                filled=state.filled,
                is_open=state.is_open,
            )

    def _tally(self, trades: Counter[Trade]) -> None:
        for trade, times in trades.items():
            for handle in (trade.taker, trade.maker):
                order = self._answered.order(handle) if handle is not None else None
                if order is not None:
                    self._comparison.observe_fill(order.owner, trade.quantity * times)

    async def _outside(self, event: RecordedEvent) -> None:
        while self._waiting and self._waiting[0].event_number <= event.number:
            order = self._waiting.pop(0)
            await self._flush()
            await self._sync()
            before = await self._market.quote()
            fills = await self._market.take(order.side, order.quantity)
            right_after = await self._market.quote()
            await self._sync()
            prices = [price for price, _ in fills]
            worst = (max if order.side == "buy" else min)(prices, default=0)
            filled = sum(quantity for _, quantity in fills)
            report = OutsiderReport(order, filled, worst, before, right_after)
            self._outsiders.append(report)

    async def _watch(self, step: TruthStep) -> None:
        for report in self._outsiders:
            after = _events_since(report, step)
            if after in WATCH_EVENTS:
                await self._flush()
                await self._sync()
                quote = await self._market.quote()
                report.marks.append(OutsiderMark(after, quote, step.quote))


def _events_since(report: OutsiderReport, step: TruthStep) -> int:
    """Events played since an outsider's order, this one included."""
    return step.number - report.order.event_number + 1


def _handles(trades: Iterable[Trade]) -> set[int]:
    return {h for trade in trades for h in (trade.taker, trade.maker) if h is not None}
