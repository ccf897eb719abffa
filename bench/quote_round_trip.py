"""From a fill to the next quote: makers in processes of their own, orders from outside.

Seven makers share fourteen symbols. A publisher sends orders that take, 100 a second, on
alternating sides over all symbols, whether the last one is answered or not. A watcher follows the
market's channels of orders, as any client may, and measures at one place and by one clock: from the
message of a firm's order that traded to the message of the quote that rests in its place. The
makers' own measure, from a fill that was heard to the answer of the quote sent after it, is theirs
alone and shown beside it.
"""

from __future__ import annotations

import asyncio
import itertools
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, NamedTuple

import msgspec

from bench.alone import alone
from bench.programs import ROOT, STOP_SECONDS, free_port, wait_for
from bench.report import Cell, Report, at_most
from tradepit.client import AsyncClient, AsyncStream, NodeUnreachable, Rejected
from tradepit.client.channel_data import OrderChange
from tradepit.client.operation_socket import OperationSocket

MAKERS: Final = 7
SYMBOLS: Final = tuple(f"S{number:02d}" for number in range(14))
RATE: Final = 100.0
WARM_UP: Final = 3.0
SECONDS: Final = 15.0
READY_SECONDS: Final = 90.0
FIRM: Final = "F"
BUDGET: Final = "10000"
"""Enough for every quote: it is time that is measured here."""

SETTINGS: Final = "[strategy]\nparameters = { quantity = 10, position_limit = 100000 }\n"
_HEAD: Final = '[projections]\nenabled = false\n\n[[market.assets]]\ncode = "USD"\n'
_SHARE: Final = """
[[market.assets]]
code = "{symbol}"
starting_balance = "100000000"

[[market.instruments]]
symbol = "{symbol}"
base = "{symbol}"
quote = "USD"
tick_size = "0.01"
lot_size = "1"
reference_price = "100"
"""

Percentiles = tuple[float, float]


class Measured(NamedTuple):
    """One run: what the watcher saw, and what was sent."""

    trips_ms: list[float]
    open_trips: int
    """Fills after which no new quote was seen by the end."""
    orders: int
    filled: int
    seconds: float
    heard_ms: Percentiles
    """The makers' own p50 and p99, as upper bounds of their buckets."""


class Watcher:
    """Measures, symbol by symbol, from a quote's first fill to the next quote's first order."""

    def __init__(self) -> None:
        self._since: dict[str, float] = {}
        self._sides: dict[str, set[str]] = {symbol: set() for symbol in SYMBOLS}
        self.trips_ms: list[float] = []
        self.is_measuring = False

    @property
    def quoted(self) -> int:
        """Symbols in which the firm has an order."""
        return sum(bool(found) for found in self._sides.values())

    @property
    def waiting(self) -> int:
        """Fills that no quote has followed yet."""
        return len(self._since)

    def begin(self) -> None:
        """Measure from now on."""
        self._since.clear()
        self.is_measuring = True

    async def watch(self, stream: AsyncStream) -> None:
        """Follow the channels of orders."""
        async for message in stream:
            symbol = message.channel.partition(":")[2]
            if isinstance(message.data, OrderChange):
                if message.data.own:
                    self._take(symbol, message.data, time.perf_counter())
            else:
                own = (*message.data.bids, *message.data.asks)
                self._sides[symbol] = {each.order_id for each in own if each.own}

    def _take(self, symbol: str, change: OrderChange, now_s: float) -> None:
        resting = self._sides[symbol]
        if change.action == "add":
            resting.add(change.order_id)
            since = self._since.pop(symbol, None)
            if since is not None and self.is_measuring:
                self.trips_ms.append((now_s - since) * 1e3)
        elif change.action == "trade" and self.is_measuring:
            self._since.setdefault(symbol, now_s)
        if not change.quantity or change.action == "delete":
            resting.discard(change.order_id)


class Publisher:
    """Sends orders that take, at a rate that is kept whether they are answered or not."""

    def __init__(self, socket: OperationSocket) -> None:
        self._socket = socket
        self._sending: set[asyncio.Task[None]] = set()
        self.orders = self.filled = 0

    async def run(self, seconds: float) -> None:
        """Send for so long, then wait for the answers."""
        began = time.perf_counter()
        for number in itertools.count():
            due = began + number / RATE
            if due - began >= seconds:
                break
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
            task = asyncio.ensure_future(self._send(number))
            self._sending.add(task)
            task.add_done_callback(self._sending.discard)
        await asyncio.gather(*self._sending)

    async def _send(self, number: int) -> None:
        symbol = SYMBOLS[number % len(SYMBOLS)]
        side = "buy" if number // len(SYMBOLS) % 2 else "sell"
        order = {
            "op": "place",
            "client_id": "public",
            "instrument": symbol,
            "side": side,
            "type": "limit",
            "time_in_force": "ioc",
            "price": "150" if side == "buy" else "50",
            "quantity": str(1 + number % 3),
        }
        self.orders += 1
        try:
            answer = await self._socket.request(order, _Order)
        except (NodeUnreachable, Rejected):
            return
        self.filled += bool(float(answer.filled_quantity))


class _Order(msgspec.Struct):
    filled_quantity: str


