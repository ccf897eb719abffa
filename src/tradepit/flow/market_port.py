"""What the recorded flow needs of a market; adapters stand behind it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from tradepit.flow.comparison import Levels
from tradepit.flow.level_quantities import BestQuote
from tradepit.flow.operations import Operation, Outcome, Side, Trade


class OrderState(NamedTuple):
    """How an order stands in the market now; `total` includes what is filled."""

    handle: int
    price: int
    total: int
    filled: int
    is_open: bool


class MarketUnavailable(Exception):
    """The market could not be reached, or refused to go on; `reason` says which."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Market(Protocol):
    """A market in which the flow's orders stand among everybody else's."""

    def can_follow(self, _operation: Operation, _batch: Sequence[Operation]) -> bool:
        """Whether an operation may travel in the same batch behind these."""

    async def execute(self, batch: Sequence[Operation]) -> list[Outcome]:
        """Do operations in order; one outcome for each."""

    async def trades(self) -> list[Trade]:
        """Trades of the flow's orders since the last call, complete up to the last batch."""

    async def inspect(self, handle: int) -> OrderState | None:
        """How an order really stands; None when it never came into being."""

    async def withdraw(self) -> None:
        """Cancel every order of the flow."""

    async def take(self, side: Side, quantity: int) -> list[tuple[int, int]]:
        """Send a large marketable order of an outsider; price and quantity of its fills."""

    async def quote(self) -> BestQuote:
        """Best bid and offer with everybody's orders."""

    async def levels(self) -> dict[Side, Levels]:
        """The whole order book."""
