"""What stands in many records of the API."""

from __future__ import annotations

from decimal import Decimal
from typing import Literal

from msgspec import Struct

Side = Literal["buy", "sell"]

Number = Decimal | str | int | float
"""A decimal as it is sent. A float counts as the shortest decimal that reads back as that float."""


class LastFill(Struct, frozen=True):
    """The newest fill of an account in an instrument."""

    trade_id: str
    side: Side
    quantity: Decimal
    price: Decimal
    executed_at: str
