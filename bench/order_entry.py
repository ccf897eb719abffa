"""`python -m bench.order_entry`: orders over HTTP beside nginx serving a constant, in turns.

Every order has a key of its own and one of 10,000 accounts, and is answered when it is durable and
matched. The clients run on the same machine. Acceptance is counted twice: 201 answers, and the
journal's sequence.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Final, NamedTuple

from bench.programs import Load, Measured, Node, run_load, running_nginx, running_node
from bench.tables import console, middle, show, show_place

CONNECTIONS: Final = (64, 256, 10_000)
PER_SECOND_MIN: Final = 30_000
P99_MS_MAX: Final = 10.0
RATIO_MIN: Final = 0.35
TRADED_MIN: Final = 0.3

COLUMNS: Final = (
    "server",
    "requests/s",
    "p50 ms",
    "p99 ms",
    "p99.9 ms",
    "errors",
    "served",
    "trading",
    "x nginx",
)


class CountsDiffer(Exception):
    """What clients were told and what the journal holds are not the same."""


class Rounds(NamedTuple):
    """The same number of runs of both."""

    tradepit: list[Measured]
    nginx: list[Measured]

    @property
    def ratio(self) -> float:
        """Median of tradepit's rate over the median of nginx's."""
        return middle(self.tradepit, _rate) / middle(self.nginx, _rate)


def measure(connections: int, *, rounds: int, seconds: float, directory: Path | None) -> Rounds:
    """Run both in turns with so many connections."""
    load = Load(connections=connections, seconds=seconds)
    found = Rounds([], [])
    with running_node(directory) as node:
        body = node.place(
            client_id="acct-0", instrument="BTC-USD", side="buy", price="1.00", quantity="0.0001"
        )
        with running_nginx(len(body)) as nginx_port:
            for _ in range(rounds):
                found.nginx.append(run_load(load, nginx_port))
                found.tradepit.append(run_counted(load, node))
    return found


def run_counted(load: Load, node: Node) -> Measured:
    """Run clients against a node; their accepted orders must be what its journal grew by.

    Raises:
        CountsDiffer: an answer without an order, or an order without an answer.
    """
    # Market time has not stood still then, so the node adds no command of its own.
    node.place(client_id="acct-0", instrument="BTC-USD", side="buy", price="1", quantity="0.0001")
    before = node.sequence
    measured = run_load(load, node.port)
    journaled = node.sequence - before
    answered = measured.accepted + measured.refused
    if not answered <= journaled <= answered + measured.unanswered:
        raise CountsDiffer(f"{answered} answers, {journaled} commands in the journal")
    return measured


def _rate(run: Measured) -> float:
    return run.per_second


def row(name: str, runs: Sequence[Measured], ratio: str) -> list[str]:
    """One line of the table: medians of rates and latencies, sums of counts."""
    accepted = sum(run.accepted for run in runs)
    traded = sum(run.traded for run in runs) / max(accepted, 1)
    served, connections = min(run.served for run in runs), runs[0].connections
    return [
        name,
        f"{middle(runs, _rate):,.0f}",
        f"{middle(runs, lambda run: run.p50_ms):.2f}",
        f"{middle(runs, lambda run: run.p99_ms):.2f}",
        f"{middle(runs, lambda run: run.p999_ms):.2f}",
        f"{sum(run.errors for run in runs)}",
        f"{served}/{connections}",
        f"{traded:.0%}" if traded else "",
        ratio,
    ]


def show_first_refusal(runs: Sequence[Measured]) -> None:
    """Print what the first answer said that was no acceptance."""
    refusal = next((run.refusal for run in runs if run.refusal), None)
    if refusal is not None:
        console.print(f"first refusal: {refusal}", markup=False)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="bench.order_entry", description=__doc__)
    parser.add_argument("--connections", type=int, nargs="+", default=list(CONNECTIONS))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--directory", type=Path, help="on the disk to be measured")
    options = parser.parse_args(arguments)
    show_place()
    rows, refused = [], []
    for connections in options.connections:
        found = measure(
            connections,
            rounds=options.rounds,
            seconds=options.seconds,
            directory=options.directory,
        )
        rows.append(row(f"nginx, {connections:,} connections", found.nginx, ""))
        rows.append(row(f"tradepit, {connections:,}", found.tradepit, f"{found.ratio:.2f}"))
        refused += found.tradepit
    title = (
        f"orders over HTTP, durable and matched: median of {options.rounds} rounds; wanted at 64 "
        f"connections: {PER_SECOND_MIN:,}/s, p99 {P99_MS_MAX:.0f} ms, {RATIO_MIN} x nginx, "
        f"{TRADED_MIN:.0%} trading"
    )
    show(title, COLUMNS, rows)
    show_first_refusal(refused)


if __name__ == "__main__":
    main()
