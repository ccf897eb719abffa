"""The trade store's tables, beside the projected ones. For people: docs/sql.md.

Prices, volumes and their sums are exact decimals, times are ns since the epoch.
"""

from __future__ import annotations

from typing import Final

from sqlalchemy import Column, Computed, Index, Integer, String, Table, text
from sqlalchemy.dialects import postgresql

from tradepit.projections.exact import Exact
from tradepit.projections.tables import SYMBOL_CHARACTERS, Big, metadata

INGEST: Final = "ingest"
"""Trades that outsiders brought: this store's own primary data."""
MARKET: Final = "market"
"""Trades of this market: the table `trades`; their summaries are made anew by a rebuild."""

TRADE_ID_CHARACTERS: Final = 64

Ticker = String(SYMBOL_CHARACTERS).with_variant(
    postgresql.VARCHAR(SYMBOL_CHARACTERS, collation="C"), "postgresql"
)
"""Ordered by bytes on both databases."""

Source = String(8)

HOT: Final = {"fillfactor": 50}
"""A record that every batch updates keeps its next version in the same page."""

store_trades = Table(
    "store_trades",
    metadata,
    Column("number", Big, primary_key=True, autoincrement=True),
    Column("ticker", Ticker, nullable=False),
    Column("price", Exact, nullable=False),
    Column("volume", Exact, nullable=False),
    Column("time_ns", Big, nullable=False),
    Column("trade_id", String(TRADE_ID_CHARACTERS), nullable=True),
    Column("received_ns", Big, nullable=False),
    Index(
        "uq_store_trades_trade_id",
        "trade_id",
        unique=True,
        sqlite_where=text("trade_id IS NOT NULL"),
        postgresql_where=text("trade_id IS NOT NULL"),
    ),
    comment="Every trade that outsiders brought, once, as it came.",
)

contract_summaries = Table(
    "contract_summaries",
    metadata,
    Column("ticker", Ticker, primary_key=True),
    Column("source", Source, primary_key=True),
    Column("shard", Integer, primary_key=True, autoincrement=False),
    Column(
        "shard_key",
        String,
        Computed("ticker || '-' || CAST(shard AS VARCHAR)", persisted=True),
    ),
    Column("volume", Exact, nullable=False),
    Column("value", Exact, nullable=False),
    Column("highest_price", Exact, nullable=False),
    Column("lowest_price", Exact, nullable=False),
    Column("last_time_ns", Big, nullable=False),
    Column("trades", Big, nullable=False),
    sqlite_with_rowid=False,
    postgresql_with=HOT,
    comment="What a contract's trades add up to, in shards; value = sum of price * volume.",
)

contract_price_summaries = Table(
    "contract_price_summaries",
    metadata,
    Column("ticker", Ticker, primary_key=True),
    Column("price", Exact, primary_key=True),
    Column("source", Source, primary_key=True),
    Column("shard", Integer, primary_key=True, autoincrement=False),
    Column("volume", Exact, nullable=False),
    Column("last_time_ns", Big, nullable=False),
    Column("trades", Big, nullable=False),
    sqlite_with_rowid=False,
    comment="The same at one price; value there is price * volume.",
)
