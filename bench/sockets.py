"""`python -m bench.sockets`: order entry over WebSocket, several orders in flight per client."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from bench.order_entry import COLUMNS, row, run_counted, show_first_refusal
from bench.programs import Load, running_node
from bench.tables import show, show_place

CONNECTIONS: Final = 64
IN_FLIGHT: Final = 8
ORDERS_PER_SECOND_MIN: Final = 60_000


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="bench.sockets", description=__doc__)
    parser.add_argument("--connections", type=int, default=CONNECTIONS)
    parser.add_argument("--in-flight", type=int, default=IN_FLIGHT)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--directory", type=Path, help="on the disk to be measured")
    options = parser.parse_args(arguments)
    show_place()
    load = Load(
        entry="socket",
        connections=options.connections,
        in_flight=options.in_flight,
        seconds=options.seconds,
    )
    with running_node(options.directory) as node:
        runs = [run_counted(load, node) for _ in range(options.rounds)]
    name = f"{options.connections} sockets, {options.in_flight} in flight each"
    title = f"orders over WebSocket; wanted: {ORDERS_PER_SECOND_MIN:,} orders/s"
    show(title, ["clients", "orders/s", *COLUMNS[2:-1], ""], [row(name, runs, "")])
    show_first_refusal(runs)


if __name__ == "__main__":
    main()
