"""`python -m bench [NAME ...] [--rounds N] [--json FILE]`."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from pathlib import Path

from rich.console import Console

from bench import (
    batch,
    books,
    engine,
    fan_out,
    feed_latency,
    growth,
    latency,
    machine,
    memory,
    order_entry,
    projector,
    python,
    quote_round_trip,
    recordings,
    replay,
    replay_seek,
    restart,
    sockets,
    store,
)
from bench.report import Report, show

BENCHMARKS: dict[str, Callable[[int], Report]] = {
    "engine": engine.run,
    "python": python.run,
    "replay": replay.run,
    "memory": memory.run,
    "restart": restart.run,
    "growth": growth.run,
    "order_entry": order_entry.run,
    "projector": projector.run,
    "latency": latency.run,
    "batch": batch.run,
    "sockets": sockets.run,
    "store": store.run,
    "books": books.run,
    "recordings": recordings.run,
    "replay-seek": replay_seek.run,
    "fan-out": fan_out.run,
    "feed-latency": feed_latency.run,
    "quote-round-trip": quote_round_trip.run,
}
ROUNDS = 5
# Columns when the output is no terminal.
PLAIN_WIDTH = 120


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(BENCHMARKS))
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="runs per median")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the results here too")
    arguments = parser.parse_args()
    for name in arguments.names:
        if name not in BENCHMARKS:
            parser.error(f"no benchmark {name!r}; there are {', '.join(BENCHMARKS)}")
    console = Console(width=None if sys.stdout.isatty() else PLAIN_WIDTH)
    facts = machine.facts()
    console.print(", ".join(f"{name} {value}" for name, value in facts.items()), style="dim")
    reports = []
    for name in arguments.names or BENCHMARKS:
        with console.status(f"measuring {name} ..."):
            report = BENCHMARKS[name](arguments.rounds)
        show(console, report)
        reports.append(report.as_json())
    if arguments.json:
        arguments.json.write_text(json.dumps({"machine": facts, "reports": reports}, indent=2))


if __name__ == "__main__":
    main()
