"""The projected tables."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from tradepit.projections.tables import Big, Wide

revision = "0001"
down_revision = None


def upgrade() -> None:
    op.create_table(
        "accounts",
        sa.Column("account", Big, autoincrement=False, nullable=False),
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("name", sa.String(length=128), nullable=False),
        sa.Column("account_type", sa.SmallInteger(), nullable=False),
        sa.Column("state", sa.SmallInteger(), nullable=False),
        sa.Column("opened_ns", Big, nullable=False),
        sa.PrimaryKeyConstraint("account", name=op.f("pk_accounts")),
    )
    op.create_index(op.f("ix_accounts_id"), "accounts", ["id"], unique=True)
    op.create_table(
        "assets",
        sa.Column("asset", Big, autoincrement=False, nullable=False),
        sa.Column("code", sa.String(length=64), nullable=False),
        sa.Column("scale", sa.SmallInteger(), nullable=False),
        sa.PrimaryKeyConstraint("asset", name=op.f("pk_assets")),
    )
    op.create_table(
        "balances",
        sa.Column("account", Big, autoincrement=False, nullable=False),
        sa.Column("asset", Big, autoincrement=False, nullable=False),
        sa.Column("total", Big, nullable=False),
        sa.Column("held", Big, nullable=False),
        sa.Column("credit", Big, nullable=False),
        sa.PrimaryKeyConstraint("account", "asset", name=op.f("pk_balances")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "candles",
        sa.Column("instrument", Big, autoincrement=False, nullable=False),
        sa.Column("seconds", Big, autoincrement=False, nullable=False),
        sa.Column("start_ns", Big, autoincrement=False, nullable=False),
        sa.Column("definition_version", Big, autoincrement=False, nullable=False),
        sa.Column("open", Big, nullable=False),
        sa.Column("high", Big, nullable=False),
        sa.Column("low", Big, nullable=False),
        sa.Column("close", Big, nullable=False),
        sa.Column("volume", Wide(), nullable=False),
        sa.Column("value", Wide(), nullable=False),
        sa.Column("trades", Big, nullable=False),
        sa.PrimaryKeyConstraint(
            "instrument", "seconds", "start_ns", "definition_version", name=op.f("pk_candles")
        ),
        comment="value = sum of price * quantity in ticks * lots; seconds = 1, 60, 3600 or 86400.",
        sqlite_with_rowid=False,
    )
    op.create_table(
        "definitions",
        sa.Column("instrument", Big, autoincrement=False, nullable=False),
        sa.Column("definition_version", Big, autoincrement=False, nullable=False),
        sa.Column("tick_mantissa", Big, nullable=False),
        sa.Column("tick_exponent", sa.SmallInteger(), nullable=False),
        sa.Column("lot_mantissa", Big, nullable=False),
        sa.Column("lot_exponent", sa.SmallInteger(), nullable=False),
        sa.PrimaryKeyConstraint("instrument", "definition_version", name=op.f("pk_definitions")),
        comment="Tick and lot sizes: mantissa * 10^-exponent.",
    )
    op.create_table(
        "fills",
        sa.Column("account", Big, autoincrement=False, nullable=False),
        sa.Column("trade_id", Big, autoincrement=False, nullable=False),
        sa.Column("is_maker", sa.Boolean(), nullable=False),
        sa.Column("order_id", Big, nullable=False),
        sa.Column("instrument", Big, nullable=False),
        sa.PrimaryKeyConstraint("account", "trade_id", "is_maker", name=op.f("pk_fills")),
        comment="Both sides of each trade, by account and by order.",
        sqlite_with_rowid=False,
    )
    op.create_index(
        op.f("ix_fills_order_id_trade_id"), "fills", ["order_id", "trade_id"], unique=False
    )
    op.create_table(
        "instruments",
        sa.Column("instrument", Big, autoincrement=False, nullable=False),
        sa.Column("symbol", sa.String(length=64), nullable=False),
        sa.Column("base_asset", Big, nullable=False),
        sa.Column("quote_asset", Big, nullable=False),
        sa.Column("phase", sa.SmallInteger(), nullable=False),
        sa.Column("definition_version", Big, nullable=False),
        sa.PrimaryKeyConstraint("instrument", name=op.f("pk_instruments")),
    )
    op.create_table(
        "ledger_lines",
        sa.Column("sequence", Big, autoincrement=False, nullable=False),
        sa.Column("line", Big, autoincrement=False, nullable=False),
        sa.Column("account", Big, nullable=False),
        sa.Column("asset", Big, nullable=False),
        sa.Column("amount", Big, nullable=False),
        sa.Column("kind", sa.SmallInteger(), nullable=False),
        sa.Column("trade_id", Big, nullable=True),
        sa.Column("time_ns", Big, nullable=False),
        sa.PrimaryKeyConstraint("sequence", "line", name=op.f("pk_ledger_lines")),
        comment="Double entry: per command and asset the amounts sum to zero. account -1 clearing, -2 fees, -3 the outside world.",
        sqlite_with_rowid=False,
    )
    op.create_index(
        op.f("ix_ledger_lines_account_sequence_line"),
        "ledger_lines",
        ["account", "sequence", "line"],
        unique=False,
        sqlite_where=sa.text("account > 0"),
        postgresql_where=sa.text("account > 0"),
    )
    op.create_table(
        "orders",
        sa.Column("order_id", Big, autoincrement=False, nullable=False),
        sa.Column("account", Big, nullable=False),
        sa.Column("instrument", Big, nullable=False),
        sa.Column("definition_version", Big, nullable=False),
        sa.Column("side", sa.SmallInteger(), nullable=False),
        sa.Column("order_type", sa.SmallInteger(), nullable=False),
        sa.Column("time_in_force", sa.SmallInteger(), nullable=False),
        sa.Column("self_trade_prevention", sa.SmallInteger(), nullable=False),
        sa.Column("options", sa.SmallInteger(), nullable=False),
        sa.Column("status", sa.SmallInteger(), nullable=False),
        sa.Column("close_reason", sa.SmallInteger(), nullable=False),
        sa.Column("price", Big, nullable=False),
        sa.Column("quantity", Big, nullable=False),
        sa.Column("leaves", Big, nullable=False),
        sa.Column("filled", Big, nullable=False),
        sa.Column("filled_value", Wide(), nullable=False),
        sa.Column("first_price", Big, nullable=False),
        sa.Column("first_quantity", Big, nullable=False),
        sa.Column("expires_ns", Big, nullable=False),
        sa.Column("created_ns", Big, nullable=False),
        sa.Column("updated_ns", Big, nullable=False),
        sa.Column("client_order_id", sa.String(length=64), nullable=True),
        sa.PrimaryKeyConstraint("order_id", name=op.f("pk_orders")),
    )
    op.create_index(
        op.f("ix_orders_account_order_id"), "orders", ["account", "order_id"], unique=False
    )
    op.create_index(
        "ix_orders_client_order_id",
        "orders",
        ["account", "client_order_id", "order_id"],
        unique=False,
        sqlite_where=sa.text("client_order_id IS NOT NULL"),
        postgresql_where=sa.text("client_order_id IS NOT NULL"),
    )
    op.create_index(
        op.f("ix_orders_instrument_order_id"), "orders", ["instrument", "order_id"], unique=False
    )
    op.create_table(
        "positions",
        sa.Column("account", Big, autoincrement=False, nullable=False),
        sa.Column("instrument", Big, autoincrement=False, nullable=False),
        sa.Column("net", Big, nullable=False),
        sa.Column("cost", Wide(), nullable=False),
        sa.Column("realised", Wide(), nullable=False),
        sa.Column("version", Big, nullable=False),
        sa.PrimaryKeyConstraint("account", "instrument", name=op.f("pk_positions")),
        comment="cost and realised in ticks * lots.",
        sqlite_with_rowid=False,
    )
    op.create_table(
        "projection",
        sa.Column("partition", Big, autoincrement=False, nullable=False),
        sa.Column("market_id", sa.String(length=20), nullable=False),
        sa.Column("generation", Big, nullable=False),
        sa.Column("sequence", Big, nullable=False),
        sa.Column("crc", Big, nullable=False),
        sa.Column("time_ns", Big, nullable=False),
        sa.PrimaryKeyConstraint("partition", name=op.f("pk_projection")),
        comment="How far the journal's partition is written here; moves with the rows.",
    )
    op.create_table(
        "trades",
        sa.Column("trade_id", Big, autoincrement=False, nullable=False),
        sa.Column("sequence", Big, nullable=False),
        sa.Column("time_ns", Big, nullable=False),
        sa.Column("instrument", Big, nullable=False),
        sa.Column("definition_version", Big, nullable=False),
        sa.Column("price", Big, nullable=False),
        sa.Column("quantity", Big, nullable=False),
        sa.Column("maker_order_id", Big, nullable=False),
        sa.Column("taker_order_id", Big, nullable=False),
        sa.Column("maker_account", Big, nullable=False),
        sa.Column("taker_account", Big, nullable=False),
        sa.Column("taker_side", sa.SmallInteger(), nullable=False),
        sa.Column("maker_fee", Big, nullable=False),
        sa.Column("taker_fee", Big, nullable=False),
        sa.PrimaryKeyConstraint("trade_id", name=op.f("pk_trades")),
    )
    op.create_index(
        op.f("ix_trades_instrument_trade_id"), "trades", ["instrument", "trade_id"], unique=False
    )
