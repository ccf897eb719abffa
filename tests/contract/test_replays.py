"""Replays over HTTP, event streams and WebSockets, in a feed process and in the node itself."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from tests.contract.recordings import write_recording
from tests.contract.replay_client import Rebuilt, ReplayEvents, ReplayFrames, Replaying
from tests.contract.served_market import ServedMarket
from tests.contract.wire_socket import Closed

MESSAGES = 20_000
ALL = 1_000_000


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("recordings") / "session.dbn"
    write_recording(path, messages=MESSAGES, events_per_second=2_000.0)
    return str(path)


@pytest.fixture
def replay(market: ServedMarket, source: str) -> Iterator[Replaying]:
    made = Replaying(market.port, source)
    yield made
    made.close()


def follow(reader: ReplayEvents | ReplayFrames, book: Rebuilt, seq: int) -> None:
    while book.seq is None or book.seq < seq:
        book.take(reader.next())


def until_ended(reader: ReplayEvents | ReplayFrames, book: Rebuilt) -> dict[str, Any]:
    """Follow to the end; the state that the replay has there."""
    while True:
        message = reader.next()
        book.take(message)
        state: dict[str, Any] = message.get("state", {})
        if state.get("state") == "ended":
            return state


def test_every_message_comes_once_in_order_with_its_effect(replay: Replaying) -> None:
    readers: list[tuple[Any, Rebuilt]] = [
        (replay.stream(), Rebuilt()),
        (replay.socket(), Rebuilt()),
        (replay.stream(snapshot="orders"), Rebuilt()),
    ]
    for reader, book in readers:
        book.take(reader.next())
    replay.change(speed="max", state="playing")
    with ThreadPoolExecutor() as pool:
        ends = [pool.submit(until_ended, reader, book) for reader, book in readers]
    end = ends[0].result()
    assert end["position"] == end["messages"] >= MESSAGES
    [told] = replay.book(depth=100_000)
    for reader, book in readers:
        assert book.steps == end["messages"]
        assert book.equals(told)
        reader.close()


def test_steps_back_and_jumps_give_the_same_queues(replay: Replaying) -> None:
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    chance = random.Random(seed)
    reader, book = replay.stream(), Rebuilt()
    queues: dict[int, Any] = {}
    for _ in range(40):
        match chance.randrange(4):
            case 0:
                state = replay.change(step=chance.randint(1, 500))
            case 1:
                state = replay.change(step=-chance.randint(1, 500))
            case 2:
                state = replay.change(seek={"number": chance.randint(0, MESSAGES)})
            case _:
                state = replay.change(seek={"fraction": chance.random()}, step=3)
        [told] = replay.book(depth=100_000, by="order")
        follow(reader, book, state["seq"])
        assert book.equals(told)
        position = state["position"]
        assert queues.setdefault(position, told) == told
    for position, told in list(queues.items())[:20]:
        replay.change(seek={"number": position})
        assert replay.book(depth=100_000, by="order") == [told]
    reader.close()


def test_a_reader_that_is_cut_at_random_goes_on_without_a_gap(replay: Replaying) -> None:
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    chance = random.Random(seed)
    book = Rebuilt()
    reader: ReplayEvents | ReplayFrames = replay.stream()
    book.take(reader.next())
    replay.change(speed=5, state="playing")
    cuts = 0
    while replay.state()["state"] == "playing":
        for _ in range(chance.randint(1, 400)):
            book.take(reader.next())
            if book.steps >= MESSAGES:
                break
        reader.close()
        cuts += 1
        if chance.random() < 0.5:
            reader = replay.stream(last_event_id=str(book.seq))
        else:
            reader = replay.socket(from_=str(book.seq))
    end = replay.state()
    follow(reader, book, end["seq"])
    assert not book.is_required
    assert cuts > 3
    assert book.steps == end["messages"]
    assert book.equals(replay.book(depth=100_000)[0])
    reader.close()


def test_who_missed_too_much_is_told_and_given_the_book(replay: Replaying) -> None:
    replay.change(step=10)
    for _ in range(5):
        replay.change(step=MESSAGES)
        replay.change(seek="start")
    for last in ("3", str(ALL)):
        reader, book = replay.stream(last_event_id=last), Rebuilt()
        if last == "3":
            replay.change(speed="max", loop=True, state="playing")
            replay.until(lambda state: state["seq"] > 70_000 + MESSAGES)
            replay.change(loop=False, state="paused")
            reader.close()
            reader = replay.stream(last_event_id=last)
        book.take(reader.next())
        assert book.is_required
        follow(reader, book, replay.state()["seq"])
        assert book.equals(replay.book(depth=100_000)[0])
        reader.close()


def test_time_is_event_time_and_a_pause_stops_it(replay: Replaying) -> None:
    began = time.time_ns()
    replay.change(seek={"fraction": 0.2}, speed=10, state="playing")
    reader = replay.stream()
    left = []
    while len(left) < 2_000:
        message = reader.next()
        if "left_ns" in message:
            left.append((message["left_ns"], message["time"]))
    replay.change(state="paused")
    paused = replay.state()
    time.sleep(0.1)
    assert replay.state()["position"] == paused["position"]
    first, last = left[0], left[-1]
    recorded = (nanoseconds(last[1]) - nanoseconds(first[1])) / 10
    assert last[0] - first[0] == pytest.approx(recorded, abs=1_000)
    assert began < first[0] <= last[0] < time.time_ns()
    reader.close()


def nanoseconds(text: str) -> int:
    clock, _, fraction = text.rstrip("Z").partition(".")
    moment = time.strptime(clock, "%Y-%m-%dT%H:%M:%S")
    return (moment.tm_hour * 3600 + moment.tm_min * 60 + moment.tm_sec) * 10**9 + int(fraction)


def test_the_socket_controls_and_all_watch_one_clock(replay: Replaying) -> None:
    wire, other = replay.socket(), replay.stream()
    assert "snapshot" in wire.next()
    assert "snapshot" in other.next()
    answer = wire.ask({"op": "control", "step": 2})
    assert answer["status"] == 200
    assert [step["number"] for step in answer["replay"]["steps"]] == [1, 2]
    assert [other.next()["number"] for _ in range(2)] == [1, 2]
    assert other.next()["state"]["position"] == 2
    refused = wire.ask({"op": "control", "speed": 0})
    assert (refused["status"], refused["problem"]["field"]) == (400, "speed")
    assert wire.ask({"op": "dance"})["status"] == 400
    wire.send({"id": 1, "op": "ping"})
    assert wire.next() == {"id": 1, "op": "pong"}
    wire.close()
    other.close()


def test_the_clock_of_a_private_replay_waits_for_its_one_reader(
    market: ServedMarket, source: str
) -> None:
    replay = Replaying(market.port, source, mode="private", speed="max")
    first = replay.stream()
    assert "snapshot" in first.next()
    reader, book = replay.socket(), Rebuilt()
    book.take(reader.next())
    assert first.next()["error"]["code"] == "stream_ended"
    first.close()
    replay.change(state="playing")
    time.sleep(0.3)
    assert replay.state()["position"] < MESSAGES, "it did not wait"
    while book.steps < MESSAGES:
        book.take(reader.next())
    assert replay.until(lambda state: state["state"] == "ended")["position"] >= MESSAGES
    reader.close()
    replay.close()


def test_a_reader_that_pauses_is_given_what_it_missed(replay: Replaying) -> None:
    paused, book = replay.stream(), Rebuilt()
    book.take(paused.next())
    replay.change(speed="max", state="playing")
    end = replay.until(lambda state: state["state"] == "ended")
    follow(paused, book, end["seq"])  # some megabytes, more than the kernel holds
    assert book.steps == end["messages"]
    paused.close()


def test_a_reader_that_stalls_is_cut_and_slows_nobody(replay: Replaying) -> None:
    stalled, silent, reader, book = replay.stream(), replay.socket(), replay.socket(), Rebuilt()
    stalled.next()
    silent.next()
    book.take(reader.next())
    replay.change(speed="max", loop=True, state="playing")
    began = time.monotonic()
    while book.steps < 6 * MESSAGES:
        book.take(reader.next())
    assert time.monotonic() - began < 15
    replay.change(state="paused")
    messages = list(stalled.rest())
    assert messages[-1]["error"]["code"] == "slow_consumer"
    assert messages[-1]["error"]["seq"] == messages[-2]["seq"], "not the last that it was sent"
    stalled.close()
    numbers: list[int] = []
    with pytest.raises(Closed) as closed:
        numbers.extend(message["seq"] for message in iter(silent.next, None))
    assert (closed.value.code, closed.value.reason) == (4008, f"slow_consumer {numbers[-1]}")
    silent.close()
    reader.close()


@pytest.mark.parametrize(
    ("change", "status", "code"),
    [
        ({"speed": 0}, 400, "invalid_field"),
        ({"speed": "NaN"}, 400, "invalid_field"),
        ({"speed": 1001}, 400, "invalid_field"),
        ({"state": "dancing"}, 400, "invalid_field"),
        ({"seek": "middle"}, 400, "invalid_field"),
        ({"seek": {}}, 400, "invalid_field"),
        ({"seek": {"number": 1, "fraction": 0.5}}, 400, "invalid_field"),
        ({"seek": {"fraction": 1.5}}, 400, "invalid_field"),
        ({"seek": {"time": "yesterday"}}, 400, "invalid_field"),
        ({"seek": {"number": ALL}}, 422, "no_such_place"),
        ({"step": ALL}, 400, "invalid_field"),
        ({"step": "one"}, 400, "invalid_field"),
    ],
)
def test_what_cannot_be_done_changes_nothing(
    replay: Replaying, change: dict[str, Any], status: int, code: str
) -> None:
    replay.change(seek={"number": 100})
    before = replay.state()
    assert replay.refusal(**change) == (status, code)
    assert replay.state() == before


def test_unknown_replays_and_recordings_are_told(market: ServedMarket, replay: Replaying) -> None:
    for path in ("/none", "/none/book", "/A"):
        assert replay.http.get(path).status_code == 404
    for reader in (ReplayEvents(market.port, "none"), ReplayFrames(market.port, "none")):
        assert reader.status == 404
        reader.close()
    for source in ("nowhere.dbn", "a\0b", "x" * 4_000, "/dev/zero", "../" * 100 + "etc/nothing"):
        answer = replay.http.post("", json={"source": source})
        assert (answer.status_code, answer.json()["code"]) == (404, "unknown_recording")
    assert replay.http.get(f"/{replay.id}/book", params={"instrument": "X"}).status_code == 422
    bad = replay.http.get(f"/{replay.id}/book", params={"depth": "-1"})
    assert bad.status_code == 400


def test_what_is_no_recording_fails_and_says_why(market: ServedMarket, tmp_path: Path) -> None:
    path = tmp_path / "nothing.dbn"
    path.write_bytes(b"nothing of the kind")
    replay = Replaying(market.port, str(path))
    state = replay.state()
    assert state["state"] == "failed"
    assert "nothing.dbn" in state["problem"]
    assert replay.refusal(state="playing") == (422, "recording_unreadable")
    replay.close()


def test_a_deleted_replay_ends_its_streams(replay: Replaying) -> None:
    stream, wire = replay.stream(), replay.socket()
    stream.next()
    wire.next()
    assert replay.http.delete(f"/{replay.id}").status_code == 200
    assert replay.http.get(f"/{replay.id}").status_code == 404
    assert stream.next()["error"]["code"] == "stream_ended"
    with pytest.raises(Closed) as closed:
        wire.next()
    assert closed.value.code == 4000
    stream.close()
    wire.close()
