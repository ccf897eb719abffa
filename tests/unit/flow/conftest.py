"""A node in memory that speaks the public API, as far as the flow uses it."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import httpx
import msgspec
import pytest

from tradepit.client import AsyncClient, RetryPolicy
from tradepit.flow.operations import Cancel, Operation, Place, Replace, Side, Trade
from tradepit.flow.price_time_book import Level, PriceTimeBook

FAR = 10**18


class FakeNode:
    """One instrument in a naive book behind the routes of the API."""

    def __init__(self) -> None:
        self.book = PriceTimeBook()
        self.accounts: dict[str, str] = {}
        self.instruments: list[dict[str, Any]] = []
        self.trades: list[dict[str, Any]] = []
        self.orders: dict[int, dict[str, Any]] = {}
        self.batches: list[int] = []
        self.answers_by_key: dict[str, bytes] = {}
        self.lose_answers = 0
        """Batches that take effect without their answer getting through."""
        self._next_id = 100

    def client(self) -> AsyncClient:
        transport = httpx.MockTransport(self.handle)
        return AsyncClient("http://node", transport=transport, retries=RetryPolicy(first_s=0.0))

    def handle(self, request: httpx.Request) -> httpx.Response:
        path = request.url.path.removeprefix("/api/v1")
        if request.method == "POST":
            return self._write(request, path)
        params = request.url.params
        if path == "/instruments":
            return _json({"items": self.instruments})
        if path == "/trades":
            return _json(self._trades(int(params["limit"]), params.get("cursor")))
        if path == "/orderbook":
            return _json(self._order_book(int(params["depth"])))
        return _json(self._order(int(path.removeprefix("/orders/"))))

    def outside(self, side: Side, price: int, quantity: int) -> None:
        """An order of somebody else."""
        self._place(
            {"client_id": "somebody", "side": side, "price": price, "quantity": quantity}, scale=1
        )

    def _write(self, request: httpx.Request, path: str) -> httpx.Response:
        body = msgspec.json.decode(request.content)
        if path == "/instruments":
            self.instruments.append(body)
            return _json(body, 201)
        if path == "/accounts":
            return self._open(body)
        if path == "/orders":
            return _json(self._order(self._place(body)), 201)
        key = request.headers["idempotency-key"]
        if key not in self.answers_by_key:
            self.batches.append(len(body["operations"]))
            results = [self._operate(operation) for operation in body["operations"]]
            self.answers_by_key[key] = msgspec.json.encode({"results": results})
        if self.lose_answers:
            self.lose_answers -= 1
            raise httpx.ReadError("the connection broke")
        return httpx.Response(200, content=self.answers_by_key[key])

    def _open(self, body: dict[str, Any]) -> httpx.Response:
        if body["id"] in self.accounts:
            return _problem(422, "account_exists")
        self.accounts[body["id"]] = body["type"]
        return _json(body, 201)

    def _operate(self, body: dict[str, Any]) -> dict[str, Any]:
        if body["op"] == "mass_cancel":
            mine = [o for o in self.orders.values() if o["client_id"] == body["client_id"]]
            count = sum(self.book.execute(Cancel(int(o["id"]))).outcome.accepted for o in mine)
            return {"status": 200, "result": {"cancelled": count}}
        if body["op"] == "place":
            if body["client_id"].startswith("recorded"):
                assert body["self_trade_prevention"] == "none"
            return {"status": 201, "order": self._order(self._place(body))}
        number = int(body["order_id"])
        if self.orders[number]["client_id"] != body["client_id"]:
            return {"status": 404, "problem": {"code": "unknown_order", "status": 404}}
        change: Operation = Cancel(number)
        if body["op"] == "replace":
            change = Replace(number, _nano(body["price"]), int(body["quantity"]))
        execution = self.book.execute(change)
        if not execution.outcome.accepted:
            return {"status": 422, "problem": {"code": "order_closed", "status": 422}}
        order = self.orders[number]
        if isinstance(change, Replace):
            order["price"], order["quantity"] = body["price"], body["quantity"]
        self._log(execution.trades)
        return {"status": 200, "order": self._order(number)}

    def _place(self, body: dict[str, Any], *, scale: int = 0) -> int:
        self._next_id += 1
        number = self._next_id
        market = body.get("type") == "market"
        price = FAR if body["side"] == "buy" else 1
        if not market:
            price = body["price"] if scale else _nano(body["price"])
        immediate = market or body.get("time_in_force") == "ioc"
        self.orders[number] = {
            "id": str(number),
            "client_id": body["client_id"],
            "instrument": "TEST",
            "side": body["side"],
            "type": "limit",
            "price": str(Decimal(price) / 10**9),
            "quantity": str(body["quantity"]),
            "fills": [],
        }
        place = Place(number, 0, body["side"], price, int(body["quantity"]), immediate)
        self._log(self.book.execute(place).trades)
        return number

    def _order(self, number: int) -> dict[str, Any]:
        order = self.orders[number]
        filled = sum(int(fill["quantity"]) for fill in order["fills"])
        resting = self.book.order(number)
        remaining = resting.leaves if resting else 0
        status = "new" if remaining else "cancelled"
        return {
            **order,
            "filled_quantity": str(filled),
            "remaining": str(remaining),
            "status": status,
        }

    def _log(self, trades: tuple[Trade, ...]) -> None:
        for trade in trades:
            trade_id = str(len(self.trades) + 1)
            price, quantity = str(Decimal(trade.price) / 10**9), str(trade.quantity)
            for number, liquidity in ((trade.taker, "taker"), (trade.maker, "maker")):
                assert number is not None
                self.orders[number]["fills"].append(
                    {
                        "trade_id": trade_id,
                        "price": price,
                        "quantity": quantity,
                        "liquidity": liquidity,
                    }
                )
            self.trades.append(
                {
                    "id": trade_id,
                    "instrument": "TEST",
                    "price": price,
                    "quantity": quantity,
                    "maker_order_id": str(trade.maker),
                    "taker_order_id": str(trade.taker),
                    "taker_side": self.orders[trade.taker or 0]["side"],
                }
            )

    def _trades(self, limit: int, cursor: str | None) -> dict[str, Any]:
        end = int(cursor) if cursor else len(self.trades)
        start = max(0, end - limit)
        return {
            "items": self.trades[start:end][::-1],
            "next": str(start) if start else None,
        }

    def _order_book(self, depth: int) -> dict[str, Any]:
        return {
            "instrument": "TEST",
            "bids": [_level(level) for level in self.book.levels("buy")[:depth]],
            "asks": [_level(level) for level in self.book.levels("sell")[:depth]],
        }


def _level(level: Level) -> dict[str, Any]:
    return {
        "price": str(Decimal(level.price) / 10**9),
        "quantity": str(level.quantity),
        "orders": level.orders,
    }


def _nano(text: str) -> int:
    return int(Decimal(text) * 10**9)


def _json(value: object, status: int = 200) -> httpx.Response:
    return httpx.Response(status, content=msgspec.json.encode(value))


def _problem(status: int, code: str) -> httpx.Response:
    return _json({"code": code, "status": status}, status)


@pytest.fixture
def node() -> FakeNode:
    return FakeNode()
