"""Decimals that are never rounded: NUMERIC on PostgreSQL, their digits as text on SQLite.

SQLite has 64-bit integers and binary floats only, so there a sum is made by functions that
`database` gives to each connection. The text is canonical: equal numbers have equal text.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import MAX_EMAX, Clamped, Context, Decimal, FloatOperation, Inexact, InvalidOperation
from typing import Any, Final

from sqlalchemy import Dialect, Numeric, String, TypeDecorator

DIGITS_MAX: Final = 18
"""Digits that a price or a volume may have before the point, and after it."""

EXACT: Final = Context(
    prec=1000,
    Emax=MAX_EMAX,
    traps=[Clamped, FloatOperation, Inexact, InvalidOperation],
)
"""Room for the sum of any number of products; an inexact result is an error."""


def text_of(value: Decimal) -> str:
    """The canonical text: no exponent, no zeros to spare."""
    text = format(value, "f")
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return "0" if text == "-0" else text


class Exact(TypeDecorator[Decimal]):
    """A decimal of any size."""

    impl = Numeric
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> Any:
        return dialect.type_descriptor(String() if dialect.name == "sqlite" else Numeric())

    def process_bind_param(self, value: Decimal | None, dialect: Dialect) -> Any:
        if value is None or dialect.name != "sqlite":
            return value
        return text_of(value)

    def process_result_value(self, value: Any, dialect: Dialect) -> Decimal | None:
        return Decimal(value) if isinstance(value, str) else value


def exact_add(one: str, other: str) -> str:
    if one.isdecimal() and other.isdecimal():
        return str(int(one) + int(other))
    return text_of(EXACT.add(Decimal(one), Decimal(other)))


def exact_max(one: str, other: str) -> str:
    return one if Decimal(one) >= Decimal(other) else other


def exact_min(one: str, other: str) -> str:
    return one if Decimal(one) <= Decimal(other) else other


SQLITE_FUNCTIONS: Final[Mapping[str, Callable[[str, str], str]]] = {
    "exact_add": exact_add,
    "exact_max": exact_max,
    "exact_min": exact_min,
}
"""Two texts to one. Statements of this program use them; nothing stored depends on them."""
