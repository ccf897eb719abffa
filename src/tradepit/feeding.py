"""The feed process of a node: `python -m tradepit.feeding DATA_DIR LIMITS DESCRIPTOR`. Part of the
composition root; the node starts it and speaks to it over the descriptor."""

from __future__ import annotations

import socket
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final, cast

import msgspec
import structlog
import uvloop

from tradepit.companions import Companion
from tradepit.gateway.beside.serving import FeedServer
from tradepit.gateway.config import GatewayConfig
from tradepit.gateway.gateway import Gateway
from tradepit.gateway.ports import MarketNode
from tradepit.gateway.server import FILES_SPARE, raise_file_limit, tune_garbage_collector
from tradepit.journal.layout import DataDirectory
from tradepit.journal.port import JournalError
from tradepit.node.following import FollowingNode
from tradepit.node.recovery import History
from tradepit.observe.logs import configure_logs

log = structlog.get_logger(__name__)

NAME: Final = "the feed process"

HISTORY: Final = History(orders=100_000, trades=100_000)
"""Finished orders that execution reports may still speak of, trades that a running candle has."""


async def serve_feeds(data_dir: Path, config: GatewayConfig, end: socket.socket) -> None:
    """Serve feeds and replays of a data directory until the node at the other end is gone.

    Raises:
        JournalError: the journal is not whole, or cannot be followed any further.
    """
    raise_file_limit(config.connections_max + FILES_SPARE)
    node = FollowingNode(DataDirectory(data_dir), HISTORY)
    gateway = Gateway(cast(MarketNode, node), config)
    tune_garbage_collector()
    await FeedServer(node, gateway, end).serve()


def feed_companion(
    data_dir: Path, config: GatewayConfig, attach: Callable[[socket.socket], None]
) -> Companion:
    """Start a feed process for a node in this process.

    Args:
        attach: `FeedDoor.attach` of the node's gateway.
    """
    limits = msgspec.json.encode(config).decode()
    command = [sys.executable, "-m", "tradepit.feeding", str(data_dir), limits]
    return Companion(NAME, command, is_needed=True, attach=attach)


def main() -> int:
    """The process; its exit code."""
    configure_logs()
    data_dir, limits, descriptor = sys.argv[1:]
    config = msgspec.json.decode(limits, type=GatewayConfig)
    end = socket.socket(fileno=int(descriptor))
    try:
        uvloop.run(serve_feeds(Path(data_dir), config, end))
    except JournalError as error:
        log.error("feeds cannot follow the journal", reason=str(error))
        return 1
    except KeyboardInterrupt:
        pass
    return 0


if __name__ == "__main__":
    sys.exit(main())
