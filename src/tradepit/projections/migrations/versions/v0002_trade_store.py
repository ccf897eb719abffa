"""The trade store: raw trades, summaries per contract and per price."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from tradepit.projections.exact import Exact
from tradepit.projections.store.tables import HOT, Source, Ticker
from tradepit.projections.tables import Big

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.create_table(
        "store_trades",
        sa.Column("number", Big, autoincrement=True, nullable=False),
        sa.Column("source", Source, nullable=False),
        sa.Column("ticker", Ticker, nullable=False),
        sa.Column("price", Exact, nullable=False),
        sa.Column("volume", Exact, nullable=False),
        sa.Column("time_ns", Big, nullable=False),
        sa.Column("trade_id", sa.String(length=64), nullable=True),
        sa.Column("received_ns", Big, nullable=False),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_store_trades")),
        comment="Every trade once, as it came; source is ingest or market.",
    )
    op.create_index(
        "uq_store_trades_trade_id",
        "store_trades",
        ["trade_id", "source"],
        unique=True,
        sqlite_where=sa.text("trade_id IS NOT NULL"),
        postgresql_where=sa.text("trade_id IS NOT NULL"),
    )
    op.create_table(
        "contract_summaries",
        sa.Column("ticker", Ticker, nullable=False),
        sa.Column("source", Source, nullable=False),
        sa.Column("shard", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column(
            "shard_key",
            sa.String(),
            sa.Computed("ticker || '-' || CAST(shard AS VARCHAR)", persisted=True),
        ),
        sa.Column("volume", Exact, nullable=False),
        sa.Column("value", Exact, nullable=False),
        sa.Column("highest_price", Exact, nullable=False),
        sa.Column("lowest_price", Exact, nullable=False),
        sa.Column("last_time_ns", Big, nullable=False),
        sa.Column("trades", Big, nullable=False),
        sa.PrimaryKeyConstraint("ticker", "source", "shard", name=op.f("pk_contract_summaries")),
        comment="What a contract's trades add up to, in shards; value = sum of price * volume.",
        sqlite_with_rowid=False,
        postgresql_with=HOT,
    )
    op.create_table(
        "contract_price_summaries",
        sa.Column("ticker", Ticker, nullable=False),
        sa.Column("price", Exact, nullable=False),
        sa.Column("source", Source, nullable=False),
        sa.Column("shard", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("volume", Exact, nullable=False),
        sa.Column("last_time_ns", Big, nullable=False),
        sa.Column("trades", Big, nullable=False),
        sa.PrimaryKeyConstraint(
            "ticker", "price", "source", "shard", name=op.f("pk_contract_price_summaries")
        ),
        comment="The same at one price; value there is price * volume.",
        sqlite_with_rowid=False,
    )
