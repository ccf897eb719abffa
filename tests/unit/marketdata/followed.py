"""Channels of a feed board as a client sees them: messages in order, books rebuilt from them."""

from __future__ import annotations

import json
from typing import Any

from tests.unit.marketdata.frames import MarketOfFrames

from tradepit._native import FeedBoard
from tradepit.domain.wire import Side

SIDES = {"buy": Side.BUY, "sell": Side.SELL}


def payloads(frames: bytes) -> list[Any]:
    """The messages in a run of WebSocket text frames, read as RFC 6455 says."""
    found = []
    while frames:
        assert frames[0] == 0x81
        size, at = frames[1], 2
        if size == 126:
            size, at = int.from_bytes(frames[2:4], "big"), 4
        elif size == 127:
            size, at = int.from_bytes(frames[2:10], "big"), 10
        found.append(json.loads(frames[at : at + size]))
        frames = frames[at + size :]
    return found


class Followed:
    """One channel of one instrument, read after every frame."""

    def __init__(
        self,
        market: MarketOfFrames,
        board: FeedBoard,
        kind: str,
        account: int = 0,
        interval_s: int = 0,
    ) -> None:
        self.market = market
        self.board = board
        self.number = board.open(
            market.replica,
            kind,
            instrument=1,
            account=account,
            head='{"seq":',
            window_max=10_000,
            interval_s=interval_s,
        )
        self.first = board.last(self.number)
        self.messages: list[dict[str, Any]] = []

    def snapshot(self) -> Any:
        return json.loads(self.board.snapshot(self.market.replica, self.number))

    def read(self) -> list[dict[str, Any]]:
        """The new messages, which are numbered without a gap or name the one before."""
        last = self.messages[-1]["seq"] if self.messages else self.first
        new = payloads(self.board.unsent_frames(self.number))
        self.board.sent(self.number)
        for message in new:
            assert message.get("previous_seq", message["seq"] - 1) == last
            last = message["seq"]
        assert last == self.board.last(self.number)
        self.messages += new
        return new


class Queues:
    """The resting orders of an instrument, kept up by the messages of `orders`."""

    def __init__(self, snapshot: dict[str, Any]) -> None:
        self.sides: dict[str, dict[int, list[list[str]]]] = {"buy": {}, "sell": {}}
        for side, name in (("buy", "bids"), ("sell", "asks")):
            for order in snapshot[name]:
                self._push(side, order)

    def _push(self, side: str, order: dict[str, Any]) -> None:
        queue = self.sides[side].setdefault(int(order["price"]), [])
        queue.append([order["order_id"], order["quantity"]])

    def _take(self, side: str, order_id: str) -> None:
        for price, queue in list(self.sides[side].items()):
            self.sides[side][price] = [each for each in queue if each[0] != order_id]
            if not self.sides[side][price]:
                del self.sides[side][price]

    def apply(self, data: dict[str, Any]) -> None:
        side, order_id = data["side"], data["order_id"]
        action = data["action"]
        if action == "add":
            self._push(side, data)
        elif action == "delete" or (action == "trade" and int(data["quantity"]) == 0):
            self._take(side, order_id)
        elif action == "modify" and data["priority"] == "lost":
            self._take(side, order_id)
            self._push(side, data)
        else:
            queue = self.sides[side][int(data["price"])]
            (order,) = [each for each in queue if each[0] == order_id]
            order[1] = data["quantity"]

    def of_side(self, side: str) -> list[tuple[int, int, int]]:
        """(order id, price, quantity), best first."""
        prices = sorted(self.sides[side], reverse=side == "buy")
        return [
            (int(order_id), price, int(quantity))
            for price in prices
            for order_id, quantity in self.sides[side][price]
        ]


class Levels:
    """The levels of an instrument, kept up by the messages of `book`."""

    def __init__(self, snapshot: dict[str, Any]) -> None:
        self.sides = {
            side: {int(each["price"]): self._level(each) for each in snapshot[name]}
            for side, name in (("buy", "bids"), ("sell", "asks"))
        }

    def _level(self, data: dict[str, Any]) -> tuple[int, int]:
        return int(data["quantity"]), data["orders"]

    def apply(self, data: dict[str, Any]) -> None:
        levels = self.sides[data["side"]]
        levels[int(data["price"])] = self._level(data)
        if not data["orders"]:
            assert int(data["quantity"]) == 0
            del levels[int(data["price"])]
