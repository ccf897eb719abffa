"""Participants against a real node: real process, real sockets, real journal."""

from __future__ import annotations

import asyncio
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tradepit.client import AsyncClient, Client, RetryPolicy
from tradepit.flow.api_market import ApiMarket
from tradepit.flow.generated_session import generate_session
from tradepit.flow.recorded import OutsiderOrder, Pace, RecordedFlow, RunResult
from tradepit.marketdata.dbn_source import RecordedEvent, read_events

DATA = Path(__file__).parents[3] / "shared" / "data" / "dbn"
STARTUP = RetryPolicy(attempts=100, first_s=0.05, longest_s=0.2)
"""Twenty seconds for a node to come up on a busy machine."""


class NodeProcess:
    """A node of its own data directory and port; may be killed and started again."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self.port = _free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        command = [sys.executable, "-m", "tradepit.cli", "run", "--data-dir", str(self._directory)]
        self._process = subprocess.Popen([*command, "--port", str(self.port)])
        with Client(self.url, retries=STARTUP) as client:
            client.health()

    def stop(self, how: signal.Signals) -> None:
        assert self._process is not None
        self._process.send_signal(how)
        self._process.wait(timeout=20)

    def kill_and_restart(self) -> None:
        self.stop(signal.SIGKILL)
        self.start()


class KillingTransport(httpx.AsyncHTTPTransport):
    """Kills the node while some batches are on their way: before, during or after their commit."""

    def __init__(self, node: NodeProcess, batches: set[int]) -> None:
        super().__init__()
        self.kills = 0
        self._node = node
        self._batches = batches
        self._count = 0

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self._count += request.url.path.endswith("/batch")
        if self._count not in self._batches:
            return await super().handle_async_request(request)
        self._batches.discard(self._count)
        sending = asyncio.ensure_future(super().handle_async_request(request))
        await asyncio.wait({sending}, timeout=0.0006 * self.kills)
        self.kills += 1
        self._node.kill_and_restart()
        return await sending


@pytest.fixture
def node(tmp_path: Path) -> Iterator[NodeProcess]:
    process = NodeProcess(tmp_path / "data")
    process.start()
    yield process
    process.stop(signal.SIGTERM)


def play(
    node: NodeProcess,
    events: list[RecordedEvent],
    *,
    outsiders: tuple[OutsiderOrder, ...] = (),
    transport: httpx.AsyncHTTPTransport | None = None,
) -> RunResult:
    async def run() -> RunResult:
        retries = RetryPolicy(attempts=30)
        async with AsyncClient(node.url, retries=retries, transport=transport) as client:
            market = ApiMarket(client, "TEST")
            await market.prepare(tick_size="0.25")
            return await RecordedFlow(market, pace=Pace(None), outsiders=outsiders).run(events)

    return asyncio.run(run())


def test_a_session_played_into_a_node_gives_the_recorded_market(node: NodeProcess) -> None:
    result = play(node, generate_session(seed=3, events=2_000))
    assert result.comparison.is_within_targets
    assert result.comparison.events_compared == 2_000
    assert result.unforeseen == 0


def test_an_outsider_moves_the_node_s_market_and_it_comes_back(node: NodeProcess) -> None:
    outsider = OutsiderOrder(event_number=400, side="buy", quantity=60)
    result = play(node, generate_session(seed=3, events=1_500), outsiders=(outsider,))
    (report,) = result.outsiders
    assert report.filled == 60
    assert report.right_after.ask_price > report.before.ask_price
    assert report.equal_again_after is not None
    assert result.counts.hit_by_outsider_quantity == 60


def test_a_node_killed_under_way_changes_nothing(node: NodeProcess) -> None:
    transport = KillingTransport(node, {5, 13, 21, 29, 37})
    result = play(node, generate_session(seed=5, events=1_500), transport=transport)
    assert transport.kills == 5
    assert result.comparison.is_within_targets
    assert result.comparison.best_sizes_equal == 1_500
    assert result.unforeseen == 0


def test_a_second_run_starts_from_an_empty_book(node: NodeProcess) -> None:
    play(node, generate_session(seed=1, events=300))
    assert play(node, generate_session(seed=2, events=300)).comparison.is_within_targets


def test_the_main_recording_is_reproduced_by_a_node(node: NodeProcess) -> None:
    path = DATA / "esh4-glbx-mdp3-20231225.mbo.dbn.zst"
    if not path.exists():
        pytest.skip("esh4-glbx-mdp3-20231225 is not here (../shared/data/dbn)")
    result = play(node, list(read_events(path)))
    report = result.comparison
    assert report.is_within_targets
    assert report.events_compared == 46_096
    assert (report.bids.market_levels, report.asks.market_levels) == (922, 565)
    assert report.bids.market_orders + report.asks.market_orders == 11_217


def test_generated_orders_trade_until_they_are_told_to_stop(node: NodeProcess) -> None:
    with Client(node.url) as client:
        client.create_instrument(
            symbol="COIN-USD", tick_size="0.01", lot_size="0.01", reference_price="100"
        )
        command = [sys.executable, "-m", "tradepit.cli", "flow", "orders", "--rate", "2000"]
        with subprocess.Popen([*command, "--url", node.url]) as flow:
            for _ in range(20_000):
                if len(client.trades(instrument="COIN-USD", limit="200").items) == 200:
                    break
            node.kill_and_restart()
            after = client.trades(instrument="COIN-USD", limit="1").items[0]
            for _ in range(20_000):
                newest = client.trades(instrument="COIN-USD", limit="1").items[0]
                if int(newest.id) > int(after.id) + 100:
                    break
            book = client.order_book("COIN-USD")
            flow.send_signal(signal.SIGTERM)
            assert flow.wait(timeout=20) == 0
    assert int(newest.id) > int(after.id) + 100
    assert len(book.bids) > 3
    assert len(book.asks) > 3


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port
