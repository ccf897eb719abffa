"""A node in key mode as a process: replays after kill -9, what it refuses to start with, secrets
that are nowhere on the disk."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.contract.signing import Pair, headers_of
from tests.end_to_end.node_process import NodeProcess, free_port

from tradepit.access.access import open_keys
from tradepit.access.principals import Permission

KEY_MODE = {"TRADEPIT_ACCESS__MODE": "keys"}
KILLS = 5


@pytest.fixture
def node(tmp_path: Path) -> Iterator[NodeProcess]:
    process = NodeProcess(tmp_path / "data", environment=KEY_MODE)
    yield process
    process.kill()


def admin_of(data_dir: Path) -> Pair:
    keys = open_keys(data_dir)
    made = keys.create(None, Permission.ADMIN)
    keys.close()
    return Pair(made.record.id, made.secret)


def send(node: NodeProcess, data: bytes) -> tuple[int, bytes]:
    with socket.create_connection(("127.0.0.1", node.port), timeout=10) as connection:
        connection.sendall(data)
        answer = b""
        while piece := connection.recv(65536):
            answer += piece
    head, _, body = answer.partition(b"\r\n\r\n")
    return int(head.split()[1]), body


def request(node: NodeProcess, pair: Pair, method: str, target: str, body: object = None) -> bytes:
    content = b"" if body is None else json.dumps(body).encode()
    headers = headers_of(pair, method, target, content)
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    head = f"{method} {target} HTTP/1.1\r\nHost: 127.0.0.1:{node.port}\r\nConnection: close\r\n"
    head += f"Content-Type: application/json\r\nContent-Length: {len(content)}\r\n{lines}\r\n"
    return head.encode() + content


ORDER = {"instrument": "BTC-USD", "side": "buy", "price": "69000", "quantity": "0.01"}


def test_no_replay_is_done_after_kill_9_and_no_secret_is_on_the_disk(node: NodeProcess) -> None:
    admin = admin_of(node.data_dir)
    node.start()
    status, opened = send(node, request(node, admin, "POST", "/api/v1/accounts", {"id": "alice"}))
    assert status == 201
    facts = json.loads(opened)
    alice = Pair(facts["api_key"], facts["api_secret"])
    status, session = send(node, request(node, alice, "POST", "/api/v1/sessions", {}))
    assert status == 201
    placed = 0
    for _ in range(KILLS):
        seen = [request(node, alice, "POST", "/api/v1/orders", ORDER) for _ in range(20)]
        seen.append(request(node, alice, "DELETE", "/api/v1/orders?side=sell"))
        for data in seen:
            assert send(node, data)[0] in (200, 201)
        placed += 20
        node.kill()
        node.start()
        for data in seen:
            status, answer = send(node, data)
            assert status == 401, answer
            assert json.loads(answer)["code"] in ("nonce_used", "timestamp_outside_window")
        target = "/api/v1/orders?limit=1000"
        status, answer = send(node, request(node, alice, "GET", target))
        assert status == 200, "a kill costs no signed request"
        assert len(json.loads(answer)["items"]) == placed
    node.stop()
    ticket = json.loads(session)["ticket"]
    for file in [*node.data_dir.rglob("*"), node.log]:
        if file.is_file():
            data = file.read_bytes()
            for secret in (admin.secret, alice.secret, ticket):
                assert secret.encode() not in data, file


def run(tmp_path: Path, *arguments: str, config: str = "") -> subprocess.CompletedProcess[str]:
    file = tmp_path / "config.toml"
    file.write_text(config)
    command = [sys.executable, "-m", "tradepit.cli", "run", "--data-dir", str(tmp_path / "data")]
    command += ["--config", str(file), "--port", str(free_port()), *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "example.com"])
def test_no_address_but_loopback_is_served_without_keys(tmp_path: Path, host: str) -> None:
    ended = run(tmp_path, "--host", host)
    assert ended.returncode == 1
    assert "without keys" in ended.stderr
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize(
    "config",
    [
        '[access]\nmode = "key"',
        '[access]\nmodes = "keys"',
        "[access]\nwindow_seconds = 0",
        "[access]\nwindow_seconds = 3600",
        '[access]\nkey_per_second = "fast"',
        "[acess]\n",
    ],
)
def test_a_wrong_setting_of_access_is_refused(tmp_path: Path, config: str) -> None:
    ended = run(tmp_path, config=config)
    assert ended.returncode == 1
    assert "tradepit:" in ended.stderr
    assert not (tmp_path / "data").exists()


def test_a_node_whose_master_key_is_not_its_own_is_not_started(tmp_path: Path) -> None:
    admin_of(tmp_path / "data")
    ended = run(tmp_path, config=f'[access]\nmode = "keys"\nmaster_key = "{"ab" * 32}"')
    assert ended.returncode == 1
    assert "does not open" in ended.stderr


def test_any_address_is_served_with_keys(tmp_path: Path) -> None:
    command = ("run", "--host", "0.0.0.0")
    node = NodeProcess(tmp_path / "data", environment=KEY_MODE, command=command)
    try:
        node.start()
        assert node.status("/api/v1/orders") == 401
        assert node.stop() == 0
    finally:
        node.kill()


def test_the_demonstration_says_that_it_has_no_keys(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tradepit.cli", "demo", "--data-dir", str(tmp_path / "data")]
    ended = subprocess.run(
        command, capture_output=True, text=True, timeout=60, check=False, env=os.environ | KEY_MODE
    )
    assert ended.returncode == 1
    assert "open mode" in ended.stderr
    assert not (tmp_path / "data").exists()
