"""The trade store over HTTP: served by a node on SQLite, and by a worker alone on PostgreSQL."""

from __future__ import annotations

import gzip
import itertools
import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.contract.served_market import ServedMarket
from tests.end_to_end.node_process import NodeProcess

from tradepit.gateway.config import GatewayConfig

_numbers = itertools.count(1)
NDJSON = "application/x-ndjson"


@pytest.fixture(scope="module", params=["node", "worker"])
def url(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    root = tmp_path_factory.mktemp(request.param)
    if request.param == "node":
        served = ServedMarket(root, GatewayConfig())
        yield served.url
        served.stop()
        return
    worker = store_worker(root, request.getfixturevalue("postgres").database())
    yield worker.url
    assert worker.stop() == 0


def store_worker(root: Path, database_url: str) -> NodeProcess:
    worker = NodeProcess(
        root / "store",
        config=None,
        environment={"TRADEPIT_DATABASE_URL": database_url},
        command=("store",),
    )
    worker.start()
    return worker


class Writer:
    """Somebody with tickers that nobody else uses."""

    def __init__(self, url: str) -> None:
        self.http = httpx.Client(base_url=f"{url}/api/v1", timeout=30)
        self.number = next(_numbers)
        self.ticker = f"T{self.number}.COM"

    def line(self, price: Any, volume: Any, timestamp: Any, trade_id: Any = None) -> str:
        fields = {"ticker": self.ticker, "price": price, "volume": volume, "timestamp": timestamp}
        return json.dumps(
            fields | ({} if trade_id is None else {"trade_id": f"{self.number}-{trade_id}"})
        )

    def ingest(self, *lines: str) -> dict[str, Any]:
        answer = self.post("\n".join(lines).encode())
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        assert found.pop("took_ms") > 0
        return found

    def post(self, body: bytes, **headers: str) -> httpx.Response:
        given = {"content-type": NDJSON} | {
            name.replace("_", "-"): value for name, value in headers.items()
        }
        return self.http.post("/trades/ingest", content=body, headers=given)

    def get(self, path: str, **query: Any) -> dict[str, Any]:
        answer = self.http.get(f"/contracts/{self.ticker}/{path}", params=query)
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        assert found.pop("took_ms") > 0
        assert found.pop("as_of") >= 0
        assert found.pop("ticker") == self.ticker
        return found


@pytest.fixture
def writer(url: str) -> Iterator[Writer]:
    somebody = Writer(url)
    yield somebody
    somebody.http.close()


def code_of(answer: httpx.Response) -> tuple[int, str]:
    assert answer.headers["content-type"] == "application/problem+json"
    return answer.status_code, answer.json()["code"]


def test_each_line_is_stored_or_told_why_not(writer: Writer) -> None:
    lines = [
        writer.line(32.1234, 100, 1_700_000_000_123, "a"),
        writer.line("32.5", "0.5", "2026-01-05T10:00:00.123456789Z", "b"),
        "nonsense",
        writer.line(32, 0, 5),
        "",
        writer.line(99, 1, 5, "a"),
    ]
    first = writer.ingest(*lines)
    assert first == {
        "lines": 5, "stored": 2, "duplicates": 1, "rejected": 2, "duplicate_lines": [6],
        "rejections": [
            {"line": 3, "code": "malformed", "field": None,
             "detail": first["rejections"][0]["detail"]},
            {"line": 4, "code": "invalid_number", "field": "volume",
             "detail": "volume must be positive"},
        ],
    }  # fmt: skip
    again = writer.ingest(*lines)
    assert (again["stored"], again["duplicate_lines"]) == (0, [1, 2, 6])
    assert writer.get("summary")["trades"] == 2


def test_the_five_queries(writer: Writer) -> None:
    writer.ingest(
        writer.line("32.5", "10", 1_700_000_003, "a"),
        writer.line("32.1", "1", 1_700_000_001),
        writer.line("32.50", "0.25", 1_700_000_002),
    )
    assert writer.get("volume") == {"volume": "11.25"}
    assert writer.get("highest-price") == {"highest_price": "32.5"}
    assert writer.get("last-trade-time") == {"last_trade_time": "2023-11-14T22:13:23.000000000Z"}
    assert writer.get("prices/32.5/volume") == {"volume": "10.25"}
    assert writer.get("prices/32.10/last-trade-time") == {
        "last_trade_time": "2023-11-14T22:13:21.000000000Z"
    }
    assert writer.get("prices/7/volume") == {"volume": "0"}
    assert writer.get("prices/7/last-trade-time") == {"last_trade_time": None}


def test_summaries_of_a_contract_and_of_a_price(writer: Writer) -> None:
    writer.ingest(writer.line("3", "1", 1), writer.line("4", "2", 2), writer.line("3", "4", 3))
    assert writer.get("summary") == {
        "volume": "7", "value": "23", "highest_price": "4", "lowest_price": "3",
        "last_trade_time": "1970-01-01T00:00:03.000000000Z", "trades": 3, "vwap": "3.285714",
    }  # fmt: skip
    assert writer.get("prices/3") == {
        "volume": "5", "value": "15", "highest_price": "3", "lowest_price": "3", "price": "3",
        "last_trade_time": "1970-01-01T00:00:03.000000000Z", "trades": 2, "vwap": "3",
    }  # fmt: skip


def test_one_shard_is_shown_on_request_and_all_of_them_add_up(writer: Writer) -> None:
    for number in range(12):
        writer.ingest(writer.line("3", "1", number))
    shards = [writer.get("summary", shard=shard)["trades"] for shard in range(10)]
    assert sum(shards) == writer.get("summary")["trades"] == 12
    assert writer.get("summary", shard=999)["trades"] == 0
    at_price = [writer.get("prices/3", shard=shard)["trades"] for shard in range(10)]
    assert at_price == shards


def test_contracts_are_listed_in_pages(writer: Writer) -> None:
    writer.ingest(writer.line("3", "1", 1))
    found, cursor = [], ""
    while True:
        answer = writer.http.get("/contracts", params={"limit": 1, "cursor": cursor}).json()
        found += [item["ticker"] for item in answer["items"]]
        cursor = answer["next"]
        if cursor is None:
            break
    assert found == sorted(set(found))
    assert writer.ticker in found


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("NOPE/summary", (404, "unknown_contract")),
        ("NOPE/volume", (404, "unknown_contract")),
        ("NOPE/prices/1/volume", (404, "unknown_contract")),
        ("{}/prices/abc", (400, "invalid_number")),
        ("{}/prices/NaN/volume", (400, "invalid_number")),
        ("{}/volume?shard=x", (400, "invalid_parameter")),
        ("{}/volume?shard=-1", (400, "invalid_parameter")),
        ("{}/nothing", (404, "not_found")),
    ],
)
def test_questions_that_have_no_answer(
    writer: Writer, path: str, expected: tuple[int, str]
) -> None:
    writer.ingest(writer.line("3", "1", 1))
    answer = writer.http.get("/contracts/" + path.format(writer.ticker))
    assert code_of(answer) == expected


