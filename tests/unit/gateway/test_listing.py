"""The listing: decimals to steps the short way and the long way alike, definitions up to date."""

from __future__ import annotations

from decimal import Decimal
from types import SimpleNamespace
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Raw
from tests.unit.marketdata.frames import MarketOfFrames

from tradepit.domain import commands
from tradepit.engine.rows import AssetRow, InstrumentRow
from tradepit.gateway.listing import TEXTS_MAX, Instrument, Listing
from tradepit.gateway.problems import Refused


def instrument(tick: tuple[int, int] = (1, 2), lot: tuple[int, int] = (1, 4)) -> Instrument:
    row = InstrumentRow(1, "A-B", 1, 1, 2, *tick, *lot, 1, 1, 2**40, 0, 100, 0, 0, 0, 0, 1)
    return Instrument(row, AssetRow(1, "A", 8), AssetRow(2, "B", 8))


def refusal(function: Any, text: bytes) -> str:
    with pytest.raises(Refused) as caught:
        function(Raw(text), "f")
    assert caught.value.problem.field == "f"
    return caught.value.problem.code


@pytest.mark.parametrize("text", [b"70150.53", b'"70150.53"', b"70150.530", b"7015053e-2"])
def test_every_spelling_of_a_price_is_the_same_price(text: bytes) -> None:
    assert instrument().price_of(Raw(text), "price") == 7_015_053


@pytest.mark.parametrize(
    ("text", "code"),
    [
        (b"70150.531", "tick_size"), (b"0", "invalid_price"), (b"0.00", "invalid_price"),
        (b"-1", "invalid_price"), (b"92233720368547758.08", "invalid_number"),
        (b"1" * 200, "invalid_number"), (b'""', "invalid_number"), (b'"."', "invalid_number"),
        (b'"1_0"', "invalid_number"), (b'" 1"', "invalid_number"), (b"true", "invalid_field"),
        (b'"1\\u0030"', "invalid_number"),
    ],
)  # fmt: skip
def test_what_is_no_price_is_refused(text: bytes, code: str) -> None:
    assert refusal(instrument().price_of, text) == code


def test_null_is_no_price() -> None:
    assert instrument().price_of(Raw(b"null"), "price") == 0


@given(
    text=st.decimals(0, 10**12, places=6).map(str) | st.decimals(0, 10**6, places=2).map(str),
    tick=st.sampled_from([(1, 2), (25, 2), (1, 0), (5, 1), (1, 6)]),
)
def test_the_short_way_finds_what_exact_arithmetic_finds(text: str, tick: tuple[int, int]) -> None:
    steps = Decimal(text) / (Decimal(tick[0]).scaleb(-tick[1]))
    is_whole = steps == steps.to_integral_value() and 0 < steps < 2**63
    for spelling in (text.encode(), f'"{text}"'.encode()):
        try:
            found = instrument(tick=tick).price_of(Raw(spelling), "price")
        except Refused:
            assert not is_whole
        else:
            assert found == steps


def test_texts_are_remembered_within_bounds() -> None:
    view = instrument()
    for ticks in range(1, 3 * TEXTS_MAX):
        assert view.price_text(ticks) == f"{ticks / 100:.2f}"
        assert view.price_text(ticks) is view.price_text(ticks)
    assert len(view.prices) <= TEXTS_MAX


def test_the_listing_follows_definitions_by_their_events() -> None:
    market = MarketOfFrames()
    listing = Listing(cast(Any, SimpleNamespace(replica=market.replica)))
    before = listing.by_symbol["AAA-BBB"]
    listing.on_events(market.run([commands.mass_cancel(account=0)]))
    assert listing.by_symbol["AAA-BBB"] is before
    listing.on_events(market.run([commands.set_phase(instrument=1, phase=2)]))
    assert listing.by_symbol["AAA-BBB"].row.phase == 2
    listing.on_events(market.run([commands.remove_instrument(instrument=1)]))
    assert "AAA-BBB" not in listing.by_symbol
    assert listing.by_number[1].row.symbol == "AAA-BBB"
    with pytest.raises(Refused):
        listing.find("AAA-BBB")
