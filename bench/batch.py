"""POST /orders/batch: one durable commit for many operations."""

from __future__ import annotations

from bench.alone import alone
from bench.order_entry import middle, no_errors, rate, refusals, row, run_counted
from bench.programs import Load, Measured, running_node
from bench.report import Report, at_least

SIZES = (100, 1_000)
CONNECTIONS = 4
SECONDS = 5.0
PER_SECOND_MIN = 100_000


def run(rounds: int) -> Report:
    """Batches of 100 and 1,000 orders over few connections."""
    found: dict[int, list[Measured]] = {size: [] for size in SIZES}
    for size in SIZES:
        load = Load("batch", CONNECTIONS, operations=size, seconds=SECONDS)
        for _ in range(rounds):
            # Each with a node of its own: every operation has a key, and 4 million fill its window.
            with running_node() as node:
                found[size].append(run_counted(load, node))
    everything = [run for runs in found.values() for run in runs]
    return Report(
        "batch",
        "Order entry in batches over HTTP: operations",
        [row(f"{size:,} operations, {CONNECTIONS} clients", found[size]) for size in SIZES],
        [
            at_least(f"operations in batches of {size:,}", middle(runs, rate), PER_SECOND_MIN, "/s")
            for size, runs in found.items()
        ]
        + [no_errors(everything)],
        refusals(everything),
    )


if __name__ == "__main__":
    alone(run)
