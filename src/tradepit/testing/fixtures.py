"""pytest fixtures for whoever tests against a market; pytest finds them once tradepit is installed.

- `tradepit_market`: a fresh `tradepit.Market()` in memory, in a few milliseconds
- `tradepit_node`: a fresh node with an HTTP port, journal on the disk, and a client

Both trade the demonstration market; a test suite that wants another one overrides the fixture
`tradepit_config` with a file, the name of a supplied configuration, or a definition. The node runs
on a thread of the test process, so that it needs no start of an interpreter: that alone would take
longer than the node.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

if TYPE_CHECKING:
    from tradepit.client import Client
    from tradepit.market import Market


class FreshNode(NamedTuple):
    """A node that serves while the test runs."""

    url: str
    client: Client
    """Of its HTTP API."""
    market: Market
    """The same node from inside: its events, its state hash, its snapshot."""
    data_dir: Path


def pytest_collection_finish(session: pytest.Session) -> None:
    """Import the web framework before the clock of the first test runs, if one needs it."""
    if any("tradepit_node" in getattr(item, "fixturenames", ()) for item in session.items):
        from tradepit.market.hosted import import_server

        import_server()


@pytest.fixture
def tradepit_config() -> Any:
    """What the fixtures' markets trade."""
    return "demo"


@pytest.fixture
def tradepit_market(tradepit_config: Any) -> Market:
    """A fresh market in memory."""
    from tradepit.market import Market

    return Market(tradepit_config)


@pytest.fixture
def tradepit_node(tradepit_config: Any, tmp_path: Path) -> Iterator[FreshNode]:
    """A fresh node on a free port of 127.0.0.1, on the wall's clock."""
    from tradepit.client import Client
    from tradepit.market import Market

    data_dir = tmp_path / "tradepit"
    with Market(tradepit_config, data_dir=data_dir, clock="wall") as market:
        url = market.serve()
        with Client(url) as client:
            yield FreshNode(url, client, market, data_dir)
