"""The command: reports, pages, comparison, refusals in one line."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from typer.testing import CliRunner

from tradepit.simulation.charts import Line, clock, line_chart, number, round_hours, round_ticks
from tradepit.simulation.cli import app
from tradepit.simulation.comparing import read_report
from tradepit.simulation.scenario import load_scenario

SCENARIO = """
name = "tiny"
session_hours = 0.05
step_ms = 500
flow = { commands_per_second = 10, accounts = 5 }
faults = { kills = 0, pauses = 0, operator_halts = 0 }
instruments = [{ symbol = "ACME", price = "100" }]

[[firms]]
name = "one"
strategy = { name = "book-pegged" }
"""


@pytest.fixture
def scenario(tmp_path: Path) -> str:
    path = tmp_path / "tiny.toml"
    path.write_text(SCENARIO)
    return str(path)


def run(*arguments: str, code: int = 0) -> str:
    result = CliRunner().invoke(app, list(arguments))
    assert result.exit_code == code, result.output
    return result.output


def test_a_day_prints_its_hash_and_leaves_a_page_and_a_report(
    scenario: str, tmp_path: Path
) -> None:
    text = run(scenario, "--seed", "4", "--out", str(tmp_path / "a"))
    report = read_report(tmp_path / "a")
    assert f"state hash {report.state_hash}" in text
    assert (report.seed, report.scenario, report.holds) == (4, "tiny", True)
    page = (tmp_path / "a" / "report.html").read_text()
    assert report.state_hash in page
    assert page.count("<svg") == 4
    assert "http" not in page
    assert (tmp_path / "a" / "scenario.toml").read_text() == SCENARIO


def test_the_report_as_json_is_the_report(scenario: str) -> None:
    first, second = (msgspec.json.decode(run(scenario, "--json")) for _ in range(2))
    for report in (first, second):
        del report["seconds"], report["cpu_seconds"]
    assert first == second


def test_two_runs_are_compared(scenario: str, tmp_path: Path) -> None:
    for name, seed in (("a", "1"), ("b", "2")):
        run(scenario, "--seed", seed, "--out", str(tmp_path / name))
    text = run("compare", str(tmp_path / "a"), str(tmp_path / "b"))
    assert "profit" in text
    assert "one, b" in (tmp_path / "b" / "comparison.html").read_text()


def test_the_bot_runs_over_seeds(scenario: str) -> None:
    found = msgspec.json.decode(run("pump", scenario, "--seeds", "2", "--times", "1", "--json"))
    assert [trial["seed"] for trial in found["trials"]] == [1, 2]


def test_one_strategy_runs_in_place_of_the_firms(scenario: str) -> None:
    options = ("--strategy", "inventory-skew", "--set", "spread=0.2", "--json")
    report = msgspec.json.decode(run(scenario, *options))
    assert [(firm["name"], firm["strategy"]) for firm in report["firms"]] == [
        ("own", "inventory-skew")
    ]


@pytest.mark.parametrize(
    "arguments",
    [
        ("--strategy", "nobody"),
        ("--strategy", "book-pegged", "--set", "depth=3"),
        ("--strategy", "book-pegged", "--set", "quantity"),
        ("absent.toml",),
        ("compare", "absent", "absent"),
    ],
)
def test_what_cannot_be_done_is_refused(scenario: str, arguments: tuple[str, ...]) -> None:
    is_day = arguments[0].startswith("--")
    result = CliRunner().invoke(app, [*([scenario] if is_day else []), *arguments])
    assert result.exit_code in (1, 2)
    assert "Traceback" not in result.output


@pytest.mark.parametrize("name", ["day.toml", "recorded.toml"])
def test_supplied_scenarios_can_be_read(name: str) -> None:
    assert load_scenario(None, supplied=name).firms


def test_axes_have_round_numbers() -> None:
    assert round_ticks(0.0, 10.0) == [0.0, 2.0, 4.0, 6.0, 8.0, 10.0]
    assert [clock(hour) for hour in round_hours(9.0, 17.0)] == [
        f"{hour:02}:00" for hour in range(9, 18)
    ]
    assert [number(value) for value in (0.25, 12_345.6, 3.0)] == ["0.25", "12,346", "3"]


def test_a_line_is_interrupted_where_it_has_no_value() -> None:
    line = Line("a & b", [1.0, None, 2.0, 3.0], "red")
    text = line_chart([9.0, 10.0, 11.0, 12.0], [line], unit="u", label="l")
    assert "a &amp; b" in text
    path = text.split('<path d="')[1].split('"')[0]
    assert path.count("M") == 2
    assert path.count("L") == 1
