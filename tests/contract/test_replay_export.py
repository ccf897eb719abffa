"""Exports of replays: whole, in ranges, as lines and as a zip, and refused with a real status."""

from __future__ import annotations

import io
import json
import socket
import zipfile
from collections.abc import Iterator
from typing import Any

import pytest
from tests.contract.recordings import write_recording
from tests.contract.replay_client import Replaying
from tests.contract.served_market import ServedMarket

MESSAGES = 30_000


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("recordings") / "a session.dbn"
    write_recording(path, messages=MESSAGES)
    return str(path)


@pytest.fixture
def replay(market: ServedMarket, source: str) -> Iterator[Replaying]:
    made = Replaying(market.port, source)
    yield made
    made.close()


def lines(content: bytes) -> list[Any]:
    return [json.loads(line) for line in content.splitlines()]


def test_all_steps_come_with_their_effects_whatever_the_session_does(replay: Replaying) -> None:
    replay.change(step=10)
    found = replay.http.get(f"/{replay.id}/export")
    assert found.headers["content-type"] == "application/x-ndjson"
    assert "a_session.dbn.steps.ndjson" in found.headers["content-disposition"]
    steps = lines(found.content)
    count = replay.state()["messages"]
    assert [step["number"] for step in steps] == list(range(1, count + 1))
    assert all("effect" in step for step in steps)
    assert replay.state()["position"] == 10
    part = replay.http.get(f"/{replay.id}/export", params={"from": 20_001, "to": 20_500})
    assert lines(part.content) == steps[20_000:20_500]


def test_a_zip_holds_the_same_lines(replay: Replaying) -> None:
    query = {"from": 1, "to": 5_000}
    plain = replay.http.get(f"/{replay.id}/export", params=query).content
    packed = replay.http.get(f"/{replay.id}/export", params=query | {"format": "zip"})
    assert packed.headers["content-type"] == "application/zip"
    with zipfile.ZipFile(io.BytesIO(packed.content)) as archive:
        assert archive.namelist() == ["a_session.dbn.steps.ndjson"]
        assert archive.testzip() is None
        assert archive.read(archive.namelist()[0]) == plain


def test_the_book_is_the_one_that_is_shown(replay: Replaying) -> None:
    replay.change(seek={"number": 12_345})
    found = lines(replay.http.get(f"/{replay.id}/export", params={"what": "book"}).content)
    [book] = replay.book(depth=100_000)
    told = [(side[:-1], level["price"]) for side in ("bids", "asks") for level in book[side]]
    assert [(level["side"], level["price"]) for level in found] == told
    orders = replay.http.get(f"/{replay.id}/export", params={"what": "book", "by": "order"})
    [queues] = replay.book(depth=100_000, by="order")
    ids = [
        order["order_id"]
        for side in ("bids", "asks")
        for level in queues[side]
        for order in level["queue"]
    ]
    assert [order["order_id"] for order in lines(orders.content)] == ids


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ({"what": "weather"}, 400),
        ({"format": "doc"}, 400),
        ({"from": "x"}, 400),
        ({"from": 0}, 422),
        ({"from": 10**9}, 422),
        ({"to": 10**9}, 422),
        ({"what": "book", "position": 10**9}, 422),
        ({"what": "book", "by": "name"}, 400),
    ],
)
def test_what_is_not_there_is_refused(
    replay: Replaying, query: dict[str, Any], status: int
) -> None:
    answer = replay.http.get(f"/{replay.id}/export", params=query)
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert replay.http.get("/none/export").status_code == 404


def test_a_reader_that_leaves_early_disturbs_nobody(replay: Replaying) -> None:
    for _ in range(5):
        connection = socket.create_connection(("127.0.0.1", replay.port), timeout=10)
        path = f"/api/v1/replays/{replay.id}/export?format=zip"
        connection.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        assert connection.recv(1_000).startswith(b"HTTP/1.1 200")
        connection.close()
    assert len(lines(replay.http.get(f"/{replay.id}/export").content)) >= MESSAGES
