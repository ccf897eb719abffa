"""What docs/makers.md says of parameters is so, and its example runs."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Final

import msgspec
import pytest
from tests.unit.makers.events import UNITS, Fills, make, trade

from tradepit.domain.wire import Side
from tradepit.makers import STRATEGIES, StrategyChoice, TwoSided, build, describe
from tradepit.makers.referenced import Referenced, ReferenceParameters

PAGE: Final = Path(__file__).parents[3] / "docs" / "makers.md"


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", PAGE.read_text(), re.DOTALL)


@pytest.mark.parametrize(
    "parameters", [*(kind.parameters for kind in STRATEGIES.values()), ReferenceParameters]
)
def test_every_parameter_stands_in_the_page_with_its_default(parameters: type) -> None:
    page = PAGE.read_text()
    rows = [f"| `{one.name}` | {one.default} | {one.text} |" for one in describe(parameters)]
    assert "\n".join(rows) in page


def test_the_example_of_a_configuration_makes_a_strategy() -> None:
    (text,) = blocks("toml")
    assert isinstance(build(msgspec.toml.decode(text, type=StrategyChoice), UNITS), Referenced)


def test_the_example_of_a_strategy_quotes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (code,) = blocks("python")
    (tmp_path / "my_makers.py").write_text(code)
    monkeypatch.syspath_prepend(tmp_path)
    try:
        strategy = make("my_makers:KIND", distance_ticks=3)
        assert strategy.quote(0) is None
        strategy.on_trade(trade(100, Side.BUY))
        assert strategy.quote(0) == TwoSided(bid_ticks=97, bid_lots=5, ask_ticks=103, ask_lots=5)
        strategy.on_fill(Fills().buy(97, 2))
        assert strategy.quote(0) == TwoSided(bid_ticks=97, bid_lots=0, ask_ticks=103, ask_lots=5)
    finally:
        sys.modules.pop("my_makers", None)
