"""A flow that follows a replay sends what it sends when it reads the file itself."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import pytest
from tests.contract.served_market import ServedMarket

from tradepit.client import AsyncClient, Replay
from tradepit.flow.generated_session import generate_records, write_dbn
from tradepit.flow.local_market import LocalMarket
from tradepit.flow.market_port import MarketUnavailable
from tradepit.flow.operations import Operation, Outcome
from tradepit.flow.recorded import RecordedFlow, RunResult
from tradepit.flow.recorded_source import Happening, Lull, Moved, at_once
from tradepit.flow.recorded_survey import survey
from tradepit.flow.replay_source import ReplaySource
from tradepit.marketdata.recorded_events import RecordedEvent, read_events

DATA = Path(__file__).parents[3] / "shared" / "data" / "dbn"
FAR = 10**9

WINDOW_MESSAGES = 65_536
"""Kept by the node for readers that come back."""


class NotedMarket(LocalMarket):
    """A market that writes down what it was asked to do."""

    def __init__(self) -> None:
        super().__init__()
        self.operations: list[Operation] = []

    async def execute(self, batch: Sequence[Operation]) -> list[Outcome]:
        self.operations += batch
        return await super().execute(batch)


class Played(NamedTuple):
    """A run, and what it sent."""

    result: RunResult
    operations: list[Operation]


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("recordings") / "session.dbn"
    write_dbn(path, generate_records(seed=11, events=2_000))
    return path


def played_from_file(path: Path) -> Played:
    market = NotedMarket()
    result = asyncio.run(RecordedFlow(market).run(at_once(read_events(path))))
    return Played(result, market.operations)


def played_by_replay(url: str, path: Path, *, lead_to: int = 0) -> Played:
    market = NotedMarket()

    async def run() -> RunResult:
        async with AsyncClient(url) as client:
            source = ReplaySource(client)
            await source.make(str(path), speed="max", lead_to=lead_to)
            try:
                instrument_id = survey(path, None).instrument_id
                return await RecordedFlow(market).run(source.happenings(instrument_id))
            finally:
                await source.close()

    return Played(asyncio.run(run()), market.operations)


def assert_same(one: Played, other: Played) -> None:
    assert one.operations == other.operations
    assert one.result.comparison == other.result.comparison
    assert one.result.counts == other.result.counts
    assert one.result.events == other.result.events
    assert one.result.moves == other.result.moves == 0


def test_a_replay_gives_the_orders_that_the_file_gives(market: ServedMarket, session: Path) -> None:
    by_file = played_from_file(session)
    assert len(by_file.operations) > 2_000
    assert_same(by_file, played_by_replay(market.url, session))
    assert_same(by_file, played_by_replay(market.url, session, lead_to=2_345))
    assert_same(by_file, played_by_replay(market.url, session, lead_to=FAR))


def test_the_main_recording_gives_the_same_orders_by_a_replay(market: ServedMarket) -> None:
    path = DATA / "esh4-glbx-mdp3-20231225.mbo.dbn.zst"
    if not path.exists():
        pytest.skip("esh4-glbx-mdp3-20231225 is not here (../shared/data/dbn)")
    by_file = played_from_file(path)
    assert len(by_file.operations) > 50_000
    assert_same(by_file, played_by_replay(market.url, path))


def timeless(events: Iterable[RecordedEvent]) -> list[RecordedEvent]:
    """Events without the times of their records, which a replay's clock stands for."""
    return [
        event._replace(
            records=tuple(
                record._replace(time_event_ns=0, time_received_ns=0) for record in event.records
            )
        )
        for event in events
    ]


async def taken(happenings: AsyncIterator[Happening], events: int) -> list[RecordedEvent]:
    """So many events; raises when the book is laid anew meanwhile."""
    found: list[RecordedEvent] = []
    while len(found) < events:
        happening = await anext(happenings)
        assert not isinstance(happening, Moved)
        if not isinstance(happening, Lull):
            found.append(happening)
    return found


def test_the_lead_in_ends_with_the_first_trade_and_then_the_clock_runs(
    market: ServedMarket, session: Path
) -> None:
    found = survey(session, None)

    async def run() -> tuple[list[RecordedEvent], Replay]:
        async with AsyncClient(market.url) as client:
            source = ReplaySource(client)
            replay = await source.make(str(session), speed=0.1, lead_to=found.first_trade)
            happenings = source.happenings(found.instrument_id)
            events = await taken(happenings, 1)
            while not any(record.action == "T" for record in events[-1].records):
                events += await taken(happenings, 1)
            replay = await client.replay(replay.id)
            await happenings.aclose()  # type: ignore[attr-defined]
            await source.close()
            return events, replay

    events, replay = asyncio.run(run())
    assert sum(len(event.records) for event in events) >= found.first_trade
    assert replay.state == "playing"
    assert found.first_trade <= replay.position < found.first_trade + 20
    assert timeless(events) == timeless(read_events(session))[: len(events)]


def test_a_replay_of_its_own_that_lost_messages_is_sent_back(
    market: ServedMarket, session: Path
) -> None:
    events = list(read_events(session))

    async def run() -> list[RecordedEvent]:
        async with AsyncClient(market.url) as client:
            source = ReplaySource(client)
            replay = await source.make(str(session), speed="max", lead_to=0)
            happenings = source.happenings(survey(session, None).instrument_id)
            found = await taken(happenings, 100)
            await client.change_replay(replay.id, state="paused")
            assert source._stream is not None
            assert source._stream._connection is not None
            source._stream._connection._reader().abort()
            for _ in range(WINDOW_MESSAGES // 2_000 + 1):
                await client.change_replay(replay.id, seek="start", step=2_000)
            coming = asyncio.ensure_future(taken(happenings, len(events) - 100))
            while (await client.replay(replay.id)).state not in ("playing", "ended"):
                await client.change_replay(replay.id, state="playing")
            found += await coming
            await source.close()
            return found

    assert timeless(asyncio.run(run())) == timeless(events)


def test_a_file_that_the_node_does_not_see_is_told_plainly(
    market: ServedMarket, tmp_path: Path
) -> None:
    async def run() -> None:
        async with AsyncClient(market.url) as client:
            await ReplaySource(client).make(str(tmp_path / "none.dbn"), speed=1, lead_to=0)

    with pytest.raises(MarketUnavailable, match=r"does not see .*none\.dbn"):
        asyncio.run(run())


def test_what_is_no_recording_is_told_with_the_node_s_reason(
    market: ServedMarket, tmp_path: Path
) -> None:
    path = tmp_path / "nothing.dbn"
    path.write_bytes(b"nothing of the kind")

    async def run() -> None:
        async with AsyncClient(market.url) as client:
            await ReplaySource(client).make(str(path), speed=1, lead_to=0)

    with pytest.raises(MarketUnavailable, match=r"cannot replay it: .*nothing\.dbn"):
        asyncio.run(run())
