"""The door from Python: batches and single commands, beside bourse on the same flow."""

from __future__ import annotations

import gc
from collections.abc import Callable
from time import process_time

import bourse.core
import numpy as np
from numpy.typing import NDArray

from bench import binary, machine
from bench.frames import cut
from bench.report import Cell, Report, at_least, in_turns
from tradepit import _native
from tradepit.domain.wire import RECORD_BYTES

BATCH_RATE_MIN = 12e6
SINGLE_RATE_MIN = 1.5e6
RESTING = 110_000
SETTLE = 200_000
MEASURED = 200_000
BATCH = 256
BIG_BATCH = 4096
BUY = 1
NO_ORDER = 0
BOURSE_PLACE, BOURSE_CANCEL = 1, 2
RETURNS = {
    "tradepit": "every event as bytes; accounts, fees, keys and history of orders and trades",
    "bourse": "an order id per call; no accounts, fees, keys or events; its batches are shuffled",
}


def run(rounds: int) -> Report:
    machine.pin()
    settings = {"resting": RESTING, "settle": SETTLE, "measured": MEASURED, "window": SETTLE}
    with (
        binary.exported("steady", **settings) as batches,
        binary.exported("steady", **settings, per_frame=1) as singles,
    ):
        frames = cut(batches.measured_journal.read_bytes())
        big = cut(batches.measured_journal.read_bytes(), per_call=BIG_BATCH // BATCH)
        ones = cut(singles.measured_journal.read_bytes())
        snapshot = _settled(batches.before)
        operations = batches.operations
    single_name, batch_name = "one command per call", f"{BATCH} per call"
    found = in_turns(
        rounds,
        [
            (f"tradepit, {batch_name}", lambda: _apply(snapshot, frames)),
            (f"bourse, {batch_name}", lambda: _bourse_batches(operations)),
            (f"tradepit, {BIG_BATCH} per call", lambda: _apply(snapshot, big)),
            (f"tradepit, {single_name}", lambda: _apply(snapshot, ones)),
            (f"bourse, {single_name}", lambda: _bourse_calls(operations)),
        ],
    )
    rows: list[dict[str, Cell]] = [
        {"engine and way": name, "commands/s": rate, "ns/command": 1e9 / rate}
        for name, rate in found.items()
    ]
    batch_rate = max(found[f"tradepit, {batch_name}"], found[f"tradepit, {BIG_BATCH} per call"])
    return Report(
        "python",
        "From Python, steady flow, 110,000 resting orders, 100,000 accounts",
        rows,
        [
            at_least(f"batches of {BATCH} or more", batch_rate, BATCH_RATE_MIN, "commands/s"),
            at_least(single_name, found[f"tradepit, {single_name}"], SINGLE_RATE_MIN, "commands/s"),
        ],
        [f"{name} returns {what}" for name, what in RETURNS.items()],
    )


def _settled(journal: bytes) -> bytes:
    replica = _native.Replica()
    replica.replay(journal)
    return replica.snapshot()


def _timed(work: Callable[[], int]) -> float:
    """Commands per second of processor time."""
    gc.collect()
    start = process_time()
    count = work()
    return count / (process_time() - start)


def _apply(snapshot: bytes, frames: list[bytes]) -> float:
    replica = _native.Replica.restore(snapshot)
    events = 0

    def work() -> int:
        nonlocal events
        for frame in frames:
            events += len(replica.apply(frame).events)
        return MEASURED

    rate = _timed(work)
    if events < MEASURED * RECORD_BYTES:
        raise AssertionError("commands without events")
    return rate


def _bourse_calls(operations: NDArray[np.void]) -> float:
    """One method call per operation, arguments ready as Python values."""
    book = bourse.core.OrderBook(0, 1, True)
    ids = [NO_ORDER] * len(operations)
    ready = operations[["kind", "is_buy", "account", "price", "quantity", "target"]].tolist()
    first = len(operations) - MEASURED

    def work(start: int, end: int) -> int:
        place, cancel, modify = book.place_order, book.cancel_order, book.modify_order
        for index in range(start, end):
            kind, is_buy, account, price, quantity, target = ready[index]
            if kind <= binary.TAKE:
                ids[index] = place(is_buy == BUY, quantity, account, price)
            elif kind == binary.CANCEL:
                cancel(ids[target])
            elif kind == binary.MOVE:
                modify(ids[target], price)
            else:
                modify(ids[target], None, quantity)
        return end - start

    work(0, first)
    return _timed(lambda: work(first, len(operations)))


def _bourse_batches(operations: NDArray[np.void]) -> float:
    """Its numpy environment, a step per batch. It cannot amend: those are left out."""
    placed = operations["kind"] <= binary.TAKE
    ids = np.cumsum(placed) - 1
    chosen = placed | (operations["kind"] == binary.CANCEL)
    what = np.where(placed, BOURSE_PLACE, BOURSE_CANCEL).astype(np.uint32)[chosen]
    sides = (operations["is_buy"] == BUY)[chosen]
    sizes, accounts, prices = (
        operations[name][chosen].astype(np.uint32) for name in ("quantity", "account", "price")
    )
    targets = ids[operations["target"]].astype(np.uint64)[chosen]
    columns = (what, sides, sizes, accounts, prices, targets)
    first = int(chosen[: len(operations) - MEASURED].sum())
    environment = bourse.core.StepEnvNumpy(1, 0, 1, BATCH)

    def work(start: int, end: int) -> int:
        for at in range(start, end, BATCH):
            stop = min(at + BATCH, end)
            environment.submit_instructions(tuple(column[at:stop] for column in columns))
            environment.step()
        return end - start

    work(0, first)
    return _timed(lambda: work(first, len(what)))