def run(rounds: int) -> Report:
    """Seven makers, fourteen symbols, 100 fills a second."""
    rows: list[dict[str, Cell]] = []
    found = []
    for number in range(max(1, rounds // 2)):
        measured = measure()
        found.append(measured)
        rows.append(_row(number + 1, measured))
    lost = sum(each.open_trips for each in found)
    rate = min(each.filled / each.seconds for each in found)
    verdicts = [at_most("fills without a new quote at the end", lost, len(SYMBOLS), "")]
    notes = [
        f"{MAKERS} makers, {len(SYMBOLS)} symbols, {RATE:g} orders a second for {SECONDS:g} s, "
        f"at least {rate:.0f} fills a second",
        "at the watcher: from the message of the fill to the message of the next quote's order",
        "of several fills before the next quote the first counts; a maker's own figure is the "
        "upper bound of its bucket",
    ]
    return Report("quote-round-trip", "From a fill to the new quote", rows, verdicts, notes)


def _row(number: int, measured: Measured) -> dict[str, Cell]:
    trips = sorted(measured.trips_ms)
    return {
        "run": number,
        "fills/s": measured.filled / measured.seconds,
        "round trips": len(trips),
        "p50 ms": _at(trips, 0.50),
        "p90 ms": _at(trips, 0.90),
        "p99 ms": _at(trips, 0.99),
        "max ms": trips[-1] if trips else 0.0,
        "makers' p50 ms": measured.heard_ms[0],
        "makers' p99 ms": measured.heard_ms[1],
    }


def _at(ordered: list[float], share: float) -> float:
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else 0.0


def measure() -> Measured:
    """One run on a fresh market."""
    (ROOT / "target").mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="bench-", dir=ROOT / "target") as name:
        folder = Path(name)
        with _running_node(folder) as url, _running_makers(folder, url) as ports:
            return asyncio.run(_measure(url, ports))


async def _measure(url: str, ports: list[int]) -> Measured:
    watcher = Watcher()
    async with AsyncClient(url) as client, client.stream("orders:*", client_id=FIRM) as stream:
        watching = asyncio.ensure_future(watcher.watch(stream))
        await _until_quoted(watcher)
        socket = OperationSocket(url)
        await Publisher(socket).run(WARM_UP)
        heard = _round_trips(ports)
        watcher.begin()
        publisher, began = Publisher(socket), time.perf_counter()
        await publisher.run(SECONDS)
        seconds = time.perf_counter() - began
        await asyncio.sleep(1.0)
        watching.cancel()
        await socket.close()
    return Measured(
        watcher.trips_ms,
        watcher.waiting,
        publisher.orders,
        publisher.filled,
        seconds,
        _percentiles(heard, _round_trips(ports)),
    )


async def _until_quoted(watcher: Watcher) -> None:
    end = time.monotonic() + READY_SECONDS
    while watcher.quoted < len(SYMBOLS):
        if time.monotonic() > end:
            raise RuntimeError(f"only {watcher.quoted} of {len(SYMBOLS)} symbols are quoted")
        await asyncio.sleep(0.1)


def _round_trips(ports: list[int]) -> dict[float, float]:
    """The makers' own histograms, together: cumulative counts by upper bound in seconds."""
    found: dict[float, float] = {}
    for port in ports:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
            for line in answer.read().decode().splitlines():
                if line.startswith("tradepit_maker_quote_round_trip_seconds_bucket"):
                    bound = float(line.partition('le="')[2].partition('"')[0])
                    found[bound] = found.get(bound, 0.0) + float(line.split()[-1])
    return found


def _percentiles(before: dict[float, float], after: dict[float, float]) -> Percentiles:
    counts = {bound: after[bound] - before[bound] for bound in after}
    total = counts[float("inf")]
    found = [
        min(bound for bound, count in counts.items() if count >= share * total) * 1e3
        for share in (0.50, 0.99)
    ]
    return found[0], found[1]


@contextmanager
def _running_node(folder: Path) -> Iterator[str]:
    config, port = folder / "market.toml", free_port()
    config.write_text(
        f'{_HEAD}starting_balance = "10000000000"\n'
        + "".join(_SHARE.format(symbol=symbol) for symbol in SYMBOLS)
    )
    command = _python(
        "tradepit.cli", "run", "--data-dir", str(folder / "data"), "--port", str(port)
    )
    process = subprocess.Popen([*command, "--config", str(config)], stdout=subprocess.DEVNULL)
    try:
        wait_for(f"http://127.0.0.1:{port}/ready", process)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(STOP_SECONDS)


@contextmanager
def _running_makers(folder: Path, url: str) -> Iterator[list[int]]:
    settings = folder / "maker.toml"
    settings.write_text(SETTINGS)
    ports = [free_port() for _ in range(MAKERS)]
    processes: list[subprocess.Popen[Any]] = []
    try:
        for number, port in enumerate(ports):
            command = _python(
                "tradepit.makers.live", "--firm", FIRM, "--name", f"mm-{number}", "--url", url
            )
            command += ["--port", str(port), "--config", str(settings), "--create-firm"]
            command += ["--budget-bid", BUDGET, "--budget-ask", BUDGET, "--position-limit", "0"]
            processes.append(subprocess.Popen(command, stderr=subprocess.DEVNULL))
        yield ports
    finally:
        for process in processes:
            process.terminate()
        for process in processes:
            process.wait(STOP_SECONDS)


def _python(module: str, *arguments: str) -> list[str]:
    return [sys.executable, "-m", module, *arguments]


if __name__ == "__main__":
    alone(run)
