"""Bodies of requests about firms, reservations, quotes and makers. See `shapes`."""

from __future__ import annotations

from typing import Annotated, Final

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from tradepit.gateway.shapes import AccountId, Decimal, TimeText

TTL_MS_MAX: Final = 86_400_000
LEASE_MS_MAX: Final = 3_600_000
EPOCH_MAX: Final = 2**63 - 1
SYMBOLS_MAX: Final = 1_000

Symbol = Annotated[str, Meta(examples=["BTC-USD"])]
TtlMs = Annotated[
    int,
    Meta(ge=1, le=TTL_MS_MAX, description="until quote and reservation end; default 30,000"),
]
MakerId = Annotated[str | int, Meta(description="name or number of the maker that speaks")]
Epoch = Annotated[
    int,
    Meta(ge=1, le=EPOCH_MAX, description="of the maker's run; grows from run to run"),
]
Budget = Annotated[Decimal, Meta(description="sum of quantities over all instruments")]
PositionLimit = Annotated[
    Decimal, Meta(description="net quantity per instrument that quotes may lead to; 0 = none")
]
LeaseMs = Annotated[
    int, Meta(ge=100, le=LEASE_MS_MAX, description="how long a maker lives without a heartbeat")
]


class DefineFirm(Struct):
    """A firm: a credit account that quotes within budgets. Default budgets and limit: 100."""

    id: AccountId
    name: Annotated[str, Meta(description="up to 128 bytes")] = ""
    budget_bid: Budget | UnsetType = UNSET
    budget_ask: Budget | UnsetType = UNSET
    position_limit: PositionLimit | UnsetType = UNSET
    lease_ms: LeaseMs = 3_000
    credit: Annotated[
        dict[str, Decimal] | None,
        Meta(description="per asset, how far below zero it may fall; absent: no bound"),
    ] = None
    symbols: Annotated[list[Symbol], Meta(max_length=SYMBOLS_MAX, description="what it makes")] = (
        msgspec.field(default_factory=list)
    )
    valid_until: TimeText | None = None


class SetBudget(Struct):
    """Budgets, position limit, lease of a firm; what is absent stays as it is."""

    budget_bid: Budget | UnsetType = UNSET
    budget_ask: Budget | UnsetType = UNSET
    position_limit: PositionLimit | UnsetType = UNSET
    lease_ms: LeaseMs | None = None
    valid_until: TimeText | None = None


class AddSymbol(Struct):
    """An instrument that a firm makes from now on."""

    symbol: Symbol
    firm: AccountId | None = None
    valid_until: TimeText | None = None


class Heartbeat(Struct):
    """A maker is alive, or leaves."""

    epoch: Epoch
    leaving: Annotated[bool, Meta(description="give everything up now")] = False
    valid_until: TimeText | None = None


class SetQuote(Struct):
    """A two-sided quote, in place of the one before. A side without quantity is not quoted."""

    bid_price: Decimal | UnsetType = UNSET
    bid_quantity: Decimal | UnsetType = UNSET
    ask_price: Decimal | UnsetType = UNSET
    ask_quantity: Decimal | UnsetType = UNSET
    ttl_ms: TtlMs | None = None
    client_id: AccountId | None = None
    maker: MakerId | None = None
    epoch: Epoch | None = None
    valid_until: TimeText | None = None


class Reserve(Struct):
    """Exposure of a firm in an instrument, in place of what it had there."""

    symbol: Symbol
    bid_quantity: Decimal
    ask_quantity: Decimal
    ttl_ms: TtlMs | None = None
    client_id: AccountId | None = None
    maker: MakerId | None = None
    epoch: Epoch | None = None
    valid_until: TimeText | None = None


class Release(Struct):
    """The end of a quote and its reservation."""

    client_id: AccountId | None = None
    maker: MakerId | None = None
    epoch: Epoch | None = None
    valid_until: TimeText | None = None
