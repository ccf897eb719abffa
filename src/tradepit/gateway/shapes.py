"""Bodies of requests, as msgspec structs: one definition for the hot path, the ASGI application,
the socket, and the OpenAPI document. Unknown fields are ignored.

Decimals arrive as raw JSON and are read exactly; `decimal_text` takes the quotes off.
"""

from __future__ import annotations

from typing import Annotated, Final, Literal

import msgspec
from msgspec import UNSET, Meta, Raw, Struct, UnsetType

from tradepit.gateway.problems import bare_decimal

Decimal = Annotated[
    Raw,
    Meta(
        description="Exact decimal, as a JSON string or number.",
        extra_json_schema={
            "type": ["string", "number"],
            "examples": ["70150.50"],
        },
    ),
]
Side = Annotated[str, Meta(description="buy or sell; any case", examples=["buy"])]
OrderTypeName = Annotated[
    str, Meta(description="limit, market, stop, stop_limit or trailing_stop; any case")
]
AccountId = Annotated[str, Meta(description="1 to 64 visible ASCII characters")]
ClientOrderId = Annotated[
    str, Meta(description="own name of the order, 1 to 64 visible ASCII characters")
]
TimeText = Annotated[str, Meta(description="RFC 3339, up to nine fractional digits")]


class PlaceOrder(Struct):
    """A new order."""

    instrument: Annotated[str, Meta(examples=["BTC-USD"])]
    side: Side
    quantity: Decimal
    type: OrderTypeName = "limit"
    client_id: AccountId | None = None
    price: (
        Annotated[
            Decimal,
            Meta(
                description="limit, stop_limit: the limit; market, stop, trailing_stop: the worst "
                "price that it may trade at"
            ),
        ]
        | UnsetType
    ) = UNSET
    time_in_force: str | None = None
    post_only: bool | str | None = None
    client_order_id: ClientOrderId | None = None
    display_quantity: (
        Annotated[Decimal, Meta(description="an iceberg shows at most this much; limit only")]
        | UnsetType
    ) = UNSET
    stop_price: (
        Annotated[
            Decimal, Meta(description="stop, stop_limit: the last trade price that triggers it")
        ]
        | UnsetType
    ) = UNSET
    trail_amount: (
        Annotated[
            Decimal, Meta(description="trailing_stop: how far its stop follows the trade price")
        ]
        | UnsetType
    ) = UNSET
    expires_at: Annotated[str, Meta(description="RFC 3339; needs time_in_force gtd")] | None = None
    self_trade_prevention: str | None = None
    reduce_only: bool | None = None
    valid_until: TimeText | None = None


class AmendOrder(Struct):
    """A new price, a new total quantity (fills included), of a stop order that waits also a new
    stop price; what is absent stays."""

    price: Decimal | UnsetType = UNSET
    quantity: Decimal | UnsetType = UNSET
    stop_price: Decimal | UnsetType = UNSET
    client_id: AccountId | None = None
    valid_until: TimeText | None = None


class Operation(PlaceOrder, kw_only=True):
    """One operation of a batch or a socket message; which fields count depends on `op`."""

    op: Literal[
        "place", "cancel", "replace", "mass_cancel", "quote", "reserve", "release", "heartbeat"
    ]
    instrument: str | None = None  # type: ignore[assignment]
    side: Side | None = None  # type: ignore[assignment]
    quantity: Decimal | UnsetType = UNSET  # type: ignore[assignment]
    order_id: str | int | None = None
    bid_price: Decimal | UnsetType = UNSET
    bid_quantity: Decimal | UnsetType = UNSET
    ask_price: Decimal | UnsetType = UNSET
    ask_quantity: Decimal | UnsetType = UNSET
    ttl_ms: int | None = None
    maker: str | int | None = None
    epoch: int | None = None
    leaving: bool = False


class SocketMessage(Operation, kw_only=True):
    """A message of a WebSocket: an operation, a session, or a subscription."""

    op: str  # type: ignore[assignment]
    id: Raw | UnsetType = UNSET
    idempotency_key: str | None = None
    channel: str | None = None
    since: int | None = msgspec.field(default=None, name="from")
    conflate_ms: int | None = None
    name: str | None = None
    cancel_on_disconnect: bool = True
    timeout_ms: int | None = None


class Batch(Struct):
    """Up to 1,000 operations, done in order, in one durable commit."""

    operations: list[Raw]
    client_id: AccountId | None = None


class OpenAccount(Struct):
    """A new account; the id is made up when it is absent."""

    id: AccountId | None = None
    name: Annotated[str, Meta(description="up to 128 bytes")] = ""
    type: Annotated[str, Meta(description="cash (default) or credit")] = "cash"
    credit: Annotated[
        dict[str, Decimal] | None,
        Meta(
            description="per asset, how far below zero a credit account may fall; absent: no bound"
        ),
    ] = None
    valid_until: TimeText | None = None


class MoveFunds(Struct):
    """A deposit or a withdrawal."""

    asset: Annotated[str, Meta(examples=["USD"])]
    amount: Decimal
    valid_until: TimeText | None = None


class Transfer(MoveFunds, kw_only=True):
    """A transfer to another account."""

    to: AccountId


Count = Annotated[int, Meta(ge=0, le=2**32 - 1)]


class InstrumentLimits(Struct):
    """Limits of an account in one instrument; what is absent stays, 0 takes a limit away."""

    instrument: Annotated[str, Meta(examples=["BTC-USD"])]
    max_quantity: Decimal | UnsetType = UNSET
    max_value: (
        Annotated[Decimal, Meta(description="of one order, in the quote asset")] | UnsetType
    ) = UNSET
    position_max: (
        Annotated[Decimal, Meta(description="net quantity that open orders could lead to")]
        | UnsetType
    ) = UNSET


