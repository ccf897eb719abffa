"""Seeded streams of order-by-order records that reach every rule and every mistake.

Few prices, ids and sizes, so that everything meets; several publishers and instruments; snapshots
of both forms, cut ones too; top-of-book records; events of one record and of many.
"""

from __future__ import annotations

import random
from typing import Final

import numpy as np
from numpy.typing import NDArray

from tradepit.marketdata.records import (
    FLAG_LAST,
    FLAG_SNAPSHOT,
    FLAG_TOP_OF_BOOK,
    MBO_DTYPE,
    MBO_LENGTH_WORDS,
    MBO_RTYPE,
    PRICE_NONE,
)

PUBLISHERS: Final = (1, 2)
INSTRUMENTS: Final = (7, 8, 4_000_000_000)
IDS: Final = 60
PRICE_STEP: Final = 250_000_000
ACTIONS: Final = (("A", 46), ("C", 22), ("M", 22), ("T", 3), ("F", 3), ("N", 1), ("R", 1), ("Z", 1))
SNAPSHOT_SHARE: Final = 0.004
TOP_SHARE: Final = 0.01
WRONG_SHARE: Final = 0.01
LAST_SHARE: Final = 0.7
ODD_IDS: Final = (0, 2**64 - 1, 2**63)


def random_records(seed: int, count: int, *, books: int = 6) -> NDArray[np.void]:
    """At least this many records over at most `books` books."""
    rng = random.Random(seed)
    keys = [(p, i) for p in PUBLISHERS for i in INSTRUMENTS][:books]
    rows: list[tuple[int, ...]] = []
    while len(rows) < count:
        key = rng.choice(keys)
        if rng.random() < SNAPSHOT_SHARE:
            rows += _snapshot(rng, key)
        else:
            rows.append(_ordinary(rng, key))
    records = np.array(rows, MBO_DTYPE)
    records["ts_event"] = np.arange(1_000, 1_000 + len(records))
    records["ts_recv"] = records["ts_event"] + 50
    return records


def _ordinary(rng: random.Random, key: tuple[int, int]) -> tuple[int, ...]:
    letters, weights = zip(*ACTIONS, strict=True)
    [action] = rng.choices(letters, weights)
    flags = FLAG_LAST if rng.random() < LAST_SHARE else 0
    if rng.random() < TOP_SHARE:
        flags |= FLAG_TOP_OF_BOOK
    side = rng.choice("BA")
    if action == "R" or rng.random() < WRONG_SHARE:
        side = rng.choice("BAN")
    return _row(rng, key, action, side, flags)


def _snapshot(rng: random.Random, key: tuple[int, int]) -> list[tuple[int, ...]]:
    """Modern (R first, F_LAST at the end) or older (neither); sometimes its end is missing."""
    modern = rng.random() < 0.5
    rows = [_row(rng, key, "R", "N", FLAG_SNAPSHOT)] if modern else []
    for _ in range(rng.randrange(25)):
        rows.append(_row(rng, key, "A", rng.choice("BA"), FLAG_SNAPSHOT))
    if modern and rng.random() < 0.8:
        rows.append(_row(rng, key, "A", rng.choice("BA"), FLAG_SNAPSHOT | FLAG_LAST))
    return rows


def _row(
    rng: random.Random, key: tuple[int, int], action: str, side: str, flags: int
) -> tuple[int, ...]:
    # Bids below asks mostly, but meeting them often.
    price = rng.randint(-4, 3) if side == "B" else rng.randint(-1, 6)
    price *= PRICE_STEP
    if rng.random() < WRONG_SHARE:
        price = PRICE_NONE
    order_id = rng.choice(ODD_IDS) if rng.random() < WRONG_SHARE else rng.randrange(1, IDS)
    size = 2**32 - 1 if rng.random() < WRONG_SHARE else rng.randint(1, 9)
    size = 0 if rng.random() < WRONG_SHARE else size
    rtype = MBO_RTYPE if rng.random() > WRONG_SHARE / 4 else 1
    head = (MBO_LENGTH_WORDS, rtype, *key)
    return (*head, 0, order_id, price, size, flags, 0, ord(action), ord(side), 0, 0, 0)
