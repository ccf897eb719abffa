"""Firms, their makers and symbols, and the cluster."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from tests.contract.firm_market import SYMBOLS, FirmMarket, both

from tradepit.gateway.firms import results

_numbers = itertools.count(1)


@pytest.fixture(scope="module")
def market(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FirmMarket]:
    served = FirmMarket(tmp_path_factory.mktemp("firms"), has_feed_process=True)
    yield served
    served.close()


@pytest.fixture
def name() -> str:
    return f"firm-{next(_numbers)}"


def made_by(market: FirmMarket, firm: str) -> dict[str, list[str]]:
    """Symbols by maker, as the cluster shows them; nobody's under the empty name."""
    found = market.send("GET", "/cluster").json()["firms"]
    (shown,) = (each for each in found if each["id"] == firm)
    owned = {maker["name"]: maker["symbols"] for maker in shown["makers"]}
    return owned | {"": shown["unassigned"]}


def test_a_firm_is_a_flat_credit_account_with_budgets(market: FirmMarket, name: str) -> None:
    made = market.make_firm(name, name="Firm & Co.", symbols=["AAA-USD", "CCC-USD"])
    firm = msgspec.convert(made, results.Firm)
    assert (firm.budget_bid, firm.budget_ask, firm.position_limit) == ("100.00000000",) * 3
    assert (firm.bid_usage, firm.lease_ms, firm.state) == ("0.00000000", 3000, "active")
    assert (firm.symbols, firm.unassigned, firm.makers) == (
        ["AAA-USD", "CCC-USD"], ["AAA-USD", "CCC-USD"], [],
    )  # fmt: skip
    account = market.send("GET", f"/accounts/{name}").json()
    assert (account["type"], account["name"]) == ("credit", "Firm & Co.")
    totals = {item["total"] for item in account["balances"]}
    assert totals <= {"0.00000000"}, "it starts with nothing"
    assert market.send("GET", f"/firms/{name}").json() == made | {"as_of": made["as_of"]}
    assert name in [item["id"] for item in market.send("GET", "/firms").json()["items"]]


def test_the_same_firm_again_is_no_error_another_is(market: FirmMarket, name: str) -> None:
    body = {"id": name, "budget_bid": "7.5", "symbols": ["AAA-USD"]}
    first = market.send("POST", "/firms", body)
    assert first.status_code == 201
    again = market.send("POST", "/firms", body)
    assert (again.status_code, again.json()["budget_bid"]) == (200, "7.50000000")
    for other in ({"budget_bid": 8}, {"lease_ms": 500}, {"symbols": ["BBB-USD"]}):
        answer = market.send("POST", "/firms", body | other)
        assert (answer.status_code, answer.json()["code"]) == (409, "firm_exists"), other
    assert market.send("GET", f"/firms/{name}").json()["symbols"] == ["AAA-USD"]


def test_a_repeated_creation_is_known_by_its_key(market: FirmMarket, name: str) -> None:
    headers = {"Idempotency-Key": f"make-{name}"}
    body = {"id": name}
    assert market.http.post("/firms", json=body, headers=headers).status_code == 201
    market.send("PUT", f"/firms/{name}/budget", {"budget_bid": 5})
    again = market.http.post("/firms", json=body, headers=headers)
    assert (again.status_code, again.headers["idempotent-replayed"]) == (200, "true")
    fresh = market.http.post("/firms", json=body, headers={"Idempotency-Key": f"anew-{name}"})
    assert (fresh.status_code, fresh.json()["code"]) == (409, "firm_exists")
    assert market.send("GET", f"/firms/{name}").json()["budget_bid"] == "5.00000000"


def test_an_account_that_exists_becomes_a_firm_as_it_is(market: FirmMarket, name: str) -> None:
    market.send("POST", "/accounts", {"id": name})
    credit = market.send("POST", "/firms", {"id": name, "credit": {"USD": 5}})
    assert credit.json()["code"] == "not_credit_account"
    assert market.send("GET", f"/firms/{name}").status_code == 404
    market.make_firm(name)
    assert market.send("GET", f"/accounts/{name}").json()["type"] == "cash"


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"id": "two words"}, 400, "invalid_account_id"),
        ({"budget_bid": "-1"}, 400, "invalid_limit"),
        ({"budget_bid": "0.000000001"}, 400, "invalid_number"),
        ({"position_limit": "x"}, 400, "invalid_number"),
        ({"budget_ask": "46116860185"}, 400, "invalid_limit"),
        ({"lease_ms": 99}, 400, "invalid_field"),
        ({"lease_ms": 3_600_001}, 400, "invalid_field"),
        ({"symbols": ["NOPE"]}, 422, "unknown_instrument"),
        ({"symbols": [5]}, 400, "invalid_field"),
        ({"credit": {"NOPE": 5}}, 422, "unknown_asset"),
    ],
)
def test_a_firm_of_the_wrong_form_is_refused(
    market: FirmMarket, name: str, body: dict[str, Any], status: int, code: str
) -> None:
    answer = market.send("POST", "/firms", {"id": name} | body)
    assert (answer.status_code, answer.json()["code"]) == (status, code), answer.text
    assert market.send("GET", f"/accounts/{name}").status_code == 404, "nothing was opened"


