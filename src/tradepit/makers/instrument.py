"""An instrument as strategies see it: its name and its steps."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from functools import lru_cache

from msgspec import Struct

from tradepit.domain.decimals import parse_units, step_of


@lru_cache(maxsize=256)  # drivers convert with every message; there are few different sizes
def _step(size: Decimal) -> tuple[int, int]:
    return step_of(f"{size:f}")


class InstrumentSpec(Struct, frozen=True):
    """Symbol, tick size (of prices) and lot size (of quantities).

    Raises:
        DecimalError: a size that is not positive, or finer than the market knows.
    """

    symbol: str
    tick_size: Decimal
    lot_size: Decimal

    def __post_init__(self) -> None:
        _step(self.tick_size)
        _step(self.lot_size)

    def ticks(self, price: Decimal) -> int:
        """Whole ticks of a price. Raises: DecimalError if it is no multiple of the tick size."""
        return parse_units(price, *_step(self.tick_size))

    def lots(self, quantity: Decimal) -> int:
        """Whole lots of a quantity. Raises: DecimalError if it is no multiple of the lot size."""
        return parse_units(quantity, *_step(self.lot_size))

    def price(self, ticks: int) -> Decimal:
        """The price of so many ticks."""
        return ticks * self.tick_size

    def quantity(self, lots: int) -> Decimal:
        """The quantity of so many lots."""
        return lots * self.lot_size

    def in_ticks(self, price: Decimal) -> Fraction:
        """A price in ticks, exactly, also between two of them."""
        return Fraction(price) / Fraction(self.tick_size)

    def nearest_ticks(self, price: Decimal) -> int:
        """The whole tick next to a price from elsewhere; halfway, the even one."""
        return round(self.in_ticks(price))

    @property
    def money_per_tick_lot(self) -> Decimal:
        """What a move of one tick is worth on one lot, in the quote asset."""
        return self.tick_size * self.lot_size
