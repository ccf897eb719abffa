"""Strategies by name, with their parameters: for configuration files and command lines.

A name is one of `STRATEGIES`, or `package.module:ATTRIBUTE` of one's own `StrategyKind`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any, Final

import msgspec
from msgspec import NODEFAULT, Struct, inspect

from tradepit.makers.avellaneda_stoikov import AvellanedaStoikov, AvellanedaStoikovParameters
from tradepit.makers.book_pegged import BookPegged, BookPeggedParameters
from tradepit.makers.instrument import InstrumentSpec
from tradepit.makers.inventory_skew import InventorySkew, InventorySkewParameters
from tradepit.makers.referenced import Referenced, ReferenceParameters
from tradepit.makers.strategy import OwnPosition, Strategy


class StrategyError(Exception):
    """No such strategy, or parameters that it does not take; the text says which."""


class StrategyKind(Struct, frozen=True):
    """A strategy that can be chosen."""

    name: str
    summary: str
    parameters: type[Struct]
    """Their defaults make it usable; unknown ones should be forbidden."""
    make: Callable[[InstrumentSpec, Any, OwnPosition], Strategy]


class ParameterDescription(Struct, frozen=True):
    """A parameter as people read it."""

    name: str
    kind: str
    default: str
    text: str


class StrategyChoice(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A strategy as a configuration names it."""

    name: str = "inventory-skew"
    parameters: dict[str, Any] = {}
    reference: ReferenceParameters | None = None
    """Given: quotes follow an outside price, whatever the strategy."""


STRATEGIES: Final[Mapping[str, StrategyKind]] = {
    kind.name: kind
    for kind in (
        StrategyKind(
            "inventory-skew",
            "A price of its own, moved by every fill, and sizes that lean.",
            InventorySkewParameters,
            InventorySkew,
        ),
        StrategyKind(
            "avellaneda-stoikov",
            "The stationary optimal quotes, from volatility and arrivals of the feed.",
            AvellanedaStoikovParameters,
            AvellanedaStoikov,
        ),
        StrategyKind(
            "book-pegged",
            "A number of ticks behind the best of the book.",
            BookPeggedParameters,
            BookPegged,
        ),
    )
}


def kind_of(name: str) -> StrategyKind:
    """The strategy of that name. Raises: StrategyError if there is none."""
    if ":" in name:
        return _imported(name)
    try:
        return STRATEGIES[name]
    except KeyError:
        raise StrategyError(f"no strategy {name!r}; there are {', '.join(STRATEGIES)}") from None


def _imported(name: str) -> StrategyKind:
    module, _, attribute = name.partition(":")
    try:
        kind = getattr(import_module(module), attribute)
    except (ImportError, AttributeError, ValueError) as error:
        raise StrategyError(f"no strategy {name!r}: {error}") from error
    if not isinstance(kind, StrategyKind):
        raise StrategyError(f"{name} is a {type(kind).__name__}, not a StrategyKind")
    return kind


def build(
    choice: StrategyChoice, spec: InstrumentSpec, position: OwnPosition | None = None
) -> Strategy:
    """Make the chosen strategy for one instrument.

    Args:
        choice: its parameters may be text, as command lines give them.
        position: where the maker stands; none yet if left out.
    Raises:
        StrategyError: unknown strategy, unknown or unusable parameters.
    """
    kind = kind_of(choice.name)
    try:
        parameters = msgspec.convert(choice.parameters, kind.parameters, strict=False)
        strategy = kind.make(spec, parameters, OwnPosition() if position is None else position)
    except ValueError as error:
        raise StrategyError(f"{choice.name} for {spec.symbol}: {error}") from error
    if choice.reference is None:
        return strategy
    return Referenced(strategy, spec, choice.reference)


def describe(parameters: type[Struct]) -> tuple[ParameterDescription, ...]:
    """The parameters of a strategy, in order, with kind, default and meaning."""
    info = inspect.type_info(parameters)
    assert isinstance(info, inspect.StructType)
    return tuple(_described(field) for field in info.fields)


def _described(field: inspect.Field) -> ParameterDescription:
    kind, text = field.type, ""
    if isinstance(kind, inspect.Metadata):
        text = str((kind.extra_json_schema or {}).get("description", ""))
        kind = kind.type
    return ParameterDescription(
        name=field.encode_name,
        kind=type(kind).__name__.removesuffix("Type").lower(),
        default=_as_written(field.default),
        text=text,
    )


def _as_written(default: object) -> str:
    """A default as a configuration file would say it."""
    if default is NODEFAULT:
        return ""
    return str(default).lower() if isinstance(default, bool) else str(default)