def test_compressed_bodies_and_every_name_of_json_lines_are_taken(writer: Writer) -> None:
    body = "\n".join(writer.line("3", "1", 1, f"{n}") for n in range(3000)).encode()
    answer = writer.post(gzip.compress(body), content_encoding="gzip")
    assert answer.json()["stored"] == 3000
    for kind in ("application/json", "application/x-ndjson; charset=utf-8", "application/jsonl"):
        assert writer.post(body, content_type=kind).json()["duplicates"] == 3000
    assert code_of(writer.post(body, content_type="text/csv")) == (415, "unsupported_media_type")
    assert code_of(writer.post(body, content_encoding="br")) == (415, "unsupported_media_type")
    assert code_of(writer.post(body, content_encoding="gzip")) == (400, "malformed")


def test_bodies_above_sixteen_mebibytes_are_refused_inflated_or_not(writer: Writer) -> None:
    body = (writer.line("3", "1", 1) + " " * 1000 + "\n").encode() * (16 << 10)
    assert len(body) > 16 << 20
    assert code_of(writer.post(body)) == (413, "too_large")
    packed = gzip.compress(body)
    assert code_of(writer.post(packed, content_encoding="gzip")) == (413, "too_large")
    fitting = body[: body.rindex(b"\n", 0, 16 << 20) + 1]
    stored = writer.post(gzip.compress(fitting), content_encoding="gzip").json()
    assert stored["stored"] == fitting.count(b"\n") == writer.get("summary")["trades"]


def test_foreign_pages_cannot_store(writer: Writer) -> None:
    answer = writer.post(writer.line("3", "1", 1).encode(), origin="https://elsewhere.example")
    assert code_of(answer) == (403, "foreign_origin")


def test_requests_at_once_with_the_same_ids_store_each_trade_once(writer: Writer, url: str) -> None:
    lines = [writer.line("3", "1", n, f"{n}") for n in range(500)]
    outcomes: list[dict[str, Any]] = []

    def send(part: list[str]) -> None:
        with httpx.Client(base_url=f"{url}/api/v1", timeout=30) as http:
            answer = http.post(
                "/trades/ingest", content="\n".join(part), headers={"content-type": NDJSON}
            )
            outcomes.append(answer.json())

    threads = [
        threading.Thread(target=send, args=(lines[start:] + lines[:start],))
        for start in range(0, 500, 60)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(outcome["stored"] for outcome in outcomes) == 500
    assert sum(outcome["duplicates"] for outcome in outcomes) == 500 * (len(threads) - 1)
    summary = writer.get("summary")
    assert (summary["trades"], summary["volume"]) == (500, "500")


def test_metrics_count_what_was_stored(writer: Writer, url: str) -> None:
    writer.ingest(writer.line("3", "1", 1, "x"), writer.line("3", "1", 1, "y"))
    text = httpx.get(f"{url}/metrics").text
    assert "tradepit_store_trades_total" in text
    assert "tradepit_store_write_seconds_bucket" in text
    assert httpx.get(f"{url}/ready").status_code == 200
    assert httpx.get(f"{url}/health").status_code == 200
