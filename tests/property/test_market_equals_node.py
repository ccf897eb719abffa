"""The same commands through `tradepit.Market` and through a node over HTTP: the same answers, the
same events, the same state hash."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
from tests.contract.served_market import MARKET, ServedMarket
from tests.segments import SMALL_SEGMENTS

from tradepit.client import ApiError, Client
from tradepit.client.models import Cancel, MassCancel, Place, Replace
from tradepit.gateway.config import GatewayConfig
from tradepit.market import Market
from tradepit.market.clock import START, ns_of_text
from tradepit.node.opening import NodeOptions

SYMBOL = "BTC-USD"
STEPS = 150
SEEDS = (1, 2, 3)

Either = Market | Client


class World:
    """A node whose clock stands where it is put, and a market in process under the same names."""

    def __init__(self, root: Path, *, hot_path: bool) -> None:
        self.time_ns = ns_of_text(START)
        options = NodeOptions(market=MARKET, journal=SMALL_SEGMENTS, clock=lambda: self.time_ns)
        self.served = ServedMarket(root, GatewayConfig(hot_path=hot_path), options)
        node = self.served.opened.node
        self.node_events: list[bytes] = []
        self.client = Client(self.served.url)
        self.market = Market(
            MARKET,
            market_id=self.served.call(node.replica.genesis)[3],
            incarnation=node._journal.incarnation,
        )
        self.began = self.market.sequence
        assert self.served.state_hash() == self.market.state_hash
        self.served.call(
            lambda: node.add_listener(
                lambda _first, events, _t, _e: self.node_events.append(events)
            )
        )

    def _on_frame(self, first_sequence: int, events: bytes, texts: bytes, ends: bytes) -> None:
        self.node_events.append(events)

    def both(self, name: str, *arguments: Any, **more: Any) -> Any:
        """Call both; their answers must be the same record or the same refusal."""
        here, there = (_result(each, name, arguments, more) for each in (self.market, self.client))
        assert here == there, f"{name} {arguments} {more}"
        return here

    def advance(self, seconds: int) -> None:
        """Move both clocks; the node writes the jump before its next command."""
        self.time_ns += seconds * 1_000_000_000
        self.market._manual().time_ns = self.time_ns

    def close(self) -> None:
        self.client.close()
        self.served.stop()


def _result(side: Either, name: str, arguments: Any, more: Any) -> Any:
    try:
        return getattr(side, name)(*arguments, **more)
    except ApiError as error:
        return msgspec.structs.asdict(error.problem)


@pytest.fixture(params=[True, False], ids=["hot", "asgi"])
def world(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path, hot_path=request.param)
    yield made
    made.close()


class Caller:
    """Random calls, most of them good."""

    def __init__(self, world: World, seed: int) -> None:
        self.world = world
        self.random = random.Random(seed)
        self.order_ids = ["1", "999999"]
        self.keys = 0

    def step(self) -> None:
        """One call of both."""
        choice = self.random.random()
        if choice < 0.6:
            self._note(self.world.both("place", self._place(), key=self._key()))
        elif choice < 0.7:
            self.world.both("cancel", self._order_id(), key=self._key(), client_id=self._owner())
        elif choice < 0.8:
            changes = {"price": self._price(), "quantity": self._quantity()}
            self.world.both("replace", self._order_id(), key=self._key(), **changes)
        elif choice < 0.88:
            self._batch()
        elif choice < 0.92:
            self.world.both("mass_cancel", client_id=self._account(), key=self._key())
        elif choice < 0.96:
            self._administer()
        else:
            self.world.both("orders", client_id=self._account())
            self.world.both("order_book", SYMBOL)

    def _administer(self) -> None:
        account, key = self._account(), self._key()
        name = self.random.choice(["deposit", "withdraw", "transfer", "suspend", "resume", "kill"])
        money = {"asset": self.random.choice(["USD", "BTC", "XYZ"]), "amount": self._quantity()}
        if name == "transfer":
            money["to"] = self._account()
        if name in ("suspend", "resume", "kill"):
            self.world.both(name, account, key=key)
            self.world.both("resume", account, key=self._key())
        else:
            self.world.both(name, account, key=key, **money)

    def _batch(self) -> None:
        operations = [
            self.random.choice(
                [
                    self._place(),
                    Cancel(order_id=self._order_id()),
                    Replace(order_id=self._order_id(), price=self._price()),
                    MassCancel(client_id=self._account()),
                ]
            )
            for _ in range(self.random.randrange(1, 6))
        ]
        self.world.both("batch", operations, key=self._key())

    def _place(self) -> Place:
        kind = "market" if self.random.random() < 0.15 else "limit"
        forces = [None, None, "gtc", "ioc", "fok", "day"]
        return Place(
            client_id=self._account(),
            instrument=SYMBOL if self.random.random() < 0.98 else "XYZ-USD",
            side=self.random.choice(["buy", "sell"]),
            type=kind,
            price=None if kind == "market" else self._price(),
            quantity=self._quantity(),
            time_in_force=None if kind == "market" else self.random.choice(forces),
            post_only=kind == "limit" and self.random.random() < 0.1,
            client_order_id=f"own-{self.keys}" if self.random.random() < 0.2 else None,
        )

    def _note(self, answer: Any) -> None:
        if not isinstance(answer, dict):
            self.order_ids.append(answer.id)

    def _price(self) -> str | float:
        price = 70_000 + self.random.randrange(-50, 50) / 10
        return self.random.choice([f"{price:.2f}", price, "70000.001"][: 2 + (price > 70_004.8)])

    def _quantity(self) -> str | float:
        return self.random.choice(["0.5", 1, 0.25, "200", "3.0000"])

    def _account(self) -> str:
        return self.random.choice(["alice", "bob", "carol", "dave"])

    def _owner(self) -> str | None:
        return self.random.choice([None, "alice", "bob"])

    def _order_id(self) -> str:
        return self.random.choice(self.order_ids[-12:])

    def _key(self) -> str:
        """Mostly a new one; the client would make one up, so both are given one."""
        self.keys += self.random.random() < 0.95
        return f"key-{self.keys}"


@pytest.mark.parametrize("seed", SEEDS)
def test_a_node_and_the_market_in_process_are_the_same(world: World, seed: int) -> None:
    caller = Caller(world, seed)
    for step in range(STEPS):
        caller.step()
        if step % 40 == 39:
            world.advance(3)
    assert world.served.state_hash() == world.market.state_hash
    assert b"".join(world.node_events) == world.market.events(since=world.began).tobytes()
    assert len(world.market.events("trade")) > 10
    assert len(world.market.events("command_rejected")) > 5


def test_a_market_replays_what_a_node_has_lived_through(tmp_path: Path) -> None:
    world = World(tmp_path, hot_path=True)
    caller = Caller(world, 4)
    for _ in range(30):
        caller.step()
    replayed = Market.replay(tmp_path)
    assert replayed.state_hash == world.served.state_hash() == world.market.state_hash
    assert replayed.events().tobytes() == world.market.events().tobytes()
    assert httpx.get(f"{world.served.url}/health").status_code == 200
    world.close()