def test_an_unknown_firm_is_a_404_everywhere(market: FirmMarket) -> None:
    for method, path, body in (
        ("GET", "/firms/nobody", None),
        ("PUT", "/firms/nobody/budget", {"budget_bid": 1}),
        ("POST", "/firms/nobody/symbols", {"symbol": "AAA-USD"}),
        ("DELETE", "/firms/nobody/symbols/AAA-USD", None),
        ("POST", "/firms/nobody/kill", None),
        ("POST", "/firms/nobody/makers/mm-0/heartbeat", {"epoch": 1}),
        ("GET", "/exposure?client_id=nobody", None),
        ("GET", "/positions?client_id=nobody", None),
        ("GET", "/reservations?client_id=nobody", None),
    ):
        answer = market.http.request(method, path, json=body)
        assert (answer.status_code, answer.json()["code"]) == (404, "unknown_firm"), path


def test_symbols_come_and_go_and_say_whether_they_did(market: FirmMarket, name: str) -> None:
    market.make_firm(name)
    path = f"/firms/{name}/symbols"
    added = market.send("POST", path, {"symbol": "BBB-USD"}).json()
    assert added == {"firm": name, "symbol": "BBB-USD", "symbols": ["BBB-USD"], "added": True}
    again = market.send("POST", "/cluster/symbols", {"symbol": "BBB-USD", "firm": name}).json()
    assert (again["added"], again["symbols"]) == (False, ["BBB-USD"])
    market.send("POST", "/cluster/symbols", {"symbol": "AAA-USD", "firm": name})
    removed = market.send("DELETE", f"{path}/BBB-USD").json()
    assert removed == {"firm": name, "symbol": "BBB-USD", "symbols": ["AAA-USD"], "removed": True}
    gone = market.send("DELETE", "/cluster/symbols/BBB-USD", firm=name).json()
    assert gone["removed"] is False


def test_a_removed_symbol_takes_its_quote_along(market: FirmMarket, name: str) -> None:
    market.make_firm(name, symbols=["AAA-USD"])
    market.beat(name, "mm-0")
    speaker = {"client_id": name, "maker": "mm-0", "epoch": 1}
    quote = market.quote("AAA-USD", **both(), **speaker).json()
    market.send("DELETE", f"/firms/{name}/symbols/AAA-USD")
    order = market.send("GET", f"/orders/{quote['bid_order_id']}").json()
    assert order["status"] == "cancelled"
    assert market.exposure(name) == (0, 0, 0)


def test_symbols_are_shared_evenly_and_move_as_little_as_possible(
    market: FirmMarket, name: str
) -> None:
    market.make_firm(name, symbols=list(SYMBOLS), lease_ms=60_000)
    first = market.beat(name, "mm-0").json()
    assert (first["maker"], first["symbols"], first["lease_ms"]) == (1, list(SYMBOLS), 60_000)
    second = market.beat(name, "mm-1").json()
    before = made_by(market, name)
    assert sorted(map(len, before.values())) == [0, 2, 2]
    assert second["symbols"] == before["mm-1"]
    market.beat(name, "mm-2")
    after = made_by(market, name)
    assert sorted(map(len, after.values())) == [0, 1, 1, 2]
    assert (
        sum(symbol not in before.get(maker, []) for maker in after for symbol in after[maker]) == 1
    )
    left = market.beat(name, "mm-1", leaving=True).json()
    assert (left["maker"], left["symbols"], left["lease_until"]) == (2, [], None)
    assert sorted(made_by(market, name)) == ["", "mm-0", "mm-2"]
    assert sorted(map(len, made_by(market, name).values())) == [0, 2, 2]
    never = market.beat(name, "mm-9", leaving=True).json()
    assert (never["maker"], never["symbols"]) == (None, [])


