"""Every route as everybody: none, a wrong key, one that may read, one that may trade, somebody
else's, the operator's. The table is held against the routes that are served."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator
from typing import Any, NamedTuple

import pytest
from tests.contract.keyed_market import RECORDING, KeyedMarket, order
from tests.contract.signing import SignedHttp

# method, path, query; then the statuses for none, a wrong key, read, trade, other account, admin
TABLE = """
GET    /                                           -                    200 200 200 200 200 200
GET    /docs                                       -                    200 200 200 200 200 200
GET    /health                                     -                    200 200 200 200 200 200
GET    /metrics                                    -                    200 200 200 200 200 200
GET    /openapi.json                               -                    200 200 200 200 200 200
GET    /ready                                      -                    200 200 200 200 200 200
GET    /ws                                         -                    401 401 426 426 426 426
GET    /ws/trades                                  -                    401 401 426 426 426 426
GET    /api/v1/ws                                  -                    401 401 426 426 426 426
GET    /api/v1/ws/trades                           -                    401 401 426 426 426 426
GET    /api/v1/stream                              -                    401 401 400 400 400 400
GET    /ws/replays/{replay_id}                     -                    401 401 426 426 426 426
GET    /api/v1/ws/replays/{replay_id}              -                    401 401 426 426 426 426
POST   /api/v1/replays                             -                    401 401 403 201 201 201
GET    /api/v1/replays                             -                    401 401 200 200 200 200
GET    /api/v1/replays/{replay_id}                 -                    401 401 200 200 200 200
PATCH  /api/v1/replays/{replay_id}                 -                    401 401 403 200 403 200
DELETE /api/v1/replays/{replay_id}                 -                    401 401 403 200 403 200
GET    /api/v1/replays/{replay_id}/book            -                    401 401 200 200 200 200
GET    /api/v1/replays/{replay_id}/stream          from=x               401 401 400 400 400 400
GET    /api/v1/replays/{replay_id}/export          what=x               401 401 400 400 400 400
POST   /api/v1/orders                              -                    401 401 403 201 403 201
POST   /api/v1/orders/batch                        -                    401 401 403 200 403 200
GET    /api/v1/orders                              client_id=alice      401 401 200 200 403 200
GET    /api/v1/orders                              -                    401 401 200 200 200 200
DELETE /api/v1/orders                              client_id=alice      401 401 403 200 403 200
DELETE /api/v1/orders                              -                    401 401 403 200 200 200
GET    /api/v1/orders/{order_id}                   -                    401 401 200 200 404 200
GET    /api/v1/orders/{order_id}                   client_id=alice      401 401 200 200 403 200
DELETE /api/v1/orders/{order_id}                   -                    401 401 403 200 404 200
DELETE /api/v1/orders/{order_id}                   client_id=alice      401 401 403 200 403 200
PATCH  /api/v1/orders/{order_id}                   -                    401 401 403 200 404 200
PATCH  /api/v1/orders/{order_id}                   client_id=alice      401 401 403 200 403 200
POST   /api/v1/accounts                            -                    401 401 403 403 403 201
GET    /api/v1/accounts/{account_id}               -                    401 401 200 200 403 200
GET    /api/v1/accounts/{account_id}/balances      -                    401 401 200 200 403 200
GET    /api/v1/accounts/{account_id}/positions     -                    401 401 200 200 403 200
GET    /api/v1/accounts/{account_id}/trades        -                    401 401 200 200 403 200
GET    /api/v1/accounts/{account_id}/ledger        -                    401 401 200 200 403 200
GET    /api/v1/accounts/{account_id}/performance   -                    401 401 200 200 403 200
POST   /api/v1/accounts/{account_id}/deposits      -                    401 401 403 403 403 201
POST   /api/v1/accounts/{account_id}/withdrawals   -                    401 401 403 403 403 201
POST   /api/v1/accounts/{account_id}/transfers     -                    401 401 403 403 403 201
PUT    /api/v1/accounts/{account_id}/limits        -                    401 401 403 403 403 200
GET    /api/v1/accounts/{account_id}/limits        -                    401 401 200 200 403 200
GET    /api/v1/accounts/{account_id}/sessions      -                    401 401 200 200 403 200
POST   /api/v1/accounts/{account_id}/dead-man      -                    401 401 403 200 403 200
POST   /api/v1/accounts/{account_id}/cancel-only   -                    401 401 403 200 403 200
POST   /api/v1/accounts/{account_id}/suspend       -                    401 401 403 403 403 200
POST   /api/v1/accounts/{account_id}/resume        -                    401 401 403 403 403 200
POST   /api/v1/accounts/{account_id}/kill          -                    401 401 403 200 403 200
GET    /api/v1/accounts/{account_id}/keys          -                    401 401 200 200 403 200
POST   /api/v1/accounts/{account_id}/keys          -                    401 401 403 403 403 201
GET    /api/v1/keys                                -                    401 401 403 403 403 200
POST   /api/v1/keys                                -                    401 401 403 403 403 201
DELETE /api/v1/keys/{key_id}                       -                    401 401 403 200 404 200
POST   /api/v1/sessions                            -                    401 401 201 201 201 201
GET    /api/v1/sessions                            -                    401 401 200 200 200 200
DELETE /api/v1/sessions                            -                    401 401 200 200 200 200
GET    /api/v1/instruments                         -                    401 401 200 200 200 200
POST   /api/v1/instruments                         -                    401 401 403 403 403 201
GET    /api/v1/instruments/{symbol}                -                    401 401 200 200 200 200
DELETE /api/v1/instruments/{symbol}                -                    401 401 403 403 403 200
PUT    /api/v1/instruments/{symbol}/phase          -                    401 401 403 403 403 200
PUT    /api/v1/instruments/{symbol}/schedule       -                    401 401 403 403 403 200
PUT    /api/v1/instruments/{symbol}/safety         -                    401 401 403 403 403 200
GET    /api/v1/instruments/{symbol}/auction        -                    401 401 200 200 200 200
PUT    /api/v1/market/phase                        -                    401 401 403 403 403 200
GET    /api/v1/instruments/{symbol}/statistics     -                    401 401 200 200 200 200
POST   /api/v1/firms                               -                    401 401 403 403 403 201
GET    /api/v1/firms                               -                    401 401 200 200 200 200
GET    /api/v1/firms/{account_id}                  -                    401 401 200 200 403 200
PUT    /api/v1/firms/{account_id}/budget           -                    401 401 403 403 403 200
POST   /api/v1/firms/{account_id}/symbols          -                    401 401 403 403 403 200
DELETE /api/v1/firms/{account_id}/symbols/{symbol} -                    401 401 403 403 403 200
POST   /api/v1/firms/{account_id}/kill             -                    401 401 403 200 403 200
POST   /api/v1/firms/{account_id}/resume           -                    401 401 403 403 403 200
POST   /api/v1/firms/{account_id}/makers/{name}/heartbeat           -   401 401 403 200 403 200
GET    /api/v1/cluster                             -                    401 401 200 200 200 200
POST   /api/v1/cluster/symbols                     -                    401 401 403 403 403 200
DELETE /api/v1/cluster/symbols/{symbol}            firm=alice           401 401 403 403 403 200
PUT    /api/v1/quotes/{symbol}                     -                    401 401 403 200 403 200
GET    /api/v1/quotes/{symbol}                     -                    401 401 200 200 404 200
GET    /api/v1/quotes/{symbol}                     client_id=alice      401 401 200 200 403 200
DELETE /api/v1/quotes/{symbol}                     client_id=alice      401 401 403 200 403 200
POST   /api/v1/reservations                        -                    401 401 403 200 403 200
GET    /api/v1/reservations                        client_id=alice      401 401 200 200 403 200
POST   /api/v1/reservations/{symbol}/release       -                    401 401 403 200 403 200
GET    /api/v1/exposure                            client_id=alice      401 401 200 200 403 200
GET    /api/v1/positions                           client_id=alice      401 401 200 200 403 200
GET    /api/v1/positions/{symbol}                  client_id=alice      401 401 200 200 403 200
GET    /api/v1/trades                              -                    401 401 200 200 200 200
GET    /api/v1/orderbook                           instrument=BTC-USD   401 401 200 200 200 200
GET    /api/v1/candles                             instrument=BTC-USD   401 401 200 200 200 200
POST   /api/v1/trades/ingest                       -                    401 401 403 403 403 200
GET    /api/v1/contracts                           -                    401 401 200 200 200 200
GET    /api/v1/contracts/{ticker}/summary          -                    401 401 200 200 200 200
GET    /api/v1/contracts/{ticker}/prices/{price}   -                    401 401 200 200 200 200
GET    /api/v1/contracts/{ticker}/volume           -                    401 401 200 200 200 200
GET    /api/v1/contracts/{ticker}/highest-price    -                    401 401 200 200 200 200
GET    /api/v1/contracts/{ticker}/last-trade-time  -                    401 401 200 200 200 200
GET    /api/v1/contracts/{ticker}/prices/{price}/volume             - 401 401 200 200 200 200
GET    /api/v1/contracts/{ticker}/prices/{price}/last-trade-time    - 401 401 200 200 200 200
"""

PRINCIPALS = ("nobody", "stranger", "reader", "alice", "bob", "admin")


class Row(NamedTuple):
    method: str
    path: str
    query: str
    statuses: tuple[int, ...]


def rows() -> Iterator[Row]:
    for line in TABLE.strip().splitlines():
        method, path, query, *statuses = line.split()
        yield Row(method, path, "" if query == "-" else f"?{query}", tuple(map(int, statuses)))


numbers = itertools.count(1)


class Things:
    """What the paths name: alice's account, a fresh order of hers, a fresh key, an instrument."""

    def __init__(self, market: KeyedMarket) -> None:
        self.market = market

    def path(self, row: Row) -> str:
        path = row.path.replace("{account_id}", "alice")
        if "{order_id}" in path:
            placed = self.market.alice.send("POST", "/api/v1/orders", order())
            path = path.replace("{order_id}", placed.json()["id"])
        if "{key_id}" in path:
            path = path.replace("{key_id}", self.market.make_key("alice", "read").key)
        if "{replay_id}" in path:
            path = path.replace("{replay_id}", self.replay())
        if "{ticker}" in path:
            path = path.replace("{ticker}", "A.COM").replace("{price}", "32")
        path = path.replace("{name}", "mm-0")
        if "{symbol}" in path:
            path = path.replace("{symbol}", self.symbol(row))
        return path

    def replay(self) -> str:
        """A replay of alice's that everybody may watch."""
        alice = self.market.alice
        made = alice.send("POST", "/api/v1/replays", {"source": RECORDING})
        assert made.status_code == 201, made.text
        path = f"/api/v1/replays/{made.json()['id']}"
        while alice.send("GET", path).json()["state"] == "indexing":
            time.sleep(0.01)
        return str(made.json()["id"])

    def symbol(self, row: Row) -> str:
        """An instrument to read, or a fresh one to change; one that alice quotes, to read that."""
        if row.method == "GET" and "/quotes/" in row.path:
            symbol = self.symbol(Row("PUT", row.path, "", ()))
            quote = self.body(Row("PUT", "/api/v1/quotes/{symbol}", "", ()))
            assert self.market.alice.send("PUT", f"/api/v1/quotes/{symbol}", quote).is_success
            return symbol
        if row.method == "GET":
            return "BTC-USD"
        body = self.body(Row("POST", "/api/v1/instruments", "", ()))
        assert self.market.admin.send("POST", "/api/v1/instruments", body).status_code == 201
        return str(body["symbol"])

    def body(self, row: Row) -> Any:
        """The body of a request, which names alice where it can."""
        if row.method not in ("POST", "PUT", "PATCH"):
            return None
        operation = {"op": "place"} | order(client_id="alice")
        money = {"asset": "USD", "amount": "1"}
        number = next(numbers)
        return {
            "/api/v1/orders": order(client_id="alice"),
            "/api/v1/orders/batch": {"operations": [operation]},
            "/api/v1/orders/{order_id}": {"price": "68000"},
            "/api/v1/accounts": {"id": f"new-{number}"},
            "/api/v1/accounts/{account_id}/deposits": money,
            "/api/v1/accounts/{account_id}/withdrawals": money,
            "/api/v1/accounts/{account_id}/transfers": money | {"to": "bob"},
            "/api/v1/accounts/{account_id}/limits": {"open_orders_max": 1000},
            "/api/v1/instruments": {
                "symbol": f"N{number}-USD",
                "tick_size": "0.01",
                "lot_size": "1",
                "reference_price": "10",
            },
            "/api/v1/replays": {"source": RECORDING},
            "/api/v1/accounts/{account_id}/dead-man": {"timeout_ms": 0},
            "/api/v1/instruments/{symbol}/phase": {"phase": "halted"},
            "/api/v1/instruments/{symbol}/schedule": {"entries": []},
            "/api/v1/instruments/{symbol}/safety": {"halt_seconds": 5},
            "/api/v1/market/phase": {"phase": "continuous"},
            "/api/v1/firms": {"id": f"firm-{number}"},
            "/api/v1/firms/{account_id}/budget": {"budget_bid": 100},
            "/api/v1/firms/{account_id}/symbols": {"symbol": "ETH-USD"},
            "/api/v1/firms/{account_id}/makers/{name}/heartbeat": {"epoch": 1},
            "/api/v1/cluster/symbols": {"symbol": "ETH-USD", "firm": "alice"},
            "/api/v1/quotes/{symbol}": {
                "client_id": "alice", "bid_price": "9", "bid_quantity": 1,
            },
            "/api/v1/reservations": {
                "client_id": "alice", "symbol": "BTC-USD", "bid_quantity": 1, "ask_quantity": 1,
            },
            "/api/v1/reservations/{symbol}/release": {"client_id": "alice"},
            "/api/v1/trades/ingest": {
                "ticker": "A.COM", "price": "32", "volume": 1,
                "timestamp": "2026-01-01T00:00:00Z", "trade_id": f"t{number}",
            },
        }.get(row.path, {})  # fmt: skip

    def undo(self, row: Row) -> None:
        if "/replays" in row.path:
            admin = self.market.admin
            for replay in admin.send("GET", "/api/v1/replays").json()["items"]:
                admin.send("DELETE", f"/api/v1/replays/{replay['id']}")
        if row.path.endswith(("/suspend", "/kill", "/cancel-only")):
            self.market.admin.send("POST", "/api/v1/accounts/alice/resume", {})


