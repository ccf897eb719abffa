"""The demonstration: seven makers, every symbol quoted, and everybody back after a kill."""

from __future__ import annotations

import os
import re
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.end_to_end.node_process import NodeProcess
from tests.end_to_end.processes import children, is_alive

from tradepit.client import Client
from tradepit.client.errors import ClientError
from tradepit.client.firm_models import Maker

README = Path(__file__).parents[2] / "README.md"
NODE = "http://127.0.0.1:8080"
FIRST_MAKER = "http://127.0.0.1:8081"
PUBLISHER = "http://127.0.0.1:18083"

FIRM = "mm"
MAKERS = 7
EVENTUALLY_SECONDS = 90.0
"""Nine interpreters start on a busy machine."""

ANY_PORT = {"TRADEPIT_DEMO__MAKER_PORT": "0", "TRADEPIT_DEMO__EXTERNAL_PORT": "0"}


@pytest.fixture
def demo(tmp_path: Path) -> Iterator[NodeProcess]:
    command = ("demo", "--rate", "50")
    node = NodeProcess(tmp_path / "data", config="demo", environment=ANY_PORT, command=command)
    try:
        node.start()
        yield node
    finally:
        node.kill()


def until(is_so: Callable[[], object]) -> None:
    end = time.monotonic() + EVENTUALLY_SECONDS
    while True:
        try:
            if is_so():
                return
        except ClientError:
            pass
        assert time.monotonic() < end, "it has not come about"
        time.sleep(0.1)


def makers(client: Client) -> tuple[Maker, ...]:
    (firm,) = client.cluster().firms
    return firm.makers


def is_quoted(client: Client, symbol: str) -> bool:
    return client.quote(symbol, client_id=FIRM).bid_order_id is not None


def test_seven_makers_quote_fourteen_symbols_and_come_back_after_a_kill(demo: NodeProcess) -> None:
    assert demo.process is not None
    with Client(demo.url) as client:
        symbols = [one.symbol for one in client.instruments()]
        assert len(symbols) >= 14
        until(lambda: len(makers(client)) == MAKERS)
        until(lambda: sorted(len(maker.symbols) for maker in makers(client)) == [2] * MAKERS)
        owned = [symbol for maker in makers(client) for symbol in maker.symbols]
        assert sorted(owned) == sorted(symbols)
        until(lambda: all(is_quoted(client, symbol) for symbol in symbols))
        until(lambda: client.account_trades("external").items)
        for answer in looks_of_the_readme(demo):
            assert (
                answer.get("firms")
                or answer.get("items")
                or answer.get("orders")
                or (answer["name"] == "mm-0")
            )

        epochs = {maker.name: maker.epoch for maker in makers(client)}
        victim = next(pid for pid, line in maker_processes(demo).items() if "mm-3" in line)
        os.kill(victim, signal.SIGKILL)
        until(lambda: any(m.name == "mm-3" and m.epoch > epochs["mm-3"] for m in makers(client)))
        until(lambda: len(makers(client)) == MAKERS)
        exposure = client.exposure(client_id=FIRM)
        assert exposure.bid_usage <= exposure.bid_capacity
        assert exposure.ask_usage <= exposure.ask_capacity
    started = children(demo.process.pid)
    assert demo.stop() == 0
    until(lambda: not any(is_alive(pid) for pid in started))


def looks_of_the_readme(demo: NodeProcess) -> list[dict[str, Any]]:
    """Answers of the lines that README.md shows, at the addresses that this demonstration has."""
    said = demo.log.read_text()
    maker = re.search(r"/status, /metrics and /health: (\S+)", said)
    publisher = re.search(r"`flow external`: curl -s (\S+)/status", said)
    assert maker
    assert publisher
    places = {NODE: demo.url, FIRST_MAKER: maker[1], PUBLISHER: publisher[1]}
    lines = re.findall(r"^    curl -s '?(http://\S+?)'?$", README.read_text(), re.MULTILINE)
    assert len(lines) == 4
    found = []
    for line in lines:
        place = next(place for place in places if line.startswith(f"{place}/"))
        found.append(httpx.get(line.replace(place, places[place]), trust_env=False).json())
    return found


def maker_processes(demo: NodeProcess) -> dict[int, str]:
    assert demo.process is not None
    return {
        pid: line
        for pid, line in children(demo.process.pid).items()
        if "tradepit.makers.live" in line
    }