class Limits(Struct):
    """Limits of an account; what is absent stays as it is, 0 takes a limit away."""

    open_orders_max: Count | None = None
    positions: Annotated[
        dict[str, Decimal] | None, Meta(description="symbol to largest net quantity")
    ] = None
    instruments: Annotated[list[InstrumentLimits], Meta(max_length=500)] | None = None
    messages_per_second: Annotated[
        Count | None, Meta(description="new and amended orders and quotes, refused ones too")
    ] = None
    repeats_max: Annotated[
        Count | None,
        Meta(
            description="near-identical orders in a row per window; one more makes the account "
            "cancel-only"
        ),
    ] = None
    window_seconds: Annotated[Decimal, Meta(description="0.001 to 86,400")] | UnsetType = UNSET
    traded_max: (
        Annotated[
            Decimal,
            Meta(description="value per window; more of it makes the account cancel-only"),
        ]
        | UnsetType
    ) = UNSET
    traded_asset: Annotated[str | None, Meta(description="what traded_max is counted in")] = None
    credit: Annotated[
        dict[str, Decimal] | None, Meta(description="asset to credit; credit accounts only")
    ] = None
    valid_until: TimeText | None = None


class CreateKey(Struct):
    """A new key."""

    permission: Annotated[
        str | None, Meta(description="read, trade or admin; each includes those before it")
    ] = None
    label: Annotated[str, Meta(description="what it is for, up to 64 characters")] = ""


class OpenSession(Struct):
    """A ticket for streams and the page."""

    permission: Annotated[
        str | None, Meta(description="at most the key's, which is the default")
    ] = None
    cookie: Annotated[
        bool, Meta(description="also set the cookie tradepit_ticket, for the page")
    ] = False


class DefineInstrument(Struct):
    """A new instrument. Assets that do not exist yet are defined with it."""

    symbol: Annotated[str, Meta(min_length=1, max_length=32, examples=["BTC-USD"])]
    tick_size: Decimal
    lot_size: Decimal
    base_asset: Annotated[str, Meta(description="default: the symbol before its dash")] | None = (
        None
    )
    quote_asset: Annotated[str, Meta(description="default: the symbol after its dash")] | None = (
        None
    )
    reference_price: Decimal | UnsetType = UNSET
    quantity_min: Decimal | UnsetType = UNSET
    quantity_max: Decimal | UnsetType = UNSET
    value_max: Decimal | UnsetType = UNSET
    price_collar_percent: Decimal | UnsetType = UNSET
    maker_fee_bps: Decimal | UnsetType = UNSET
    taker_fee_bps: Decimal | UnsetType = UNSET
    phase: str = "continuous"
    valid_until: TimeText | None = None


PhaseName = Annotated[
    str,
    Meta(
        description="continuous, halted, cancel_only, closed, pre_open, auction or "
        "closing_auction; any case"
    ),
]


class SetPhase(Struct):
    """The new phase of an instrument, or of all."""

    phase: PhaseName
    valid_until: TimeText | None = None


class ScheduleEntry(Struct):
    """A phase that is set every day, or on some weekdays, at a time of day."""

    at: Annotated[str, Meta(description="UTC: 08:00, 08:00:30 or 08:00:30.250")]
    phase: PhaseName
    days: Annotated[
        list[str] | None, Meta(description="mon, tue, wed, thu, fri, sat, sun; absent: every day")
    ] = None


class SetSchedule(Struct):
    """The schedule of an instrument; no entries take it away."""

    entries: Annotated[list[ScheduleEntry], Meta(max_length=7)]
    valid_until: TimeText | None = None


class SetInstrumentSafety(Struct):
    """Halts and protection of an instrument; what is absent stays as it is."""

    band_percent: (
        Annotated[
            Decimal,
            Meta(description="a trade farther from the band's reference halts instead; 0 = none"),
        ]
        | UnsetType
    ) = UNSET
    protection_percent: (
        Annotated[
            Decimal, Meta(description="how far from its stop a stop order without a price trades")
        ]
        | UnsetType
    ) = UNSET
    halt_seconds: (
        Annotated[Decimal, Meta(description="length of such a halt; 0 = until somebody resumes")]
        | UnsetType
    ) = UNSET
    auction_seconds: (
        Annotated[Decimal, Meta(description="of the auction after it; 0 = none")] | UnsetType
    ) = UNSET
    valid_until: TimeText | None = None


TIMEOUT_MS_MAX: Final = 86_400_000


class SetDeadMan(Struct):
    """All orders of the account leave unless this is sent again in time."""

    timeout_ms: Annotated[int, Meta(ge=0, le=TIMEOUT_MS_MAX, description="0 = off")]
    valid_until: TimeText | None = None


def decimal_text(raw: Raw | UnsetType, field: str) -> bytes | None:
    """Return the bare text of a decimal field, None when it is absent or null."""
    return None if raw is UNSET else bare_decimal(bytes(raw), field)


decode_place: Final = msgspec.json.Decoder(PlaceOrder).decode
decode_operation: Final = msgspec.json.Decoder(Operation).decode
decode_socket_message: Final = msgspec.json.Decoder(SocketMessage).decode
decode_batch: Final = msgspec.json.Decoder(Batch).decode
decode_amend: Final = msgspec.json.Decoder(AmendOrder).decode
