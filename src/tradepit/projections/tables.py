"""The tables: one set for SQLite and PostgreSQL. For people: docs/sql.md.

Prices are in ticks, quantities in lots, money in minor units, times in ns since the epoch, as in
the journal; tick and lot sizes stand in `definitions`. Columns that may pass 64 bits are `Wide`.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any, Final

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Dialect,
    Index,
    MetaData,
    Numeric,
    SmallInteger,
    String,
    Table,
    TypeDecorator,
    text,
)
from sqlalchemy.dialects import sqlite

ACCOUNT_ID_CHARACTERS: Final = 64
NAME_CHARACTERS: Final = 128
CLIENT_ORDER_ID_CHARACTERS: Final = 64
SYMBOL_CHARACTERS: Final = 64

CLEARING: Final = -1
"""Stands between the parties of every trade."""
FEES: Final = -2
"""What the market earned."""
OUTSIDE: Final = -3
"""Where deposits come from and withdrawals go."""


class Wide(TypeDecorator[int]):
    """An integer of up to 128 bits: NUMERIC, or decimal digits as text where there is none."""

    impl = Numeric(39, 0)
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> Any:
        if dialect.name == "sqlite":
            return dialect.type_descriptor(String(40))
        return dialect.type_descriptor(Numeric(39, 0))

    def process_bind_param(self, value: int | None, dialect: Dialect) -> Any:
        if value is None:
            return None
        return str(value) if dialect.name == "sqlite" else Decimal(value)

    def process_result_value(self, value: Any, dialect: Dialect) -> int | None:
        return None if value is None else int(value)


Big = BigInteger().with_variant(sqlite.INTEGER(), "sqlite")
"""64 bits; on SQLite the one type that a primary key needs to be the row's own number."""

Small = SmallInteger()

metadata = MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    }
)

projection = Table(
    "projection",
    metadata,
    Column("partition", Big, primary_key=True, autoincrement=False),
    Column("market_id", String(20), nullable=False),
    Column("generation", Big, nullable=False),
    Column("sequence", Big, nullable=False),
    Column("crc", Big, nullable=False),
    Column("time_ns", Big, nullable=False),
    comment="How far the journal's partition is written here; moves with the rows.",
)

assets = Table(
    "assets",
    metadata,
    Column("asset", Big, primary_key=True, autoincrement=False),
    Column("code", String(SYMBOL_CHARACTERS), nullable=False),
    Column("scale", Small, nullable=False),
)

instruments = Table(
    "instruments",
    metadata,
    Column("instrument", Big, primary_key=True, autoincrement=False),
    Column("symbol", String(SYMBOL_CHARACTERS), nullable=False),
    Column("base_asset", Big, nullable=False),
    Column("quote_asset", Big, nullable=False),
    Column("phase", Small, nullable=False),
    Column("definition_version", Big, nullable=False),
)

definitions = Table(
    "definitions",
    metadata,
    Column("instrument", Big, primary_key=True, autoincrement=False),
    Column("definition_version", Big, primary_key=True, autoincrement=False),
    Column("tick_mantissa", Big, nullable=False),
    Column("tick_exponent", Small, nullable=False),
    Column("lot_mantissa", Big, nullable=False),
    Column("lot_exponent", Small, nullable=False),
    comment="Tick and lot sizes: mantissa * 10^-exponent.",
)

accounts = Table(
    "accounts",
    metadata,
    Column("account", Big, primary_key=True, autoincrement=False),
    Column("id", String(ACCOUNT_ID_CHARACTERS), nullable=False),
    Column("name", String(NAME_CHARACTERS), nullable=False),
    Column("account_type", Small, nullable=False),
    Column("state", Small, nullable=False),
    Column("opened_ns", Big, nullable=False),
    Index(None, "id", unique=True),
)

orders = Table(
    "orders",
    metadata,
    Column("order_id", Big, primary_key=True, autoincrement=False),
    Column("account", Big, nullable=False),
    Column("instrument", Big, nullable=False),
    Column("definition_version", Big, nullable=False),
    Column("side", Small, nullable=False),
    Column("order_type", Small, nullable=False),
    Column("time_in_force", Small, nullable=False),
    Column("self_trade_prevention", Small, nullable=False),
    Column("options", Small, nullable=False),
    Column("status", Small, nullable=False),
    Column("close_reason", Small, nullable=False),
    Column("price", Big, nullable=False),
    Column("quantity", Big, nullable=False),
    Column("leaves", Big, nullable=False),
    Column("filled", Big, nullable=False),
    Column("filled_value", Wide, nullable=False),
    Column("first_price", Big, nullable=False),
    Column("first_quantity", Big, nullable=False),
    Column("expires_ns", Big, nullable=False),
    Column("created_ns", Big, nullable=False),
    Column("updated_ns", Big, nullable=False),
    Column("client_order_id", String(CLIENT_ORDER_ID_CHARACTERS), nullable=True),
    Column("display_quantity", Big, nullable=False),
    Column("stop_price", Big, nullable=False),
    Column("first_stop_price", Big, nullable=False),
    Column("triggered_sequence", Big, nullable=False),
    Index(None, "account", "order_id"),
    Index(None, "instrument", "order_id"),
    Index(
        "ix_orders_client_order_id",
        "account",
        "client_order_id",
        "order_id",
        sqlite_where=text("client_order_id IS NOT NULL"),
        postgresql_where=text("client_order_id IS NOT NULL"),
    ),
)

