"""Decimals: text to whole steps and back, exactly."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tradepit.domain.decimals import (
    UNITS_MAX,
    DecimalError,
    DecimalProblem,
    format_average,
    format_units,
    parse_units,
    step_of,
)


@pytest.mark.parametrize(
    ("value", "mantissa", "exponent", "units"),
    [
        (b"70150.50", 1, 2, 7_015_050),
        (b"70150.5", 1, 2, 7_015_050),
        (b"70150", 1, 2, 7_015_000),
        ("70150.53", 1, 2, 7_015_053),
        (70150.53, 1, 2, 7_015_053),
        (0.2512, 1, 4, 2512),
        (7, 1, 0, 7),
        (b"7", 1, 0, 7),
        (b"7.000", 1, 0, 7),
        (b"1.250000", 25, 2, 5),
        (b"-1.25", 25, 2, -5),
        (b"+1.25", 25, 2, 5),
        (b"1e3", 1, 2, 100_000),
        (b"1.5E-1", 1, 2, 15),
        (b".5", 5, 1, 1),
        (b"5.", 1, 1, 50),
        (b"0e99999999", 1, 2, 0),
        (b"-0", 1, 2, 0),
        (Decimal("1.10"), 1, 2, 110),
        (b"9223372036854775807", 1, 0, UNITS_MAX),
    ],
)
def test_decimals_become_whole_steps(
    value: str | bytes | float, mantissa: int, exponent: int, units: int
) -> None:
    assert parse_units(value, mantissa, exponent) == units


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        (b"", "NOT_A_NUMBER"),
        (b".", "NOT_A_NUMBER"),
        (b"-", "NOT_A_NUMBER"),
        (b"abc", "NOT_A_NUMBER"),
        (b"1_000", "NOT_A_NUMBER"),
        (b" 1", "NOT_A_NUMBER"),
        (b"1\n", "NOT_A_NUMBER"),
        (b"1.2.3", "NOT_A_NUMBER"),
        (b"1,5", "NOT_A_NUMBER"),
        (b"0x10", "NOT_A_NUMBER"),
        ("\u0661", "NOT_A_NUMBER"),
        (True, "NOT_A_NUMBER"),
        (b"NaN", "NAN"),
        (float("nan"), "NAN"),
        (b"-Infinity", "INFINITE"),
        (float("inf"), "INFINITE"),
        (b"1e99999999", "OUT_OF_RANGE"),
        (b"9223372036854775808", "OUT_OF_RANGE"),
        (b"9" * 200, "OUT_OF_RANGE"),
        (b"1e-99999999", "NOT_A_MULTIPLE"),
        (b"70150.505", "NOT_A_MULTIPLE"),
        (b"0.1000000000000000055", "NOT_A_MULTIPLE"),
    ],
)
def test_what_is_no_decimal_is_named(value: str | bytes | float, problem: str) -> None:
    with pytest.raises(DecimalError) as caught:
        parse_units(value, 1, 2)
    assert caught.value.problem is DecimalProblem[problem]


def test_a_step_of_a_quarter_refuses_a_tenth() -> None:
    with pytest.raises(DecimalError) as caught:
        parse_units(b"1.10", 25, 2)
    assert caught.value.problem is DecimalProblem.NOT_A_MULTIPLE


@given(
    units=st.integers(-UNITS_MAX, UNITS_MAX),
    mantissa=st.sampled_from([1, 5, 25, 125]),
    exponent=st.integers(0, 18),
)
def test_steps_survive_the_way_out_and_in(units: int, mantissa: int, exponent: int) -> None:
    text = format_units(units, mantissa, exponent)
    assert Decimal(text) == Decimal(units * mantissa).scaleb(-exponent)
    assert parse_units(text, mantissa, exponent) == units


@given(text=st.binary(max_size=40) | st.text(max_size=40).map(lambda s: s.encode()))
def test_any_bytes_are_parsed_or_refused(text: bytes) -> None:
    try:
        units = parse_units(text, 1, 4)
    except DecimalError:
        return
    assert Decimal(text.decode()) == Decimal(units).scaleb(-4)


def test_fixed_places_are_written_even_for_small_numbers() -> None:
    assert format_units(5, 1, 4) == "0.0005"
    assert format_units(-5, 1, 2) == "-0.05"
    assert format_units(0, 1, 2) == "0.00"
    assert format_units(3, 25, 2) == "0.75"


def test_an_average_shows_more_digits_only_when_it_needs_them() -> None:
    assert format_average(7_015_050 * 3, 3, 1, 2) == "70150.50"
    assert format_average(100, 3, 1, 2) == "0.33333333"
    assert format_average(200, 3, 1, 0) == "66.666667"
    assert format_average(-100, 8, 1, 0) == "-12.5"
    assert format_average(6, 2, 1, 0) == "3"


def test_a_step_is_read_from_its_text() -> None:
    assert step_of("0.01") == (1, 2)
    assert step_of("0.2500") == (25, 2)
    assert step_of("1") == (1, 0)
    for wrong in ("0", "-1", "1e-2", "", "0.00", "99999999999"):
        with pytest.raises(DecimalError):
            step_of(wrong)
