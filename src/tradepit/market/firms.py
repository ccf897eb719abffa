"""Firms, quotes and reservations of the market in process. Methods as in `client.sync_firms`."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar, Unpack

import msgspec

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
from tradepit.gateway.drafts import Market as Lookup
from tradepit.gateway.firms import results
from tradepit.gateway.firms.drafts import (
    HeartbeatDraft,
    budget_draft,
    cluster_symbol_draft,
    define_firm,
    firm_state_draft,
)
from tradepit.gateway.firms.quoting import QuoteDraft, ReleaseDraft, ReserveDraft
from tradepit.gateway.firms.shapes import DefineFirm, Heartbeat, Release, Reserve, SetBudget
from tradepit.gateway.firms.shapes import SetQuote as QuoteBody
from tradepit.gateway.firms.statements import (
    cluster_of,
    exposure_of,
    firm_of,
    firm_position,
    firm_positions,
    firm_rows,
    known_firm,
    quote_now,
    reservations_of,
    speaking_for,
    writer_of,
)
from tradepit.market.reads import decode
from tradepit.market.writes import MarketWrites, key_bytes, shape_of

T = TypeVar("T")


class MarketFirms(MarketWrites):
    """What a market in process does for firms. Where `client_id` is left out, the market's only
    firm is meant."""

    def create_firm(
        self, firm_id: str, *, key: str | None = None, **fields: Unpack[FirmFields]
    ) -> Firm:
        """Make a firm: a flat credit account with budgets, and what it makes (`symbols`)."""
        body = shape_of({"id": firm_id, **fields}, DefineFirm)
        return self._do(lambda desk, reply: define_firm(desk, body, key_bytes(key), reply), Firm)

    def firms(self) -> tuple[Firm, ...]:
        """Every firm."""
        return self._tell(
            lambda market: [firm_of(market, row.account_id) for row in firm_rows(market)],
            tuple[Firm, ...],
        )

    def firm(self, firm_id: str) -> Firm:
        """A firm: budgets, usage, makers, positions."""
        return self._tell(lambda market: firm_of(market, firm_id), Firm)

    def set_budget(
        self, firm_id: str, *, key: str | None = None, **fields: Unpack[BudgetFields]
    ) -> Firm:
        """Set budgets, position limit or lease; what is not given stays."""
        body = shape_of(fields, SetBudget)
        return self._write(lambda market: budget_draft(market, firm_id, body, key_bytes(key)), Firm)

    def add_firm_symbol(
        self, symbol: str, *, firm: str | None = None, key: str | None = None
    ) -> FirmSymbols:
        """Let a firm (the only one, when none is named) make an instrument."""
        return self._set_symbol(symbol, firm, key, is_added=True)

    def remove_firm_symbol(
        self, symbol: str, *, firm: str | None = None, key: str | None = None
    ) -> FirmSymbols:
        """No longer; its quote and reservation end."""
        return self._set_symbol(symbol, firm, key, is_added=False)

    def _set_symbol(
        self, symbol: str, firm: str | None, key: str | None, *, is_added: bool
    ) -> FirmSymbols:
        return self._write(
            lambda market: cluster_symbol_draft(
                market, firm, symbol, key_bytes(key), None, is_added=is_added
            ),
            FirmSymbols,
        )

    def kill_firm(self, firm_id: str, *, key: str | None = None) -> AccountState:
        """Cancel everything of a firm and refuse new orders and quotes."""
        return self._firm_state(firm_id, "kill", key)

    def resume_firm(self, firm_id: str, *, key: str | None = None) -> AccountState:
        """Take a firm's orders and quotes again."""
        return self._firm_state(firm_id, "resume", key)

    def _firm_state(self, firm_id: str, action: str, key: str | None) -> AccountState:
        return self._write(
            lambda market: firm_state_draft(market, firm_id, action, key_bytes(key), None),
            AccountState,
        )

    def heartbeat(
        self, firm_id: str, maker: str, *, epoch: int, leaving: bool = False
    ) -> MakerLease:
        """Say that a maker is alive, or leaves; what it owns now.

        Args:
            epoch: of the maker's run; grows from run to run.
        """
        body = shape_of({"epoch": epoch, "leaving": leaving}, Heartbeat)
        return self._write(
            lambda market: HeartbeatDraft(market, firm_id, maker, body, None), MakerLease
        )

    def cluster(self, *, state_hash: bool = False) -> Cluster:
        """This market as a cluster of one, makers and what they own."""

        def read(market: Lookup) -> results.Cluster:
            return cluster_of(market, [writer_of(market, has_hash=state_hash)])

        return self._tell(read, Cluster)

    def set_quote(
        self, instrument: str, *, key: str | None = None, **fields: Unpack[QuoteFields]
    ) -> Quote:
        """Quote both sides in place of the quote before; what was granted of it."""
        body = shape_of(fields, QuoteBody)
        return self._write(
            lambda market: QuoteDraft(market, instrument, body, key_bytes(key)), Quote
        )

    def quote(self, instrument: str, *, client_id: str | None = None) -> Quote:
        """An account's quote as it stands; the newest of the instrument when none is named."""
        return self._tell(
            lambda market: quote_now(market, market.listing.find(instrument), client_id), Quote
        )

    def end_quote(
        self, instrument: str, *, key: str | None = None, **fields: Unpack[SpeakerFields]
    ) -> Released:
        """End a quote, and the reservation behind it."""
        body = shape_of(fields, Release)
        return self._write(
            lambda market: ReleaseDraft(market, instrument, body, key_bytes(key)), Released
        )

    def reserve(
        self, symbol: str, *, key: str | None = None, **fields: Unpack[ReserveFields]
    ) -> Reservation:
        """Reserve exposure in place of what was reserved; what was granted of it."""
        body = shape_of({"symbol": symbol, **fields}, Reserve)
        return self._write(
            lambda market: ReserveDraft(market, symbol, body, key_bytes(key)), Reservation
        )

    def release(
        self, symbol: str, *, key: str | None = None, **fields: Unpack[SpeakerFields]
    ) -> Released:
        """Give a reservation back, with its quote."""
        return self.end_quote(symbol, key=key, **fields)

    def reservations(self, *, client_id: str | None = None) -> tuple[Reservation, ...]:
        """What a firm has reserved."""
        return self._tell(
            lambda market: reservations_of(market, speaking_for(market, client_id)),
            tuple[Reservation, ...],
        )

    def exposure(self, *, client_id: str | None = None) -> Exposure:
        """What a firm has used of its budgets."""
        return self._tell(
            lambda market: exposure_of(market, speaking_for(market, client_id)), Exposure
        )

    def firm_positions(self, *, client_id: str | None = None) -> tuple[FirmPosition, ...]:
        """A firm's positions, with version and last fill."""

        def read(market: Lookup) -> list[results.FirmPosition]:
            firm = known_firm(market, speaking_for(market, client_id))
            return firm_positions(market, firm.account)

        return self._tell(read, tuple[FirmPosition, ...])

    def firm_position(self, symbol: str, *, client_id: str | None = None) -> FirmPosition:
        """A firm's position in one instrument."""

        def read(market: Lookup) -> results.FirmPosition:
            instrument = market.listing.find(symbol)
            return firm_position(market, speaking_for(market, client_id), instrument)

        return self._tell(read, FirmPosition)

    def _tell(self, read: Callable[[Lookup], object], shape: type[T]) -> T:
        return decode(self._ask(lambda market: msgspec.json.encode(read(market))), shape)
