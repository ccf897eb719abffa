"""The `tradepit` command as a person meets it: starts, refusals in one line, clean stops."""

import json
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
from tests.end_to_end.node_process import NodeProcess, free_port

TRADEPIT = [sys.executable, "-m", "tradepit.cli"]


def refused(*arguments: object) -> str:
    """What the command says when it does not start."""
    done = subprocess.run(
        [*TRADEPIT, *map(str, arguments)], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 1, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    return done.stderr


@pytest.fixture
def node(tmp_path: Path):
    node = NodeProcess(tmp_path / "data", config="demo")
    yield node
    node.kill()


def test_a_node_stops_cleanly_and_starts_with_all_its_state(node):
    order = {
        "client_id": "alice", "instrument": "A.COM", "side": "buy", "type": "limit",
        "price": "49.50", "quantity": "7",
    }  # fmt: skip
    node.start()
    answer = node.request("POST", "/api/v1/orders", json.dumps(order).encode())
    assert b"201 Created" in answer
    numbers = node.get("/metrics").decode()
    assert "tradepit_journal_full 0.0" in numbers
    assert "tradepit_read_only 0.0" in numbers
    assert "tradepit_journal_sync_seconds_count" in numbers
    assert node.stop() == 0
    node.start()
    book = node.get("/api/v1/orderbook?instrument=A.COM")
    assert b'{"price":"49.50","quantity":"7","orders":1}' in book.replace(b" ", b"")
    assert node.stop() == 0
    assert "serves http://127.0.0.1" in node.log.read_text()


def test_a_taken_port_is_named(tmp_path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        text = refused("run", "--data-dir", tmp_path / "data", "--port", port)
    assert f"port {port} of 127.0.0.1 is taken" in text
    assert "--port" in text
    assert not (tmp_path / "data").exists()


def test_any_host_but_loopback_is_refused_without_keys(tmp_path):
    text = refused("run", "--data-dir", tmp_path / "data", "--host", "0.0.0.0", "--port", 0)
    assert "refusing to serve 0.0.0.0 without keys" in text
    assert not (tmp_path / "data").exists()


def test_a_second_node_on_the_same_directory_is_refused(node):
    node.start()
    text = refused("run", "--data-dir", node.data_dir, "--port", free_port())
    assert "in use by another Tradepit node" in text


def test_an_unknown_setting_is_named(tmp_path):
    config = tmp_path / "market.toml"
    config.write_text("prot = 5\n")
    text = refused("run", "--config", config, "--data-dir", tmp_path / "data")
    assert "there is no setting `prot`" in text
    text = refused("run", "--config", "nothing", "--data-dir", tmp_path / "data")
    assert "supplied ones are: coin-exchange, demo, load" in text


def test_a_configuration_that_contradicts_the_journal_is_refused_in_words(node, tmp_path):
    node.start()
    node.stop()
    other = tmp_path / "other.toml"
    other.write_text("[market]\nkey_window_seconds = 5\n")
    text = refused("run", "--config", other, "--data-dir", node.data_dir, "--port", 0)
    assert "key_window_seconds is 600 in this journal and 5 in the configuration" in text


def test_a_damaged_journal_is_refused_with_its_place(node):
    node.start()
    node.stop()
    path = next((node.data_dir / "journal").glob("*.journal"))
    data = bytearray(path.read_bytes())
    data[200] ^= 1
    path.write_bytes(data)
    text = refused("run", "--data-dir", node.data_dir, "--port", 0)
    assert "journal damaged in segment 1 at offset" in text


def test_the_demo_shows_a_first_trade_that_works_and_stops_on_interrupt(tmp_path):
    port = free_port()
    command = [*TRADEPIT, "demo", "--data-dir", str(tmp_path / "data"), "--port", str(port)]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True
    )
    assert process.stdout is not None
    try:
        lines = []
        while "print(Client(" not in (lines[-1] if lines else ""):
            line = process.stdout.readline()
            assert line, lines
            lines.append(line)
        text = "".join(lines)
        assert f"http://127.0.0.1:{port}" in text
        start = text.index("curl -s")
        curl = text[start : text.index("\n\n", start)].replace("curl -s", "curl -sS")
        end = time.monotonic() + 60
        while True:
            answer = subprocess.run(curl, shell=True, capture_output=True, text=True, check=True)
            order = json.loads(answer.stdout)
            if order.get("status") == "filled":
                break
            assert time.monotonic() < end, order
            time.sleep(0.2)
        python = "\n".join(line.strip() for line in lines[-2:])
        done = subprocess.run(
            [sys.executable, "-c", python], capture_output=True, text=True, check=False
        )
        assert "filled" in done.stdout, done.stderr
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=60) == 0
    finally:
        process.kill()
        process.communicate()
