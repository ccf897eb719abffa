"""Kill switches and phases of a real node, over its death."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from tests.end_to_end.feed_processes import feed_processes, until
from tests.end_to_end.node_process import NodeProcess

ORDERS = 10_000
BATCH = 1_000
SYMBOL = "BTC-USD"


@pytest.fixture
def node(tmp_path: Path) -> Iterator[NodeProcess]:
    process = NodeProcess(tmp_path / "data")
    process.start()
    yield process
    process.kill()
    until(lambda: not feed_processes(process))


def call(node: NodeProcess, method: str, path: str, body: Any = None) -> tuple[int, Any]:
    encoded = b"" if body is None else json.dumps(body).encode()
    head, _, answer = node.request(method, f"/api/v1{path}", encoded).partition(b"\r\n\r\n")
    return int(head.split()[1]), json.loads(answer)


def order(account: str, price: int, quantity: str = "0.001") -> dict[str, Any]:
    return {
        "client_id": account,
        "instrument": SYMBOL,
        "side": "buy",
        "type": "limit",
        "price": str(price),
        "quantity": quantity,
    }


def place_many(node: NodeProcess, account: str) -> None:
    call(node, "POST", "/accounts", {"id": account})
    funds = {"asset": "USD", "amount": "100000000"}
    assert call(node, "POST", f"/accounts/{account}/deposits", funds)[0] in (200, 201)
    for start in range(0, ORDERS, BATCH):
        operations = [
            {"op": "place", **order(account, 50_000 + index % 500)}
            for index in range(start, start + BATCH)
        ]
        status, answer = call(node, "POST", "/orders/batch", {"operations": operations})
        assert status == 200
        assert {result["status"] for result in answer["results"]} == {201}


def test_a_kill_switch_takes_ten_thousand_orders_at_once_and_stays_on(node: NodeProcess) -> None:
    place_many(node, "wild")
    assert call(node, "GET", "/accounts/wild")[1]["open_orders"] == ORDERS
    done = threading.Event()
    loads = [threading.Thread(target=load, args=(node, f"crowd-{i}", done)) for i in range(4)]
    for thread in loads:
        thread.start()
    status, _ = call(node, "POST", "/accounts/wild/kill")
    done.set()
    for thread in loads:
        thread.join()
    assert status == 200
    assert call(node, "GET", "/accounts/wild")[1]["open_orders"] == 0
    assert call(node, "POST", "/orders", order("wild", 50_000))[1]["code"] == "account_killed"
    node.kill()
    node.start()
    account = call(node, "GET", "/accounts/wild")[1]
    assert (account["state"], account["open_orders"]) == ("killed", 0)
    assert call(node, "POST", "/orders", order("wild", 50_000))[1]["code"] == "account_killed"


def load(node: NodeProcess, account: str, done: threading.Event) -> None:
    """Orders of somebody else, one batch after the other."""
    price = 40_000
    while not done.is_set():
        operations = [{"op": "place", **order(account, price)} for _ in range(100)]
        call(node, "POST", "/orders/batch", {"operations": operations})
        price += 1


def test_a_schedule_goes_through_each_phase_once_however_long_the_node_was_away(
    node: NodeProcess,
) -> None:
    """The node is killed before three transitions and comes back after them."""
    now = datetime.now(UTC)
    if (now + timedelta(seconds=20)).date() != now.date():
        pytest.skip("midnight comes in between")
    phases = ("pre_open", "auction", "continuous")
    entries = [
        {"at": f"{now + timedelta(seconds=4 + index):%H:%M:%S}", "phase": phase}
        for index, phase in enumerate(phases)
    ]
    assert call(node, "PUT", f"/instruments/{SYMBOL}/phase", {"phase": "pre_open"})[0] == 200
    status, answer = call(node, "PUT", f"/instruments/{SYMBOL}/schedule", {"entries": entries})
    assert status == 200, answer
    sell = order("ann", 60_000) | {"side": "sell"}
    assert call(node, "POST", "/orders", sell)[1]["status"] == "new"
    bought = call(node, "POST", "/orders", order("bob", 60_100))[1]
    assert bought["status"] == "new"
    node.kill()
    until(lambda: datetime.now(UTC) > now + timedelta(seconds=8))
    node.start()
    until(lambda: phase_of(node) == "continuous")
    assert call(node, "GET", f"/orders/{bought['id']}")[1]["status"] == "filled"
    trades = call(node, "GET", f"/trades?instrument={SYMBOL}")[1]["items"]
    assert len(trades) == 1
    node.kill()
    node.start()
    assert phase_of(node) == "continuous"
    assert call(node, "GET", f"/trades?instrument={SYMBOL}")[1]["items"] == trades


def phase_of(node: NodeProcess) -> str:
    items = call(node, "GET", "/instruments")[1]["items"]
    return next(str(item["phase"]) for item in items if item["symbol"] == SYMBOL)
