"""Participants against a real node: real process, real sockets, real journal."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
from tests.end_to_end.node_process import START_SECONDS, NodeProcess

from tradepit.client import AsyncClient, Client, RetryPolicy
from tradepit.flow.api_market import ApiMarket
from tradepit.flow.generated_session import generate_session
from tradepit.flow.recorded import OutsiderOrder, RecordedFlow, RunResult
from tradepit.flow.recorded_source import at_once
from tradepit.marketdata.recorded_events import RecordedEvent, read_events

DATA = Path(__file__).parents[3] / "shared" / "data" / "dbn"


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
        self._node.kill()
        self._node.start()
        return await sending


@pytest.fixture
def node(tmp_path: Path) -> Iterator[NodeProcess]:
    process = NodeProcess(tmp_path / "data", config=None)
    process.start()
    yield process
    process.stop()


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
            return await RecordedFlow(market, outsiders=outsiders).run(at_once(events))

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


def test_the_demo_plays_a_session_beside_its_generated_orders(tmp_path: Path) -> None:
    session = DATA / "esm4-glbx-mdp3-20240508-2s.mbo.dbn.zst"
    if not session.exists():
        pytest.skip("esm4-glbx-mdp3-20240508-2s is not here (../shared/data/dbn)")
    command = ("demo", "--rate", "50", "--recorded", str(session), "--speed", "max")
    node = NodeProcess(tmp_path / "data", config=None, command=command)
    node.start()
    try:
        with Client(node.url) as client:
            wait_for(lambda: "`flow recorded` ended" in node.log.read_text())
            wait_for(lambda: client.trades(instrument="BTC-USD").items)
            book = client.order_book("ESM4")
            assert book.bids
            assert book.asks
    finally:
        assert node.stop() == 0


def wait_for(condition: Callable[[], object]) -> None:
    """Wait until it holds; a loaded machine needs its time."""
    end = time.monotonic() + START_SECONDS
    while not condition():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.05)


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
            node.kill()
            node.start()
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
