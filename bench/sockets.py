"""Order entry over WebSocket, several orders of each client in flight."""

from __future__ import annotations

from bench.alone import alone
from bench.order_entry import middle, no_errors, rate, refusals, row, run_counted
from bench.programs import Load, running_node
from bench.report import Report, at_least

CONNECTIONS = 64
IN_FLIGHT = 8
SECONDS = 5.0
PER_SECOND_MIN = 60_000


def run(rounds: int) -> Report:
    """64 sockets with 8 orders in flight each."""
    load = Load("socket", CONNECTIONS, IN_FLIGHT, seconds=SECONDS)
    with running_node() as node:
        runs = [run_counted(load, node) for _ in range(rounds)]
    return Report(
        "sockets",
        "Order entry over WebSocket",
        [row(f"{CONNECTIONS} sockets, {IN_FLIGHT} in flight each", runs)],
        [at_least("orders", middle(runs, rate), PER_SECOND_MIN, "/s"), no_errors(runs)],
        refusals(runs),
    )


if __name__ == "__main__":
    alone(run)
