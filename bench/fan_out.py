"""A replay that many clients watch, every message of every client checked and timed.

One shared replay on one clock; the clients run on the same machine, in one process on about one
core. A message's time runs from when it was due on the replay's clock, before any batching, to
right after the read that brought its end. After the measured time the replay is paused and all
clients must end at the same message, having had each one before it once and in order.
"""

from __future__ import annotations

import json
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any, Final, NamedTuple
from urllib.error import HTTPError

import numpy as np

from bench.alone import alone
from bench.programs import LoadFailed, Node, running_node
from bench.reading import Got, Readers, read_streams
from bench.recordings import DATA
from bench.report import Cell, Report, Verdict, at_least, at_most
from tradepit.marketdata.generated import GeneratedSource, SessionSettings
from tradepit.marketdata.recorder import convert
from tradepit.marketdata.sources.opening import open_source

CLIENTS: Final = 150
MIXED: Final = Readers(sse=CLIENTS // 2, ws=CLIENTS // 2)
MANY: Final = (500, 1_000)
TOTAL: Final = 1_050_000
"""Messages a second to all clients together, in the runs with a target."""
PER_SECOND_MIN: Final = 1_000_000
P99_MS_MAX: Final = 10.0
STEPS: Final = (0.75, 1.0, 1.25, 1.5, 1.75, 2.0, 2.5, 3.0, 4.0)
"""Of `TOTAL`, to find the most that is sustained."""
SUSTAINED_MIN: Final = 0.97
"""Of what the clock gives: less has been left behind."""

SECONDS: Final = 5.0
WARM_UP: Final = 1.0
DRAIN: Final = 10.0
DISTURBERS: Final = 100
INDEX_SECONDS: Final = 60.0
UNAVAILABLE: Final = 503

EVENTS_PER_SECOND: Final = 5_000.0
GENERATED_MINUTES: Final = 1.0
ESH4: Final = DATA / "dbn/esh4-glbx-mdp3-20231225.mbo.dbn.zst"
ESH4_TRADING: Final = "2023-12-25T23:00:00.5Z"
"""Continuous trading, after the uncross."""
ESH4_TRADING_NS: Final = 1_703_545_200_500_000_000
ESH4_SPEED: Final = 500.0
"""The hour's 16 messages a second become 8,000 to each client."""


class Recording(NamedTuple):
    """What is replayed."""

    path: Path
    per_second: float
    """Messages at speed 1."""
    begin: str | None = None
    """Where to begin; the start when None."""


class Run(NamedTuple):
    """One scenario: what was offered to each client, and what they got."""

    name: str
    offered: float
    got: Got


def run(rounds: int) -> Report:
    """Clients of one shared replay: both ways, many, slow and restless ones beside them."""
    targets: list[Run] = []
    with running_node() as node:
        even = _generated(node.data_dir)
        for _ in range(rounds):
            targets += _targets(node, even)
        found = targets + _many(node, even) + _disturbed(node, even)
        most = [_most(node, even, crowd) for crowd in (Readers(sse=CLIENTS), Readers(ws=CLIENTS))]
        found += most
        if ESH4.exists():
            found.append(_real(node))
    verdicts = [
        at_least("received", min(_medians(targets, _rate)), PER_SECOND_MIN, "/s"),
        at_most("p99", max(_medians(targets, _p99_ms)), P99_MS_MAX, "ms"),
        _all_right(found),
    ]
    notes = [
        f"{SECONDS:g} s each; every message timed; the generated recording is even "
        f"({even.per_second:,.0f} messages/s at speed 1)",
        f"targets: medians of {rounds} runs, of the worst way to read",
        "offered: what the clock gives all clients together",
        "least: of the client that got the fewest",
        f"the readers took at most {max(each.got.cores for each in found):.2f} of a core",
        *(remark for each in found for remark in _remarks(each)),
    ]
    return Report("fan-out", "Fan-out of a replay", [_row(each) for each in found], verdicts, notes)


def _targets(node: Node, recording: Recording) -> list[Run]:
    crowds = (Readers(sse=CLIENTS), Readers(ws=CLIENTS), MIXED)
    return [_measure(f"{CLIENTS} {_named(each)}", node, recording, TOTAL, each) for each in crowds]


def _many(node: Node, recording: Recording) -> list[Run]:
    return [
        _measure(f"{count:,} mixed", node, recording, TOTAL, Readers(sse=count // 2, ws=count // 2))
        for count in MANY
    ]


def _disturbed(node: Node, recording: Recording) -> list[Run]:
    """The same clients alone, beside slow readers, beside mass reconnects, beside both."""
    crowds = {
        "alone": MIXED,
        f"{DISTURBERS} slow": MIXED._replace(slow=DISTURBERS),
        f"{DISTURBERS} reconnect/s": MIXED._replace(reconnecting=DISTURBERS),
        "both": MIXED._replace(slow=DISTURBERS, reconnecting=DISTURBERS),
    }
    return [
        _measure(f"{CLIENTS} mixed, {name}", node, recording, TOTAL / 2, crowd)
        for name, crowd in crowds.items()
    ]


def _most(node: Node, recording: Recording, crowd: Readers) -> Run:
    """The last of rising rates that is sustained within the target's p99."""
    found = []
    for step in STEPS:
        name = f"most, {CLIENTS} {_named(crowd)}"
        found.append(_measure(name, node, recording, TOTAL * step, crowd))
        if not _is_sustained(found[-1]):
            break
    sustained = [each for each in found if _is_sustained(each)]
    return sustained[-1] if sustained else found[0]._replace(name=f"{found[0].name}: none")


def _is_sustained(run: Run) -> bool:
    keeps_up = run.got.per_second >= SUSTAINED_MIN * run.offered
    return keeps_up and run.got.p99_ms <= P99_MS_MAX and not run.got.errors


def _real(node: Node) -> Run:
    """An hour of a session as it was, sped up: it is bursty."""
    records = np.concatenate(list(open_source(ESH4).chunks()))
    trading = np.count_nonzero(records["ts_event"] >= np.uint64(ESH4_TRADING_NS))
    recording = Recording(ESH4, trading / 3_600, ESH4_TRADING)
    name = f"ESH4, {ESH4_SPEED:g} times its speed"
    return _play(name, node, recording, ESH4_SPEED, MIXED)


def _measure(name: str, node: Node, recording: Recording, total: float, crowd: Readers) -> Run:
    speed = total / (crowd.sse + crowd.ws) / recording.per_second
    return _play(name, node, recording, speed, crowd)


def _play(name: str, node: Node, recording: Recording, speed: float, crowd: Readers) -> Run:
    with _shared(node, recording, speed) as path:
        readers = crowd._replace(
            events=f"/api/v1{path}/stream",
            sockets=f"/ws{path}",
            seconds=SECONDS,
            warm_up=WARM_UP,
            drain=DRAIN,
        )
        got = read_streams(
            readers,
            node.port,
            on_ready=lambda: _say(node, "PATCH", path, {"state": "playing"}),
            on_measured=lambda: _say(node, "PATCH", path, {"state": "paused"}),
        )
    return Run(name, speed * recording.per_second * (crowd.sse + crowd.ws), got)


@contextmanager
def _shared(node: Node, recording: Recording, speed: float) -> Iterator[str]:
    """A shared replay, indexed and paused where it is to begin; its path below `/api/v1`."""
    wish = {"source": str(recording.path), "speed": round(speed, 6), "mode": "shared"}
    until = time.monotonic() + INDEX_SECONDS
    path = f"/replays/{_created(node, wish, until)['id']}"
    while (state := _say(node, "GET", path)["state"]) == "indexing":
        if time.monotonic() > until:
            raise LoadFailed(f"{recording.path.name} is not indexed")
        time.sleep(0.05)
    if state != "paused":
        raise LoadFailed(f"the replay is {state}")
    if recording.begin is not None:
        _say(node, "PATCH", path, {"seek": {"time": recording.begin}})
    try:
        yield path
    finally:
        _say(node, "DELETE", path)


def _created(node: Node, wish: Any, until: float) -> Any:
    """A new replay; the process that serves it may still be starting beside the node."""
    while True:
        try:
            return _say(node, "POST", "/replays", wish)
        except HTTPError as error:
            if error.code != UNAVAILABLE or time.monotonic() > until:
                raise
        time.sleep(0.1)


def _say(node: Node, method: str, path: str, body: Any = None) -> Any:
    request = urllib.request.Request(
        f"http://127.0.0.1:{node.port}/api/v1{path}",
        method=method,
        data=None if body is None else json.dumps(body).encode(),
        headers={"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request) as answer:
        return json.loads(answer.read() or b"null")


def _generated(folder: Path) -> Recording:
    settings = SessionSettings(
        seed=1, minutes=GENERATED_MINUTES, orders=1_000, pre_open_orders=0,
        events_per_second=EVENTS_PER_SECOND,
    )  # fmt: skip
    path = folder / "even.dbn"
    records = convert(GeneratedSource(settings), path)
    return Recording(path, (records - settings.orders) / (60 * GENERATED_MINUTES))


def _named(crowd: Readers) -> str:
    if crowd.sse and crowd.ws:
        return "mixed"
    return "SSE" if crowd.sse else "WebSocket"


def _rate(run: Run) -> float:
    return run.got.per_second


def _p99_ms(run: Run) -> float:
    return run.got.p99_ms


def _medians(runs: list[Run], of: Callable[[Run], float]) -> list[float]:
    """Of each scenario, over its rounds."""
    names = dict.fromkeys(each.name for each in runs)
    return [median(of(each) for each in runs if each.name == name) for name in names]


def _all_right(found: list[Run]) -> Verdict:
    """Each message once and in order at every client, and all of them ended at the same one."""
    apart = [each for each in found if each.got.last_seq_min != each.got.last_seq_max]
    errors = sum(each.got.errors for each in found) + len(apart)
    messages = sum(each.got.messages for each in found)
    return at_most(f"lost, repeated or swapped of {messages:,} messages", errors, 0, "")


def _row(run: Run) -> dict[str, Cell]:
    got = run.got
    return {
        "clients": run.name,
        "offered k/s": run.offered / 1e3,
        "got k/s": got.per_second / 1e3,
        "least/s": got.slowest_per_second,
        "MB/s": got.megabytes_per_second,
        "p50 ms": got.p50_ms,
        "p90 ms": got.p90_ms,
        "p99 ms": got.p99_ms,
        "p99.9 ms": got.p999_ms,
        "max ms": got.max_ms,
    }


def _remarks(run: Run) -> list[str]:
    """What else there is to say of a scenario."""
    got = run.got
    said = []
    if got.slow:
        said.append(f"{run.name}: {got.slow_cut} of {got.slow} slow ones were cut")
    if got.reconnects:
        said.append(
            f"{run.name}: {got.reconnects} came back, {got.reconnects_unserved} of them in vain, "
            f"first message after p50 {got.reconnect_p50_ms:.3g}, p99 {got.reconnect_p99_ms:.3g} ms"
        )
    if got.problem:
        said.append(f"{run.name}: {got.problem}")
    return said


if __name__ == "__main__":
    alone(run)
