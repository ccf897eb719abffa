"""Books of a recording as JSON."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from tradepit.gateway.answers import json_text
from tradepit.marketdata.books import BookKey, Books, Level
from tradepit.marketdata.records import SIDE_ASK, SIDE_BID
from tradepit.marketdata.replays.export import price_text

LEVELS_MAX: Final = 1_000_000
"""Of one side, when all of them are asked for."""


def books_text(
    books: Books,
    keys: Iterable[BookKey],
    symbols: dict[int, str],
    *,
    depth: int = LEVELS_MAX,
    by_order: bool = False,
) -> bytes:
    """A JSON list of books.

    Args:
        depth: levels of each side.
        by_order: each level also with its `queue`, the first order first.
    """
    texts = [_book(books, key, symbols.get(key.instrument_id), depth, by_order) for key in keys]
    return f"[{','.join(texts)}]".encode()


def _book(books: Books, key: BookKey, symbol: str | None, depth: int, by_order: bool) -> str:
    name = "" if symbol is None else f'"instrument":{json_text(symbol)},'
    sides = []
    for side in (SIDE_BID, SIDE_ASK):
        levels = books.levels(key.instrument_id, key.publisher_id, side=side, count=depth)
        texts = (
            [_queue(books, key, side, level) for level in levels]
            if by_order
            else [_level(level) for level in levels]
        )
        sides.append(",".join(texts))
    return (
        f'{{{name}"instrument_id":{key.instrument_id},"publisher_id":{key.publisher_id}'
        f',"bids":[{sides[0]}],"asks":[{sides[1]}]}}'
    )


def _level(level: Level) -> str:
    return f'{{"price":"{price_text(level.price)}","size":{level.size},"orders":{level.orders}}}'


def _queue(books: Books, key: BookKey, side: int, level: Level) -> str:
    found = books.level(key.instrument_id, key.publisher_id, side=side, price=level.price)
    orders = () if found is None else found.orders
    texts = [f'{{"order_id":"{order.order_id}","size":{order.size}}}' for order in orders]
    price = price_text(level.price)
    return (
        f'{{"price":"{price}","size":{level.size},"orders":{level.orders}'
        f',"queue":[{",".join(texts)}]}}'
    )
