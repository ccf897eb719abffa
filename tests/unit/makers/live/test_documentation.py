"""What docs/maker_nodes.md says is so."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

import msgspec

from tradepit.makers.live.faults import Point
from tradepit.makers.live.metrics import MakerMetrics
from tradepit.makers.live.node import MakerNode, MakerOptions
from tradepit.makers.live.sender import Speaker
from tradepit.makers.live.settings import MakerSettings, QuotingTimes, ReferenceFeed

PAGE: Final = Path(__file__).parents[4] / "docs" / "maker_nodes.md"


def test_the_example_of_a_configuration_says_the_defaults() -> None:
    (text,) = re.findall(r"```toml\n(.*?)```", PAGE.read_text(), re.DOTALL)
    settings = msgspec.toml.decode(text, type=MakerSettings)
    assert settings.quoting == QuotingTimes()
    assert settings.reference_of("ETH-USD") == ReferenceFeed(instrument="BTC-USD")


def test_every_point_of_faults_is_told() -> None:
    page = PAGE.read_text()
    assert [point.value for point in Point if f"`{point.value}`" not in page] == []


def test_every_metric_is_told() -> None:
    node = MakerNode(MakerOptions(speaker=Speaker("F", "mm-0", 1), url="http://127.0.0.1:9"))
    text = MakerMetrics(node).text().decode()
    names = re.findall(r"^# TYPE tradepit_maker_(\w+) \w+$", text, re.MULTILINE)
    page = PAGE.read_text()
    left = {"uptime_seconds", "symbols"}
    assert names
    assert [name for name in names if name not in left and f"_{name}" not in page] == []
