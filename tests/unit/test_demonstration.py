"""Who takes part in a demonstration, and under which ports."""

from __future__ import annotations

import re
import socket
from pathlib import Path

import msgspec
import pytest

from tradepit.config import DemoSection, find_config, load_config
from tradepit.demonstration import (
    MAKER_SETTINGS,
    OTHER_PORTS,
    Participant,
    RecordedSession,
    market_with_firm,
    participants_of,
    show_participants,
)
from tradepit.makers.live.settings import load_settings
from tradepit.makers.registry import kind_of

DEMO = load_config(find_config("demo"), {})


def test_the_supplied_demonstration_has_seven_makers_of_three_strategies_and_two_flows() -> None:
    found = participants_of(DEMO.demo, rate=200.0, recorded=None)
    assert [one.name for one in found] == [
        *(f"maker mm-{number}" for number in range(7)),
        "flow external",
        "flow orders",
    ]
    strategies = [one.command[one.command.index("--strategy") + 1] for one in found[:7]]
    assert len(set(strategies)) == 3
    assert all(one.is_needed for one in found[:8])


def test_the_firm_of_the_demonstration_makes_every_instrument() -> None:
    assert DEMO.market is not None
    assert DEMO.market.firms == []
    changed = market_with_firm(DEMO).market
    assert changed is not None
    (firm,) = changed.firms
    assert firm.id == "mm"
    assert firm.symbols == [one.symbol for one in DEMO.market.instruments]


def test_a_demonstration_without_makers_has_no_firm() -> None:
    demo = msgspec.structs.replace(DEMO.demo, makers=0)
    assert market_with_firm(msgspec.structs.replace(DEMO, demo=demo)).market == DEMO.market


@pytest.mark.parametrize("strategy", DEMO.demo.strategies)
def test_each_strategy_has_settings_that_it_takes_for_every_instrument(strategy: str) -> None:
    settings = load_settings(MAKER_SETTINGS / f"{strategy}.toml", strategy=strategy)
    kind = kind_of(strategy)
    assert settings.strategy.name == strategy
    assert DEMO.market is not None
    assert set(settings.symbols) <= {one.symbol for one in DEMO.market.instruments}
    for own in settings.symbols.values():
        assert own.strategy is not None
        assert own.strategy.name == kind.name


def test_without_makers_and_rates_nobody_takes_part() -> None:
    assert participants_of(DemoSection(), rate=0.0, recorded=None) == []


def test_a_recorded_session_plays_once() -> None:
    session = RecordedSession(Path("day.dbn"), "10")
    (one,) = participants_of(DemoSection(), rate=0.0, recorded=session)
    assert one.command[-4:] == ["recorded", "day.dbn", "--speed", "10"]
    assert not one.is_needed


def test_a_port_that_is_taken_is_replaced_by_a_free_one() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        demo = DemoSection(external_rate=1.0, external_port=port)
        (one,) = participants_of(demo, rate=0.0, recorded=None)
        assert port_of(one) in OTHER_PORTS


def port_of(participant: Participant) -> int:
    found = re.search(r":(\d+)$", participant.page or "")
    assert found
    return int(found[1])


def test_each_process_has_a_port_of_its_own() -> None:
    demo = DemoSection(makers=40, maker_port=0, external_rate=1.0, external_port=0)
    for _ in range(20):
        ports = [port_of(one) for one in participants_of(demo, rate=0.0, recorded=None)]
        assert len(ports) == len(set(ports)) == 41
        assert set(ports) <= set(OTHER_PORTS)


def test_the_pages_of_everybody_are_shown(capsys: pytest.CaptureFixture[str]) -> None:
    demo = DemoSection(makers=2, external_rate=1.0)
    found = participants_of(demo, rate=0.0, recorded=None)
    show_participants("http://node", demo, found, Path("logs"))
    said = capsys.readouterr().out
    assert all(one.page and one.page in said for one in found)
