"""Exact decimals at the edges, whole steps inside.

A price is a whole number of ticks and a quantity a whole number of lots, one step being
`mantissa * 10^-exponent`. Here text and JSON numbers become steps, and steps become text. Nothing
is rounded on the way in, and binary floating point never takes part.
"""

from __future__ import annotations

import re
from decimal import Decimal
from enum import Enum
from typing import Final

UNITS_MAX: Final = 2**63 - 1
"""Steps travel in signed 64-bit fields of the records."""

TEXT_MAX: Final = 128
"""Longest decimal that is looked at: 19 digits are enough, the rest is room for padding zeros."""

EXPONENT_MAX: Final = 24
"""Most decimal places of a step; assets have at most 18, a tick and a lot less."""

AVERAGE_EXTRA_DIGITS: Final = 6
"""An average price is no whole number of ticks; it is shown with this many digits more."""

_POWERS: Final[tuple[int, ...]] = tuple(10**n for n in range(2 * TEXT_MAX))
_GRAMMAR: Final = re.compile(rb"([+-]?)(\d*)(?:\.(\d*))?(?:[eE]([+-]?\d+))?")
_NAMED: Final = {b"nan": "nan", b"inf": "infinite", b"infinity": "infinite"}


class DecimalProblem(Enum):
    """Why a value is no whole number of steps."""

    NOT_A_NUMBER = "is not a decimal number"
    NAN = "is not a number (NaN)"
    INFINITE = "is infinite"
    OUT_OF_RANGE = "is out of range"
    NOT_A_MULTIPLE = "is not a multiple of the step"


class DecimalError(ValueError):
    """The value cannot be expressed in whole steps; `problem` says why."""

    def __init__(self, problem: DecimalProblem) -> None:
        super().__init__(problem.value)
        self.problem = problem


def parse_units(value: str | bytes | float | Decimal, mantissa: int, exponent: int) -> int:
    """Return how many steps of `mantissa * 10^-exponent` the value is, exactly.

    Args:
        value: decimal text (`b"70150.50"`), or a number. A float counts as the shortest decimal
            that reads back as that float, which is what its writer saw.
    Raises:
        DecimalError: not a number, NaN, infinite, beyond 63 bits, or not a whole number of steps.
    """
    if type(value) is bytes:
        text = value
    elif isinstance(value, bool):
        raise DecimalError(DecimalProblem.NOT_A_NUMBER)
    else:
        text = _ascii(str(value))
    whole, _, fraction = text.partition(b".")
    places = exponent - len(fraction)
    if whole.isdigit() and (fraction.isdigit() or not fraction) and 0 <= places <= exponent:
        if len(text) > TEXT_MAX:
            raise DecimalError(DecimalProblem.OUT_OF_RANGE)
        scaled = int(whole + fraction) * _POWERS[places]
    else:
        scaled = _parse_general(text, exponent)
    if mantissa != 1:
        scaled, remainder = divmod(scaled, mantissa)
        if remainder:
            raise DecimalError(DecimalProblem.NOT_A_MULTIPLE)
    if -UNITS_MAX <= scaled <= UNITS_MAX:
        return scaled
    raise DecimalError(DecimalProblem.OUT_OF_RANGE)


def _ascii(text: str) -> bytes:
    try:
        return text.encode("ascii")
    except UnicodeEncodeError:
        raise DecimalError(DecimalProblem.NOT_A_NUMBER) from None


def _parse_general(text: bytes, exponent: int) -> int:
    """Signs, scientific notation, more digits than the step has, and everything that is wrong."""
    if len(text) > TEXT_MAX:
        raise DecimalError(DecimalProblem.OUT_OF_RANGE)
    named = _NAMED.get(text.lstrip(b"+-").lower())
    if named is not None:
        raise DecimalError(DecimalProblem[named.upper()])
    match = _GRAMMAR.fullmatch(text)
    if match is None or not (match[2] or match[3]):
        raise DecimalError(DecimalProblem.NOT_A_NUMBER)
    sign, whole, fraction, power = match.groups(default=b"")
    digits = int((whole or b"0") + fraction)
    if digits == 0:
        return 0
    shift = int(power or b"0") + exponent - len(fraction)
    if shift > TEXT_MAX:
        raise DecimalError(DecimalProblem.OUT_OF_RANGE)
    if shift < -TEXT_MAX:
        raise DecimalError(DecimalProblem.NOT_A_MULTIPLE)
    if shift >= 0:
        scaled = digits * _POWERS[shift]
    else:
        scaled, remainder = divmod(digits, _POWERS[-shift])
        if remainder:
            raise DecimalError(DecimalProblem.NOT_A_MULTIPLE)
    return -scaled if sign == b"-" else scaled


def format_units(units: int, mantissa: int, exponent: int) -> str:
    """Return the decimal text of so many steps, with the fixed places of the step: `70150.50`."""
    value = units * mantissa
    if not exponent:
        return str(value)
    if value < 0:
        return "-" + format_units(-units, mantissa, exponent)
    text = str(value)
    if len(text) <= exponent:
        text = text.zfill(exponent + 1)
    return f"{text[:-exponent]}.{text[-exponent:]}"


def format_average(numerator: int, denominator: int, mantissa: int, exponent: int) -> str:
    """Return `numerator / denominator` steps, half-even to a few digits beyond the step's.

    Trailing zeros beyond the step's own places are left out: `70150.50`, `70150.333333`.
    """
    extra = AVERAGE_EXTRA_DIGITS
    scaled = numerator * mantissa * _POWERS[extra]
    rounded = _divide_half_even(scaled, denominator)
    text = format_units(rounded, 1, exponent + extra)
    for _ in range(extra):
        if not text.endswith("0"):
            return text
        text = text[:-1]
    return text.rstrip(".")


def _divide_half_even(numerator: int, denominator: int) -> int:
    if denominator < 0:
        numerator, denominator = -numerator, -denominator
    quotient, remainder = divmod(numerator, denominator)
    twice = 2 * remainder
    if twice > denominator or (twice == denominator and quotient & 1):
        quotient += 1
    return quotient


def step_of(text: str) -> tuple[int, int]:
    """Return the step `(mantissa, exponent)` that a decimal text such as `0.25` names.

    Raises:
        DecimalError: not a number, zero, negative, or more than `EXPONENT_MAX` places.
    """
    match = re.fullmatch(r"(\d{1,18})(?:\.(\d{1,24}))?", text, re.ASCII)
    if match is None:
        raise DecimalError(DecimalProblem.NOT_A_NUMBER)
    fraction = (match[2] or "").rstrip("0")
    mantissa = int(match[1] + fraction)
    if not 0 < mantissa < 2**32:
        raise DecimalError(DecimalProblem.OUT_OF_RANGE)
    return mantissa, len(fraction)