def test_a_lease_lapses_in_market_time_and_is_renewed_by_heartbeats(
    market: FirmMarket, name: str
) -> None:
    market.make_firm(name, symbols=["AAA-USD"], lease_ms=400)
    market.beat(name, "kept")
    until = time.monotonic() + 1
    while time.monotonic() < until:
        assert market.beat(name, "kept").json()["symbols"] == ["AAA-USD"]
        time.sleep(0.1)
    deadline = time.monotonic() + 5
    while made_by(market, name) != {"": ["AAA-USD"]}:
        assert time.monotonic() < deadline, "the lease did not end"
        time.sleep(0.02)


@pytest.mark.parametrize(
    ("maker", "body", "status", "code"),
    [
        ("mm-0", {}, 400, "invalid_field"),
        ("mm-0", {"epoch": 0}, 400, "invalid_field"),
        ("mm-0", {"epoch": "1"}, 400, "invalid_field"),
        ("two%20words", {"epoch": 1}, 400, "invalid_field"),
        ("m" * 65, {"epoch": 1}, 400, "invalid_field"),
    ],
)
def test_a_heartbeat_of_the_wrong_form_is_refused(
    market: FirmMarket, name: str, maker: str, body: Any, status: int, code: str
) -> None:
    market.make_firm(name)
    answer = market.send("POST", f"/firms/{name}/makers/{maker}/heartbeat", body)
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert market.send("GET", f"/firms/{name}").json()["makers"] == []


def test_the_cluster_shows_nodes_and_partitions(market: FirmMarket) -> None:
    found = msgspec.json.decode(
        market.http.get("/cluster?state_hash=true").content, type=results.Cluster
    )
    writer = found.nodes[0]
    assert (writer.role, writer.is_ready, writer.sequence) == ("writer", True, found.as_of)
    assert writer.state_hash == market.served.state_hash()
    (partition,) = found.partitions
    assert (partition.writer, partition.symbols) == (writer.id, list(SYMBOLS))
    assert "state_hash" not in market.send("GET", "/cluster").json()["nodes"][0]
    deadline = time.monotonic() + 10
    while len(nodes := market.send("GET", "/cluster").json()["nodes"]) < 2:
        assert time.monotonic() < deadline, "the feed process said nothing of itself"
        time.sleep(0.1)
    assert (nodes[1]["id"], nodes[1]["role"]) == ("feeds", "feeds")


def test_positions_tell_version_and_last_fill(market: FirmMarket, name: str) -> None:
    market.make_firm(name)
    path = "/positions/AAA-USD"
    flat = market.send("GET", path, client_id=name).json()
    assert (flat["net_quantity"], flat["version"], flat["last_fill"]) == ("0.00", 0, None)
    market.quote("AAA-USD", **both(), client_id=name)
    trade = market.take("buy", "4", "AAA-USD", "101")["fills"][0]
    market.take("sell", "1", "AAA-USD", "99")
    (held,) = market.send("GET", "/positions", client_id=name).json()["items"]
    assert (held["net_quantity"], held["average_price"], held["version"]) == ("-3.00", "101.00", 2)
    assert held["realised_pnl"] == "2.00000000"
    last = held["last_fill"]
    assert (last["side"], last["quantity"], last["price"]) == ("buy", "1.00", "99.00")
    assert int(last["trade_id"]) == int(trade["trade_id"]) + 1
    alone = market.send("GET", path, client_id=name).json()
    assert held == {key: value for key, value in alone.items() if key != "as_of"}
    market.send("POST", f"/firms/{name}/kill")


def test_the_only_firm_of_a_market_need_not_be_named(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    alone = FirmMarket(tmp_path_factory.mktemp("one-firm"))
    try:
        nobody = alone.reserve("AAA-USD", 1, 1)
        assert (nobody.status_code, nobody.json()["field"]) == (400, "client_id")
        alone.make_firm("mm")
        assert alone.reserve("AAA-USD", 1, 2).json()["id"] == "mm:AAA-USD"
        assert alone.quote("BBB-USD", **both()).json()["client_id"] == "mm"
        assert alone.send("GET", "/exposure").json()["bid_usage"] == "11.00000000"
        assert len(alone.send("GET", "/reservations").json()["items"]) == 2
        assert alone.send("POST", "/cluster/symbols", {"symbol": "AAA-USD"}).json()["added"]
        assert alone.send("GET", "/positions").json()["items"] == []
        alone.make_firm("second")
        for answer in (
            alone.quote("BBB-USD", **both()),
            alone.send("GET", "/exposure"),
            alone.send("POST", "/cluster/symbols", {"symbol": "AAA-USD"}),
        ):
            assert (answer.status_code, answer.json()["code"]) == (400, "invalid_field")
    finally:
        alone.close()
