"""The commands say what they found, as a table or as JSON, and refuse plainly."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from tradepit.flow.cli import app
from tradepit.flow.generated_session import generate_records, write_dbn

runner = CliRunner()


@pytest.fixture
def session(tmp_path: Path) -> str:
    path = tmp_path / "session.dbn"
    write_dbn(path, generate_records(seed=3, events=500))
    return str(path)


def test_a_recording_played_offline_prints_the_comparison(session: str) -> None:
    result = runner.invoke(app, ["recorded", session, "--offline", "--speed", "max"])
    assert result.exit_code == 0, result.output
    assert "Recording against market" in result.output
    assert "100.000%" in result.output


def test_the_json_document_stands_alone_on_standard_output(session: str) -> None:
    options = ["--offline", "--speed", "max", "--json", "--outsider", "30@200"]
    result = runner.invoke(app, ["recorded", session, *options])
    document = json.loads(result.stdout)
    assert document["comparison"]["events_compared"] == 500
    assert document["outsiders"][0]["filled"] == 30
    assert document["counts"]["hit_by_outsider_quantity"] == 30


def test_a_limit_stops_the_recording_early(session: str) -> None:
    options = ["--offline", "--speed", "max", "--json", "--limit", "100"]
    document = json.loads(runner.invoke(app, ["recorded", session, *options]).stdout)
    assert document["events"] == 100


@pytest.mark.parametrize("speed", ["0", "-1", "fast", "inf", "nan"])
def test_a_speed_that_is_none_is_refused(session: str, speed: str) -> None:
    assert runner.invoke(app, ["recorded", session, "--offline", "--speed", speed]).exit_code == 2


@pytest.mark.parametrize("text", ["500", "0@5", "x@5", "5@-1", "@"])
def test_an_outsider_that_is_none_is_refused(session: str, text: str) -> None:
    options = ["--offline", "--speed", "max", "--outsider", text]
    assert runner.invoke(app, ["recorded", session, *options]).exit_code == 2


def test_what_is_no_recording_is_refused_plainly(tmp_path: Path) -> None:
    path = tmp_path / "wrong.dbn"
    path.write_bytes(b"no recording" * 50)
    result = runner.invoke(app, ["recorded", str(path), "--offline"])
    assert result.exit_code == 1
    assert "wrong.dbn" in result.output


def test_a_node_that_does_not_answer_is_named(session: str) -> None:
    options = ["--speed", "max", "--url", "http://127.0.0.1:9"]
    result = runner.invoke(app, ["recorded", session, *options])
    assert result.exit_code == 1
    assert "http://127.0.0.1:9" in result.output


@pytest.mark.parametrize(
    ("options", "hint"),
    [
        (["--offline", "--speed", "2"], "only max"),
        (["--replay", "ab", "--speed", "2"], "its own"),
        (["--speed", "1001"], "1000"),
    ],
)
def test_a_speed_where_another_clock_decides_is_refused(
    session: str, options: list[str], hint: str
) -> None:
    result = runner.invoke(app, ["recorded", session, *options])
    assert result.exit_code == 2
    assert hint in result.output


@pytest.mark.parametrize("options", [[], ["--offline"], ["--offline", "--replay", "ab"]])
def test_something_to_play_must_be_named(options: list[str]) -> None:
    assert runner.invoke(app, ["recorded", *options]).exit_code == 2