trades = Table(
    "trades",
    metadata,
    Column("trade_id", Big, primary_key=True, autoincrement=False),
    Column("sequence", Big, nullable=False),
    Column("time_ns", Big, nullable=False),
    Column("instrument", Big, nullable=False),
    Column("definition_version", Big, nullable=False),
    Column("price", Big, nullable=False),
    Column("quantity", Big, nullable=False),
    Column("maker_order_id", Big, nullable=False),
    Column("taker_order_id", Big, nullable=False),
    Column("maker_account", Big, nullable=False),
    Column("taker_account", Big, nullable=False),
    Column("taker_side", Small, nullable=False),
    Column("maker_fee", Big, nullable=False),
    Column("taker_fee", Big, nullable=False),
    Index(None, "instrument", "trade_id"),
)

fills = Table(
    "fills",
    metadata,
    Column("account", Big, primary_key=True, autoincrement=False),
    Column("trade_id", Big, primary_key=True, autoincrement=False),
    Column("is_maker", Boolean, primary_key=True),
    Column("order_id", Big, nullable=False),
    Column("instrument", Big, nullable=False),
    Index(None, "order_id", "trade_id"),
    sqlite_with_rowid=False,
    comment="Both sides of each trade, by account and by order.",
)

ledger_lines = Table(
    "ledger_lines",
    metadata,
    Column("sequence", Big, primary_key=True, autoincrement=False),
    Column("line", Big, primary_key=True, autoincrement=False),
    Column("account", Big, nullable=False),
    Column("asset", Big, nullable=False),
    Column("amount", Big, nullable=False),
    Column("kind", Small, nullable=False),
    Column("trade_id", Big, nullable=True),
    Column("time_ns", Big, nullable=False),
    Index(
        None,
        "account",
        "sequence",
        "line",
        sqlite_where=text("account > 0"),
        postgresql_where=text("account > 0"),
    ),
    sqlite_with_rowid=False,
    comment="Double entry: per command and asset the amounts sum to zero. account -1 clearing, "
    "-2 fees, -3 the outside world.",
)

balances = Table(
    "balances",
    metadata,
    Column("account", Big, primary_key=True, autoincrement=False),
    Column("asset", Big, primary_key=True, autoincrement=False),
    Column("total", Big, nullable=False),
    Column("held", Big, nullable=False),
    Column("credit", Big, nullable=False),
    sqlite_with_rowid=False,
)

positions = Table(
    "positions",
    metadata,
    Column("account", Big, primary_key=True, autoincrement=False),
    Column("instrument", Big, primary_key=True, autoincrement=False),
    Column("net", Big, nullable=False),
    Column("cost", Wide, nullable=False),
    Column("realised", Wide, nullable=False),
    Column("version", Big, nullable=False),
    sqlite_with_rowid=False,
    comment="cost and realised in ticks * lots.",
)

phases = Table(
    "phases",
    metadata,
    Column("sequence", Big, primary_key=True, autoincrement=False),
    Column("line", Big, primary_key=True, autoincrement=False),
    Column("instrument", Big, nullable=False),
    Column("phase", Small, nullable=False),
    Column("reason", Small, nullable=False),
    Column("until_ns", Big, nullable=False),
    Column("time_ns", Big, nullable=False),
    Index(None, "instrument", "sequence", "line"),
    sqlite_with_rowid=False,
    comment="Each phase that an instrument came into; until_ns = when it reopens, 0 = not set.",
)

reservations = Table(
    "reservations",
    metadata,
    Column("sequence", Big, primary_key=True, autoincrement=False),
    Column("line", Big, primary_key=True, autoincrement=False),
    Column("account", Big, nullable=False),
    Column("instrument", Big, nullable=False),
    Column("is_release", Boolean, nullable=False),
    Column("status", Small, nullable=False),
    Column("bid", Big, nullable=False),
    Column("ask", Big, nullable=False),
    Column("requested_bid", Big, nullable=False),
    Column("requested_ask", Big, nullable=False),
    Column("expires_ns", Big, nullable=False),
    Column("maker", Big, nullable=False),
    Column("time_ns", Big, nullable=False),
    Index(None, "account", "instrument", "sequence"),
    sqlite_with_rowid=False,
    comment="What was granted to firms, and what was freed, in lots; a release's status is why.",
)

candles = Table(
    "candles",
    metadata,
    Column("instrument", Big, primary_key=True, autoincrement=False),
    Column("seconds", Big, primary_key=True, autoincrement=False),
    Column("start_ns", Big, primary_key=True, autoincrement=False),
    Column("definition_version", Big, primary_key=True, autoincrement=False),
    Column("open", Big, nullable=False),
    Column("high", Big, nullable=False),
    Column("low", Big, nullable=False),
    Column("close", Big, nullable=False),
    Column("volume", Wide, nullable=False),
    Column("value", Wide, nullable=False),
    Column("trades", Big, nullable=False),
    sqlite_with_rowid=False,
    comment="value = sum of price * quantity in ticks * lots; seconds = 1, 60, 3600 or 86400.",
)

PROJECTED: Final = (
    assets,
    instruments,
    definitions,
    accounts,
    orders,
    trades,
    fills,
    ledger_lines,
    balances,
    positions,
    candles,
    phases,
    reservations,
)
"""What a rebuild empties and makes again from the journal."""
