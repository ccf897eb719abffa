"""What the flow asks of a market, and what it hears back.

An order is named by its `handle`, a number that the sender gives it; the market's own id and the
account it belongs to are the adapter's business.
Units: price in 1e-9 of the quote currency (as in the recording), quantity in lots.
"""

from __future__ import annotations

from typing import Final, Literal, NamedTuple

Side = Literal["buy", "sell"]


class Place(NamedTuple):
    """A limit order; `immediate` = what does not trade at once is cancelled (IOC)."""

    handle: int
    owner: int
    """Recorded order id that this order stands for; decides which anonymous account sends it."""
    side: Side
    price: int
    quantity: int
    immediate: bool


class Cancel(NamedTuple):
    """Take what is left of an order off the book."""

    handle: int


class Replace(NamedTuple):
    """Give an order this price and this total, fills included."""

    handle: int
    price: int
    total: int


Operation = Place | Cancel | Replace


class Trade(NamedTuple):
    """One match that an order of the flow took part in; None stands for somebody else's order."""

    taker: int | None
    maker: int | None
    price: int
    quantity: int


class Fill(NamedTuple):
    """What an operation's order traded, as its answer tells it: not with whom."""

    price: int
    quantity: int


class Outcome(NamedTuple):
    """What one operation did, as the market answers it.

    `accepted` is False when the market refused it (order already gone, rule violated); `fills` are
    those in which the operation's order was the taker; `filled` is all that the order has traded.
    """

    accepted: bool
    fills: tuple[Fill, ...]
    filled: int


REFUSED: Final = Outcome(accepted=False, fills=(), filled=0)


def opposite(side: Side) -> Side:
    """The other side."""
    return "sell" if side == "buy" else "buy"
