"""`python -m bench.batch`: POST /orders/batch, one durable commit for many operations."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from bench.order_entry import COLUMNS, row, run_counted, show_first_refusal
from bench.programs import Load, running_node
from bench.tables import show, show_place

SIZES: Final = (100, 1_000)
CONNECTIONS: Final = 4
OPERATIONS_PER_SECOND_MIN: Final = 100_000


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="bench.batch", description=__doc__)
    parser.add_argument("--sizes", type=int, nargs="+", default=list(SIZES))
    parser.add_argument("--connections", type=int, default=CONNECTIONS)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--directory", type=Path, help="on the disk to be measured")
    options = parser.parse_args(arguments)
    show_place()
    rows, refused = [], []
    with running_node(options.directory) as node:
        for size in options.sizes:
            load = Load(
                entry="batch",
                connections=options.connections,
                operations=size,
                seconds=options.seconds,
            )
            runs = [run_counted(load, node) for _ in range(options.rounds)]
            rows.append(row(f"{size:,} operations, {options.connections} connections", runs, ""))
            refused += runs
    title = f"batches over HTTP; wanted: {OPERATIONS_PER_SECOND_MIN:,} operations/s"
    columns = ["batch", "operations/s", *COLUMNS[2:-1], ""]
    show(title, columns, rows)
    show_first_refusal(refused)


if __name__ == "__main__":
    main()
