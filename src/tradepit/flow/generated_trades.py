"""Trades of random-walk prices, sent to the trade store's ingest route at a steady rate.

`TradeWalk` decides from a seed what is traded, and does no I/O. `TradeFlow` sends it, open loop: an
iteration leaves when it is due, whether or not the one before was answered.
"""

from __future__ import annotations

import asyncio
import math
import random
import secrets
import time
from collections import deque
from collections.abc import Sequence
from typing import Final, NamedTuple

import msgspec

from tradepit.client import AsyncClient
from tradepit.client.contracts import TradeLine
from tradepit.client.errors import ClientError

DAY_S: Final = 86_400.0
PRICE_PLACES: Final = 4
PRICE_MIN: Final = 10**-PRICE_PLACES

VOLUME_EXPONENT: Final = -1.1
"""Of the power law: many small trades, few large ones."""

IN_FLIGHT_MAX: Final = 64
"""Unanswered iterations of one replica; a store that is that far behind gets no more."""

LATENCIES_KEPT: Final = 100_000
NS_PER_SECOND: Final = 1_000_000_000
MS_PER_SECOND: Final = 1e3


class Contract(NamedTuple):
    """How a contract trades; volatility is the standard deviation of its price over a day."""

    ticker: str
    mean_price: float
    volatility: float
    volume_min: int
    volume_max: int


KNOWN: Final = {
    contract.ticker: contract
    for contract in (
        Contract("A.COM", 32.0, 0.3, 50, 10_000),
        Contract("B.COM", 124.0, 0.2, 500, 50_000),
        Contract("C.COM", 75.0, 0.1, 700, 100_000),
    )
}


def contract_of(ticker: str) -> Contract:
    """A known contract, or an ordinary one of that name."""
    return KNOWN.get(ticker, Contract(ticker, 50.0, 0.2, 100, 10_000))


class Move(NamedTuple):
    """One trade of the walk."""

    ticker: str
    price: str
    volume: int


class TradeWalk:
    """Prices that walk and volumes of a power law, from a seed."""

    def __init__(self, contracts: Sequence[Contract], seed: str) -> None:
        self._random = random.Random(seed)
        self._contracts = list(contracts)
        self._prices = [contract.mean_price for contract in contracts]

    def next(self, elapsed_s: float) -> Move:
        """A trade of some contract, so long after the one before."""
        draw = self._random
        number = draw.randrange(len(self._contracts))
        contract = self._contracts[number]
        step = draw.gauss(0.0, 1.0) * contract.volatility * math.sqrt(elapsed_s / DAY_S)
        price = max(PRICE_MIN, self._prices[number] + step)
        self._prices[number] = price
        return Move(contract.ticker, f"{price:.{PRICE_PLACES}f}", self._volume(contract))

    def _volume(self, contract: Contract) -> int:
        power = VOLUME_EXPONENT + 1
        low, high = contract.volume_min**power, contract.volume_max**power
        return int((low + self._random.random() * (high - low)) ** (1 / power))


class Rate(NamedTuple):
    """How often a replica sends, and how much at once."""

    iterations_per_second: float
    trades_per_iteration: int


class Achieved(msgspec.Struct, frozen=True):
    """What came of it. Iterations that were due and not sent are `skipped`."""

    seconds: float
    iterations: int
    skipped: int
    failed: int
    stored: int
    duplicates: int
    rejected: int
    iterations_per_second: float
    trades_per_second: float
    p50_ms: float
    p99_ms: float
    failure: str | None


class TradeFlow:
    """Replicas, each with a walk of its own, that send until they are stopped."""

    def __init__(
        self,
        client: AsyncClient,
        contracts: Sequence[Contract],
        rate: Rate,
        *,
        replicas: int,
        seed: int,
        run: str | None = None,
    ) -> None:
        """Args:
        run: part of the trade ids, so that runs of one seed differ; made when not given.
        """
        self._client = client
        self._rate = rate
        self._run = run or secrets.token_hex(6)
        self._walks = [TradeWalk(contracts, f"{seed}-{replica}") for replica in range(replicas)]
        self._stopping = asyncio.Event()
        self._latencies: deque[float] = deque(maxlen=LATENCIES_KEPT)
        self._begin = time.monotonic()
        self._iterations = self._skipped = self._failed = 0
        self._stored = self._duplicates = self._rejected = 0
        self._failure: str | None = None

    def stop(self) -> None:
        """Send no more; what is on its way is waited for."""
        self._stopping.set()

    async def run(self) -> Achieved:
        """Send until stopped."""
        self._begin = time.monotonic()
        try:
            async with asyncio.TaskGroup() as group:
                for replica in range(len(self._walks)):
                    group.create_task(self._replica(replica))
        finally:
            end = self.achieved()
        return end

    def achieved(self) -> Achieved:
        """What came of it until now."""
        seconds = max(time.monotonic() - self._begin, 1e-9)
        times = sorted(self._latencies) or [0.0]
        return Achieved(
            seconds=seconds,
            iterations=self._iterations,
            skipped=self._skipped,
            failed=self._failed,
            stored=self._stored,
            duplicates=self._duplicates,
            rejected=self._rejected,
            iterations_per_second=self._iterations / seconds,
            trades_per_second=self._stored / seconds,
            p50_ms=times[len(times) // 2],
            p99_ms=times[len(times) * 99 // 100],
            failure=self._failure,
        )

    async def _replica(self, replica: int) -> None:
        """Send one iteration each time one is due; those of a pause are due at once."""
        interval_s = 1 / self._rate.iterations_per_second
        due = time.monotonic() + interval_s * replica / len(self._walks)
        sent = 0
        async with asyncio.TaskGroup() as group:
            flying: set[asyncio.Task[None]] = set()
            while not await self._stopped_before(due):
                due += interval_s
                if len(flying) >= IN_FLIGHT_MAX:
                    self._skipped += 1
                    continue
                task = group.create_task(self._send(self._body(replica, sent, interval_s)))
                flying.add(task)
                task.add_done_callback(flying.discard)
                sent += 1

    def _body(self, replica: int, iteration: int, interval_s: float) -> bytes:
        walk, count = self._walks[replica], self._rate.trades_per_iteration
        now_ns = time.time_ns()
        spread_ns = int(interval_s * NS_PER_SECOND) // count
        lines = []
        for number in range(count):
            ticker, price, volume = walk.next(interval_s / count)
            lines.append(
                _encode(
                    TradeLine(
                        ticker=ticker,
                        price=price,
                        volume=str(volume),
                        timestamp=now_ns - (count - 1 - number) * spread_ns,
                        trade_id=f"{self._run}-{replica}-{iteration * count + number}",
                    )
                )
            )
        return b"\n".join(lines)

    async def _send(self, body: bytes) -> None:
        begin = time.monotonic()
        try:
            done = await self._client.ingest_lines(body)
        except ClientError as error:
            self._failed += 1
            self._failure = str(error)
            return
        self._latencies.append((time.monotonic() - begin) * MS_PER_SECOND)
        self._iterations += 1
        self._stored += done.stored
        self._duplicates += done.duplicates
        self._rejected += done.rejected

    async def _stopped_before(self, due: float) -> bool:
        """Wait until something is due; true when told to stop."""
        pause = due - time.monotonic()
        if pause <= 0:
            await asyncio.sleep(0)
            return self._stopping.is_set()
        try:
            await asyncio.wait_for(self._stopping.wait(), pause)
        except TimeoutError:
            return False
        return True


_encode: Final = msgspec.json.Encoder().encode
