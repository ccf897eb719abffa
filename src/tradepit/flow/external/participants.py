"""Accounts of the publisher, with room to trade without end."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from typing import Final

from tradepit.client import AsyncClient
from tradepit.client.errors import ApiError
from tradepit.client.models import Instrument

TAKER: Final = "external"
"""Sends the crossing orders."""

SEEDER: Final = "external-seed"
"""Quotes where nobody else does. No firm, so no firm's budget is touched; an account of its own,
so that the crossing orders trade with it."""

CREDIT: Final = Decimal(1_000_000_000)
"""Of every asset; far more than an hour of flow moves, and far from any bound."""


async def open_participants(client: AsyncClient, instruments: Iterable[Instrument]) -> None:
    """Open both accounts, or find them open; each may go below zero in every asset."""
    pairs = {asset for one in instruments for asset in (one.base_asset, one.quote_asset)}
    assets = sorted(asset for asset in pairs if asset is not None)
    for name in (TAKER, SEEDER):
        try:
            await client.open_account(id=name, type="credit")
        except ApiError as error:
            if error.code != "account_exists":
                raise
        await client.set_limits(name, credit={asset: str(CREDIT) for asset in assets})
