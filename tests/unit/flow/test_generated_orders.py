"""Generated order flow keeps books bounded and two-sided, and outlives its node's absences."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import Any

import httpx

from tradepit.client import AsyncClient
from tradepit.client.models import (
    BatchOperation,
    BatchResult,
    Cancel,
    Instrument,
    Order,
    Place,
    Problem,
)
from tradepit.flow.generated_orders import (
    ACCOUNTS,
    RESTING_MAX,
    RESTING_TARGET,
    OrderFlow,
    OrderStream,
    flow_retries,
)
from tradepit.flow.operations import Cancel as CancelOperation
from tradepit.flow.operations import Place as PlaceOperation
from tradepit.flow.price_time_book import PriceTimeBook

BTC = Instrument("BTC-USD", Decimal("0.01"), Decimal("0.0001"), reference_price=Decimal(70_000))
PENNY = Instrument("PENNY", Decimal("0.01"), Decimal(1), reference_price=Decimal("0.05"))


class Venue:
    """Naive books that answer batches, and count what happens."""

    def __init__(self, symbols: Sequence[str]) -> None:
        self.books = {symbol: PriceTimeBook() for symbol in symbols}
        self.where: dict[int, str] = {}
        self.trades: Counter[str] = Counter()

    def answer(self, operations: Sequence[BatchOperation]) -> list[BatchResult]:
        return [self._one(operation) for operation in operations]

    def _one(self, operation: BatchOperation) -> BatchResult:
        if isinstance(operation, Cancel):
            number = int(operation.order_id)
            outcome = self.books[self.where[number]].execute(CancelOperation(number)).outcome
            if outcome.accepted:
                return BatchResult(200)
            return BatchResult(422, problem=Problem("order_closed"))
        assert isinstance(operation, Place)
        number = len(self.where) + 1
        symbol = self.where[number] = operation.instrument
        book = self.books[symbol]
        quantity = int(Decimal(operation.quantity) * 10_000)
        price = int(Decimal(operation.price or 0) * 100)
        immediate = operation.time_in_force == "ioc"
        trades = book.execute(
            PlaceOperation(number, 0, operation.side, price, quantity, immediate)
        ).trades
        self.trades[symbol] += len(trades)
        rests = book.order(number) is not None
        order = Order(
            id=str(number),
            instrument=symbol,
            side=operation.side,
            type="limit",
            quantity=Decimal(operation.quantity),
            remaining=Decimal(0),
            filled_quantity=Decimal(0),
            status="new" if rests else "cancelled",
        )
        return BatchResult(201, order=order)


def sent(stream: OrderStream, venue: Venue, batches: int, size: int) -> Iterator[BatchOperation]:
    for batch in range(batches + 1):
        operations = stream.next(size) if batch else stream.fill()
        stream.hear(operations, venue.answer(operations))
        yield from operations


def test_books_stay_two_sided_and_bounded_while_trades_print() -> None:
    venue = Venue(["BTC-USD", "PENNY"])
    stream = OrderStream([BTC, PENNY], seed=1)
    list(sent(stream, venue, batches=1_000, size=20))
    for symbol, book in venue.books.items():
        for side in ("buy", "sell"):
            resting = sum(level.orders for level in book.levels(side))
            assert RESTING_TARGET // 3 <= resting <= RESTING_MAX, (symbol, side)
        assert venue.trades[symbol] > 1_000


def test_the_price_stays_near_its_reference() -> None:
    venue = Venue(["BTC-USD"])
    list(sent(OrderStream([BTC], seed=2), venue, batches=1_000, size=20))
    best = venue.books["BTC-USD"].best("buy")
    assert best is not None
    assert abs(best.price / 100 - 70_000) < 0.05 * 70_000


def test_prices_and_quantities_fit_tick_and_lot() -> None:
    venue = Venue(["BTC-USD", "PENNY"])
    steps = {one.symbol: (one.tick_size, one.lot_size) for one in (BTC, PENNY)}
    operations = list(sent(OrderStream([BTC, PENNY], seed=3), venue, batches=50, size=20))
    for place in (o for o in operations if isinstance(o, Place)):
        tick, lot = steps[place.instrument]
        assert Decimal(place.price or 0) > 0
        assert Decimal(place.price or 0) % tick == 0
        assert Decimal(place.quantity) % lot == 0


def test_accounts_that_quote_never_hit() -> None:
    venue = Venue(["BTC-USD"])
    operations = list(sent(OrderStream([BTC], seed=4), venue, batches=100, size=20))
    places = [o for o in operations if isinstance(o, Place)]
    hitting = {place.client_id for place in places if place.time_in_force == "ioc"}
    quoting = {place.client_id for place in places if place.time_in_force is None}
    assert not hitting & quoting
    assert len(hitting | quoting) == ACCOUNTS


def test_the_same_seed_and_answers_give_the_same_stream() -> None:
    first = list(sent(OrderStream([BTC], seed=5), Venue(["BTC-USD"]), batches=20, size=20))
    second = list(sent(OrderStream([BTC], seed=5), Venue(["BTC-USD"]), batches=20, size=20))
    assert first == second


def test_an_instrument_without_a_price_gets_no_orders() -> None:
    unknown = Instrument("NEW", Decimal("0.01"), Decimal(1))
    assert OrderStream([unknown], seed=1).symbols == []


class FlakyNode:
    """A fake node that goes away now and then, and stops the flow after some batches."""

    def __init__(self, node: Any, *, batches: int, outages: set[int]) -> None:
        self.node = node
        self.flow: OrderFlow | None = None
        self._batches = batches
        self._outages = outages
        self._requests = 0

    def handle(self, request: httpx.Request) -> httpx.Response:
        self._requests += 1
        if self._requests in self._outages:
            raise httpx.ConnectError("the node is away")
        answer: httpx.Response = self.node.handle(request)
        if len(self.node.batches) >= self._batches and self.flow is not None:
            self.flow.stop()
        return answer


def run_flow(node: Any, *, batches: int, outages: set[int]) -> OrderFlow:
    node.instruments = [
        {
            "symbol": "TEST",
            "tick_size": "0.25",
            "lot_size": "1",
            "phase": "continuous",
            "reference_price": "4000.00",
        }
    ]
    flaky = FlakyNode(node, batches=batches, outages=outages)

    async def run() -> OrderFlow:
        transport = httpx.MockTransport(flaky.handle)
        async with AsyncClient(transport=transport, retries=flow_retries()) as client:
            flow = flaky.flow = OrderFlow(client, rate=2_000, seed=1)
            await flow.run()
            return flow

    return asyncio.run(run())


def test_orders_are_sent_until_the_flow_is_stopped(node: Any) -> None:
    flow = run_flow(node, batches=5, outages=set())
    assert flow.sent >= RESTING_TARGET
    assert node.book.best("buy") is not None
    assert node.book.best("sell") is not None


def test_a_node_that_went_away_is_waited_for_and_filled_anew(node: Any) -> None:
    start = ACCOUNTS + 4
    flow = run_flow(node, batches=8, outages={1, 2, start, start + 1, start + 2})
    assert flow.sent >= 2 * RESTING_TARGET
    resting = sum(level.orders for level in node.book.levels("buy"))
    assert resting <= RESTING_MAX
