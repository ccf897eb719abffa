"""Live order flow around a random-walk price, so that books live and trades print.

`OrderStream` decides, from a seed and the answers it hears, what to send next; it does no I/O and
reads no clock. `OrderFlow` sends it to a node at a steady rate, open loop: a slow node does not
slow the schedule, a lost one is waited for.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Final

from tradepit.client import AsyncClient, RetryPolicy
from tradepit.client.errors import ApiError, ClientError
from tradepit.client.models import (
    BatchOperation,
    BatchResult,
    Cancel,
    Instrument,
    MassCancel,
    Place,
    Side,
)

ACCOUNTS: Final = 20
"""Half of them quote, half of them hit: so the flow never meets its own account."""

RESTING_TARGET: Final = 80
"""Orders that the flow keeps on each side of a book."""

RESTING_MAX: Final = 200
"""Orders on a side at which it only cancels."""

GRID_PER_PRICE: Final = 10_000
"""Prices lie on a grid of a ten-thousandth of the reference price, or the tick if that is wider."""

DISTANCE_MEAN: Final = 8.0
"""Mean distance of resting orders from the walking price, in grid steps."""

WALK_STEPS: Final = 0.8
"""Standard deviation of the walk per order, in grid steps."""

PULL: Final = 0.002
"""Share of the way back to the reference price that each order pulls the walk."""

NOTIONAL: Final = 400
"""Median value of an order, in units of the quote asset."""

INTERVAL_S: Final = 0.05
"""Orders of so long a time travel in one batch."""

BATCH_MAX: Final = 500
"""A node that comes back after a pause gets no more than this at once; the rest is dropped."""

BACKOFF_MAX_S: Final = 5.0


@dataclass(slots=True)
class _Book:
    """What the flow knows of one instrument. Prices in grid steps."""

    instrument: Instrument
    step: Decimal
    anchor: int
    quantity_median: float
    price: float = 0.0
    resting: dict[str, dict[str, str]] = field(default_factory=lambda: {"buy": {}, "sell": {}})
    """Order id to account, oldest first, by side."""


class OrderStream:
    """The next operations, from a seed and the answers to the last ones."""

    def __init__(self, instruments: Sequence[Instrument], seed: int) -> None:
        self._random = random.Random(seed)
        self._books = [book for one in instruments if (book := _book(one)) is not None]

    @property
    def symbols(self) -> list[str]:
        """Instruments that get orders: those in continuous trading with a price to start from."""
        return [book.instrument.symbol for book in self._books]

    def fill(self) -> list[BatchOperation]:
        """Orders that give every book both sides at once."""
        count = RESTING_TARGET // 2
        return [self._rest(book, side) for book in self._books for side in _SIDES * count]

    def next(self, count: int) -> list[BatchOperation]:
        """The next so many operations."""
        return [self._operation(self._random.choice(self._books)) for _ in range(count)]

    def hear(self, operations: Sequence[BatchOperation], results: Sequence[BatchResult]) -> None:
        """Learn from the answers which orders rest; what is refused or gone is forgotten."""
        books = {book.instrument.symbol: book for book in self._books}
        for operation, result in zip(operations, results, strict=True):
            order = result.order
            if isinstance(operation, Place) and order is not None and order.is_open:
                resting = books[operation.instrument].resting[operation.side]
                resting[order.id] = operation.client_id

    def _operation(self, book: _Book) -> BatchOperation:
        draw = self._random
        book.price += draw.gauss(0.0, WALK_STEPS) + PULL * (book.anchor - book.price)
        side: Side = draw.choice(_SIDES)
        resting = book.resting[side]
        crowding = len(resting) / RESTING_TARGET
        if len(resting) >= RESTING_MAX or draw.random() < 0.4 * crowding:
            return self._cancel_old(resting)
        if draw.random() < 0.25:
            return self._hit(book, side)
        return self._rest(book, side)

    def _rest(self, book: _Book, side: Side) -> Place:
        distance = 1 + int(self._random.expovariate(1 / DISTANCE_MEAN))
        steps = round(book.price) + (-distance if side == "buy" else distance)
        account = self._random.randrange(ACCOUNTS // 2)
        return self._place(book, side, steps, account, time_in_force=None)

    def _hit(self, book: _Book, side: Side) -> Place:
        steps = round(book.price) + (4 if side == "buy" else -4)
        account = ACCOUNTS // 2 + self._random.randrange(ACCOUNTS // 2)
        return self._place(book, side, steps, account, time_in_force="ioc")

    def _place(
        self, book: _Book, side: Side, steps: int, account: int, *, time_in_force: str | None
    ) -> Place:
        lot = book.instrument.lot_size
        lots = max(1, round(book.quantity_median * self._random.lognormvariate(0.0, 0.8)))
        return Place(
            client_id=account_name(account),
            instrument=book.instrument.symbol,
            side=side,
            price=max(1, steps) * book.step,
            quantity=lots * lot,
            time_in_force=time_in_force,
            self_trade_prevention="cancel_maker",
        )

    def _cancel_old(self, resting: dict[str, str]) -> Cancel:
        """Take an old order away: the oldest, or one of the older half."""
        ids = list(resting)
        order_id = ids[self._random.randrange(max(1, len(ids) // 2))]
        return Cancel(order_id=order_id, client_id=resting.pop(order_id))


class OrderFlow:
    """Sends a stream to a node at a steady rate until it is stopped."""

    def __init__(
        self, client: AsyncClient, *, rate: float, seed: int, symbols: Collection[str] = ()
    ) -> None:
        """Args:
        rate: operations a second, over all instruments.
        symbols: instruments to trade; none = all that have a reference price.
        """
        self._client = client
        self._symbols = frozenset(symbols)
        self._rate = rate
        self._seed = seed
        self._stopping = asyncio.Event()
        self.sent = 0
        """Operations answered so far."""
        self.refused = 0
        """Operations that the market refused; cancels of filled orders are most of them."""
        self._began_s: float | None = None
        self._began_sent = 0

    @property
    def rate_achieved(self) -> float:
        """Operations a second since the books were first full; what is behind is sent later, and
        time without the node counts."""
        if self._began_s is None:
            return 0.0
        return (self.sent - self._began_sent) / (time.monotonic() - self._began_s)

    def stop(self) -> None:
        """End after the batch in flight."""
        self._stopping.set()

    async def run(self) -> None:
        """Send orders; wait for the node whenever it is away."""
        pause = INTERVAL_S
        while not self._stopping.is_set():
            sent_before = self.sent
            try:
                await self._session()
            except ClientError:
                pause = INTERVAL_S if self.sent > sent_before else min(2 * pause, BACKOFF_MAX_S)
                await self._sleep(pause)

    async def _session(self) -> None:
        """From an empty slate to the first failure: accounts, full books, then the stream."""
        stream = OrderStream(await self._instruments(), self._seed)
        await self._open_accounts()
        for start in range(0, len(filling := stream.fill()), BATCH_MAX):
            await self._send(stream, filling[start : start + BATCH_MAX])
        due, owed = time.monotonic(), 0.0
        if self._began_s is None:
            self._began_s, self._began_sent = due, self.sent
        while not self._stopping.is_set():
            due += INTERVAL_S
            await self._sleep(due - time.monotonic())
            late = max(0.0, time.monotonic() - due)
            due += late
            owed = min(owed + self._rate * (INTERVAL_S + late), BATCH_MAX)
            count = int(owed)
            owed -= count
            if count and stream.symbols:
                await self._send(stream, stream.next(count))

    async def _instruments(self) -> list[Instrument]:
        return [
            one
            for one in await self._client.instruments()
            if one.phase == "continuous"
            and (one.symbol in self._symbols if self._symbols else one.reference_price)
        ]

    async def _open_accounts(self) -> None:
        """Open the accounts, and take away what an earlier run left in the books."""
        names = [account_name(number) for number in range(ACCOUNTS)]
        for name in names:
            try:
                await self._client.open_account(id=name, type="credit")
            except ApiError as error:
                if error.code != "account_exists":
                    raise
        await self._client.batch([MassCancel(client_id=name) for name in names])

    async def _send(self, stream: OrderStream, operations: list[BatchOperation]) -> None:
        results = await self._client.batch(operations)
        stream.hear(operations, results)
        self.sent += len(results)
        self.refused += sum(result.problem is not None for result in results)

    async def _sleep(self, seconds: float) -> None:
        """Sleep, but wake at once when told to stop."""
        try:
            await asyncio.wait_for(self._stopping.wait(), max(0.0, seconds))
        except TimeoutError:
            return


def account_name(number: int) -> str:
    """The name of one of the flow's accounts."""
    return f"flow-{number:03d}"


def flow_retries() -> RetryPolicy:
    """Few quick attempts: the flow itself waits for a node that is away."""
    return RetryPolicy(attempts=2)


_SIDES: Final[tuple[Side, Side]] = ("buy", "sell")


def _book(instrument: Instrument) -> _Book | None:
    price = instrument.reference_price or instrument.last_price
    if not price:
        return None
    ticks = max(1, int(price / GRID_PER_PRICE / instrument.tick_size))
    step = ticks * instrument.tick_size
    anchor = int(price / step)
    lots = float(NOTIONAL / price / instrument.lot_size)
    return _Book(instrument, step, anchor, lots, price=float(anchor))
