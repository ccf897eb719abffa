"""What no quote may pass: the position limit, what was granted, the other side of the book.

Each takes a quote and gives back one that is at most as large and at most as tight.
"""

from __future__ import annotations

from msgspec.structs import replace

from tradepit.makers.strategy import BookView, TwoSided


def within_limit(quote: TwoSided, *, position_lots: int, limit_lots: int) -> TwoSided:
    """Clip sizes so that filling a whole side leaves the position within ± the limit."""
    return within_grant(
        quote,
        bid_lots=max(0, limit_lots - position_lots),
        ask_lots=max(0, limit_lots + position_lots),
    )


def within_grant(quote: TwoSided, *, bid_lots: int, ask_lots: int) -> TwoSided:
    """Clip sizes to what may be quoted on each side."""
    if quote.bid_lots <= bid_lots and quote.ask_lots <= ask_lots:
        return quote
    return replace(
        quote, bid_lots=min(quote.bid_lots, bid_lots), ask_lots=min(quote.ask_lots, ask_lots)
    )


def passive(quote: TwoSided, book: BookView) -> TwoSided:
    """Move each side that would take one tick away from the opposite best.

    A bid that finds no price below an ask of one tick is left out.
    """
    bid_ticks, ask_ticks, bid_lots = quote.bid_ticks, quote.ask_ticks, quote.bid_lots
    if book.ask_ticks is not None and bid_ticks >= book.ask_ticks:
        bid_ticks = max(1, book.ask_ticks - 1)
        if bid_ticks >= book.ask_ticks:
            bid_lots = 0
    if book.bid_ticks is not None:
        ask_ticks = max(ask_ticks, book.bid_ticks + 1)
    return TwoSided(
        bid_ticks=bid_ticks, bid_lots=bid_lots, ask_ticks=ask_ticks, ask_lots=quote.ask_lots
    )