@pytest.fixture(scope="module", params=[True, False], ids=["hot", "asgi"])
def market(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[KeyedMarket]:
    keyed = KeyedMarket(tmp_path_factory.mktemp("keyed"), hot_path=request.param, has_history=True)
    made = {"symbol": "ETH-USD", "tick_size": "0.01", "lot_size": "1"}
    for path, body in (("firms", {"id": "alice"}), ("instruments", made)):
        assert keyed.admin.send("POST", f"/api/v1/{path}", body).status_code == 201
    yield keyed
    keyed.close()


def served_routes(market: KeyedMarket) -> set[tuple[str, str]]:
    """What the application really routes; its own answers to HEAD and OPTIONS left out."""
    found = set()
    for route in market.served.server.app.routes:
        for method in set(getattr(route, "methods", ())) - {"HEAD", "OPTIONS"}:
            found.add((method, route.path_format))
    return found


def test_the_table_names_every_route(market: KeyedMarket) -> None:
    assert {(row.method, row.path) for row in rows()} == served_routes(market)


@pytest.mark.parametrize("row", list(rows()), ids=lambda row: f"{row.method} {row.path}{row.query}")
def test_each_principal_gets_what_the_table_says(market: KeyedMarket, row: Row) -> None:
    things = Things(market)
    found = []
    for name in PRINCIPALS:
        client: SignedHttp = getattr(market, name)
        target = things.path(row) + row.query
        body = things.body(row)
        before = market.served.state_hash()
        answer = client.send(row.method, target, body)
        if answer.status_code in (401, 403):
            assert market.served.state_hash() == before, "a refusal changed the market"
            assert answer.headers["content-type"] == "application/problem+json"
        if answer.status_code == 401:
            assert "www-authenticate" in answer.headers
        found.append(answer.status_code)
        things.undo(row)
    assert tuple(found) == row.statuses
