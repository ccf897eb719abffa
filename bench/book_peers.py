"""Other people's order-level books on the same messages: `python book_peers.py PEER MESSAGES`.

Runs in an environment of its own, which `bench.books` makes. MESSAGES is an array of adds, cancels
and changes (`MBO_DTYPE`, one instrument) as `.npy`; each peer gets them in the form it likes best,
ready in memory, several times, each time with new books. Prints the median of the seconds of
processor time and the best prices at the end as JSON.
"""

from __future__ import annotations

import json
import struct
import sys
from collections.abc import Callable, Iterator
from statistics import median
from time import process_time
from typing import Any

import numpy as np

PASSES = 5
CHUNK_MESSAGES = 1024
"""Messages per call where a peer takes several."""

PRICE_SCALE = 10**9
ITCH_PRICE_SCALE = 10**4
NASDAQ_OPEN_NS = 34_200 * 10**9


Run = Callable[[], tuple[float, float, float]]
"""Applies everything to new books: seconds, best bid, best ask."""


def nautilus(messages: Any) -> Run:
    """`OrderBook` of type L3_MBO, `apply_deltas` with objects made before."""
    from nautilus_trader.model.book import OrderBook
    from nautilus_trader.model.data import BookOrder, OrderBookDelta, OrderBookDeltas
    from nautilus_trader.model.enums import BookAction, BookType, OrderSide
    from nautilus_trader.model.identifiers import InstrumentId
    from nautilus_trader.model.objects import Price, Quantity

    name = InstrumentId.from_str("X.Y")
    actions = {"A": BookAction.ADD, "C": BookAction.DELETE, "M": BookAction.UPDATE}
    deltas = []
    for action, side, price, size, order, flags, sequence, time in rows(messages):
        buy_or_sell = OrderSide.BUY if side == "B" else OrderSide.SELL
        entry = BookOrder(
            buy_or_sell, Price(price / PRICE_SCALE, 2), Quantity.from_int(size), order
        )
        deltas.append(OrderBookDelta(name, actions[action], entry, flags, sequence, time, time))
    batches = [
        OrderBookDeltas(name, deltas[at : at + CHUNK_MESSAGES])
        for at in range(0, len(deltas), CHUNK_MESSAGES)
    ]

    def run() -> tuple[float, float, float]:
        book = OrderBook(name, BookType.L3_MBO)
        start = process_time()
        for batch in batches:
            book.apply_deltas(batch)
        seconds = process_time() - start
        return seconds, float(book.best_bid_price()), float(book.best_ask_price())

    return run


def itch_book(messages: Any) -> Run:
    """The native session of itch-book: the messages as ITCH 5.0, best prices recorded."""
    from itch_book._core import Session

    data = b"".join(itch_messages(messages))

    def run() -> tuple[float, float, float]:
        session = Session(["bbo"], 0, [])
        session.reserve(len(messages))
        start = process_time()
        session.feed(data)
        seconds = process_time() - start
        best = session.take_bbo()
        bid, ask = (best[f"{side}_px"][-1] / ITCH_PRICE_SCALE for side in ("bid", "ask"))
        return seconds, float(bid), float(ask)

    return run


def rows(messages: Any) -> Iterator[tuple[Any, ...]]:
    fields = ["action", "side", "price", "size", "order_id", "flags", "sequence", "ts_event"]
    for action, side, *rest in messages[fields].tolist():
        yield chr(action), chr(side), *rest


def itch_messages(messages: Any) -> Iterator[bytes]:
    """The same changes in the words of ITCH: a change is a reduction or a replacement. Orders are
    numbered anew from 1, as they nearly are there: itch-book takes no large numbers."""
    resting: dict[int, tuple[int, int, int]] = {}
    fresh = 0
    for number, (action, side, price, size, order, *_) in enumerate(rows(messages)):
        head = (1, 0, *divmod(NASDAQ_OPEN_NS + number, 1 << 32))
        price = price * ITCH_PRICE_SCALE // PRICE_SCALE
        reference, old_size, old_price = resting.get(order, (0, 0, 0))
        letter = b"B" if side == "B" else b"S"
        if action == "A":
            fresh += 1
            resting[order] = (fresh, size, price)
            yield framed(b"A", "QcI8sI", head, fresh, letter, size, b"X", price)
        elif action == "C" and size >= old_size:
            del resting[order]
            yield framed(b"D", "Q", head, reference)
        elif action == "C" or (price == old_price and size < old_size):
            less = size if action == "C" else old_size - size
            resting[order] = (reference, old_size - less, price)
            yield framed(b"X", "QI", head, reference, less)
        else:
            fresh += 1
            resting[order] = (fresh, size, price)
            yield framed(b"U", "QQII", head, reference, fresh, size, price)


def framed(kind: bytes, body: str, head: tuple[int, ...], *fields: Any) -> bytes:
    message = struct.pack(f">cHHHI{body}", kind, *head, *fields)
    return len(message).to_bytes(2, "big") + message


PEERS = {"nautilus_trader": nautilus, "itch-book": itch_book}


if __name__ == "__main__":
    run = PEERS[sys.argv[1]](np.load(sys.argv[2]))
    passes = [run() for _ in range(PASSES)]
    seconds = median(seconds for seconds, _, _ in passes)
    print(json.dumps({"seconds": seconds, "bid": passes[-1][1], "ask": passes[-1][2]}))
