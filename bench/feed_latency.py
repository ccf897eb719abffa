"""From the journal to the sockets of those who watch: trades of a running node.

Orders come at a steady rate over HTTP, clients watch the trades of all instruments. A trade's time
runs from `executed_at`, the node's clock before the frame with its order is written to the disk,
to right after the read that brought the end of its message.
"""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from typing import Final, NamedTuple

from bench.alone import alone
from bench.programs import Load, LoadFailed, Measured, Node, run_load, running_node
from bench.reading import Got, Readers, read_streams
from bench.report import Cell, Report, at_most

RATES: Final = (5_000, 20_000)
WATCHERS: Final = 10
SECONDS: Final = 5.0
WARM_UP: Final = 1.0
LOAD_SECONDS: Final = SECONDS + WARM_UP + 1.0
"""Orders come until the measured time is surely over."""
DRAIN: Final = 15.0
CONNECTIONS: Final = 64
CHANNEL: Final = "trades:*"
READERS: Final = Readers(
    events=f"/api/v1/stream?channels={CHANNEL}",
    subscribe=f'{{"id":1,"op":"subscribe","channel":"{CHANNEL}"}}',
    kind="channel",
    seconds=SECONDS,
    warm_up=WARM_UP,
    drain=DRAIN,
)


class Watched(NamedTuple):
    """One run: the orders sent, and what those who watched got."""

    name: str
    load: Measured
    got: Got


def run(rounds: int) -> Report:
    """Trades at 5,000 and 20,000 orders a second, over event streams and WebSockets."""
    ways = {"SSE": READERS._replace(sse=WATCHERS), "WebSocket": READERS._replace(ws=WATCHERS)}
    found = []
    with running_node() as node:
        for rate in RATES:
            for name, readers in list(ways.items()) * rounds:
                title = f"{rate:,} orders/s, {WATCHERS} {name}"
                found.append(_watch(title, node, rate, readers))
    messages = sum(each.got.messages for each in found)
    errors = sum(_errors(each) for each in found)
    verdicts = [at_most(f"lost, repeated or swapped of {messages:,} trades", errors, 0, "")]
    notes = [
        f"{SECONDS:g} s each; every trade timed, from the node's clock before its frame is written",
        *(remark for each in found for remark in _remarks(each)),
    ]
    rows = [_row(each) for each in found]
    return Report("feed-latency", "Trades from the journal to the sockets", rows, verdicts, notes)


def _watch(name: str, node: Node, rate: int, readers: Readers) -> Watched:
    load = Load(connections=CONNECTIONS, seconds=LOAD_SECONDS, warm_up=0.0, rate=rate)
    loads: list[Future[Measured]] = []
    with ThreadPoolExecutor(1) as beside:
        got = read_streams(
            readers,
            node.port,
            on_ready=lambda: loads.append(beside.submit(run_load, load, node.port)),
        )
        if not loads:
            raise LoadFailed("no orders were sent")
        return Watched(name, loads[0].result(), got)


def _errors(watched: Watched) -> int:
    """What went wrong at the watchers, of whom each must have as many trades as any other."""
    got = watched.got
    return got.errors + (got.messages_max - got.messages_min) + watched.load.errors


def _remarks(watched: Watched) -> list[str]:
    got, load = watched.got, watched.load
    said = [each.strip() for each in (got.problem, load.refusal) if each]
    if _errors(watched):
        said.append(
            f"gaps {got.gaps}, repeats {got.repeats}, malformed {got.malformed}, "
            f"ended {got.ended}, early {got.early}, served {got.served} of {got.readers}, "
            f"trades of one watcher {got.messages_min:,} to {got.messages_max:,}, "
            f"orders refused {load.refused}, unanswered {load.unanswered}"
        )
    return [f"{watched.name}: {each}" for each in said]


def _row(watched: Watched) -> dict[str, Cell]:
    got = watched.got
    return {
        "orders, watchers": watched.name,
        "orders/s": watched.load.per_second,
        "trades/s": got.per_second / got.readers,
        "p50 ms": got.p50_ms,
        "p90 ms": got.p90_ms,
        "p99 ms": got.p99_ms,
        "p99.9 ms": got.p999_ms,
        "max ms": got.max_ms,
    }


if __name__ == "__main__":
    alone(run)
