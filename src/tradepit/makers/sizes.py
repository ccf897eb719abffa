"""Sizes that lean against the position: less where a fill would add to it, more where it helps."""

from __future__ import annotations

from msgspec import Struct


class Sizes(Struct, frozen=True, gc=False):
    """How much to quote on each side."""

    bid_lots: int
    ask_lots: int


def leaning_sizes(*, default_lots: int, position_lots: int, limit_lots: int) -> Sizes:
    """The default on both sides when flat; at the limit nothing on one side, twice it on the other.

        bid = default × (limit − position) / limit      within 0 and 2 × default, rounded up
        ask = default × (limit + position) / limit

    Rounding up keeps at least one lot on a side as long as the limit leaves room for it: sizes
    are a function of the position alone, so no history of fills or grants can lock them at zero.
    """
    leaning = max(-limit_lots, min(limit_lots, position_lots))
    return Sizes(
        bid_lots=-(-default_lots * (limit_lots - leaning) // limit_lots),
        ask_lots=-(-default_lots * (limit_lots + leaning) // limit_lots),
    )
