"""Orders over HTTP beside nginx serving a constant, in turns.

Every order has a key of its own and one of 10,000 accounts, and is answered when it is durable and
matched. The clients run on the same machine. Acceptance is counted twice: 201 answers, and the
journal's sequence.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from statistics import median
from typing import NamedTuple

from bench.alone import alone
from bench.programs import Load, Measured, Node, run_load, running_nginx, running_node
from bench.report import Cell, Report, Verdict, at_least, at_most

CONNECTIONS = (64, 256, 10_000)
SECONDS = 5.0
PER_SECOND_MIN = 30_000
P99_MS_MAX = 10.0
RATIO_MIN = 0.35
TRADING_MIN = 0.3


class CountsDiffer(Exception):
    """What clients were told and what the journal holds are not the same."""


class Rounds(NamedTuple):
    """The same number of runs of both."""

    tradepit: list[Measured]
    nginx: list[Measured]

    @property
    def ratio(self) -> float:
        """Median of tradepit's rate over the median of nginx's."""
        return middle(self.tradepit, rate) / middle(self.nginx, rate)


def run(rounds: int) -> Report:
    """Orders over HTTP at 64, 256 and 10,000 connections, nginx beside them."""
    found = {connections: measure(connections, rounds=rounds) for connections in CONNECTIONS}
    rows: list[dict[str, Cell]] = []
    for connections, each in found.items():
        rows.append(row(f"nginx, {connections:,} connections", each.nginx))
        rows.append(row(f"tradepit, {connections:,}", each.tradepit) | {"x nginx": each.ratio})
    few, many = found[CONNECTIONS[0]], found[CONNECTIONS[-1]]
    everything = [run for each in found.values() for run in each.tradepit]
    return Report(
        "order_entry",
        "Order entry over HTTP, durable and matched, clients on the same cores",
        rows,
        [
            at_least("orders at 64 connections", middle(few.tradepit, rate), PER_SECOND_MIN, "/s"),
            at_most("p99 at 64 connections", middle(few.tradepit, p99), P99_MS_MAX, "ms"),
            at_least("share of nginx at 64 connections", few.ratio, RATIO_MIN, ""),
            at_least("share of orders that trade at once", trading(everything), TRADING_MIN, ""),
            at_least("connections served", served(many.tradepit), CONNECTIONS[-1], ""),
            no_errors(everything),
        ],
        refusals(everything),
    )


def measure(connections: int, *, rounds: int) -> Rounds:
    """Run both in turns with so many connections."""
    load = Load(connections=connections, seconds=SECONDS)
    found = Rounds([], [])
    with running_node() as node, running_nginx(len(_place(node))) as nginx_port:
        for _ in range(rounds):
            found.nginx.append(run_load(load, nginx_port))
            found.tradepit.append(run_counted(load, node))
    return found


def run_counted(load: Load, node: Node) -> Measured:
    """Run clients against a node; its journal must grow by what they were told.

    Raises:
        CountsDiffer: an answer without an order, or an order without an answer.
    """
    # Market time has not stood still then, so the node adds no command of its own.
    _place(node)
    before = node.sequence
    measured = run_load(load, node.port)
    journaled = node.sequence - before
    answered = measured.accepted + measured.refused
    if not answered <= journaled <= answered + measured.unanswered:
        raise CountsDiffer(f"{answered} answers, {journaled} commands in the journal")
    return measured


def _place(node: Node) -> bytes:
    """An order that rests far from the market; the body of its answer."""
    return node.place(
        client_id="acct-0", instrument="BTC-USD", side="buy", price="1", quantity="0.0001"
    )


def row(name: str, runs: Sequence[Measured]) -> dict[str, Cell]:
    """Medians of rates and latencies, sums of counts."""
    cells: dict[str, Cell] = {
        "clients": name,
        "per second": middle(runs, rate),
        "p50 ms": middle(runs, lambda run: run.p50_ms),
        "p99 ms": middle(runs, p99),
        "p99.9 ms": middle(runs, lambda run: run.p999_ms),
        "errors": sum(run.errors for run in runs),
        "served": served(runs),
    }
    if trading(runs):
        cells["trading"] = trading(runs)
    return cells


def middle(runs: Sequence[Measured], of: Callable[[Measured], float]) -> float:
    """The median of one number over runs."""
    return median(of(run) for run in runs)


def rate(run: Measured) -> float:
    return run.per_second


def p99(run: Measured) -> float:
    return run.p99_ms


def served(runs: Sequence[Measured]) -> int:
    """Connections with at least one answer, in the worst run."""
    return min(run.served for run in runs)


def trading(runs: Sequence[Measured]) -> float:
    """Share of the accepted orders that traded at once."""
    return sum(run.traded for run in runs) / max(1, sum(run.accepted for run in runs))


def no_errors(runs: Sequence[Measured]) -> Verdict:
    """Refused, unanswered and lost, all together."""
    return at_most("errors", sum(run.errors for run in runs), 0, "")


def refusals(runs: Sequence[Measured]) -> list[str]:
    """What the first answer said that was no acceptance."""
    return [f"first refusal: {run.refusal}" for run in runs if run.refusal][:1]


if __name__ == "__main__":
    alone(run)
