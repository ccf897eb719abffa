"""`tradepit data` and `tradepit record` say what they found and refuse plainly."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import typer
from tests.unit.marketdata.sources.recordings import (
    AAPL,
    CLX5,
    CONFORMANCE,
    ESH4,
    recording,
)
from tests.unit.marketdata.verification.lobster_day import LobsterDay
from tests.unit.projections.journals import World
from typer.testing import CliRunner

from tradepit.flow.generated_session import generate_records, write_dbn
from tradepit.marketdata.cli import app, record
from tradepit.marketdata.sources.dbn import DbnSource

runner = CliRunner()
recording_app = typer.Typer()
recording_app.command()(record)


@pytest.fixture
def session(tmp_path: Path) -> Path:
    path = tmp_path / "session.dbn"
    write_dbn(path, generate_records(seed=3, events=500))
    return path


def documents(*arguments: object, exit_code: int = 0) -> list[dict[str, Any]]:
    result = runner.invoke(app, [*map(str, arguments), "--json"])
    assert result.exit_code == exit_code, result.output
    found: list[dict[str, Any]] = json.loads(result.stdout)
    return found


def test_info_says_what_several_files_have(session: Path, tmp_path: Path) -> None:
    day = LobsterDay(1).write(tmp_path)
    first, second = documents("info", session, day)
    records = np.concatenate(list(DbnSource(session).chunks()))
    assert first["records"] == len(records) == sum(first["actions"].values())
    assert first["books"] == [
        f"instrument (1) at publisher 1: {len(records):,} records, begins with a snapshot of 120 "
        "records"
    ]
    assert second["format"] == "lobster"
    assert "begins in mid-session" in second["books"][0]


def test_info_of_the_main_recording_names_its_symbol_and_version() -> None:
    (found,) = documents("info", recording(ESH4))
    assert found["books"][0].startswith("ESH4 (17077) at publisher 1: 68,792 records")
    assert found["first"] == "2023-12-24T13:00:05.243925307Z"


def test_info_of_a_cut_file_tells_what_there_is_and_that_it_is_cut(session: Path) -> None:
    session.write_bytes(session.read_bytes()[:-30])
    (found,) = documents("info", session, exit_code=1)
    assert "cut short" in found["problem"]
    assert found["records"] > 1_000


@pytest.mark.parametrize("name", ["out.dbn", "out.dbn.zst"])
def test_conversion_keeps_every_record_and_converted_again_every_byte(
    session: Path, tmp_path: Path, name: str
) -> None:
    first, second = tmp_path / name, tmp_path / f"again-{name}"
    for file, out in ((session, first), (first, second)):
        result = runner.invoke(app, ["convert", str(file), "-o", str(out)])
        assert result.exit_code == 0, result.output
    before, after = (np.concatenate(list(DbnSource(p).chunks())) for p in (session, first))
    assert (before == after).all()
    assert first.read_bytes() == second.read_bytes()


def test_conversion_of_lobster_keeps_its_symbol(tmp_path: Path) -> None:
    out = tmp_path / "aapl.dbn.zst"
    result = runner.invoke(app, ["convert", str(recording(AAPL)), "-o", str(out)])
    assert result.exit_code == 0, result.output
    (found,) = documents("info", out)
    assert "AAPL (1) at publisher 2: 1,195 records" in found["books"][0]


def test_conversion_does_not_touch_a_file_that_is_there(session: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.dbn"
    out.write_text("mine")
    result = runner.invoke(app, ["convert", str(session), "-o", str(out)])
    assert (result.exit_code, out.read_text()) == (1, "mine")
    assert "--force" in result.output
    assert runner.invoke(app, ["convert", str(session), "-o", str(out), "--force"]).exit_code == 0


def test_verify_exits_with_one_on_a_mismatch_and_names_the_row(tmp_path: Path) -> None:
    day = LobsterDay(2)
    assert [each["is_right"] for each in documents("verify", day.write(tmp_path))] == [True, True]
    day.books[100][1] = str(int(day.books[100][1]) + 1)
    levels, queues = documents("verify", day.write(tmp_path), exit_code=1)
    assert levels["wrong_rows"][0] == queues["wrong_rows"][0] == 101


def test_verify_compares_with_depth_rows() -> None:
    folder = recording(CONFORMANCE)
    mbo, rows = (folder / f"XNAS.ITCH__test_data.{name}.dbn.zst" for name in ("mbo", "mbp-10"))
    rebuilt, compared = documents("verify", mbo, "--against", rows)
    assert rebuilt["mistakes"] == "none"
    assert (compared["rows"], compared["compared"], compared["mismatches"]) == (4, 4, 0)


def test_verify_compares_with_the_naive_books(tmp_path: Path) -> None:
    out = tmp_path / "out.dbn"
    arguments = ["generate", str(out), "--records", "6000", "--orders", "300", "--pre-open", "20"]
    assert runner.invoke(app, arguments).exit_code == 0
    rebuilt, twin = documents("verify", out, "--naive")
    assert rebuilt["records"] == twin["records"]
    assert (twin["sides_compared"], twin["mismatches"], twin["same_mistakes"]) == (4, 0, "yes")


def test_recording_from_mid_session_is_the_same_to_the_naive_books() -> None:
    _, twin = documents("verify", recording(CLX5), "--naive")
    assert (twin["records"], twin["mismatches"], twin["same_mistakes"]) == (38_212, 0, "yes")


@pytest.mark.parametrize("command", ["info", "verify", "convert"])
@pytest.mark.parametrize("content", [b"", b"nothing of the kind" * 99, b"DBN\x03"])
def test_unreadable_file_is_a_plain_line(tmp_path: Path, command: str, content: bytes) -> None:
    path = tmp_path / "wrong.dbn"
    path.write_bytes(content)
    more = ["-o", str(tmp_path / "out.dbn")] if command == "convert" else []
    result = runner.invoke(app, [command, str(path), *more])
    assert result.exit_code == 1
    assert "wrong.dbn: " in result.output
    assert not (tmp_path / "out.dbn").exists()


def test_missing_file_is_a_plain_line(tmp_path: Path) -> None:
    result = runner.invoke(app, ["info", str(tmp_path / "absent.dbn")])
    assert result.exit_code == 1
    assert "absent.dbn" in result.output


def test_market_is_recorded_whole_from_the_middle_and_by_instrument(tmp_path: Path) -> None:
    world = World(tmp_path / "data", seed=3, commands=600)
    world.grow()
    ends = []
    for name, options in (
        ("whole.dbn", []), ("middle.dbn.zst", ["--from", "200"]), ("now.dbn", ["--now"]),
    ):  # fmt: skip
        out = tmp_path / name
        arguments = ["-o", str(out), "--data-dir", str(world.directory.root), *options]
        result = runner.invoke(recording_app, arguments)
        assert result.exit_code == 0, result.output
        (found,) = documents("verify", out)
        assert found["mistakes"] == "none"
        # How often a book was crossed on the way differs with where a recording begins.
        ends.append([line.partition(";")[0] for line in found["books"]])
    assert ends[0] == ends[1] == ends[2]
    (found,) = documents("info", tmp_path / "whole.dbn")
    symbol = found["books"][0].split()[0]
    arguments = ["-o", str(tmp_path / "one.dbn"), "--data-dir", str(world.directory.root)]
    result = runner.invoke(recording_app, [*arguments, "--instrument", symbol])
    assert result.exit_code == 0, result.output
    (one,) = documents("info", tmp_path / "one.dbn")
    assert one["books"] == [found["books"][0]]
    assert runner.invoke(recording_app, [*arguments, "--force", "--instrument", "NO"]).exit_code


def test_recording_a_folder_without_a_market_is_refused(tmp_path: Path) -> None:
    arguments = ["-o", str(tmp_path / "out.dbn"), "--data-dir", str(tmp_path)]
    result = runner.invoke(recording_app, arguments)
    assert result.exit_code == 1
    assert "holds no journal" in result.output
