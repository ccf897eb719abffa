"""The fixtures that are shipped: what they give, how fresh it is, how long it takes."""

from __future__ import annotations

import gc
import time
import tomllib
from pathlib import Path

import httpx
import pytest

from tradepit.market import Market
from tradepit.testing.fixtures import FreshNode

MARKET_SECONDS = 0.1
NODE_SECONDS = 0.5
NAMES = ("first", "second")


@pytest.mark.parametrize("name", NAMES)
def test_a_market_is_fresh_for_each_test(tradepit_market: Market, name: str) -> None:
    assert tradepit_market.orders().items == ()
    tradepit_market.place(
        client_id=name, instrument="BTC-USD", side="buy", price=70_000, quantity=1
    )
    assert len(tradepit_market.orders()) == 1


@pytest.mark.parametrize("name", NAMES)
def test_a_node_is_fresh_for_each_test(tradepit_node: FreshNode, name: str) -> None:
    assert httpx.get(f"{tradepit_node.url}/health").status_code == 200
    assert tradepit_node.client.orders().items == ()
    order = tradepit_node.client.place(
        client_id=name, instrument="BTC-USD", side="buy", price=70_000, quantity=1
    )
    assert tradepit_node.market.order(order.id).client_id == name
    assert Market.replay(tradepit_node.data_dir).state_hash == tradepit_node.market.state_hash


class TestWithAnotherConfiguration:
    """A suite of its own may trade something else."""

    @pytest.fixture
    def tradepit_config(self) -> str:
        return "coin-exchange"

    def test_the_configuration_is_the_suites_own(
        self, tradepit_market: Market, tradepit_node: FreshNode
    ) -> None:
        assert [each.symbol for each in tradepit_market.instruments()] == ["COIN-USD"]
        assert [each.symbol for each in tradepit_node.client.instruments()] == ["COIN-USD"]


def test_a_fresh_market_takes_a_tenth_of_a_second_at_most() -> None:
    times = []
    for _ in range(5):
        began = time.perf_counter()
        Market()
        times.append(time.perf_counter() - began)
    assert min(times) < MARKET_SECONDS, times


def test_a_fresh_node_takes_half_a_second_at_most(tmp_path: Path) -> None:
    numbers = iter(range(100))

    def serve() -> None:
        with Market(data_dir=tmp_path / str(next(numbers)), clock="wall") as market:
            url = market.serve()
            times.append(time.perf_counter() - began)
            assert httpx.get(f"{url}/health").status_code == 200

    times: list[float] = []
    for _ in range(5):
        began = time.perf_counter()
        serve()
    assert min(times) < NODE_SECONDS, times


def test_a_served_market_leaves_the_garbage_collector_as_it_was(tmp_path: Path) -> None:
    thresholds, frozen = gc.get_threshold(), gc.get_freeze_count()
    with Market(data_dir=tmp_path, clock="wall") as market:
        url = market.serve()
        with pytest.raises(ValueError, match="already"):
            market.serve()
    assert gc.get_threshold() == thresholds
    assert gc.get_freeze_count() <= frozen  # what others froze may have ended meanwhile
    with pytest.raises(httpx.ConnectError):
        httpx.get(url)
    with pytest.raises(ValueError, match="data_dir"):
        Market().serve()


def test_pytest_finds_the_fixtures_of_the_installed_package() -> None:
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())
    points = project["project"]["entry-points"]["pytest11"]
    assert points == {"tradepit.testing.fixtures": "tradepit.testing.fixtures"}
