"""Strategies are chosen by name, configured with checked parameters, and describe them."""

from __future__ import annotations

import sys
import types

import msgspec
import pytest
from tests.unit.makers.events import NAMES, UNITS, make

from tradepit.makers import (
    STRATEGIES,
    OwnPosition,
    Strategy,
    StrategyChoice,
    StrategyError,
    StrategyKind,
    build,
    describe,
    kind_of,
)
from tradepit.makers.book_pegged import BookPegged, BookPeggedParameters
from tradepit.makers.referenced import Referenced, ReferenceParameters


def test_the_three_strategies_are_there_by_name() -> None:
    assert tuple(STRATEGIES) == NAMES
    for name in NAMES:
        assert kind_of(name).name == name
        assert make(name) is not None


def test_a_choice_is_read_from_a_configuration() -> None:
    text = """
        name = "book-pegged"
        parameters = { offset_ticks = 3, quantity = "2", position_limit = 20 }
        reference = { basis = 0.25, age_max_s = 3.0 }
    """
    choice = msgspec.toml.decode(text, type=StrategyChoice)
    assert isinstance(build(choice, UNITS), Referenced)


def test_parameters_may_be_text_as_command_lines_give_them() -> None:
    strategy = make("book-pegged", offset_ticks="3", quantity="2", position_limit="20")
    assert isinstance(strategy, BookPegged)


@pytest.mark.parametrize(
    ("name", "parameters", "said"),
    [
        ("momentum", {}, "no strategy 'momentum'; there are inventory-skew,"),
        ("inventory-skew", {"spreed": "0.2"}, "spreed"),
        ("inventory-skew", {"spread": "0"}, "spread must be above zero"),
        ("inventory-skew", {"spread": "nan"}, "spread must be above zero"),
        ("inventory-skew", {"impact": "-1"}, "impact must not be below zero"),
        ("inventory-skew", {"quote_ttl_s": 0}, "quote_ttl_s"),
        ("inventory-skew", {"position_limit": "0.5"}, "position_limit 0.5 of ACME"),
        ("avellaneda-stoikov", {"risk_aversion": 0}, "risk_aversion"),
        ("book-pegged", {"lean_ticks": -1}, "lean_ticks"),
        ("no_such_module_anywhere:KIND", {}, "no strategy 'no_such_module_anywhere:KIND'"),
        ("json:dumps", {}, "not a StrategyKind"),
        (":", {}, "no strategy ':'"),
    ],
)
def test_what_cannot_be_used_is_refused_and_named(name: str, parameters: dict, said: str) -> None:
    with pytest.raises(StrategyError, match=said):
        build(StrategyChoice(name=name, parameters=parameters), UNITS)


def test_a_reference_that_nobody_knows_is_refused() -> None:
    with pytest.raises(msgspec.ValidationError, match="bases"):
        msgspec.convert({"reference": {"bases": 1}}, StrategyChoice)


def test_a_strategy_of_ones_own_is_found_by_module_and_attribute(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    module = types.ModuleType("own_strategies")
    module.TIGHT = StrategyKind("tight", "At the best.", BookPeggedParameters, BookPegged)
    monkeypatch.setitem(sys.modules, "own_strategies", module)
    assert isinstance(make("own_strategies:TIGHT"), BookPegged)


def test_a_strategy_is_given_the_position_to_start_from() -> None:
    seen: list[OwnPosition] = []

    def keep(spec: object, parameters: object, position: OwnPosition) -> Strategy:
        seen.append(position)
        return make("book-pegged")

    module = types.ModuleType("keeping_strategies")
    module.KIND = StrategyKind("keeping", "Keeps.", BookPeggedParameters, keep)
    sys.modules["keeping_strategies"] = module
    try:
        position = OwnPosition(position_lots=3, version=9, last_fill_ticks=77)
        make("keeping_strategies:KIND", position=position)
        make("keeping_strategies:KIND")
    finally:
        del sys.modules["keeping_strategies"]
    assert seen == [position, OwnPosition()]


@pytest.mark.parametrize(
    "parameters", [*(kind.parameters for kind in STRATEGIES.values()), ReferenceParameters]
)
def test_every_parameter_says_what_it_is_and_has_a_default(parameters: type) -> None:
    described = describe(parameters)
    assert [one.name for one in described] == list(parameters.__struct_fields__)
    for one in described:
        assert one.text.endswith("."), one
        assert one.default, one
        assert one.kind in {"bool", "int", "float", "decimal"}, one


def test_a_description_tells_name_kind_default_and_meaning() -> None:
    first = describe(BookPeggedParameters)[0]
    assert (first.name, first.kind, first.default) == ("offset_ticks", "int", "0")
    assert first.text == "Behind the best; 0 joins it, below zero improves on it."
