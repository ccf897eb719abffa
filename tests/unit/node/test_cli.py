import json
from pathlib import Path

import pytest
from tests.unit.node.test_opening import panic_at, run, some_orders
from typer.testing import CliRunner

from tradepit.journal.layout import DataDirectory
from tradepit.journal.lock import DirectoryLock
from tradepit.journal.snapshots import find_snapshots
from tradepit.node.cli import app
from tradepit.node.snapshotter import take_snapshot

terminal = CliRunner()


@pytest.fixture
def root(tmp_path: Path) -> Path:
    run(tmp_path, some_orders)
    return tmp_path


def said(*arguments: object, code: int = 0) -> str:
    result = terminal.invoke(app, [str(each) for each in arguments])
    assert result.exit_code == code, result.output
    return result.output


def flip(path: Path, at: int) -> None:
    data = bytearray(path.read_bytes())
    data[at] ^= 1
    path.write_bytes(data)


def test_verify_says_that_a_journal_is_whole(root):
    assert "whole: 59 commands in 1 segments" in said("verify", "--data-dir", root)


def test_verify_says_where_a_journal_is_damaged(root):
    flip(DataDirectory(root).segment(1), 1000)
    text = said("verify", "--data-dir", root, code=1)
    assert "segment 1 at offset" in text
    assert "checksum is wrong" in text


def test_verify_notices_a_damaged_snapshot(root):
    path = take_snapshot(root)
    assert path is not None
    flip(path, 600)
    assert path.name in said("verify", "--data-dir", root, code=1)


def test_stats_count_commands_by_kind(root):
    values = json.loads(said("stats", "--data-dir", root, "--json"))
    assert values["commands"] == 59
    assert values["kinds"]["PLACE_ORDER"] == 50
    assert values["runs"] == 1
    assert "place_order" in said("stats", "--data-dir", root)


def test_dump_prints_commands_as_lines_of_json(root):
    lines = said("dump", "--data-dir", root, "--from", 9, "--to", 11).splitlines()
    commands = [json.loads(line) for line in lines]
    assert [command["sequence"] for command in commands] == [9, 10, 11]
    assert commands[0]["kind"] == "open_account"
    assert commands[0]["text"] == "a1"
    assert commands[1]["kind"] == "place_order"
    assert commands[1]["quantity"] == 1


def test_replay_prints_the_state_and_compares_it_with_every_snapshot(root):
    take_snapshot(root)
    run(root, lambda node: some_orders(node, first=50))
    values = json.loads(said("replay", "--data-dir", root, "--json"))
    assert values["sequence"] == 111
    assert len(values["state_hash"]) == 32
    assert values["differing_snapshots"] == []
    assert "state_hash" in said("replay", "--data-dir", root)


def test_replay_notices_a_snapshot_of_another_state(root, monkeypatch):
    monkeypatch.setattr(
        "tradepit.node.snapshotter.write_snapshot",
        lambda directory, about, state, **_: write(
            directory, about._replace(state_hash="0" * 32), state
        ),
    )
    from tradepit.journal.snapshots import write_snapshot as write

    take_snapshot(root)
    values = json.loads(said("replay", "--data-dir", root, "--json", code=1))
    assert values["differing_snapshots"] == [59]


def test_a_snapshot_is_taken_once(root):
    assert "wrote" in said("snapshot", "--data-dir", root)
    assert "nothing new" in said("snapshot", "--data-dir", root)
    assert len(find_snapshots(DataDirectory(root))[0]) == 1


def test_a_backup_is_a_journal_of_its_own(root, tmp_path):
    copy = tmp_path / "copy"
    assert "copied 59 commands" in said("backup", copy, "--data-dir", root)
    assert "whole: 59" in said("verify", "--data-dir", copy)
    assert "not empty" in said("backup", copy, "--data-dir", root, code=1)


def test_reading_commands_work_beside_a_running_node(root):
    with DirectoryLock(DataDirectory(root).lock):
        assert "whole" in said("verify", "--data-dir", root)
        assert json.loads(said("replay", "--data-dir", root, "--json"))["sequence"] == 59


def test_deciding_commands_refuse_a_running_node(root):
    with DirectoryLock(DataDirectory(root).lock):
        for command in (["quarantine", "--sequence", "5"], ["accept-loss", "--yes"]):
            text = said(*command, "--data-dir", root, code=1)
            assert "in use by another Tradepit node" in text


def test_quarantine_refuses_what_does_not_panic(root):
    text = said("quarantine", "--sequence", 20, "--data-dir", root, code=1)
    assert "panics nowhere" in text


def test_replay_names_the_command_that_panics(tmp_path, monkeypatch):
    at = panic_at(tmp_path, in_group=2)
    values = json.loads(said("replay", "--data-dir", tmp_path, "--json"))
    assert values["panicked_at"] is None
    assert values["sequence"] == at + 3


def test_a_loss_is_shown_before_it_is_accepted(root):
    directory = DataDirectory(root)
    flip(directory.segment(1), directory.segment(1).read_bytes().rstrip(b"\0").__len__() - 40)
    shown = said("accept-loss", "--data-dir", root, code=1)
    assert "would end at sequence 58" in shown
    assert "nothing was changed" in shown
    said("verify", "--data-dir", root, code=1)
    assert "done" in said("accept-loss", "--data-dir", root, "--yes")
    assert "whole: 58 commands in 1 segments, generation 1" in said("verify", "--data-dir", root)
    assert "the journal is whole" in said("accept-loss", "--data-dir", root, code=1)
    run(root, some_orders)


def test_a_directory_without_a_journal_is_named(tmp_path):
    assert "holds no journal" in said("verify", "--data-dir", tmp_path, code=1)
