"""Keys: sealed at rest, revoked for good, seen by a node that runs beside the command line."""

from __future__ import annotations

import json
import os
import sqlite3
import stat
from pathlib import Path

import pytest
from typer.testing import CliRunner

from tradepit.access.access import open_keys
from tradepit.access.cli import app
from tradepit.access.keys import KEYS_OF_ACCOUNT_MAX, TooManyKeys
from tradepit.access.principals import Permission
from tradepit.access.sealing import MasterKeyError, Seal


def test_no_file_of_the_directory_holds_a_secret(tmp_path: Path) -> None:
    keys = open_keys(tmp_path, slots=64)
    secrets = [keys.create("alice", Permission.TRADE).secret for _ in range(5)]
    keys.close()
    files = [file for file in tmp_path.rglob("*") if file.is_file()]
    assert {file.name for file in files} == {"keys.sqlite", "master.key", "nonces"}
    for file in files:
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        assert not any(secret.encode() in file.read_bytes() for secret in secrets)


def test_a_key_works_after_a_restart_and_not_after_its_revocation(tmp_path: Path) -> None:
    keys = open_keys(tmp_path, slots=64)
    made = keys.create("alice", Permission.READ, "a label")
    keys.close()
    keys = open_keys(tmp_path)
    record = keys.find(made.record.id)
    assert record is not None
    assert keys.secret_of(record) == made.secret.encode()
    assert (record.label, record.principal.permission) == ("a label", Permission.READ)
    keys.revoke(record)
    keys.close()
    again = open_keys(tmp_path).find(made.record.id)
    assert again is not None
    assert again.revoked_at_ns is not None


def test_another_process_is_seen(tmp_path: Path) -> None:
    node, beside = open_keys(tmp_path, slots=64), open_keys(tmp_path)
    made = beside.create(None, Permission.ADMIN)
    assert node.find(made.record.id) is None
    assert node.refresh() == []
    record = node.find(made.record.id)
    assert record is not None
    assert node.secret_of(record) == made.secret.encode()
    beside.revoke(made.record)
    assert node.refresh() == [made.record.id]
    assert record.revoked_at_ns is not None
    assert node.refresh() == []


def test_the_wrong_master_key_is_found_at_the_start(tmp_path: Path) -> None:
    right, wrong = os.urandom(32).hex(), os.urandom(32).hex()
    open_keys(tmp_path, master_key=right, slots=64).create("alice", Permission.TRADE)
    open_keys(tmp_path, master_key=right)
    with pytest.raises(MasterKeyError, match="does not open"):
        open_keys(tmp_path, master_key=wrong)
    for text in ("", "x" * 64, "00" * 31):
        with pytest.raises(MasterKeyError, match="64 hexadecimal"):
            open_keys(tmp_path, master_key=text)


def test_a_lost_or_open_master_key_is_refused(tmp_path: Path) -> None:
    open_keys(tmp_path, slots=64).create("alice", Permission.TRADE)
    master = tmp_path / "access" / "master.key"
    master.chmod(0o640)
    with pytest.raises(MasterKeyError, match="chmod 600"):
        open_keys(tmp_path)
    master.unlink()
    with pytest.raises(MasterKeyError, match="is gone"):
        open_keys(tmp_path)


@pytest.mark.parametrize("change", ["account = 'bob'", "permission = 3", "account = NULL"])
def test_a_row_that_was_changed_by_hand_does_not_open(tmp_path: Path, change: str) -> None:
    open_keys(tmp_path, slots=64).create("alice", Permission.TRADE)
    with sqlite3.connect(tmp_path / "access" / "keys.sqlite") as connection:
        connection.execute(f"UPDATE keys SET {change}")
    connection.close()
    with pytest.raises(MasterKeyError, match="does not open"):
        open_keys(tmp_path)


def test_a_sealed_secret_is_never_the_same_twice() -> None:
    seal = Seal(os.urandom(32))
    sealed = {seal.close(b"secret", b"row") for _ in range(100)}
    assert len(sealed) == 100
    assert {seal.open(each, b"row") for each in sealed} == {b"secret"}
    for each in sealed:
        with pytest.raises(MasterKeyError):
            seal.open(each, b"another row")


def test_an_account_has_a_bounded_number_of_keys(tmp_path: Path) -> None:
    keys = open_keys(tmp_path, slots=64)
    made = [keys.create("alice", Permission.READ) for _ in range(KEYS_OF_ACCOUNT_MAX)]
    with pytest.raises(TooManyKeys):
        keys.create("alice", Permission.READ)
    keys.create("bob", Permission.READ)
    keys.revoke(made[0].record)
    keys.create("alice", Permission.READ)


def test_the_command_line_makes_lists_and_revokes(tmp_path: Path) -> None:
    runner, place = CliRunner(), ["--data-dir", str(tmp_path)]
    made = runner.invoke(app, ["create", "--admin", "--json", *place])
    assert made.exit_code == 0, made.output
    key = json.loads(made.stdout)["api_key"]
    listed = json.loads(runner.invoke(app, ["list", "--json", *place]).stdout)
    assert [(row["key"], row["permission"], row["account"]) for row in listed] == [
        (key, "admin", None)
    ]
    assert "secret" not in str(listed)
    assert runner.invoke(app, ["revoke", key, *place]).exit_code == 0
    listed = json.loads(runner.invoke(app, ["list", "--json", *place]).stdout)
    assert listed[0]["revoked_at"]
    for wrong in (["create"], ["create", "--admin", "--account", "a"], ["revoke", "tk0"]):
        assert runner.invoke(app, [*wrong, *place]).exit_code == 1
