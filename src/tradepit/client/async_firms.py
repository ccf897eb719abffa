"""Firms, quotes and reservations: methods of the asyncio client."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TypeVar, Unpack

from tradepit.client import firm_calls
from tradepit.client.calls import Call
from tradepit.client.firm_models import (
    BudgetFields,
    Cluster,
    Exposure,
    Firm,
    FirmFields,
    FirmPosition,
    FirmSymbols,
    MakerLease,
    Quote,
    QuoteFields,
    Released,
    Reservation,
    ReserveFields,
    SpeakerFields,
)
from tradepit.client.models import AccountState

T = TypeVar("T")


class AsyncFirmRequests(ABC):
    """What a client can do for firms. Where `client_id` is left out, the market's only firm is
    meant, or the account of the key."""

    @abstractmethod
    async def _send(self, call: Call[T]) -> T:
        """Send a call until it is answered."""

    async def create_firm(
        self, firm_id: str, *, key: str | None = None, **fields: Unpack[FirmFields]
    ) -> Firm:
        """Make a firm: a flat credit account with budgets, and what it makes (`symbols`)."""
        return await self._send(firm_calls.create_firm(firm_id, fields, key))

    async def firms(self) -> tuple[Firm, ...]:
        """Every firm."""
        return await self._send(firm_calls.list_firms())

    async def firm(self, firm_id: str) -> Firm:
        """A firm: budgets, usage, makers, positions."""
        return await self._send(firm_calls.get_firm(firm_id))

    async def set_budget(
        self, firm_id: str, *, key: str | None = None, **fields: Unpack[BudgetFields]
    ) -> Firm:
        """Set budgets, position limit or lease; what is not given stays."""
        return await self._send(firm_calls.set_budget(firm_id, fields, key))

    async def add_firm_symbol(
        self, symbol: str, *, firm: str | None = None, key: str | None = None
    ) -> FirmSymbols:
        """Let a firm (the only one, when none is named) make an instrument."""
        return await self._send(firm_calls.add_symbol(symbol, firm, key))

    async def remove_firm_symbol(
        self, symbol: str, *, firm: str | None = None, key: str | None = None
    ) -> FirmSymbols:
        """No longer; its quote and reservation end."""
        return await self._send(firm_calls.remove_symbol(symbol, firm, key))

    async def kill_firm(self, firm_id: str, *, key: str | None = None) -> AccountState:
        """Cancel everything of a firm and refuse new orders and quotes."""
        return await self._send(firm_calls.change_firm_state(firm_id, "kill", key))

    async def resume_firm(self, firm_id: str, *, key: str | None = None) -> AccountState:
        """Take a firm's orders and quotes again."""
        return await self._send(firm_calls.change_firm_state(firm_id, "resume", key))

    async def heartbeat(
        self, firm_id: str, maker: str, *, epoch: int, leaving: bool = False
    ) -> MakerLease:
        """Say that a maker is alive, or leaves; what it owns now.

        Args:
            epoch: of the maker's run; grows from run to run.
        """
        call = firm_calls.heartbeat(firm_id, maker, epoch=epoch, leaving=leaving)
        return await self._send(call)

    async def cluster(self, *, state_hash: bool = False) -> Cluster:
        """Nodes, partitions, makers and what they own."""
        return await self._send(firm_calls.get_cluster(state_hash=state_hash))

    async def set_quote(
        self, instrument: str, *, key: str | None = None, **fields: Unpack[QuoteFields]
    ) -> Quote:
        """Quote both sides in place of the quote before; what was granted of it."""
        return await self._send(firm_calls.set_quote(instrument, fields, key))

    async def quote(self, instrument: str, *, client_id: str | None = None) -> Quote:
        """An account's quote as it stands; the newest of the instrument when none is named."""
        return await self._send(firm_calls.get_quote(instrument, client_id))

    async def end_quote(
        self, instrument: str, *, key: str | None = None, **fields: Unpack[SpeakerFields]
    ) -> Released:
        """End a quote, and the reservation behind it."""
        return await self._send(firm_calls.end_quote(instrument, fields, key))

    async def reserve(
        self, symbol: str, *, key: str | None = None, **fields: Unpack[ReserveFields]
    ) -> Reservation:
        """Reserve exposure in place of what was reserved; what was granted of it."""
        return await self._send(firm_calls.reserve(symbol, fields, key))

    async def release(
        self, symbol: str, *, key: str | None = None, **fields: Unpack[SpeakerFields]
    ) -> Released:
        """Give a reservation back, with its quote."""
        return await self._send(firm_calls.release(symbol, fields, key))

    async def reservations(self, *, client_id: str | None = None) -> tuple[Reservation, ...]:
        """What a firm has reserved."""
        return await self._send(firm_calls.list_reservations(client_id))

    async def exposure(self, *, client_id: str | None = None) -> Exposure:
        """What a firm has used of its budgets."""
        return await self._send(firm_calls.get_exposure(client_id))

    async def firm_positions(self, *, client_id: str | None = None) -> tuple[FirmPosition, ...]:
        """A firm's positions, with version and last fill."""
        return await self._send(firm_calls.list_positions(client_id))

    async def firm_position(self, symbol: str, *, client_id: str | None = None) -> FirmPosition:
        """A firm's position in one instrument."""
        return await self._send(firm_calls.get_position(symbol, client_id))
