"""What a market in process trades: a configuration, or instruments named in Python."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from decimal import Decimal
from functools import lru_cache
from typing import Any, Final

import msgspec

from tradepit.client.models import Number
from tradepit.config import ConfigError, find_config, load_config
from tradepit.node.definitions import AssetDefinition, InstrumentDefinition, MarketDefinition

DEFAULT: Final = "demo"
"""The configuration of a market that is told nothing."""

QUOTE_BALANCE: Final = Decimal(1_000_000)
BASE_BALANCE: Final = Decimal(1_000)
"""What every account starts with when instruments are named and balances are not."""

INSTRUMENT_DEFAULTS: Final[Mapping[str, Any]] = {
    "tick_size": "0.01",
    "lot_size": "1",
    "reference_price": "100",
}

InstrumentLike = str | Mapping[str, Any] | InstrumentDefinition
"""A symbol such as `ABC-USD`, its settings by name, or a whole definition."""


def definition_of(
    config: str | os.PathLike[str] | MarketDefinition | None,
    instruments: Iterable[InstrumentLike] | None,
    balances: Mapping[str, Number] | None,
) -> MarketDefinition | None:
    """The definition that is asked for; None when nothing is.

    Raises:
        ConfigError: there is no such configuration, or a setting is wrong.
    """
    if instruments is not None:
        if config is not None:
            raise ConfigError("give a configuration or instruments, not both")
        return _named([_instrument(each) for each in instruments], balances or {})
    if balances is not None:
        raise ConfigError("balances go with instruments; a configuration has its own")
    if config is None or isinstance(config, MarketDefinition):
        return config
    return _configured(os.fspath(config))


@lru_cache
def supplied_default() -> MarketDefinition:
    """The definition of the demonstration market."""
    return _configured(DEFAULT)


def _configured(name: str) -> MarketDefinition:
    market = load_config(find_config(name), {}).market
    if market is None:
        raise ConfigError(f"the configuration {name} has no [market]")
    return market


def _instrument(given: InstrumentLike) -> InstrumentDefinition:
    if isinstance(given, InstrumentDefinition):
        return given
    values: dict[str, Any] = {"symbol": given} if isinstance(given, str) else dict(given)
    base, _, quote = str(values.get("symbol", "")).partition("-")
    values = {"base": base, "quote": quote, **INSTRUMENT_DEFAULTS, **values}
    texts = {name: str(value) if _is_number(value) else value for name, value in values.items()}
    try:
        return msgspec.convert(texts, InstrumentDefinition, strict=False)
    except msgspec.ValidationError as error:
        raise ConfigError(f"instrument {values.get('symbol')}: {error}") from None


def _is_number(value: object) -> bool:
    return isinstance(value, int | float | Decimal)


def _named(
    instruments: list[InstrumentDefinition], balances: Mapping[str, Number]
) -> MarketDefinition:
    starting: dict[str, Decimal] = {}
    for instrument in instruments:
        starting.setdefault(instrument.quote, QUOTE_BALANCE)
    for instrument in instruments:
        starting.setdefault(instrument.base, BASE_BALANCE)
    for code, amount in balances.items():
        starting[code] = Decimal(str(amount))
    assets = [
        AssetDefinition(code=code, starting_balance=amount) for code, amount in starting.items()
    ]
    return MarketDefinition(assets=assets, instruments=instruments)
