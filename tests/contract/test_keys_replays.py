"""Replays in key mode: whose they are, and which recordings a key may name."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.contract.keyed_market import RECORDING, KeyedMarket

REPLAYS = "/api/v1/replays"


@pytest.fixture(scope="module")
def market(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KeyedMarket]:
    keyed = KeyedMarket(tmp_path_factory.mktemp("replays"))
    yield keyed
    keyed.close()


def made(client: Any, **fields: Any) -> str:
    answer = client.send("POST", REPLAYS, {"source": RECORDING} | fields)
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


def test_a_private_replay_is_unknown_to_others(market: KeyedMarket) -> None:
    path = f"{REPLAYS}/{made(market.alice, mode='private')}"
    assert market.alice.send("GET", path).status_code == 200
    assert market.admin.send("GET", path).status_code == 200
    assert market.reader.send("GET", path).status_code == 200, "her own account's other key"
    for method in ("GET", "PATCH", "DELETE"):
        body = {"state": "playing"} if method == "PATCH" else None
        assert market.bob.send(method, path, body).status_code == 404
    for tail in ("/stream", "/book", "/export"):
        assert market.bob.send("GET", path + tail).status_code == 404
    listed = [replay["id"] for replay in market.bob.send("GET", REPLAYS).json()["items"]]
    assert path.rpartition("/")[2] not in listed


def test_everybody_watches_a_shared_replay_and_its_maker_controls_it(market: KeyedMarket) -> None:
    path = f"{REPLAYS}/{made(market.alice)}"
    assert market.bob.send("GET", path).status_code == 200
    assert market.bob.send("PATCH", path, {"state": "playing"}).status_code == 403
    assert market.bob.send("DELETE", path).status_code == 403
    assert market.reader.send("PATCH", path, {"state": "playing"}).status_code == 403
    assert market.admin.send("PATCH", path, {"loop": True}).status_code == 200
    assert market.alice.send("DELETE", path).status_code == 200


def test_only_the_operator_names_files_outside_the_recordings(
    market: KeyedMarket, tmp_path: Path
) -> None:
    outside = tmp_path / "outside.dbn"
    outside.write_bytes((market.root / "recordings" / RECORDING).read_bytes())
    climbing = f"../{(market.root / 'keys.sqlite').name}"
    for source in (str(outside), climbing, "..", ".", f"../recordings/../../{outside.name}"):
        answer = market.alice.send("POST", REPLAYS, {"source": source})
        assert (answer.status_code, answer.json()["code"]) == (404, "unknown_recording")
    assert market.admin.send("POST", REPLAYS, {"source": str(outside)}).status_code == 201
