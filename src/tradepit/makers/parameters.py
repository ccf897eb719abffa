"""What parameters of strategies have in common: their checks, and whole lots of a quantity."""

from __future__ import annotations

from decimal import Decimal

from msgspec import Struct

from tradepit.domain.decimals import DecimalError
from tradepit.makers.instrument import InstrumentSpec


def require_positive(parameters: Struct, *names: str) -> None:
    """Raises: ValueError if one of these decimals is not finite and above zero."""
    for name in names:
        value: Decimal = getattr(parameters, name)
        if not (value.is_finite() and value > 0):
            raise ValueError(f"{name} must be above zero, not {value}")


def require_not_negative(parameters: Struct, *names: str) -> None:
    """Raises: ValueError if one of these decimals is not finite or below zero."""
    for name in names:
        value: Decimal = getattr(parameters, name)
        if not (value.is_finite() and value >= 0):
            raise ValueError(f"{name} must not be below zero, not {value}")


def whole_lots(spec: InstrumentSpec, parameters: Struct, name: str) -> int:
    """The parameter's quantity in lots. Raises: ValueError, naming it, if these are not whole."""
    value: Decimal = getattr(parameters, name)
    try:
        return spec.lots(value)
    except DecimalError as error:
        raise ValueError(f"{name} {value} of {spec.symbol}: {error}") from error
