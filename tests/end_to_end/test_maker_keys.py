"""A maker of a node in key mode: it signs with a key of its firm, which is told to nobody."""

from __future__ import annotations

import contextlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.end_to_end.maker_process import FIRM, SYMBOLS, MakerProcess, market_file, wait_until
from tests.end_to_end.node_process import NodeProcess
from tests.end_to_end.test_external_publisher import PublisherProcess, until

from tradepit.access.access import open_keys
from tradepit.access.principals import Permission
from tradepit.client import Client
from tradepit.client.errors import ClientError
from tradepit.flow.external.participants import TAKER


class Keyed:
    """A node in key mode, with a key of an administrator and one of the firm."""

    def __init__(self, folder: Path) -> None:
        environment = {"TRADEPIT_ACCESS__MODE": "keys"}
        config = str(market_file(folder))
        self.node = NodeProcess(folder / "data", config=config, environment=environment)
        keys = open_keys(self.node.data_dir)
        self.admin = keys.create(None, Permission.ADMIN)
        self.firm = keys.create(FIRM, Permission.TRADE)
        keys.close()


@pytest.fixture
def keyed(tmp_path: Path) -> Iterator[Keyed]:
    found = Keyed(tmp_path)
    found.node.start()
    yield found
    found.node.kill()


def test_a_maker_signs_with_the_key_of_its_firm(keyed: Keyed) -> None:
    admin = Client(keyed.node.url, key=keyed.admin.record.id, secret=keyed.admin.secret)
    admin.create_firm(FIRM, symbols=list(SYMBOLS))
    secrets = {"TRADEPIT_KEY": keyed.firm.record.id, "TRADEPIT_SECRET": keyed.firm.secret}
    maker = MakerProcess(keyed.node, "mm-0", environment=secrets)
    maker.start()
    try:

        def is_quoted() -> bool:
            with contextlib.suppress(ClientError):
                exposure = admin.exposure(client_id=FIRM)
                return exposure.bid_usage == exposure.bid_capacity
            return False

        wait_until(is_quoted, "it quotes as much as its budget allows")
        assert len(maker.page("/status")["assigned"]) == len(SYMBOLS)
        assert maker.stop() == 0
        assert admin.exposure(client_id=FIRM).bid_usage == 0
        assert keyed.firm.secret not in maker.log.read_text()
    finally:
        maker.kill()
        admin.close()


def test_a_publisher_signs_with_the_key_of_an_administrator(
    keyed: Keyed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRADEPIT_KEY", keyed.admin.record.id)
    monkeypatch.setenv("TRADEPIT_SECRET", keyed.admin.secret)
    publisher = PublisherProcess(keyed.node.url, "--rate", "20")
    with Client(keyed.node.url, key=keyed.admin.record.id, secret=keyed.admin.secret) as admin:

        def has_traded() -> bool:
            with contextlib.suppress(ClientError):
                return len(admin.account_trades(TAKER).items) > 10
            return False

        try:
            until(has_traded)
            assert publisher.result()["unanswered"] == {}
        finally:
            publisher.kill()


def test_a_publisher_without_a_key_says_so_and_ends(keyed: Keyed) -> None:
    command = [sys.executable, "-m", "tradepit.cli", "flow", "external", "--url", keyed.node.url]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1
    assert "unauthenticated" in done.stderr
