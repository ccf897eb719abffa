"""The served markets: one with the hot path and a feed process, one where everything takes the
ASGI way and the node serves streams itself."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.contract.served_market import ServedMarket, Trader

from tradepit.gateway.config import GatewayConfig


@pytest.fixture(scope="session", params=["hot", "asgi"])
def market(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ServedMarket]:
    """A market served in one of the two ways; tests keep apart by names of their own."""
    is_hot = request.param == "hot"
    config = GatewayConfig(hot_path=is_hot, read_wait_max=0.3)
    root = tmp_path_factory.mktemp(request.param)
    served = ServedMarket(root, config, has_feed_process=is_hot)
    yield served
    served.stop()


@pytest.fixture
def trader(market: ServedMarket) -> Iterator[Trader]:
    """Somebody with an instrument and two funded accounts of their own."""
    somebody = Trader(market)
    somebody.list_instrument()
    yield somebody
    somebody.close()
