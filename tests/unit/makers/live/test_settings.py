"""The configuration file of a maker: overall, symbol by symbol, outside prices, mistakes."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from tradepit.client.models import Instrument
from tradepit.makers.live.settings import (
    MakerSettings,
    ReferenceFeed,
    SettingsError,
    load_settings,
)

TEXT = """
reference = "ESH4"

[strategy]
name = "book-pegged"
parameters = { quantity = "5" }

[quoting]
ttl_ms = 10000
renew_before_ms = 4000

[symbols.COIN]
strategy = { name = "inventory-skew", parameters = { spread = "0.2" } }
reference = { recording = "day.dbn", instrument = "ESH4", speed = 2.0 }
"""


def written(folder: Path, text: str) -> Path:
    path = folder / "maker.toml"
    path.write_text(text)
    return path


def instrument(symbol: str, reference: str | None = None, last: str | None = None) -> Instrument:
    return Instrument(
        symbol,
        Decimal("0.01"),
        Decimal(1),
        reference_price=None if reference is None else Decimal(reference),
        last_price=None if last is None else Decimal(last),
    )


def test_without_a_file_everything_has_its_default() -> None:
    settings = load_settings(None)
    assert settings == MakerSettings()
    assert settings.strategy.name == "inventory-skew"
    assert settings.reference_of("ACME") is None


def test_a_symbol_of_its_own_differs_from_the_rest(tmp_path: Path) -> None:
    settings = load_settings(written(tmp_path, TEXT))
    assert settings.quoting.quoter().ttl_ns == 10_000_000_000
    assert settings.choice_of(instrument("ACME")).name == "book-pegged"
    assert settings.choice_of(instrument("COIN")).name == "inventory-skew"
    assert settings.reference_of("ACME") == ReferenceFeed(instrument="ESH4")
    assert settings.reference_of("COIN") == ReferenceFeed(
        recording="day.dbn", instrument="ESH4", speed=2.0
    )


def test_a_symbol_with_an_outside_price_is_quoted_around_it(tmp_path: Path) -> None:
    settings = load_settings(written(tmp_path, TEXT))
    assert settings.choice_of(instrument("ACME")).reference is not None
    assert MakerSettings().choice_of(instrument("ACME")).reference is None


def test_a_strategy_begins_where_the_instrument_is_unless_it_is_told_another() -> None:
    settings = MakerSettings()
    last = settings.choice_of(instrument("ACME", "70", "71"))
    assert last.parameters["reference_price"] == 71
    assert settings.choice_of(instrument("ACME", "70")).parameters["reference_price"] == 70
    assert "reference_price" not in settings.choice_of(instrument("ACME")).parameters


def test_a_strategy_of_the_command_line_takes_the_place_of_the_file_s(tmp_path: Path) -> None:
    settings = load_settings(written(tmp_path, TEXT), strategy="avellaneda-stoikov")
    choice = settings.choice_of(instrument("ACME", "70"))
    assert (choice.name, choice.parameters) == ("avellaneda-stoikov", {})


@pytest.mark.parametrize(
    "text",
    [
        "unknown = 1",
        "[quoting]\nttl_ms = 1000\nrenew_before_ms = 1000",
        "[quoting]\nttl_ms = 0",
        "[reference]\nurl = 'http://127.0.0.1:8080'",
        "[reference]\nreplay = 'a'\nrecording = 'b'",
        "[symbols.A]\nstrategie = {}",
        "not TOML at all",
    ],
)
def test_mistakes_are_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(SettingsError):
        load_settings(written(tmp_path, text))
