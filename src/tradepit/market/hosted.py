"""A real node on a data directory, on an event loop in a thread: the same files as any node's."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar, cast

import uvloop

from tradepit._native import Replica
from tradepit.gateway.config import GatewayConfig
from tradepit.gateway.desk import Desk, Reply
from tradepit.gateway.ports import MarketNode
from tradepit.gateway.replies import Answer
from tradepit.journal.layout import DataDirectory
from tradepit.market.event_log import EventLog
from tradepit.market.image import Image, Writer, new_replica, open_source
from tradepit.node.node import Node
from tradepit.node.opening import NodeOptions, OpenNode, open_node
from tradepit.node.outcome import Outcome, Stopped

if TYPE_CHECKING:
    from tradepit.gateway.server import GatewayServer

T = TypeVar("T")

CLOSE_SECONDS: Final = 30.0
"""A node that stops syncs its mark; longer than this it hangs in the disk."""


class HostedMarket:
    """A market on a data directory. Everything happens on the node's loop, one thing at a time."""

    def __init__(self, root: Path, options: NodeOptions) -> None:
        """
        Raises:
            JournalError: in use, damaged, not writable.
            DefinitionRefused: the definition contradicts itself or the journal.
        """
        self.root = root
        self.history = options.history
        self.events = EventLog()
        self._started: Future[None] = Future()
        self._thread = threading.Thread(
            target=self._main, args=[options], name="market", daemon=True
        )
        self._thread.start()
        self._started.result()

    # The thread.

    def _main(self, options: NodeOptions) -> None:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(self._live(options))

    async def _live(self, options: NodeOptions) -> None:
        self._loop = asyncio.get_running_loop()
        self._ended = asyncio.Event()
        is_first = is_new(self.root)
        try:
            opened = await open_node(self.root, options)
        except BaseException as error:
            self._started.set_exception(error)
            return
        self._opened: OpenNode = opened
        self.node: Node = opened.node
        self.desk = Desk(cast(MarketNode, self.node), GatewayConfig())
        self.node.add_listener(self._on_frame)
        self._server: GatewayServer | None = None
        if is_first:
            self._log_opening()
        self._started.set_result(None)
        await self._ended.wait()
        if self._server is not None:
            await self._server.stop()
        await opened.close()

    def _log_opening(self) -> None:
        """Log what the opening of a new journal caused, before anybody could listen."""
        replica = new_replica(self.history)
        for frames in open_source(self.root, None).frames:
            self.events.append(replica.apply(frames).events)

    def _on_frame(self, first_sequence: int, events: bytes, texts: bytes, ends: bytes) -> None:
        self.desk.market.listing.on_events(events)
        self.events.append(events)

    # What the market asks.

    def run(self, function: Callable[[], T]) -> T:
        """Ask something, on the loop."""
        if threading.current_thread() is self._thread:
            return function()
        result: Future[T] = Future()

        def call() -> None:
            try:
                result.set_result(function())
            except BaseException as error:
                result.set_exception(error)

        self._soon(call)
        return result.result()

    def answer(self, start: Callable[[Reply], None]) -> Answer:
        """Do something, and wait until it is durable and applied."""
        result: Future[Answer] = Future()

        def call() -> None:
            try:
                start(result.set_result)
            except BaseException as error:
                result.set_exception(error)

        self._soon(call)
        return result.result()

    def execute(self, records: bytes, texts: bytes, count: int) -> Outcome:
        """Apply command records."""
        result: Future[Outcome] = Future()

        def call() -> None:
            try:
                self.node.submit(records, texts, count, result.set_result)
            except BaseException as error:
                result.set_exception(error)

        self._soon(call)
        return result.result()

    def _soon(self, call: Callable[[], None]) -> None:
        if not self._thread.is_alive() or self._ended.is_set():
            raise Stopped("this market is closed")
        self._loop.call_soon_threadsafe(call)

    def image(self) -> Image:
        """The state now. What is added elsewhere has a writer of its own."""

        def read() -> Image:
            replica = self.node.replica
            return Image(_own_writer(replica), replica.market_time_ns, replica.snapshot())

        return self.run(read)

    def journal(self) -> bytes:
        """The frames lie in the data directory."""
        raise ValueError(f"the journal is in {self.root}; replay that directory")

    def frames(self) -> list[bytes] | None:
        """A copy keeps no journal: it would have to hold what the directory holds."""
        return None

    def serve(self, host: str, port: int) -> str:
        """Serve the node to others; where they find it."""
        start_server = import_server()

        async def start() -> str:
            if self._server is not None:
                raise ValueError(f"this market is served at {self._server.url} already")
            node = cast(MarketNode, self.node)
            self._server = await start_server(
                node, GatewayConfig(), host=host, port=port, is_guest=True
            )
            return self._server.url

        return asyncio.run_coroutine_threadsafe(start(), self._loop).result()

    def close(self) -> None:
        """Stop the node; the directory can be opened again."""
        if self._thread.is_alive():
            with suppress(RuntimeError):
                self._loop.call_soon_threadsafe(self._ended.set)
            self._thread.join(CLOSE_SECONDS)


def _own_writer(replica: Replica) -> Writer:
    """A writer whose frames are news to the engine: no writer has written more frames than there
    are commands."""
    return Writer(frame_number=replica.sequence)


def import_server() -> Callable[..., Coroutine[Any, Any, GatewayServer]]:
    """`start_server`, with the web framework and its routes: they cost more than everything else
    here, most of a second once, and only serving needs them."""
    from tradepit.gateway.app import build_app
    from tradepit.gateway.server import start_server

    build_app(GatewayConfig().batch_body_max)
    return start_server


def is_new(root: Path) -> bool:
    """Whether a directory holds no journal yet."""
    return not DataDirectory(root).segments()
