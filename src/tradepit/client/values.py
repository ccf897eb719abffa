"""What stands in many records of the API."""

from __future__ import annotations

from decimal import Decimal
from typing import Literal

Side = Literal["buy", "sell"]

Number = Decimal | str | int | float
"""A decimal as it is sent. A float counts as the shortest decimal that reads back as that float."""
