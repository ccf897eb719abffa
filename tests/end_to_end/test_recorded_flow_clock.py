"""Whoever holds the clock of a replay holds the recorded flow: real node, real command line."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from tests.end_to_end.node_process import NodeProcess
from tests.end_to_end.test_recorded_flow import wait_for

from tradepit.client import Client, Replay, ReplayPlace, RetryPolicy
from tradepit.flow.generated_session import generate_records, write_dbn

EVENTS = 3_000
SYMBOL = "TEST"
Levels = dict[Decimal, tuple[Decimal, int]]


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("recordings") / "session.dbn"
    write_dbn(path, generate_records(seed=3, events=EVENTS))
    return str(path)


@pytest.fixture
def node(tmp_path: Path) -> Iterator[NodeProcess]:
    process = NodeProcess(tmp_path / "data", config=None)
    process.start()
    yield process
    process.stop()


@pytest.fixture
def client(node: NodeProcess) -> Iterator[Client]:
    with Client(node.url, retries=RetryPolicy(attempts=60)) as made:
        yield made


class Flow:
    """`tradepit flow recorded` in a process of its own."""

    def __init__(self, node: NodeProcess, *options: str) -> None:
        command = [sys.executable, "-m", "tradepit.cli", "flow", "recorded", "--json"]
        self._process = subprocess.Popen(
            [*command, "--url", node.url, *options],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def __enter__(self) -> Flow:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.communicate()

    def wait(self, condition: Callable[[], object]) -> None:
        """Wait until it holds, while the flow runs."""

        def holds() -> object:
            assert self._process.poll() is None, self._process.communicate()
            return condition()

        wait_for(holds)

    def reach(self, client: Client, is_there: Callable[[Replay], bool]) -> Replay:
        """Wait until the one replay is where it is wanted."""
        self.wait(lambda: any(is_there(replay) for replay in client.replays()))
        return the_replay(client)

    def interrupt(self) -> None:
        self._process.send_signal(signal.SIGINT)

    def end(self) -> tuple[dict[str, Any], str]:
        """Its report, and what it said beside, once it has ended well."""
        out, said = self._process.communicate(timeout=120)
        assert self._process.returncode == 0, said
        return json.loads(out), said


def the_replay(client: Client) -> Replay:
    [replay] = client.replays()
    return replay


def market_levels(client: Client) -> tuple[Levels, Levels]:
    book = client.order_book(SYMBOL, depth=1_000)
    bids, asks = (
        {level.price: (level.quantity, level.orders) for level in side}
        for side in (book.bids, book.asks)
    )
    return bids, asks


def recorded_levels(client: Client, replay: Replay) -> tuple[Levels, Levels]:
    [book] = client.replay_book(replay.id, depth=1_000).books
    bids, asks = (
        {level.price: (Decimal(level.size), level.orders) for level in side}
        for side in (book.bids, book.asks)
    )
    return bids, asks


def wait_for_recorded_book(client: Client, replay: Replay) -> None:
    wait_for(lambda: market_levels(client) == recorded_levels(client, replay))


def pause_midway(flow: Flow, client: Client, *, share: float = 0.3) -> Replay:
    """Pause somewhere, where the recorded book is not crossed and no event is under way."""
    replay = flow.reach(client, lambda replay: replay.position > share * replay.messages)
    replay = client.change_replay(replay.id, state="paused")
    assert replay.position < replay.messages
    while not is_at_rest(replay.steps):
        replay = client.change_replay(replay.id, step=1)
    wait_for_recorded_book(client, replay)
    return replay


def is_at_rest(steps: tuple[Any, ...]) -> bool:
    return bool(steps) and bool(steps[-1].get("last"))


def test_one_can_pause_the_recorded_market_trade_in_it_and_go_on(
    node: NodeProcess, client: Client, session: str
) -> None:
    with Flow(node, session, "--speed", "20") as flow:
        replay = pause_midway(flow, client)
        bids, asks = market_levels(client)
        best = min(asks)
        newest = client.trades(instrument=SYMBOL, limit=1).items[0]
        client.open_account(id="somebody", type="credit")
        order = client.place(
            client_id="somebody",
            instrument=SYMBOL,
            side="buy",
            price=best,
            quantity=1,
            time_in_force="ioc",
        )
        assert order.filled_quantity == 1
        after = market_levels(client)
        assert after[0] == bids
        assert after[1].get(best, (0, 0))[0] == asks[best][0] - 1
        latest = client.trades(instrument=SYMBOL, limit=1).items[0]
        assert latest.taker_order_id == order.id
        assert int(latest.id) == int(newest.id) + 1
        assert the_replay(client).position == replay.position
        client.change_replay(replay.id, state="playing", speed="max")
        document, said = flow.end()
    assert document["counts"]["hit_by_outsider_quantity"] == 1
    assert document["events"] == EVENTS + pre_open_events(session)
    assert document["moves"] == 0
    assert f"/replays/{replay.id}" in said
    assert client.replays() == ()


def pre_open_events(path: str) -> int:
    """Events of the session before its continuous trading."""
    from tradepit.marketdata.recorded_events import read_events

    return sum(1 for _ in read_events(Path(path))) - EVENTS


def test_a_jump_lays_the_recorded_book_of_the_new_place(
    node: NodeProcess, client: Client, session: str
) -> None:
    with Flow(node, session, "--speed", "20") as flow:
        replay = pause_midway(flow, client, share=0.5)
        middle = market_levels(client)
        for place in ("start", ReplayPlace(number=replay.position)):
            client.change_replay(replay.id, seek=place)
            wait_for_recorded_book(client, replay)
        assert market_levels(client) == middle
        client.change_replay(replay.id, step=-200)
        client.change_replay(replay.id, step=200)
        wait_for_recorded_book(client, replay)
        client.change_replay(replay.id, state="playing", speed="max")
        document, _ = flow.end()
    assert document["moves"] == 3
    assert document["comparison"]["is_within_targets"]
    assert document["comparison"]["events_compared"] < EVENTS


def test_a_node_that_is_restarted_goes_on_with_the_recording_where_it_was(
    node: NodeProcess, client: Client, session: str
) -> None:
    with Flow(node, session, "--speed", "20") as flow:
        before = flow.reach(client, lambda replay: replay.position > 0.3 * replay.messages)
        node.kill()
        node.start()
        flow.reach(client, lambda replay: replay.position > before.position + 200)
        client.change_replay(before.id, speed="max")
        document, _ = flow.end()
    assert document["comparison"]["is_within_targets"]
    assert document["comparison"]["events_compared"] == EVENTS
    assert (document["moves"], document["unforeseen"]) == (0, 0)


def test_a_replay_that_is_there_is_followed_and_left_alone_at_the_end(
    node: NodeProcess, client: Client, session: str
) -> None:
    made = client.create_replay(session, speed="max")
    wait_for(lambda: the_replay(client).state == "paused")
    client.change_replay(made.id, step=1_000)
    with Flow(node, "--replay", made.id) as flow:
        flow.wait(lambda: any(one.symbol == SYMBOL for one in client.instruments()))
        wait_for_recorded_book(client, made)
        client.change_replay(made.id, state="playing")
        document, _ = flow.end()
    assert document["moves"] == 1
    assert document["comparison"]["is_within_targets"]
    assert the_replay(client).state == "ended"


def test_an_interrupt_ends_with_the_report_and_without_the_replay(
    node: NodeProcess, client: Client, session: str
) -> None:
    with Flow(node, session, "--speed", "20") as flow:
        flow.reach(client, lambda replay: replay.position > 0.3 * replay.messages)
        flow.interrupt()
        document, _ = flow.end()
    assert 0 < document["events"] < EVENTS
    assert client.replays() == ()


def test_a_deleted_replay_ends_the_flow(node: NodeProcess, client: Client, session: str) -> None:
    with Flow(node, session, "--speed", "20") as flow:
        replay = flow.reach(client, lambda replay: replay.position > 0.3 * replay.messages)
        client.delete_replay(replay.id)
        document, _ = flow.end()
    assert 0 < document["events"] < EVENTS
