"""Trades of the market are raw in `trades` alone; `store_trades` holds those that were brought."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

TRADE_ID = "trade_id IS NOT NULL"


def upgrade() -> None:
    op.execute("DELETE FROM store_trades WHERE source = 'market'")
    op.drop_index("uq_store_trades_trade_id", "store_trades")
    op.drop_column("store_trades", "source")
    op.create_index(
        "uq_store_trades_trade_id",
        "store_trades",
        ["trade_id"],
        unique=True,
        sqlite_where=sa.text(TRADE_ID),
        postgresql_where=sa.text(TRADE_ID),
    )
    if op.get_bind().dialect.name == "postgresql":
        op.create_table_comment(
            "store_trades", "Every trade that outsiders brought, once, as it came."
        )
