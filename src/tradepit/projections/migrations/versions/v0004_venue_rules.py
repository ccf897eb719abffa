"""Stop orders and icebergs, phases, and reservations of firms.

Phases that were set before are only in the journal: the projector makes everything again from it.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from tradepit.projections.tables import Big

revision = "0004"
down_revision = "0003"

PROJECTED = (
    "accounts",
    "assets",
    "balances",
    "candles",
    "definitions",
    "fills",
    "instruments",
    "ledger_lines",
    "orders",
    "positions",
    "projection",
    "trades",
)
SUMMARIES = ("contract_summaries", "contract_price_summaries")
OF_ORDERS = ("display_quantity", "stop_price", "first_stop_price", "triggered_sequence")


def upgrade() -> None:
    for table in PROJECTED:
        op.execute(f"DELETE FROM {table}")
    for table in SUMMARIES:
        op.execute(f"DELETE FROM {table} WHERE source = 'market'")
    for name in OF_ORDERS:
        op.add_column("orders", sa.Column(name, Big, nullable=False, server_default="0"))
    op.create_table(
        "phases",
        sa.Column("sequence", Big, autoincrement=False, nullable=False),
        sa.Column("line", Big, autoincrement=False, nullable=False),
        sa.Column("instrument", Big, nullable=False),
        sa.Column("phase", sa.SmallInteger(), nullable=False),
        sa.Column("reason", sa.SmallInteger(), nullable=False),
        sa.Column("until_ns", Big, nullable=False),
        sa.Column("time_ns", Big, nullable=False),
        sa.PrimaryKeyConstraint("sequence", "line", name=op.f("pk_phases")),
        comment="Each phase that an instrument came into; until_ns = when it reopens, 0 = not set.",
        sqlite_with_rowid=False,
    )
    op.create_index(
        op.f("ix_phases_instrument_sequence_line"), "phases", ["instrument", "sequence", "line"]
    )
    op.create_table(
        "reservations",
        sa.Column("sequence", Big, autoincrement=False, nullable=False),
        sa.Column("line", Big, autoincrement=False, nullable=False),
        sa.Column("account", Big, nullable=False),
        sa.Column("instrument", Big, nullable=False),
        sa.Column("is_release", sa.Boolean(), nullable=False),
        sa.Column("status", sa.SmallInteger(), nullable=False),
        sa.Column("bid", Big, nullable=False),
        sa.Column("ask", Big, nullable=False),
        sa.Column("requested_bid", Big, nullable=False),
        sa.Column("requested_ask", Big, nullable=False),
        sa.Column("expires_ns", Big, nullable=False),
        sa.Column("maker", Big, nullable=False),
        sa.Column("time_ns", Big, nullable=False),
        sa.PrimaryKeyConstraint("sequence", "line", name=op.f("pk_reservations")),
        comment="What was granted to firms, and what was freed, in lots; a release's status is "
        "why.",
        sqlite_with_rowid=False,
    )
    op.create_index(
        op.f("ix_reservations_account_instrument_sequence"),
        "reservations",
        ["account", "instrument", "sequence"],
    )
