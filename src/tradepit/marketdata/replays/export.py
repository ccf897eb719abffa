"""What a recording holds, as lines of JSON or a zip of them, in pieces of bounded size.

Every export has books of its own and disturbs no session. What can be refused is refused by the
call, before the first piece. The index has to stay open until the last one; the reader may leave
early.
"""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Iterable, Iterator
from typing import Any, Final

from tradepit.marketdata.books import BookKey, Books, LevelQueue
from tradepit.marketdata.records import PRICE_SCALE, SIDE_ASK, SIDE_BID
from tradepit.marketdata.replays.index import RecordingIndex
from tradepit.marketdata.replays.rendering import render_untimed, symbols_of

PIECE_MESSAGES: Final = 2_000
"""Of steps: about 0.8 MB."""

PIECE_BYTES: Final = 1 << 18
"""Of a book's lines and of a zip, about."""

COMPRESSION_LEVEL: Final = 1
"""These texts repeat so much that the fastest level does."""

LEVELS_MAX: Final = 2**31
"""All levels of a side."""

SIDE_NAMES: Final = {SIDE_BID: "bid", SIDE_ASK: "ask"}


def export_steps(
    index: RecordingIndex, *, first: int = 1, last: int | None = None
) -> Iterator[bytes]:
    """Messages with their effects, as `rendering` describes them, one per line.

    `seq` is the message's number and `left_ns` is left out: no clock was involved.
    Args:
        first, last: numbers, from 1, both included; None = to the end. None at all when
            `last` is `first - 1`.
    Raises:
        ValueError: the recording has no such messages.
        DamagedIndex.
    """
    end = index.count if last is None else last
    if not 1 <= first <= end + 1 <= index.count + 1:
        raise ValueError(f"messages lie from 1 to {index.count}, not from {first} to {end}")
    return _steps(index, index.books_at(first - 1), first - 1, end)


def _steps(index: RecordingIndex, books: Books, start: int, end: int) -> Iterator[bytes]:
    symbols = symbols_of(index.description)
    for at in range(start, end, PIECE_MESSAGES):
        records = index.records[at : min(end, at + PIECE_MESSAGES)]
        effects = books.apply_with_effects(records).effects
        yield render_untimed(records, effects, first_number=at + 1, symbols=symbols)


def export_book(
    index: RecordingIndex,
    position: int,
    *,
    by_order: bool = False,
    instrument_id: int | None = None,
) -> Iterator[bytes]:
    """What rests at a position, bids then asks of each book, best first.

    A line per level: `{"instrument"?, "instrument_id", "publisher_id", "side", "price", "size",
    "orders"}`; by order a line each, in the order of the queue: `order_id`, `size` and
    `orders_ahead` in place of `size` and `orders`.
    Args:
        instrument_id: of this instrument alone; None = all.
    Raises:
        ValueError: no such position.
        DamagedIndex.
    """
    if not 0 <= position <= index.count:
        raise ValueError(f"a position lies from 0 to {index.count}, not at {position}")
    books = index.books_at(position)
    keys = [key for key in books.keys() if instrument_id in (None, key.instrument_id)]  # noqa: SIM118
    time_ns = index.time_at(position) or 0
    return _pieces(_book_lines(index, books, keys, time_ns, by_order=by_order))


def _book_lines(
    index: RecordingIndex, books: Books, keys: list[BookKey], time_ns: int, *, by_order: bool
) -> Iterator[bytes]:
    for publisher_id, instrument_id in keys:
        symbol = index.description.symbol_at(instrument_id, time_ns)
        head: dict[str, Any] = {} if symbol is None else {"instrument": symbol}
        head |= {"instrument_id": instrument_id, "publisher_id": publisher_id}
        for side, name in SIDE_NAMES.items():
            levels = books.levels(instrument_id, publisher_id, side=side, count=LEVELS_MAX)
            for price, size, orders in levels:
                level = head | {"side": name, "price": price_text(price)}
                if not by_order:
                    yield _line(level | {"size": size, "orders": orders})
                    continue
                queue = books.level(instrument_id, publisher_id, side=side, price=price)
                assert queue is not None, "a level that was listed is there"
                yield from _queue_lines(level, queue)


def _queue_lines(level: dict[str, Any], queue: LevelQueue) -> Iterator[bytes]:
    for ahead, order in enumerate(queue.orders):
        own = {"order_id": str(order.order_id), "size": order.size, "orders_ahead": ahead}
        yield _line(level | own)


def price_text(price: int) -> str:
    """The exact decimal of a price in units of 1e-9, without zeros at its end."""
    whole, rest = divmod(abs(price), PRICE_SCALE)
    sign = "-" if price < 0 else ""
    return f"{sign}{whole}.{rest:09}".rstrip("0").rstrip(".")


def zipped(name: str, pieces: Iterable[bytes]) -> Iterator[bytes]:
    """A zip with one file of this name, while its content comes; the same content gives the same
    bytes.

    When the content fails, so does this, and what was given so far is no whole zip.
    """
    sink = _Sink()
    archive = zipfile.ZipFile(sink, "w", zipfile.ZIP_DEFLATED, compresslevel=COMPRESSION_LEVEL)
    with archive, archive.open(name, "w", force_zip64=True) as file:
        for piece in pieces:
            file.write(piece)
            if sink.size_bytes >= PIECE_BYTES:
                yield sink.take()
    yield sink.take()


class _Sink(io.RawIOBase):
    """Keeps what is written until it is taken; has no way back, like a socket."""

    def __init__(self) -> None:
        self._written: list[bytes] = []
        self.size_bytes = 0

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self._written.append(bytes(data))
        self.size_bytes += len(data)
        return len(data)

    def take(self) -> bytes:
        taken = b"".join(self._written)
        self._written.clear()
        self.size_bytes = 0
        return taken


def _line(fields: dict[str, Any]) -> bytes:
    return json.dumps(fields, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"


def _pieces(lines: Iterable[bytes]) -> Iterator[bytes]:
    """Lines together, so that each piece is worth a write."""
    gathered: list[bytes] = []
    size = 0
    for line in lines:
        gathered.append(line)
        size += len(line)
        if size >= PIECE_BYTES:
            yield b"".join(gathered)
            gathered.clear()
            size = 0
    if gathered:
        yield b"".join(gathered)
